"""The server: a handler for each peer, as with plain UDP, and what may go wrong there."""

from __future__ import annotations

import errno
import logging
import socket as stdlib_socket
import sys
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from OpenSSL import SSL

from tests.dtls.certificates import Authority, Pair
from tests.dtls.serving import LOCAL, echo, serving, trios_tasks
from tests.fakes import OtherSockets
from trio_udp import (
    Datagram,
    DatagramDropped,
    DatagramReceived,
    DatagramSent,
    DatagramTooLarge,
    Event,
    PeerClosed,
    PeerOpened,
    RateLimit,
    UDPChannel,
    UDPEndpoint,
    observe,
    open_udp_channel,
    open_udp_endpoint,
)
from trio_udp._asked import is_available
from trio_udp._errors import bare_exceptions
from trio_udp._vacancies import NOT_ADMITTED, TOO_MANY
from trio_udp.dtls import client_context, open_dtls_channel, serve_dtls, serve_dtls_peers, server_context
from trio_udp.dtls._context import let_trio_set_options
from trio_udp.dtls._handshake import LARGEST
from trio_udp.dtls._sending import EMPTY, PEER_ENDED
from trio_udp.dtls._server import FAILED, HANDSHAKE_PATIENCE
from trio_udp.dtls._swallowed import NO_CONVERSATION
from trio_udp.dtls._unread import QUEUE_FULL, UNREAD
from trio_udp.faults import Drop, InFlight, Link
from trio_udp.testing import Host, VirtualNetwork

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

several_addresses = pytest.mark.skipif(
    not (is_available() and sys.platform == "linux"), reason="not all of 127/8 is this machine's own"
)


@pytest.fixture
def trusting(authority: Authority) -> SSL.Context:
    """A client's context that believes the server."""
    return client_context(authority.ca)


async def opened(server: UDPEndpoint, context: SSL.Context) -> UDPChannel:
    return await open_dtls_channel(*server.address[:2], context)


# -- talking ----------------------------------------------------------------------------------------------------------


async def test_echo(sockets: str, pair: Pair, trusting: SSL.Context) -> None:
    async with serving(pair) as server:
        async with await opened(server, trusting) as channel:
            assert channel.peer_address == server.address
            for data in (b"hello", b"x", bytes(LARGEST), b"\0"):
                await channel.send(data)
                assert await channel.receive() == data
            statistics = channel.statistics()
            assert (statistics.received, statistics.sent) == (4, 4)
            assert statistics.received_bytes == statistics.sent_bytes == LARGEST + 7
            assert (statistics.dropped, statistics.errors) == ({}, {})
            assert len(trios_tasks()) == 2
        assert channel.statistics() == statistics
        assert server.statistics().received_bytes > statistics.sent_bytes, "it is encrypted, and there was a handshake"


async def test_what_goes_over_the_wire_is_not_readable(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server) as endpoint, await opened(endpoint, trusting) as channel:
        await channel.send(b"a secret")
        assert await channel.receive() == b"a secret"
    assert not any(b"secret" in each.data for each in network.datagrams)


async def test_both_families_with_one_context(ipv6: None, pair: Pair, trusting: SSL.Context) -> None:
    """pyOpenSSL 26 allows no change to a context that has been used, and Trio makes changes at each use."""
    context = server_context(pair.certificate, pair.key)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            endpoints = await nursery.start(serve_dtls_peers, echo, 0, context)
            [port] = {endpoint.address[1] for endpoint in endpoints}
            for host in (LOCAL, "::1", "localhost"):
                async with await open_dtls_channel(host, port, trusting) as channel:
                    await channel.send(b"hello")
                    assert await channel.receive() == b"hello"
            nursery.cancel_scope.cancel()


async def test_many_at_once(sockets: str, pair: Pair, trusting: SSL.Context) -> None:
    async with serving(pair) as server:
        async with await opened(server, trusting) as channel:
            wanted = [b"%d" % number for number in range(8)]
            await channel.send_many(wanted)
            got: list[bytes] = []
            while len(got) < len(wanted):
                batch = await channel.receive_many(3)
                assert 1 <= len(batch) <= 3
                got += batch
            assert got == wanted


async def test_a_hundred_clients(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    answered: list[int] = []

    async def client(number: int) -> None:
        async with await opened(endpoint, trusting) as channel:
            await channel.send(b"%d" % number)
            answered.append(int(await channel.receive()))
            assert answered[-1] == number

    async with serving(pair, on=server) as endpoint, trio.open_nursery() as clients:
        for number in range(100):
            clients.start_soon(client, number)
    assert sorted(answered) == list(range(100))


async def test_what_dtls_does_not_carry(sockets: str, pair: Pair, trusting: SSL.Context) -> None:
    async with serving(pair) as server, await opened(server, trusting) as channel:
        with pytest.raises(DatagramTooLarge, match="DTLS carries at most 16384") as caught:
            await channel.send(bytes(LARGEST + 1))
        assert (caught.value.size, caught.value.limit) == (LARGEST + 1, LARGEST)
        await channel.send_many([])
        assert channel.statistics().sent == 0
        with pytest.raises(ValueError, match="limit"):
            await channel.receive_many(0)


async def test_an_empty_datagram_is_dropped_at_both_ends(sockets: str, pair: Pair, trusting: SSL.Context) -> None:
    """Regression: a handler that sends one, which over plain UDP is a datagram, ended the server."""
    told: list[Event] = []
    served: list[UDPChannel] = []

    async def with_empty_ones(channel: UDPChannel) -> None:
        served.append(channel)
        async for data in channel:
            await channel.send(b"")
            await channel.send_many([b"", data, b""])

    with observe(told.append):
        async with serving(pair, with_empty_ones) as server, await opened(server, trusting) as channel:
            await channel.send_many([b"", b"one", b""])
            assert await channel.receive() == b"one"
            await channel.send(b"two")
            assert await channel.receive() == b"two"
            assert (channel.statistics().sent, channel.statistics().received) == (2, 2)
            assert channel.statistics().dropped == {EMPTY: 2}
            peer = channel.peer_address
    assert served[0].statistics().dropped == server.statistics().dropped == {EMPTY: 6}
    assert served[0].statistics().sent == 2
    dropped = [each for each in told if isinstance(each, DatagramDropped) and each.reason == EMPTY]
    assert all(each.outgoing and each.data == b"" for each in dropped)
    assert [each.remote == peer for each in dropped].count(True) == 2
    assert len(dropped) == 8
    with pytest.raises(trio.ClosedResourceError):
        await channel.send(b"")


async def test_what_is_bytes_and_what_is_not(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: of a view the items were counted, so one that was too large was said to go to nobody; and a text was
    sent, as UTF-8.
    """
    numbers: Any = memoryview(bytes(20000)).cast("I")
    buffers: list[Any] = [bytearray(b"ab"), memoryview(b"abc")]
    async with serving(pair, on=server) as endpoint, await opened(endpoint, trusting) as channel:
        with pytest.raises(DatagramTooLarge) as caught:
            await channel.send(numbers)
        assert caught.value.size == 20000
        for other in ("text", "", 5, None):
            with trio.testing.assert_checkpoints(), pytest.raises(TypeError, match="bytes-like"):
                await channel.send(other)  # type: ignore[arg-type]
        await channel.send_many([numbers[:5], *buffers])
        assert [await channel.receive() for _ in range(3)] == [bytes(20), b"ab", b"abc"]
        assert (channel.statistics().sent, channel.statistics().sent_bytes) == (3, 25)
        assert channel.statistics().dropped == {}


async def test_only_one_receives(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server) as endpoint, await opened(endpoint, trusting) as channel:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.receive)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await channel.receive()
            nursery.cancel_scope.cancel()
        channel.close()
        with pytest.raises(trio.ClosedResourceError):
            await channel.receive()
        with pytest.raises(trio.ClosedResourceError):
            await channel.send(b"too late")


async def test_everything_is_a_checkpoint(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server) as endpoint, await opened(endpoint, trusting) as channel:
        with trio.testing.assert_checkpoints():
            await channel.send(b"one")
        with trio.testing.assert_checkpoints():
            await channel.send_many([])
        with trio.testing.assert_checkpoints():
            assert await channel.receive() == b"one"
        await channel.send(b"two")
        await trio.sleep(1)
        with trio.testing.assert_checkpoints():
            assert await channel.receive() == b"two"
        with trio.testing.assert_checkpoints():
            await channel.send(b"")
        with trio.testing.assert_checkpoints(), pytest.raises(TypeError, match="server_context"):
            await serve_dtls_peers(echo, 0, None)  # type: ignore[arg-type]


# -- endpoints of one's own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [False, True])
async def test_endpoints_of_ones_own(sockets: str, bulk: bool, pair: Pair, trusting: SSL.Context) -> None:
    """They share the places, and are closed at the end."""
    endpoints = [await open_udp_endpoint(LOCAL, bulk=bulk) for _ in range(2)]
    context = server_context(pair.certificate, pair.key)
    async with trio.open_nursery() as nursery:
        assert await nursery.start(partial(serve_dtls, echo, endpoints, context, max_peers=2)) == endpoints
        async with await opened(endpoints[0], trusting) as one, await opened(endpoints[1], trusting) as other:
            for channel in (one, other):
                await channel.send_many([b"a", b"b", b"c"])
                assert [await channel.receive() for _ in range(3)] == [b"a", b"b", b"c"]
            with trio.move_on_after(0.1) as waiting:
                await opened(endpoints[0], trusting)
            assert waiting.cancelled_caught
        assert endpoints[0].statistics().dropped[TOO_MANY] == 1
        nursery.cancel_scope.cancel()
    for endpoint in endpoints:
        with pytest.raises(trio.ClosedResourceError):
            await endpoint.receive()
    await trio.testing.wait_all_tasks_blocked()
    assert trios_tasks() == []


async def test_what_was_taken_off_the_socket_with_others_is_counted(pair: Pair) -> None:
    """With ``bulk`` many come in one piece. They are put there by hand: when they would, is the kernel's to say."""
    endpoint = await open_udp_endpoint(LOCAL, bulk=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_dtls, echo, [endpoint], server_context(pair.certificate, pair.key))
        await trio.testing.wait_all_tasks_blocked()
        endpoint._io._taken += [Datagram(b"\x17" * 20, (LOCAL, 9))] * 3
        nursery.cancel_scope.cancel()
    assert endpoint.statistics().dropped == {"server stopped": 3}


async def test_mistakes_close_the_endpoints_too(pair: Pair) -> None:
    context = server_context(pair.certificate, pair.key)
    mistakes: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"handler": 5}, TypeError, "handler"),
        ({"ssl_context": None}, TypeError, "server_context"),
        ({"ssl_context": client_context()}, ValueError, "no certificate"),
        ({"max_peers": 0}, ValueError, "max_peers"),
        ({"grace_period": -1}, ValueError, "grace_period"),
    ]
    for wrong, kind, what in mistakes:
        endpoint = await open_udp_endpoint(LOCAL)
        with pytest.raises(kind, match=what):
            await serve_dtls(**{"handler": echo, "endpoints": [endpoint], "ssl_context": context, **wrong})
        with pytest.raises(trio.ClosedResourceError):
            await endpoint.receive()
    with pytest.raises(ValueError, match="endpoints must not be empty"):
        await serve_dtls(echo, [], context)


async def test_a_restart_on_a_socket_that_stays(pair: Pair, trusting: SSL.Context) -> None:
    """Keys go with the server: who talked is told that it is over, and begins anew; who knocks meanwhile is heard."""
    context = server_context(pair.certificate, pair.key)
    with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as stays:
        stays.bind((LOCAL, 0))
        port = stays.getsockname()[1]

        async def start(nursery: trio.Nursery) -> UDPEndpoint:
            endpoint = UDPEndpoint(trio.socket.from_stdlib_socket(stays.dup()))
            await nursery.start(serve_dtls, echo, [endpoint], context)
            return endpoint

        async with trio.open_nursery() as first:
            await start(first)
            before = await open_dtls_channel(LOCAL, port, trusting)
            await before.send(b"hello")
            assert await before.receive() == b"hello"
            record = before._io._sending.encrypt(b"and on")  # type: ignore[attr-defined] # as one that does not hear the end
            first.cancel_scope.cancel()

        with trio.fail_after(10), pytest.raises(trio.EndOfChannel, match="the peer has closed its channel"):
            await before.receive()
        await before._io._conversation.between.io.send_data([record])  # type: ignore[attr-defined]

        async def knock() -> None:
            async with await open_dtls_channel(LOCAL, port, trusting) as channel:
                await channel.send(b"hello")
                assert await channel.receive() == b"hello"

        with trio.fail_after(30):
            async with trio.open_nursery() as knocking:
                knocking.start_soon(knock)
                await trio.testing.wait_all_tasks_blocked(0.05)  # it has sent its hello, which waits in the socket
                async with trio.open_nursery() as second:
                    endpoint = await start(second)
                    while knocking.child_tasks:
                        await trio.sleep(0.01)
                    await knock()
                    assert endpoint.statistics().dropped == {NO_CONVERSATION: 1}
                    second.cancel_scope.cancel()
        before.close()


# -- several addresses ------------------------------------------------------------------------------------------------


@several_addresses
async def test_a_server_with_several_addresses(pair: Pair, trusting: SSL.Context) -> None:
    """Regression: who asked at the second one got the cookie from the first, and never a handshake."""
    async with serving(pair, host="0.0.0.0", reply_from_asked=True) as server:
        for host in ("127.0.0.1", "127.0.0.2"):
            with trio.fail_after(10):
                async with await open_dtls_channel(
                    host, server.address[1], trusting, server_name="localhost"
                ) as channel:
                    await channel.send(b"hello")
                    assert await channel.receive() == b"hello"


@several_addresses
async def test_one_client_at_two_addresses_is_two_peers(pair: Pair, trusting: SSL.Context) -> None:
    """And each is told goodbye from the one that it asked."""
    peers: list[UDPChannel] = []

    async def until_told(channel: UDPChannel) -> None:
        peers.append(channel)
        async for data in channel:
            await channel.send(data)
            if data == b"leave me":
                return

    async with serving(pair, until_told, host="0.0.0.0", reply_from_asked=True) as server:
        socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        await socket.bind((LOCAL, 0))
        with trio.DTLSEndpoint(socket) as client, trio.fail_after(10):
            let_trio_set_options(trusting)
            first = client.connect(("127.0.0.1", server.address[1]), trusting)
            let_trio_set_options(trusting)
            second = client.connect(("127.0.0.2", server.address[1]), trusting)
            for data in (b"hello", b"still there?"):
                for channel in (first, second):
                    await channel.send(data)
                    assert await channel.receive() == data
            await second.send(b"leave me")
            assert await second.receive() == b"leave me"
            with pytest.raises(SSL.ZeroReturnError):
                await second.receive()
            await first.send(b"hello")
            assert await first.receive() == b"hello"
            assert [peer.peer_address for peer in peers] == [socket.getsockname()] * 2
    assert server.statistics().dropped == {}


# -- bounds -----------------------------------------------------------------------------------------------------------


async def test_max_peers_turns_the_next_one_away(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server, max_peers=2, idle_timeout=5) as endpoint:
        first = await opened(endpoint, trusting)
        async with await opened(endpoint, trusting):
            with trio.move_on_after(3.5) as waiting:
                await opened(endpoint, trusting)
            assert waiting.cancelled_caught
            assert endpoint.statistics().dropped == {TOO_MANY: 3}, "it tried again after 1 and 3 s"
            await trio.sleep(2)  # now the two others were idle for too long
            async with await opened(endpoint, trusting) as third:
                await third.send(b"hello")
                assert await third.receive() == b"hello"
        first.close()


async def test_newcomers_a_second(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Who is turned away has cost no handshake, and is let in when it tries again late enough."""
    admit = RateLimit(rate=0.5, burst=2).admit
    async with serving(pair, on=server, admit=admit) as endpoint:
        for _ in range(2):
            (await opened(endpoint, trusting)).close()
        began, sent = trio.current_time(), endpoint.statistics().sent
        with trio.move_on_after(0.5) as waiting:
            await opened(endpoint, trusting)
        assert waiting.cancelled_caught
        assert endpoint.statistics().dropped[NOT_ADMITTED] == 1
        assert endpoint.statistics().sent - sent == 1, "its cookie"
        (await opened(endpoint, trusting)).close()
        assert 2 <= trio.current_time() - began < 5


async def test_a_handshake_has_a_place_and_a_deadline(
    network: VirtualNetwork,
    clock: trio.testing.MockClock,
    server: Host,
    pair: Pair,
    trusting: SSL.Context,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "trio_udp")
    async with serving(pair, on=server, max_peers=1) as endpoint:
        with network.rule(lose_all_but_cookies):  # it hears no more after the cookie
            with trio.move_on_after(0.5):
                await opened(endpoint, trusting)
        began = trio.current_time()
        with trio.move_on_after(1) as waiting:
            await opened(endpoint, trusting)
        assert waiting.cancelled_caught
        assert endpoint.statistics().dropped == {TOO_MANY: 1}
        await trio.sleep_until(began + HANDSHAKE_PATIENCE)
        assert endpoint.statistics().dropped == {TOO_MANY: 1, FAILED: 1}
        assert "not done after 60 s" in caplog.text
        (await opened(endpoint, trusting)).close()


def lose_all_but_cookies(datagram: InFlight) -> Drop | None:
    """A server that is here hears everything, and nobody hears more of it than its cookie."""
    from_server = datagram.source[0] == "10.0.0.1"
    return Drop("lost") if from_server and len(datagram.data) > 100 else None


async def test_a_peers_queue_is_bounded(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    got: list[bytes] = []
    seen: list[Any] = []

    async def slow(channel: UDPChannel) -> None:
        await trio.sleep(1)
        got.extend(await channel.receive_many())
        seen.append(channel.statistics())

    async with (
        serving(pair, slow, on=server, incoming_buffer=3) as endpoint,
        await opened(endpoint, trusting) as channel,
    ):
        await channel.send_many([b"%d" % number for number in range(10)])
        await trio.sleep(2)
        assert got == [b"0", b"1", b"2"]
        assert seen[0].dropped == {QUEUE_FULL: 7}
        assert seen[0].received == 3
        assert endpoint.statistics().dropped == {QUEUE_FULL: 7}


async def test_idle_is_who_receives_and_gets_nothing(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    times: list[float] = []

    async def handler(channel: UDPChannel) -> None:
        began = trio.current_time()
        await trio.sleep(100)  # busy
        for _ in range(2):
            with pytest.raises(trio.EndOfChannel, match="for too long"):
                await channel.receive()
            times.append(trio.current_time() - began)

    async with serving(pair, handler, on=server, idle_timeout=7) as endpoint:
        async with await opened(endpoint, trusting):
            await trio.sleep(200)
    assert times == pytest.approx([107, 114])


async def test_what_came_before_the_end_is_received_before_it(
    clock: trio.testing.MockClock, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: what came while the program was busy, for so long that the peer was idle as well, was found after the
    end of the channel.
    """
    ended: list[list[bytes]] = []

    async def handler(channel: UDPChannel) -> None:
        ended.append([data async for data in channel])

    async with serving(pair, handler, idle_timeout=5) as server:
        for _ in range(20):  # Trio shuffles who has the next turn
            channel = await opened(server, trusting)
            await trio.testing.wait_all_tasks_blocked()
            send_without_waiting(channel, b"in time")
            clock.jump(10)
            await trio.sleep(10)
            assert ended.pop() == [b"in time"]
            channel.close()


def send_without_waiting(channel: UDPChannel, *items: bytes) -> None:
    """On loopback they are at the other socket, and no task has had its turn since."""
    line: Any = channel._io
    for item in items:
        assert line._conversation.between.io.send_now(line._sending.encrypt(item), line.peer) is None


@pytest.mark.parametrize("reason", ["returned", "cancelled"])
async def test_what_is_unread_is_counted(
    reason: str,
    network: VirtualNetwork,
    clock: trio.testing.MockClock,
    server: Host,
    pair: Pair,
    trusting: SSL.Context,
) -> None:
    """At both ends, as plain UDP counts it. Regression: it was in nobody's statistics."""
    channels: list[UDPChannel] = []

    async def handler(channel: UDPChannel) -> None:
        channels.append(channel)
        await channel.send_many([b"to be", b"left"])
        assert await channel.receive() == b"0"
        await trio.sleep(1 if reason == "returned" else 100)

    async with serving(pair, handler, on=server, clients=1) as endpoint:
        channel = await opened(endpoint, trusting)
        await channel.send_many([b"%d" % number for number in range(6)])
        await trio.sleep(2)
    assert endpoint.statistics().dropped == channels[0].statistics().dropped == {UNREAD: 5}
    assert channel.statistics().dropped == {}
    channel.close()
    assert channel.statistics().dropped == {UNREAD: 2}


# -- ends -------------------------------------------------------------------------------------------------------------


async def test_a_handlers_exception_ends_the_server(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    cancelled: list[bytes] = []

    async def handler(channel: UDPChannel) -> None:
        data = await channel.receive()
        if data == b"fail":
            raise KeyError("a bug")
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(data)

    with pytest.raises(KeyError, match="a bug"):
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                with server:
                    serve = partial(serve_dtls_peers, handler, 4433, _context(pair), host="10.0.0.1")
                    [endpoint] = await nursery.start(serve)
                async with await opened(endpoint, trusting) as one, await opened(endpoint, trusting) as two:
                    await one.send(b"wait")
                    await trio.sleep(1)
                    await two.send(b"fail")
                    await trio.sleep(1)
    assert cancelled == [b"wait"]
    assert not trios_tasks()


async def test_it_comes_out_bare(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async def handler(channel: UDPChannel) -> None:
        raise KeyError("a bug")

    async def client() -> None:
        with pytest.raises(trio.Cancelled):
            async with await open_dtls_channel("10.0.0.1", 4433, trusting):
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        with server, pytest.raises(KeyError):
            await serve_dtls_peers(handler, 4433, _context(pair), host="10.0.0.1")
        nursery.cancel_scope.cancel()


@pytest.mark.filterwarnings("ignore:.*strict_exception_groups=False:trio.TrioDeprecationWarning")
@pytest.mark.parametrize("strict", [True, False])
def test_a_group_of_the_handlers_own_comes_out_as_it_is(strict: bool, pair: Pair, authority: Authority) -> None:
    """Regression: where Trio puts no group around a single exception, the handler's own was taken for one of Trio's."""
    error = BaseExceptionGroup("mine", [ExceptionGroup("inner", [KeyError("a bug")]), ValueError("another")])

    async def handler(channel: UDPChannel) -> None:
        await channel.receive()
        raise error

    async def main() -> BaseException:
        class Started(trio.TaskStatus[list[UDPEndpoint]]):
            def started(self, value: list[UDPEndpoint] | None = None) -> None:
                assert value is not None
                clients.start_soon(client, value[0])

        async def client(server: UDPEndpoint) -> None:
            async with await opened(server, client_context(authority.ca)) as channel:
                await channel.send(b"hello")
                await trio.sleep_forever()

        async with trio.open_nursery() as clients:
            with pytest.raises(BaseExceptionGroup) as caught:
                await serve_dtls_peers(handler, 0, _context(pair), host=LOCAL, task_status=Started())
            clients.cancel_scope.cancel()
        return caught.value

    assert repr(trio.run(main, strict_exception_groups=strict)) == repr(error)


async def test_of_several_failures_the_first_is_raised_and_the_others_are_logged(
    network: VirtualNetwork,
    clock: trio.testing.MockClock,
    server: Host,
    pair: Pair,
    trusting: SSL.Context,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(channel: UDPChannel) -> None:
        try:
            await channel.receive()
        except trio.Cancelled:
            raise ValueError("when it was cancelled") from None
        raise KeyError("a bug")

    async def client() -> None:
        with suppress(trio.EndOfChannel):
            async with await opened_at("10.0.0.1") as _, await opened_at("10.0.0.1") as channel:
                await channel.send(b"hello")
                await trio.sleep_forever()

    async def opened_at(host: str) -> UDPChannel:
        return await open_dtls_channel(host, 4433, trusting)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        with server, pytest.raises(KeyError, match="a bug"):
            await serve_dtls_peers(handler, 4433, _context(pair), host="10.0.0.1")
        nursery.cancel_scope.cancel()
    [record] = caplog.records
    assert "another task failed" in record.message
    assert "when it was cancelled" in str(record.exc_info)


def _context(pair: Pair) -> SSL.Context:
    return server_context(pair.certificate, pair.key)


async def test_a_handler_has_to_be_async(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async def client() -> None:
        async with await open_dtls_channel("10.0.0.1", 4433, trusting):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        with server, pytest.raises(TypeError, match="must be an async function"):
            await serve_dtls_peers(lambda channel: None, 4433, _context(pair), host="10.0.0.1")  # type: ignore[arg-type,return-value]
        nursery.cancel_scope.cancel()


async def test_with_grace_what_waits_is_received_and_answered(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    got: list[bytes] = []

    async def slow_echo(channel: UDPChannel) -> None:
        async for data in channel:
            got.append(data)
            await trio.sleep(1)
            await channel.send(data)

    async with trio.open_nursery() as clients:
        with trio.CancelScope() as stopping:
            async with trio.open_nursery() as nursery:
                with server:
                    serve = partial(serve_dtls_peers, slow_echo, 4433, _context(pair), host="10.0.0.1", grace_period=10)
                    [endpoint] = await nursery.start(serve)
                channel = await opened(endpoint, trusting)
                await channel.send_many([b"1", b"2", b"3"])

                async def stop() -> None:
                    await trio.sleep(0.5)
                    stopping.cancel()
                    stopped.append(trio.current_time())
                    await trio.sleep(0.1)
                    await channel.send(b"not taken any more")
                    with trio.move_on_after(1) as late:
                        await opened(endpoint, trusting)
                    assert late.cancelled_caught

                stopped: list[float] = []
                clients.start_soon(stop)
        assert trio.current_time() - stopped[0] == pytest.approx(2.5, abs=1e-3), "as long as it took, not all 10 s"
    assert got == [b"1", b"2", b"3"]
    assert [await channel.receive() for _ in range(3)] == got
    channel.close()
    await trio.testing.wait_all_tasks_blocked()
    assert not trios_tasks()


@pytest.mark.parametrize("waits", [True, False])
async def test_with_grace_what_was_drained_is_received(waits: bool, pair: Pair, trusting: SSL.Context) -> None:
    """Regression: where the handler had its turn before what was taken off the socket was in its queue, it was told of
    the end first.
    """
    for _ in range(20):  # Trio shuffles who has the next turn
        await stop_when_two_have_come(waits, pair, trusting)


async def stop_when_two_have_come(waits: bool, pair: Pair, trusting: SSL.Context) -> None:
    got: list[bytes] = []
    first, go_on = trio.Event(), trio.Event()

    async def handler(channel: UDPChannel) -> None:
        async for data in channel:
            got.append(data)
            first.set()
            await go_on.wait()

    with trio.CancelScope() as stopping:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_dtls_peers, handler, 0, _context(pair), host=LOCAL, grace_period=1000)
            [endpoint] = await nursery.start(serve)
            channel = await opened(endpoint, trusting)
            await channel.send(b"first")
            await first.wait()
            if waits:
                go_on.set()
            await trio.testing.wait_all_tasks_blocked(0.001)
            before = endpoint.statistics().received
            send_without_waiting(channel, b"second", b"third")
            go_on.set()
            stopping.cancel()
    assert len(got) == 1 + endpoint.statistics().received - before
    assert endpoint.statistics().dropped == {}
    channel.close()


async def test_grace_ends(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    ended: list[float] = []

    async def handler(channel: UDPChannel) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async def idle(channel: UDPChannel) -> None:
        with pytest.raises(trio.EndOfChannel, match="stopping"):
            await channel.receive()
        with pytest.raises(trio.EndOfChannel, match="stopping"):
            await channel.receive()
        await handler(channel)

    async with serving(pair, idle, on=server, grace_period=3) as endpoint:
        (await opened(endpoint, trusting)).close()
        await trio.sleep(1)
        stopped = trio.current_time()
    assert ended == [stopped + 3]


async def test_last_words_in_the_grace_period(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: the server's own stopping was taken for the peer's end, and what was sent then was sent to nobody."""
    dropped: list[Any] = []

    async def handler(channel: UDPChannel) -> None:
        async for _ in channel:
            pass
        await channel.send(b"the server is closing")
        dropped.append(channel.statistics().dropped)

    async with serving(pair, handler, on=server, grace_period=3, clients=1) as endpoint:
        channel = await opened(endpoint, trusting)
        await trio.sleep(1)
    with trio.fail_after(1):
        assert await channel.receive() == b"the server is closing"
    assert dropped == [{}]
    channel.close()


@pytest.mark.parametrize("grace_period", [0, 60])
async def test_a_peer_is_told_that_the_server_stops(grace_period: float, pair: Pair, trusting: SSL.Context) -> None:
    """Regression: where handlers had time to end, their peers heard nothing."""
    async with serving(pair, grace_period=grace_period, clients=1) as endpoint:
        channel = await opened(endpoint, trusting)
        await channel.send(b"hello")
        assert await channel.receive() == b"hello"
    with trio.fail_after(10), pytest.raises(trio.EndOfChannel, match="the peer has closed"):
        await channel.receive()
    channel.close()


@pytest.mark.parametrize("moments", range(4))
async def test_stopped_before_it_has_begun(
    moments: int, network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair
) -> None:
    """Regression: a stop that came before the server's tasks had run was lost, and it stood for the grace period."""

    class StopAtOnce(trio.TaskStatus[list[UDPEndpoint]]):
        def started(self, value: list[UDPEndpoint] | None = None) -> None:
            if not moments:
                stopping.cancel()
            else:
                nursery.start_soon(stop)

    async def stop() -> None:
        for _ in range(moments - 1):
            await trio.lowlevel.checkpoint()
        stopping.cancel()

    async with trio.open_nursery() as nursery:
        with server, trio.CancelScope() as stopping:
            await serve_dtls_peers(
                echo, 4433, _context(pair), host="10.0.0.1", grace_period=1000, task_status=StopAtOnce()
            )
    assert trio.current_time() == 0
    await trio.testing.wait_all_tasks_blocked()
    assert not trios_tasks()


async def test_a_handshake_does_not_outlive_the_server(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    async with serving(pair, on=server, grace_period=30) as endpoint:
        with network.rule(lose_all_but_cookies):
            with trio.move_on_after(0.5):
                await opened(endpoint, trusting)
        stopped = trio.current_time()
    assert trio.current_time() == pytest.approx(stopped)
    assert endpoint.statistics().dropped == {}


async def test_either_end_may_close_and_the_other_is_told(pair: Pair, trusting: SSL.Context) -> None:
    """On sockets of the system's own."""
    ended = trio.Event()

    async def one_word(channel: UDPChannel) -> None:
        if await channel.receive() == b"bye":
            with pytest.raises(trio.EndOfChannel, match="closed"):
                await channel.receive()
            await channel.send(b"to nobody")
            assert channel.statistics().dropped == {PEER_ENDED: 1}
            channel.close()
            with pytest.raises(trio.ClosedResourceError):
                await channel.receive()
            with pytest.raises(trio.ClosedResourceError):
                await channel.send(b"nothing")
            ended.set()

    async with serving(pair, one_word) as server:
        async with await opened(server, trusting) as channel:
            await channel.send(b"leave me")
            for _ in range(2):
                with pytest.raises(trio.EndOfChannel, match="closed"):
                    await channel.receive()
            await channel.send(b"to nobody")
            assert channel.statistics().dropped == {PEER_ENDED: 1}
        async with await opened(server, trusting) as channel:
            await channel.send(b"bye")
        await ended.wait()
        assert server.statistics().dropped == {PEER_ENDED: 1}


async def test_a_peer_begins_anew(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """From the same address: it was started again, say. The old handler is at its end, and a new one begins."""
    ends: list[str] = []

    async def handler(channel: UDPChannel) -> None:
        try:
            while True:
                await channel.send(await channel.receive())
        except trio.EndOfChannel as end:
            ends.append(str(end))
        await channel.send(b"to nobody")

    async with serving(pair, handler, on=server, idle_timeout=5) as endpoint:
        socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        await socket.bind(("0.0.0.0", 0))
        with trio.DTLSEndpoint(socket) as client:
            for _ in range(2):
                let_trio_set_options(trusting)
                channel = client.connect(("10.0.0.1", 4433), trusting)
                await channel.send(b"hello")
                assert await channel.receive() == b"hello"
            await trio.sleep(6)
        assert ends == ["the peer has begun another conversation", "nothing has come for too long"]
        assert endpoint.statistics().dropped == {PEER_ENDED: 1}


# -- what must not end it ---------------------------------------------------------------------------------------------


async def counted(server: UDPEndpoint, number: int, times: int) -> None:
    """Wait until an error was counted so often."""
    with trio.fail_after(60):
        while server.statistics().errors.get(errno.errorcode[number], 0) < times:
            await trio.sleep(0.001)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOBUFS, errno.ENETUNREACH, errno.EINVAL])
async def test_the_network_cannot_end_it(number: int, pair: Pair, trusting: SSL.Context) -> None:
    """Directly under Trio's DTLS, each of these ends the whole program, with a TrioInternalError.

    Regression: EINVAL, which Linux says where the address that was asked has gone, ended the server.
    """
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def fail() -> None:
        raise OSError(number, "as the network has it")

    async with serving(pair) as server:
        [socket] = factory.made
        async with await opened(server, trusting) as channel:
            socket.before_send = fail
            await channel.send(b"an answer to this cannot be sent")
            await counted(server, number, 1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(opened, server, trusting)  # nor can a cookie
                await counted(server, number, 2)
                nursery.cancel_scope.cancel()
            socket.before_send = lambda: None
            assert server.statistics().errors.keys() == {errno.errorcode[number]}
            await channel.send(b"still there?")
            assert await channel.receive() == b"still there?"
        (await opened(server, trusting)).close()


async def test_a_datagram_too_large_for_the_socket(pair: Pair, trusting: SSL.Context) -> None:
    """macOS has 9216 bytes as its limit (sysctl net.inet.udp.maxdgram)."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def fail() -> None:
        raise OSError(errno.EMSGSIZE, "too long")

    async with serving(pair) as server, await opened(server, trusting) as channel:
        factory.made[-1].before_send = fail
        with pytest.raises(DatagramTooLarge, match="too large for this socket") as caught:
            await channel.send(bytes(10000))
        assert caught.value.size == 10000


async def test_a_clients_socket_says_what_is_wrong(pair: Pair, trusting: SSL.Context) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def fail() -> None:
        raise OSError(errno.EPERM, "a firewall")

    async with serving(pair) as server, await opened(server, trusting) as channel:
        factory.made[-1].before_send = fail
        with pytest.raises(PermissionError):
            await channel.send(b"hello")
        factory.made[-1].before_send = lambda: None
        await channel.send(b"hello")
        assert await channel.receive() == b"hello"
        assert channel.statistics().errors == {"EPERM": 1}


async def test_two_handshakes_of_one_address(clock: trio.testing.MockClock, pair: Pair, authority: Authority) -> None:
    """Regression: when the first had ended, what the network said to the second one ended the server."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def fail() -> None:
        raise OSError(errno.EACCES, "prohibited")

    async with serving(pair) as server:
        for _ in range(20):  # Trio shuffles who has the next turn
            with await open_udp_endpoint(LOCAL) as peer:
                hellos = [await second_hello(peer, server.address) for _ in range(2)]
                await peer.send_many([Datagram(hello, server.address) for hello in hellos])
                await trio.testing.wait_all_tasks_blocked()
        assert server.statistics().dropped == {FAILED: 20}
        factory.made[0].before_send = fail
        await trio.sleep(2)  # it is sent again after 1 s
        assert server.statistics().errors == {"EACCES": 20}


async def second_hello(peer: UDPEndpoint, server: Any) -> bytes:
    """What shows to a server, by its cookie, that the peer is there."""
    openssl = SSL.Connection(client_context())
    openssl.set_connect_state()
    openssl.set_ciphertext_mtu(1400)

    def hello() -> bytes:
        with suppress(SSL.WantReadError):
            openssl.do_handshake()
        return openssl.bio_read(2**14)

    await peer.send(hello(), server)
    openssl.bio_write((await peer.receive()).data)
    return hello()


async def test_what_the_network_refuses_is_in_the_channels_statistics(pair: Pair, trusting: SSL.Context) -> None:
    """Regression: it was in those of the socket alone, and nobody who watched was told."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    seen: list[Event] = []

    def fail() -> None:
        raise OSError(errno.EPERM, "a firewall")

    async def handler(channel: UDPChannel) -> None:
        await channel.receive()
        factory.made[0].before_send = fail
        await channel.send(b"to be refused")
        factory.made[0].before_send = lambda: None
        assert (channel.statistics().sent, channel.statistics().dropped) == (0, {"EPERM": 1})
        await channel.send(b"done")

    with observe(seen.append):
        async with serving(pair, handler) as server, await opened(server, trusting) as channel:
            await channel.send(b"hello")
            assert await channel.receive() == b"done"
            assert (server.statistics().dropped, server.statistics().errors) == ({}, {"EPERM": 1})
    [event] = [event for event in seen if isinstance(event, DatagramDropped)]
    assert (event.reason, event.outgoing, event.remote) == ("EPERM", True, seen_peer(seen))
    assert event.data[:3] == b"\x17\xfe\xfd", "as it was to be on the wire"
    assert b"refused" not in event.data


def seen_peer(seen: list[Event]) -> Any:
    [peer] = [event.remote for event in seen if isinstance(event, PeerOpened)]
    return peer


# -- what must -------------------------------------------------------------------------------------------------------


class Broken(Exception):
    pass


async def test_closing_its_endpoint_ends_the_server(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair
) -> None:
    with pytest.raises(trio.ClosedResourceError), bare_exceptions():
        async with trio.open_nursery() as nursery:
            with server:
                serve = partial(serve_dtls_peers, echo, 4433, _context(pair), host="10.0.0.1")
                [endpoint] = await nursery.start(serve)
            await trio.sleep(1)
            endpoint.close()
            await trio.sleep(1)
            raise AssertionError("it goes on")


@pytest.mark.parametrize("first", ["server", "user"])
async def test_whoever_else_receives_from_its_endpoint(
    first: str, sockets: str, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: where it was the server that found the socket busy, that ended the program, inside of Trio."""
    ended: list[type[Exception]] = []

    async def receive(endpoint: UDPEndpoint) -> None:
        with pytest.raises((trio.BusyResourceError, trio.ClosedResourceError)) as caught:
            await endpoint.receive()
        ended.append(caught.type)
        if first == "server":
            nursery.cancel_scope.cancel()

    class Started(trio.TaskStatus[list[UDPEndpoint]]):
        def started(self, value: list[UDPEndpoint] | None = None) -> None:
            assert value is not None
            nursery.start_soon(begin, value[0])

    async def begin(endpoint: UDPEndpoint) -> None:
        if first == "server":
            await trio.testing.wait_all_tasks_blocked()
        await receive(endpoint)

    async def serve() -> None:
        with pytest.raises(trio.BusyResourceError) if first == "user" else nullcontext():
            await serve_dtls_peers(echo, 0, _context(pair), host=LOCAL, task_status=Started())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
    assert ended == [trio.BusyResourceError if first == "server" else trio.ClosedResourceError]
    await trio.testing.wait_all_tasks_blocked()
    assert not trios_tasks()


async def test_a_broken_socket_ends_the_server(pair: Pair, trusting: SSL.Context) -> None:
    """With its own error, and not inside of Trio."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def break_down() -> None:
        raise OSError(errno.EIO, "broken")

    async def break_it(channel: UDPChannel) -> None:
        factory.made[0].before_receive = break_down
        await trio.sleep_forever()

    with pytest.raises(OSError, match="broken") as caught:
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                serve = partial(serve_dtls_peers, break_it, 0, _context(pair), host=LOCAL)
                [endpoint] = await nursery.start(serve)
                async with await opened(endpoint, trusting) as channel:
                    await channel.send(b"the next thing that it reads")
                    await trio.sleep_forever()
    assert caught.value.errno == errno.EIO
    assert not trios_tasks()


@pytest.mark.parametrize("of", ["server", "client"])
async def test_what_an_observer_raises_comes_out(
    of: str, network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Though it is called in a task of Trio's."""
    angry = False

    def callback(event: Event) -> None:
        if angry and isinstance(event, DatagramReceived):
            raise Broken

    async def serve() -> None:
        with observe(callback) if of == "server" else observe(lambda event: None), server:
            await serve_dtls_peers(echo, 4433, _context(pair), host="10.0.0.1")

    with pytest.raises(Broken):
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                with observe(callback) if of == "client" else observe(lambda event: None):
                    async with await open_dtls_channel("10.0.0.1", 4433, trusting) as channel:
                        angry = True
                        await channel.send(b"hello")
                        await channel.receive()


@pytest.mark.parametrize("waits", [True, False])
async def test_a_failure_of_a_clients_while_nobody_receives(
    waits: bool, network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """Regression: it was lost, and the user was told to have closed the channel."""
    angry = False

    def callback(event: Event) -> None:
        if angry and isinstance(event, DatagramReceived):
            raise Broken

    async with serving(pair, on=server) as endpoint:
        with observe(callback):
            channel = await opened(endpoint, trusting)
            angry = True
            await channel.send(b"hello")
            if not waits:
                await trio.sleep(1)
            for _ in range(2):
                with pytest.raises(Broken):
                    await channel.receive()
            with pytest.raises(Broken):
                await channel.receive_many()
            with pytest.raises(Broken):
                await channel.send(b"hello")
            channel.close()
        with pytest.raises(trio.ClosedResourceError):
            await channel.receive()
        with pytest.raises(trio.ClosedResourceError):
            await channel.send(b"hello")


@pytest.mark.parametrize("kind", [DatagramReceived, DatagramSent, DatagramDropped])
async def test_what_an_observer_raises_about_a_stranger(
    kind: type, network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair
) -> None:
    """It is Trio's task that deals with strangers."""

    def callback(event: Event) -> None:
        if isinstance(event, kind):
            raise Broken

    async def stranger() -> None:
        await trio.sleep(1)
        async with await open_udp_channel("10.0.0.1", 4433) as channel:
            await channel.send(b"plain")
        with trio.move_on_after(1):
            await open_dtls_channel("10.0.0.1", 4433)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stranger)
        with server, observe(callback), pytest.raises(Broken):
            await serve_dtls_peers(echo, 4433, _context(pair), host="10.0.0.1")
        nursery.cancel_scope.cancel()


async def test_what_an_observer_raises_in_a_handshake(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    def callback(event: Event) -> None:
        if isinstance(event, DatagramReceived):
            raise Broken

    async with serving(pair, on=server) as endpoint:
        with observe(callback), pytest.raises(Broken):
            await opened(endpoint, trusting)


@pytest.mark.parametrize("number", [errno.EMSGSIZE, errno.EINVAL, errno.EIO])
async def test_a_cookie_that_cannot_be_sent(number: int, pair: Pair, trusting: SSL.Context) -> None:
    """Whatever is said to it, it is about one peer."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def fail() -> None:
        raise OSError(number, "no cookie")

    async with serving(pair) as server, trio.open_nursery() as nursery:
        factory.made[0].before_send = fail
        nursery.start_soon(opened, server, trusting)
        await counted(server, number, 1)
        nursery.cancel_scope.cancel()


async def test_observers_see_the_encrypted_datagrams(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    seen: list[Event] = []
    with observe(seen.append):
        async with serving(pair, on=server) as endpoint, await opened(endpoint, trusting) as channel:
            await channel.send(b"hello")
            assert await channel.receive() == b"hello"
    received = [event for event in seen if isinstance(event, DatagramReceived) and event.local == endpoint.address]
    assert len(received) == endpoint.statistics().received > 2


async def test_observers_see_peers_come_and_go(
    network: VirtualNetwork, clock: trio.testing.MockClock, server: Host, pair: Pair, trusting: SSL.Context
) -> None:
    """As with plain UDP."""
    seen: list[Event] = []

    async def handler(channel: UDPChannel) -> None:
        if await channel.receive() == b"idle":
            async for _ in channel:
                pass
        else:
            await trio.sleep_forever()

    with observe(seen.append):
        async with serving(pair, handler, on=server, max_peers=2, idle_timeout=3, incoming_buffer=1) as endpoint:
            one, two = await opened(endpoint, trusting), await opened(endpoint, trusting)
            with trio.move_on_after(0.5):
                await opened(endpoint, trusting)
            await one.send(b"idle")
            await two.send(b"busy")
            await trio.sleep(1)
            await two.send_many([b"one waits", b"two are dropped", b"two are dropped"])
            await trio.sleep(4)
            one.close()
            two.close()
    opens = [event.remote for event in seen if isinstance(event, PeerOpened)]
    assert {(opens.index(event.remote), event.reason) for event in seen if isinstance(event, PeerClosed)} == {
        (0, "idle"),
        (1, "cancelled"),
    }
    drops = [event for event in seen if isinstance(event, DatagramDropped)]
    assert [event.reason for event in drops] == [TOO_MANY, QUEUE_FULL, QUEUE_FULL, UNREAD]
    assert {(event.data, event.outgoing) for event in drops} == {(b"", False)}
    assert endpoint.statistics().dropped == {TOO_MANY: 1, QUEUE_FULL: 2, UNREAD: 1}


async def test_observers_see_who_ended_it(pair: Pair, trusting: SSL.Context) -> None:
    seen: list[Event] = []
    ended = trio.Event()

    def note(event: Event) -> None:
        seen.append(event)
        if isinstance(event, PeerClosed):
            ended.set()

    with observe(note):
        async with serving(pair, grace_period=5) as server:
            with trio.fail_after(10):
                (await opened(server, trusting)).close()
                await ended.wait()
                with pytest.raises(OSError, match="not believed"):
                    await opened(server, client_context())
                while FAILED not in server.statistics().dropped:
                    await trio.sleep(0.001)
    assert [event.reason for event in seen if isinstance(event, PeerClosed)] == ["ended by peer"]
    assert [event.reason for event in seen if isinstance(event, DatagramDropped)] == [FAILED]


# -- a bad network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_thirty_percent_are_lost(
    seed: int, pair: Pair, trusting: SSL.Context, clock: trio.testing.MockClock
) -> None:
    """In both directions, of the handshakes as well; what is lost of a conversation is the client's to say again."""
    answered: list[int] = []

    async def client(number: int) -> None:
        question = b"%d" % number
        async with await opened(endpoint, trusting) as channel:
            while len(answered) <= 20:
                await channel.send(question)
                with trio.move_on_after(1):
                    assert await channel.receive() == question
                    answered.append(number)
                    return

    async with VirtualNetwork(link=Link(delay=0.05, loss=0.3), seed=seed) as network:
        server = network.host("10.0.0.1")
        async with serving(pair, on=server) as endpoint:
            with trio.fail_after(300):
                async with trio.open_nursery() as clients:
                    for number in range(10):
                        clients.start_soon(client, number)
    assert sorted(answered) == list(range(10))
    assert sum(each.dropped == "loss" for each in network.datagrams) > 10


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"max_peers": 0}, "max_peers must be a whole number of at least 1, not 0"),
        ({"max_peers": True}, "max_peers"),
        ({"max_peers_per_source": 0}, "max_peers_per_source must be a whole number of at least 1, not 0"),
        ({"incoming_buffer": 1.5}, "incoming_buffer must be a whole number of at least 1, not 1.5"),
        ({"idle_timeout": 0}, "idle_timeout must be a number of seconds above 0, not 0"),
        ({"idle_timeout": float("nan")}, "idle_timeout"),
        ({"grace_period": -1}, "grace_period must be a number of seconds of at least 0, not -1"),
        ({"port": 65536}, "port"),
    ],
)
async def test_arguments(options: dict[str, Any], wrong: str, pair: Pair) -> None:
    with pytest.raises(ValueError, match=wrong):
        await serve_dtls_peers(**{"handler": echo, "port": 0, "ssl_context": _context(pair), **options})


async def test_contexts_that_cannot_serve(authority: Authority) -> None:
    for context, kind, wrong in [
        (client_context(authority.ca), ValueError, "no certificate with its key"),
        (SSL.Context(SSL.TLS_METHOD), ValueError, "not for DTLS"),
        (object(), TypeError, "must be an OpenSSL.SSL.Context, as trio_udp.dtls.server_context makes it"),
    ]:
        with pytest.raises(kind, match=wrong):
            await serve_dtls_peers(echo, 0, context)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="handler"):
        await serve_dtls_peers(None, 0, context)  # type: ignore[arg-type]


async def test_two_records_in_one_datagram_are_two_payloads(pair: Pair, authority: Authority) -> None:
    """RFC 6347 section 4.1.1 allows it; Trio's channel gives them as one."""
    got: list[bytes] = []

    async def handler(channel: UDPChannel) -> None:
        got.extend([await channel.receive(), *await channel.receive_many(5)])
        await channel.send(b"done")

    async with serving(pair, handler) as server:
        async with await open_dtls_channel(LOCAL, server.address[1], client_context(authority.ca)) as channel:
            line: Any = channel._io
            together = line._sending.encrypt(b"1") + line._sending.encrypt(b"2") + line._sending.encrypt(b"3")
            await line._conversation.between.sendto(together, channel.peer_address)
            assert await channel.receive() == b"done"
    assert got == [b"1", b"2", b"3"]
