"""What comes from those who mean no good: refused, counted where it can be, and forgotten; others are served."""

from __future__ import annotations

import gc
import ssl
import weakref
from contextlib import suppress
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from OpenSSL import SSL

from tests.dtls.certificates import Authority, Pair
from tests.dtls.serving import LOCAL, echo, serving
from trio_udp import (
    Datagram,
    DatagramDropped,
    Event,
    UDPChannel,
    UDPEndpoint,
    observe,
    open_udp_channel,
    open_udp_endpoint,
)
from trio_udp._errors import bare_exceptions
from trio_udp.dtls import client_context, open_dtls_channel, serve_dtls_peers, server_context
from trio_udp.dtls._line import DTLSLine
from trio_udp.dtls._receiving import NOTHING_NEW
from trio_udp.dtls._server import FAILED, HANDSHAKE_PATIENCE
from trio_udp.dtls._swallowed import BAD_COOKIE, BAD_HELLO, HANDSHAKE_OVER, HELLO_AGAIN, NO_CONVERSATION
from trio_udp.dtls._unread import QUEUE_FULL
from trio_udp.faults import Drop, InFlight, Link
from trio_udp.testing import Host, VirtualNetwork

PLAIN = [
    b"",
    b"hello",
    b"\0",
    b"\x16",
    bytes(12),
    bytes(1000),
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x00\x01\x00\x00" + bytes(16),
]


@pytest.fixture
def trusting(authority: Authority) -> SSL.Context:
    return client_context(authority.ca)


async def is_served(server: UDPEndpoint, context: SSL.Context) -> bool:
    async with await open_dtls_channel(*server.address[:2], context) as channel:
        await channel.send(b"still there?")
        return await channel.receive() == b"still there?"


# -- what is no DTLS ---------------------------------------------------------------------------------------------------


async def test_plain_datagrams(sockets: str, pair: Pair, trusting: SSL.Context) -> None:
    async with serving(pair) as server:
        async with await open_udp_channel(LOCAL, server.address[1]) as plain:
            await plain.send_many(PLAIN)
            assert await is_served(server, trusting)
            assert server.statistics().dropped == {"not DTLS": len(PLAIN)}
            with trio.move_on_after(0.01) as waiting:
                await plain.receive()
            assert waiting.cancelled_caught, "and nothing is answered"


async def test_plain_datagrams_from_a_peers_own_address(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """An empty one, given to OpenSSL, is an error there."""
    async with serving(pair, on=server) as endpoint:
        async with await open_dtls_channel(*endpoint.address[:2], trusting) as channel:
            await below(channel).send_data(PLAIN)
            await channel.send(b"still me")
            assert await channel.receive() == b"still me"
        assert endpoint.statistics().dropped == {"not DTLS": len(PLAIN)}


async def test_a_server_that_speaks_plainly(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, trusting: SSL.Context
) -> None:
    """An echo server, and one that answers nonsense as well: as good as silent."""
    with server:
        echo = await open_udp_endpoint("10.0.0.1", 7)

    async def answer() -> None:
        async for data, address in echo:
            await echo.send_many([Datagram(data, address), Datagram(b"", address), Datagram(b"what?", address)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        with trio.move_on_after(5) as waiting:
            await open_dtls_channel("10.0.0.1", 7, trusting)
        assert waiting.cancelled_caught
        assert echo.statistics().received == 3, "it was asked at 0, 1 and 3 s"
        nursery.cancel_scope.cancel()
    echo.close()


def below(channel: UDPChannel) -> Any:
    """The socket under a channel's DTLS."""
    assert isinstance(channel._io, DTLSLine)
    return channel._io._conversation.between.io


# -- garbage -----------------------------------------------------------------------------------------------------------


def records(random: Random, count: int) -> list[bytes]:
    """Headers that make sense, of every kind, version and epoch, and nonsense after them."""
    made = []
    for _ in range(count):
        payload = random.randbytes(random.choice([0, 1, 2, 12, 40, 200, 1400]))
        claimed = random.choice([len(payload), len(payload), random.randrange(2**16)])
        kind = random.choice([20, 21, 22, 22, 22, 23, 24, 25, 63])
        if kind == 22 and len(payload) > 12:  # a handshake message, from hello to finished, that says how long it is
            size = (len(payload) - 12).to_bytes(3, "big")
            payload = bytes([random.choice([0, 1, 1, 1, 2, 3, 11, 14, 16, 20])]) + size + bytes(5) + size + payload[12:]
        version = random.choice([b"\xfe\xfd", b"\xfe\xff", b"\x03\x03", random.randbytes(2)])
        number = random.choice([0, 0, 1, 2]).to_bytes(2, "big") + random.randrange(8).to_bytes(6, "big")
        made.append(bytes([kind]) + version + number + claimed.to_bytes(2, "big") + payload)
    return made


def damaged(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randrange(1, 5)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed[: random.choice([len(changed), random.randrange(1, len(changed) + 1)])])


async def test_garbage(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """From a stranger, and from the address of a peer that goes on talking in between."""
    random = Random(1)
    async with serving(pair, on=server) as endpoint:
        async with (
            await open_dtls_channel(*endpoint.address[:2], trusting) as peer,
            await open_udp_channel(*endpoint.address[:2]) as stranger,
        ):
            hellos = [each.data for each in network.datagrams if each.destination == endpoint.address]
            for number in range(100):
                garbage = records(random, 10) + [damaged(random, random.choice(hellos)) for _ in range(10)]
                await stranger.send_many(garbage)
                await below(peer).send_data(garbage)
                await trio.sleep(0.1)
                await peer.send(b"%d" % number)
                with trio.fail_after(1):
                    assert await peer.receive() == b"%d" % number
            assert await is_served(endpoint, trusting)
        assert endpoint.statistics().errors == {}


def random_records(random: Random, count: int) -> list[bytes]:
    """Of handshakes and of data, and nothing but noise behind the first byte; every tenth has a whole header."""
    made = []
    for number in range(count):
        kind, body = bytes([random.choice([22, 23])]), random.randbytes(random.randrange(12, 300))
        epoch = random.choice([0, 1]).to_bytes(2, "big")
        header = b"\xfe\xfd" + epoch + bytes(6) + len(body).to_bytes(2, "big") + random.choice([b"", b"\1"])
        made.append(kind + (body if number % 10 else header + body))
    return made


async def test_no_record_of_a_strangers_is_lost_in_silence(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: of 400 datagrams with a good first byte none was in any counter."""
    garbage = random_records(Random(1), 400)
    hellos = [data for data in garbage if data[0] == 22 and data[13:14] == b"\1"]
    told: list[Event] = []
    with observe(told.append):
        async with serving(pair, on=server) as endpoint:
            async with await open_udp_channel(*endpoint.address[:2]) as stranger:
                for data in garbage:
                    await stranger.send(data)
                    await trio.sleep(0.01)
            statistics = endpoint.statistics()
            assert statistics.dropped == {NO_CONVERSATION: 400 - len(hellos), BAD_HELLO: len(hellos)}
            assert len(hellos) > 5
            assert (statistics.received, statistics.sent) == (400, 0)
            assert await is_served(endpoint, trusting)
    assert [each.data for each in told if isinstance(each, DatagramDropped)] == garbage


async def test_no_record_in_the_name_of_a_peer_is_lost_in_silence(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server) as endpoint:
        async with await open_dtls_channel(*endpoint.address[:2], trusting) as peer:
            before = endpoint.statistics()
            for data in random_records(Random(2), 400):
                await below(peer).send_data([data])
                await trio.sleep(0.01)
            after = endpoint.statistics()
            repeated = after.sent - before.sent
            assert after.received - before.received == 400 == sum(after.dropped.values()) + repeated
            assert after.dropped.keys() == {BAD_HELLO, HANDSHAKE_OVER, NOTHING_NEW}
            await peer.send(b"still me")
            assert await peer.receive() == b"still me"


async def test_what_is_for_no_conversation(sockets: str, pair: Pair, trusting: SSL.Context) -> None:
    async with serving(pair) as server:
        async with await open_udp_channel(LOCAL, server.address[1]) as stranger:
            await stranger.send_many(random_records(Random(3), 20))
            assert await is_served(server, trusting)
        dropped = server.statistics().dropped
        assert sum(dropped.values()) == 20
        assert dropped.keys() <= {NO_CONVERSATION, BAD_HELLO}


async def test_an_observer_that_raises_at_what_trio_throws_away(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair
) -> None:
    """Not in Trio's task, where it would end the program: in the server."""

    def watch(event: Event) -> None:
        if isinstance(event, DatagramDropped):
            raise KeyError(event.reason)

    async def send_one() -> None:
        await trio.sleep(1)
        async with await open_udp_channel("10.0.0.1", 4433) as stranger:
            await stranger.send(b"\x17\xfe\xfd" + bytes(10))

    context = server_context(pair.certificate, pair.key)
    with pytest.raises(KeyError, match=NO_CONVERSATION):
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_one)
                with server, observe(watch):
                    await serve_dtls_peers(echo, 4433, context, host="10.0.0.1")


async def test_damage_on_the_way(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """As no network does it, since UDP has a checksum: somebody does it, in the middle of handshakes as well."""
    network.link = Link(corrupt=0.2, delay=0.01)
    said: list[str] = []
    made = 0
    async with serving(pair, on=server, idle_timeout=1) as endpoint:
        for _ in range(100):
            try:
                with trio.fail_after(20):
                    channel = await open_dtls_channel(*endpoint.address[:2], trusting)
            except (ssl.SSLError, trio.TooSlowError) as error:
                said.append(str(error))
            else:
                made += 1
                for data in (b"one", b"two", b"three"):
                    await channel.send(data)
                    with trio.move_on_after(1):
                        assert await channel.receive() in (b"one", b"two", b"three")
                channel.close()
        network.link = Link()
        assert await is_served(endpoint, trusting)
        assert made > 10
        assert len(said) > 10
        await trio.sleep(HANDSHAKE_PATIENCE + 1)
        assert endpoint.statistics().dropped[FAILED] > 10


# -- what was true once ------------------------------------------------------------------------------------------------


async def test_a_replayed_hello(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    handlers: list[UDPChannel] = []

    async def handler(channel: UDPChannel) -> None:
        handlers.append(channel)
        async for data in channel:
            await channel.send(data)

    async with serving(pair, handler, on=server, idle_timeout=5) as endpoint:
        async with await open_dtls_channel(*endpoint.address[:2], trusting) as channel:
            first, hello = [each.data for each in network.datagrams if each.destination == endpoint.address][:2]
            mine: Any = below(channel).local
            assert len(hello) > len(first), "it has the cookie"

            # from its own address, while that talks: it is a duplicate
            before = endpoint.statistics().sent
            await below(channel).send_data([hello] * 3)
            await trio.sleep(1)
            assert endpoint.statistics().sent == before
            assert endpoint.statistics().dropped == {HELLO_AGAIN: 3}
            await channel.send(b"hello")
            assert await channel.receive() == b"hello"

            # from another one: it gets a cookie of its own, which is shorter than what it sent
            async with await open_udp_channel(*endpoint.address[:2]) as other:
                await other.send(hello)
                assert len(await other.receive()) < len(hello)
            assert endpoint.statistics().dropped == {HELLO_AGAIN: 3, BAD_COOKIE: 1}
        await trio.sleep(6)  # the handler has ended
        assert len(handlers) == 1

        # from its own address, when it has gone: the cookie is still good, and the handshake gets no further
        with await open_udp_endpoint("0.0.0.0", mine[1]) as forger:
            await forger.send(hello, endpoint.address)
            await trio.sleep(HANDSHAKE_PATIENCE + 1)
            assert len(handlers) == 1
            assert endpoint.statistics().dropped == {HELLO_AGAIN: 3, BAD_COOKIE: 1, FAILED: 1}
            sent = endpoint.statistics().sent_bytes

            # and later on it is good for nothing
            await forger.send(hello, endpoint.address)
            await trio.sleep(1)
            assert endpoint.statistics().sent_bytes - sent < len(hello)
            await trio.sleep(HANDSHAKE_PATIENCE + 1)
        assert endpoint.statistics().dropped == {HELLO_AGAIN: 3, BAD_COOKIE: 2, FAILED: 1}
        assert await is_served(endpoint, trusting)


async def test_the_end_of_a_handshake_is_not_repeated_for_whoever_asks(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: each record of a handshake in the name of a peer got an answer of 5.8 times its size."""
    forged = b"\x16\xfe\xfd" + bytes(10)
    async with serving(pair, on=server) as endpoint:
        async with await open_dtls_channel(*endpoint.address[:2], trusting) as channel:
            await trio.sleep(1)
            before = endpoint.statistics()
            for _ in range(100):
                await below(channel).send_data([forged])
                await trio.sleep(0.01)
            await trio.sleep(1)
            after = endpoint.statistics()
            assert after.sent - before.sent == 2, "at once, and after half a second"
            assert after.sent_bytes - before.sent_bytes == 2 * 75
            await below(channel).send_data([forged])
            await trio.sleep(1)
            assert endpoint.statistics().sent == after.sent + 1
            await channel.send(b"hello")
            assert await channel.receive() == b"hello"


async def test_the_end_of_a_handshake_is_repeated_for_who_needs_it(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Three times it is lost, and the client asks again after 1, 3 and 7 s."""
    lost: list[InFlight] = []

    def lose_three_ends(datagram: InFlight) -> Drop | None:
        is_end = datagram.source[0] == "10.0.0.1" and len(datagram.data) == 75
        if not is_end or len(lost) == 3:
            return None
        lost.append(datagram)
        return Drop("lost")

    async with serving(pair, on=server) as endpoint:
        with network.rule(lose_three_ends):
            async with await open_dtls_channel(*endpoint.address[:2], trusting):
                assert trio.current_time() == pytest.approx(7, abs=1e-4)


async def test_a_replayed_datagram_is_received_once(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server) as endpoint:
        async with await open_dtls_channel(*endpoint.address[:2], trusting) as channel:
            network.link = Link(duplicate=1)
            await channel.send(b"once")
            await trio.sleep(1)
            await below(channel).send_data([network.datagrams[-2].data, network.datagrams[-1].data])
            await trio.sleep(1)
            assert await channel.receive_many() == [b"once"]
            with trio.move_on_after(1) as waiting:
                await channel.receive()
            assert waiting.cancelled_caught
            assert channel.statistics().dropped == {NOTHING_NEW: 1}


async def test_many_hellos_leave_nothing(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Handshakes that were begun and left, and peers that have gone: OpenSSL's part of each is freed."""
    connections: weakref.WeakSet[SSL.Connection] = weakref.WeakSet()
    make = SSL.Connection.__init__

    def remember(self: SSL.Connection, *args: Any) -> None:
        make(self, *args)
        connections.add(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SSL.Connection, "__init__", remember)
        async with serving(pair, on=server, idle_timeout=1, max_peers=5) as endpoint:
            for _ in range(20):
                async with await open_dtls_channel(*endpoint.address[:2], trusting):
                    pass
                with trio.move_on_after(1e-6 * 4):  # until the cookie has come
                    await open_dtls_channel(*endpoint.address[:2], trusting)
                await trio.sleep(2)
            await trio.sleep(HANDSHAKE_PATIENCE + 2)
            gc.collect()
            assert len(connections) <= 2, "the last of them, which two loops of Trio's still have as a variable"
            assert endpoint.statistics().dropped.keys() <= {FAILED, "too many peers"}
            assert await is_served(endpoint, trusting)


# -- a handshake that fails --------------------------------------------------------------------------------------------


async def test_what_comes_behind_a_handshake_that_fails(sockets: str, pair: Pair, authority: Authority) -> None:
    """Regression: one datagram too many from that peer, and the server never heard anybody again."""
    context = client_context(authority.ca)
    context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")  # the server's key is no RSA key
    openssl = SSL.Connection(context)
    openssl.set_connect_state()
    openssl.set_ciphertext_mtu(1400)

    def hello() -> bytes:
        with suppress(SSL.WantReadError):
            openssl.do_handshake()
        return openssl.bio_read(2**14)

    async with serving(pair) as server:
        async with await open_udp_channel(LOCAL, server.address[1]) as peer:
            await peer.send(hello())
            openssl.bio_write(await peer.receive())  # the cookie
            await peer.send_many([hello()] + [b"\x17\xfe\xfd" + bytes(8) + b"\0\x05hello"] * 20)
            await peer.receive()  # the alert
        with trio.fail_after(10):
            assert await is_served(server, client_context(authority.ca))
        # How many had come before it failed is the machine's to say: the queue holds 10.
        dropped = dict(server.statistics().dropped)
        assert dropped.pop(FAILED) == 1
        assert dropped.keys() <= {NO_CONVERSATION, QUEUE_FULL}
        assert sum(dropped.values()) == 20
