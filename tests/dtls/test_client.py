"""The client: it believes only who it should, and says why it does not."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from OpenSSL import SSL

from tests.dtls.certificates import Authority, Pair
from tests.dtls.serving import LOCAL, serving, trios_tasks
from tests.fakes import closed_port
from trio_udp import UDPEndpoint, open_udp_endpoint
from trio_udp.dtls import client_context, open_dtls_channel, server_context
from trio_udp.dtls._client import ANEW
from trio_udp.dtls._server import FAILED
from trio_udp.faults import Drop, InFlight, Link
from trio_udp.testing import Host, VirtualNetwork


async def talks(server: UDPEndpoint, context: SSL.Context | None, **options: Any) -> bool:
    async with await open_dtls_channel(*server.address[:2], context, **options) as channel:
        await channel.send(b"hello")
        return await channel.receive() == b"hello"


# -- certificates -----------------------------------------------------------------------------------------------------


async def test_who_is_believed(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    async with serving(pair, on=server) as endpoint:
        assert await talks(endpoint, client_context(authority.ca))
        assert await talks(endpoint, client_context(authority.ca), server_name="server.example")
        assert await talks(endpoint, client_context(authority.ca), server_name="::1")


async def test_a_certificate_may_be_its_own_authority(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair
) -> None:
    """OpenSSL takes what it is told to believe, if it is complete."""
    async with serving(pair, on=server) as endpoint:
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get issuer cert"):
            await talks(endpoint, client_context(pair.certificate))


async def test_who_is_not_believed(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, tmp_path: Path
) -> None:
    """Each in a line that says why; the server notices, and goes on."""
    stranger = Authority(tmp_path, "stranger")
    who = re.escape("the certificate of 10.0.0.1:4433 is ")
    good = authority.sign("good")
    for pair, context, name, wrong in [
        (stranger.sign(), client_context(authority.ca), None, "not believed: .* unable to get issuer cert locally$"),
        (good, client_context(stranger.ca), None, "not believed: .* unable to get issuer cert locally$"),
        (good, client_context(), None, "not believed: .* unable to get issuer cert locally$"),
        (authority.sign("old", days=-9), client_context(authority.ca), None, "not believed: .* cert has expired$"),
        (authority.sign("new", days=9), client_context(authority.ca), None, "not believed: .* cert not yet valid$"),
    ]:
        async with serving(pair, on=server) as endpoint:
            with pytest.raises(ssl.SSLCertVerificationError, match=who + wrong):
                await talks(endpoint, context, server_name=name)
            await trio.sleep(1)
            assert endpoint.statistics().dropped == {FAILED: 1}
    assert trio.current_time() < 6, "nobody had to wait for a deadline"
    await trio.testing.wait_all_tasks_blocked()
    assert not trios_tasks()


@pytest.mark.parametrize(
    ("names", "asked", "shown"),
    [
        (("other.example", "10.0.0.2"), None, "'other.example', '10.0.0.2', and not for '10.0.0.1'"),
        (("10.0.0.1",), "server.example", "'10.0.0.1', and not for 'server.example'"),
        (("*.example",), "a.b.example", "'*.example', and not for 'a.b.example'"),
        ((), "server.example", "nobody, and not for 'server.example'"),
    ],
)
async def test_a_certificate_for_somebody_else(
    network: VirtualNetwork,
    clock: trio.testing.MockClock,
    server: Host,
    authority: Authority,
    names: tuple[str, ...],
    asked: str | None,
    shown: str,
) -> None:
    async with serving(authority.sign("named", names), on=server) as endpoint:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await talks(endpoint, client_context(authority.ca), server_name=asked)
        assert str(caught.value) == f"the certificate of 10.0.0.1:4433 is for {shown}"


async def test_a_wildcard(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority
) -> None:
    async with serving(authority.sign("wild", ("*.server.example",)), on=server) as endpoint:
        assert await talks(endpoint, client_context(authority.ca), server_name="a.server.example")


@pytest.mark.parametrize("check", [True, False])
async def test_a_host_that_is_no_name_and_is_looked_up(check: bool, pair: Pair, authority: Authority) -> None:
    """A number is an address, as inet_aton has it. Regression: "Invalid DNS-ID", a ValueError that nobody expected."""
    async with serving(pair) as server:
        opening = partial(open_dtls_channel, str(0x7F000001), server.address[1], client_context(authority.ca))
        if check:
            with pytest.raises(ssl.SSLCertVerificationError, match="and not for '2130706433'"):
                await opening()
        else:
            (await opening(check_certificate=False)).close()


async def test_the_server_is_told_by_which_name_it_is_known(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    asked: list[bytes | None] = []
    context = server_context(pair.certificate, pair.key)
    context.set_tlsext_servername_callback(lambda connection: asked.append(connection.get_servername()))
    async with serving(pair, on=server, context=context) as endpoint:
        assert await talks(endpoint, client_context(authority.ca), server_name="server.example")
        assert await talks(endpoint, client_context(authority.ca))
        assert await talks(endpoint, client_context(), server_name="grüße.example", check_certificate=False)
    assert asked == [b"server.example", None, b"xn--gre-6ka8l.example"]


async def test_who_checks_nothing_has_to_say_so(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair
) -> None:
    careless = SSL.Context(SSL.DTLS_METHOD)
    async with serving(pair, on=server) as endpoint:
        with pytest.raises(ValueError, match=r"checks no certificates .* check_certificate=False"):
            await talks(endpoint, careless)
        assert endpoint.statistics().received == 0
        assert await talks(endpoint, careless, check_certificate=False)
        assert await talks(endpoint, None, check_certificate=False)


async def test_a_context_of_the_callers_own(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    """Its callback is asked, and the name is checked all the same."""
    asked: list[int] = []

    def callback(connection: SSL.Connection, certificate: object, number: int, depth: int, ok: int) -> bool:
        asked.append(depth)
        return True

    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER, callback)
    strict = SSL.Context(SSL.DTLS_METHOD)
    strict.set_verify(SSL.VERIFY_PEER)
    async with serving(pair, on=server) as endpoint:
        assert await talks(endpoint, context)
        assert 0 in asked
        with pytest.raises(ssl.SSLCertVerificationError, match=r"and not for 'nobody.example'"):
            await talks(endpoint, context, server_name="nobody.example")
        with pytest.raises(ssl.SSLCertVerificationError, match=r"is not believed: certificate verify failed$"):
            await talks(endpoint, strict)


async def test_a_server_that_wants_a_certificate_as_well(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    context = server_context(pair.certificate, pair.key)
    context.load_verify_locations(str(authority.ca))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    mine = authority.sign("client")
    known = client_context(authority.ca)
    known.use_certificate_file(str(mine.certificate))
    known.use_privatekey_file(str(mine.key))
    async with serving(pair, on=server, context=context) as endpoint:
        assert await talks(endpoint, known)
        with pytest.raises(ssl.SSLError, match=r"no DTLS with 10\.0\.0\.1:4433: .*handshake failure"):
            await talks(endpoint, client_context(authority.ca))
        await trio.sleep(1)
        assert endpoint.statistics().dropped == {FAILED: 1}
        assert await talks(endpoint, known)


async def test_nothing_in_common(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    """The server cannot even begin. Trio does not send what OpenSSL has to say about that; we do."""
    context = client_context(authority.ca)
    context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")  # the server's key is no RSA key
    async with serving(pair, on=server) as endpoint:
        began = trio.current_time()
        with pytest.raises(ssl.SSLError, match=r"no DTLS with .*handshake failure"):
            await talks(endpoint, context)
        assert trio.current_time() - began < 0.001
        assert endpoint.statistics().dropped == {FAILED: 1}


# -- nobody there -----------------------------------------------------------------------------------------------------


async def test_refused(sockets: str) -> None:
    port = 4433 if sockets == "virtual" else await closed_port()
    with pytest.raises(ConnectionRefusedError, match=f"no DTLS with 127.0.0.1:{port}"):
        await open_dtls_channel(LOCAL, port)
    await trio.testing.wait_all_tasks_blocked()
    assert not trios_tasks()


async def test_the_next_address_is_tried(
    ipv6: None, authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(pair) as server:
        port = server.address[1]

        async def both(*_: object, **__: object) -> list[Any]:
            kind = (socket.SOCK_DGRAM, 0, "")
            return [
                (socket.AF_INET6, *kind, ("::1", port, 0, 0)),
                (socket.AF_INET, *kind, (LOCAL, port)),
            ]

        monkeypatch.setattr(trio.socket, "getaddrinfo", both)
        async with await open_dtls_channel("localhost", port, client_context(authority.ca)) as channel:
            assert channel.peer_address == (LOCAL, port)


async def test_silence_is_the_callers_deadline(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host
) -> None:
    with server:
        silent = await open_udp_endpoint("10.0.0.1", 7)
    with silent, trio.move_on_after(10) as waiting:
        await open_dtls_channel("10.0.0.1", 7)
    assert waiting.cancelled_caught
    assert trio.current_time() == 10
    assert len(network.datagrams) == 4, "at 0, 1, 3 and 7 s"
    await trio.testing.wait_all_tasks_blocked()
    assert not trios_tasks()


async def test_a_handshake_beyond_hope_is_begun_anew(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    """The server was started again in the middle of it, say, and knows nothing of it."""
    network.link = Link(delay=0.1)
    context = client_context(authority.ca)
    async with trio.open_nursery() as nursery:
        async with serving(pair, on=server, clients=1):
            opened: list[float] = []

            async def client() -> None:
                async with await open_dtls_channel("10.0.0.1", 4433, context):
                    opened.append(trio.current_time())

            nursery.start_soon(client)
            await trio.sleep(0.45)  # it has a cookie, and the server's certificate is on its way
        async with serving(pair, on=server):
            await trio.sleep(60)
    assert opened == [pytest.approx(ANEW + 0.6, abs=1e-4)]


async def test_what_openssl_wants_to_send_again_is_in_nobodys_way(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    """It has a timer of a second on the real clock. Once that was over, its repetition came out together with the
    answer to what had arrived, and Trio threw both away: a quarter of 400 clients waited for half a minute.
    """
    network.link = Link(delay=0.1)
    lost: list[bytes] = []

    def lose_the_first_cookie(datagram: InFlight) -> Drop | None:
        if datagram.source[0] != "10.0.0.1" or lost:
            return None
        time.sleep(1.1)  # as on a machine that is slow, or in real time
        lost.append(datagram.data)
        return Drop("lost")

    async with serving(pair, on=server) as endpoint:
        with network.rule(lose_the_first_cookie):
            assert await talks(endpoint, client_context(authority.ca))
    assert trio.current_time() == pytest.approx(1 + 0.8, abs=1e-4), "sent again after a second, and four round trips"
    assert len(lost) == 1


async def test_a_refusal_later_is_counted_only(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, authority: Authority, pair: Pair
) -> None:
    async with serving(pair, on=server, clients=1) as endpoint:
        channel = await open_dtls_channel(*endpoint.address[:2], client_context(authority.ca))
    async with channel:
        await channel.send(b"anybody?")
        with trio.move_on_after(1) as waiting:
            await channel.receive()
        assert waiting.cancelled_caught
        assert channel.statistics().errors == {"ECONNREFUSED": 1}


# -- arguments, and what is installed ---------------------------------------------------------------------------------


async def test_arguments() -> None:
    with trio.testing.assert_checkpoints(), pytest.raises(TypeError, match=r"trio_udp\.dtls\.client_context"):
        await open_dtls_channel(LOCAL, 7, ssl.create_default_context())  # type: ignore[arg-type]
    with trio.testing.assert_checkpoints(), pytest.raises(ValueError, match="not for DTLS"):
        await open_dtls_channel(LOCAL, 7, SSL.Context(SSL.TLS_METHOD))
    with trio.testing.assert_checkpoints(), pytest.raises(ValueError, match="port 0 cannot be sent to"):
        await open_dtls_channel(LOCAL, 0)
    with pytest.raises(OSError, match="host name"):
        await open_dtls_channel("a..b", 7)
    with trio.testing.assert_checkpoints(), pytest.raises(ValueError, match=r"server_name must be a host name or an"):
        await open_dtls_channel(LOCAL, 7, server_name="*.example")


async def test_no_socket_is_left_when_there_is_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_way(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, "no way")

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as probe:
        monkeypatch.setattr(type(probe), "connect", no_way)
    with pytest.raises(OSError, match="no way"):
        await open_dtls_channel(LOCAL, 7)


@pytest.mark.parametrize("missing", ["OpenSSL", "service_identity"])
def test_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import trio_udp.dtls"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    last = answer.stderr.splitlines()[-1]
    assert last == f'ImportError: trio_udp.dtls needs {missing}: python -m pip install "trio_udp[dtls]"'
