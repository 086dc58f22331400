"""A channel and a task per peer: whose datagram it is, how many there may be, and how it ends."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import (
    Address,
    Datagram,
    DatagramDropped,
    DatagramReceived,
    DatagramTooLarge,
    Event,
    PeerClosed,
    PeerHandler,
    PeerOpened,
    RateLimit,
    UDPChannel,
    UDPEndpoint,
    observe,
    open_udp_channel,
    open_udp_endpoint,
    open_udp_endpoints,
    serve_peers,
    serve_udp_peers,
)
from trio_udp._errors import bare_exceptions
from trio_udp._idle import AT_ONCE, Idle
from trio_udp._peer import Peer
from trio_udp._vacancies import Vacancies
from trio_udp.faults import Link
from trio_udp.testing import Host, VirtualNetwork

from .fakes import Later, OtherSockets, about, settled

LOCAL = "127.0.0.1"


@asynccontextmanager
async def serving(handler: PeerHandler, *, on: Host | None = None, **options: Any) -> AsyncIterator[UDPEndpoint]:
    """A server for as long as the ``async with`` lasts, then cancelled: on loopback, or at port 7 of a virtual host."""
    where: dict[str, Any] = {"port": 0, "host": LOCAL} if on is None else {"port": 7, "host": on.addresses[0]}
    async with trio.open_nursery() as nursery:
        with on or nullcontext():
            [endpoint] = await nursery.start(partial(serve_udp_peers, handler, **where, **options))
        yield endpoint
        nursery.cancel_scope.cancel()


async def echo(channel: UDPChannel) -> None:
    async for data in channel:
        await channel.send(data)


class Silent:
    """A handler that leaves everything unread until it is told to go on, and then takes it."""

    def __init__(self) -> None:
        self.go_on = trio.Event()
        self.channels: list[UDPChannel] = []
        self.got: list[bytes] = []

    async def __call__(self, channel: UDPChannel) -> None:
        self.channels.append(channel)
        await self.go_on.wait()
        async for data in channel:
            self.got.append(data)


# -- whose datagram it is ---------------------------------------------------------------------------------------------


async def test_each_peer_has_a_conversation_of_its_own(sockets: str) -> None:
    async def count(channel: UDPChannel) -> None:
        number = 0
        async for data in channel:
            number += 1
            await channel.send(b"%s %d %d" % (data, number, channel.peer_address[1]))

    async with serving(count) as server:
        with await open_udp_channel(*server.address) as one, await open_udp_endpoint(LOCAL) as two:
            port = two.address[1]
            for number in range(1, 4):
                await one.send(b"one")
                assert (await one.receive()).startswith(b"one %d " % number)
                await two.send(b"two", server.address)
                assert await two.receive() == (b"two %d %d" % (number, port), server.address)


async def test_empty_datagrams_are_data(sockets: str) -> None:
    async with serving(echo) as server:
        with await open_udp_channel(*server.address) as client:
            for data in (b"", b"x", b""):
                await client.send(data)
                assert await client.receive() == data


async def test_in_the_order_of_arrival(sockets: str) -> None:
    async with serving(echo, incoming_buffer=100) as server:
        with await open_udp_channel(*server.address) as client:
            wanted = [b"%d" % number for number in range(100)]
            await client.send_many(wanted)
            assert [await client.receive() for _ in wanted] == wanted


async def test_many_at_once(sockets: str) -> None:
    async def backwards(channel: UDPChannel) -> None:
        await settled()
        assert await channel.receive_many(2) == [b"1", b"2"]
        assert await channel.receive_many() == [b"3", b"4", b"5"]
        await channel.send_many([b"6", b"7"])

    async with serving(backwards) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send_many([b"1", b"2", b"3", b"4", b"5"])
            assert [await client.receive(), await client.receive()] == [b"6", b"7"]


async def test_over_ipv6(sockets: str, ipv6: None) -> None:
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp_peers, echo, 0, host="::1"))
        with await open_udp_channel("::1", server.address[1]) as client:
            await client.send(b"hello")
            assert await client.receive() == b"hello"
        nursery.cancel_scope.cancel()


async def test_who_sends_again_after_the_handler_has_ended_is_new(sockets: str) -> None:
    begun = []

    async def once(channel: UDPChannel) -> None:
        begun.append(channel.peer_address)
        await channel.send(await channel.receive())

    async with serving(once, max_peers=1) as server:
        with await open_udp_channel(*server.address) as client:
            for number in range(3):
                await client.send(b"%d" % number)
                assert await client.receive() == b"%d" % number
                await settled()
        assert len(begun) == 3


async def test_who_sends_again_after_the_channel_was_closed_is_new(sockets: str) -> None:
    ends = trio.Event()

    async def close_at_once(channel: UDPChannel) -> None:
        await channel.send(await channel.receive())
        await channel.aclose()
        await ends.wait()

    async with serving(close_at_once, max_peers=2) as server:
        with await open_udp_channel(*server.address) as client:
            for number in range(2):
                await client.send(b"%d" % number)
                assert await client.receive() == b"%d" % number
                await settled()
            await client.send(b"what counts are handlers")
            await settled()
            assert server.statistics().dropped == {"too many peers": 1}
            ends.set()
            await settled()
            await client.send(b"3")
            assert await client.receive() == b"3"


async def test_what_is_unread_when_a_handler_ends_is_counted(sockets: str) -> None:
    async def one_is_enough(channel: UDPChannel) -> None:
        await settled()
        await channel.receive()

    async with serving(one_is_enough) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send_many([b"1", b"2", b"3"])
            await trio.sleep(0.01)
            await settled()
            assert server.statistics().dropped == {"channel closed": 2}


# -- how many there may be --------------------------------------------------------------------------------------------


async def test_more_peers_than_places(sockets: str) -> None:
    silent = Silent()
    events: list[Event] = []
    with observe(events.append):
        async with serving(silent, max_peers=2) as server:
            clients = [await open_udp_endpoint(LOCAL) for _ in range(3)]
            for client in clients:
                await client.send(b"hello", server.address)
            await settled()
            assert len(silent.channels) == 2
            assert server.statistics().dropped == {"too many peers": 1}
            [dropped] = [event for event in events if isinstance(event, DatagramDropped)]
            assert (dropped.remote, dropped.reason) == (clients[2].address, "too many peers")
            await clients[0].send(b"again", server.address)  # whoever is in, stays
            silent.go_on.set()
            await settled()
            assert sorted(silent.got) == [b"again", b"hello", b"hello"]
            for client in clients:
                client.close()


async def test_a_full_buffer_is_one_peers_affair(sockets: str) -> None:
    silent = Silent()

    async def handler(channel: UDPChannel) -> None:
        if await channel.receive() == b"slow":
            await silent(channel)
        await echo(channel)

    async with serving(handler, incoming_buffer=3) as server:
        with await open_udp_channel(*server.address) as slow, await open_udp_channel(*server.address) as quick:
            await slow.send(b"slow")
            await settled()
            for number in range(5):
                await slow.send(b"%d" % number)
            await quick.send(b"quick")
            for number in range(20):
                await quick.send(b"%d" % number)
                assert await quick.receive() == b"%d" % number
            assert server.statistics().dropped == {"peer's buffer full": 2}
            [channel] = silent.channels
            assert channel.statistics().dropped == {"peer's buffer full": 2}
            assert channel.statistics().received == 6
            silent.go_on.set()
            await settled()
            assert silent.got == [b"0", b"1", b"2"]  # the newest were dropped


async def test_newcomers_are_asked_about_once(sockets: str) -> None:
    asked: list[Address] = []

    def admit(address: Address) -> bool:
        asked.append(address)
        return len(asked) != 1

    async with serving(echo, admit=admit) as server:
        with await open_udp_endpoint(LOCAL) as first, await open_udp_endpoint(LOCAL) as second:
            await first.send(b"let me in", server.address)
            await settled()
            assert server.statistics().dropped == {"not admitted": 1}
            for client in (second, second, first, first):
                await client.send(b"hello", server.address)
                assert (await client.receive()).data == b"hello"
            assert asked == [first.address, second.address, first.address]


async def test_nobody_is_asked_about_where_there_is_no_place(sockets: str) -> None:
    asked: list[Address] = []

    def admit(address: Address) -> bool:
        asked.append(address)
        return True

    async with serving(echo, max_peers=1, admit=admit) as server:
        with await open_udp_endpoint(LOCAL) as first, await open_udp_endpoint(LOCAL) as second:
            await first.send(b"hello", server.address)
            assert (await first.receive()).data == b"hello"
            await second.send(b"hello", server.address)
            await settled()
            assert asked == [first.address]
            assert server.statistics().dropped == {"too many peers": 1}


async def test_newcomers_a_second(clock: trio.testing.MockClock, network: VirtualNetwork, server: Host) -> None:
    """One address may not take all places: the others still find one."""
    greedy, modest = network.host("192.0.2.66"), network.host("192.0.2.67")
    limit = RateLimit(rate=0.5, burst=3)
    async with serving(echo, on=server, max_peers=5, admit=limit.admit) as endpoint:
        with greedy:
            channels = [await open_udp_channel(*endpoint.address) for _ in range(10)]
        for channel in channels:
            await channel.send(b"x")
        await trio.sleep(1)
        assert endpoint.statistics().dropped == {"not admitted": 7}
        with modest:
            with await open_udp_channel(*endpoint.address) as channel:
                await channel.send(b"hello")
                assert await channel.receive() == b"hello"
        await trio.sleep(1)
        await channels[-1].send(b"again")
        assert await channels[-1].receive() == b"again", "a token for each two seconds"
        for channel in channels:
            channel.close()


async def test_what_admit_raises_ends_the_server(sockets: str) -> None:
    def admit(_: Address) -> bool:
        raise KeyError("boom")

    endpoint = await open_udp_endpoint(LOCAL)
    with await open_udp_endpoint(LOCAL) as client:
        await client.send(b"x", endpoint.address)
        with pytest.raises(KeyError, match="boom"):
            await serve_peers(echo, [endpoint], admit=admit)


async def test_one_source_does_not_have_all_places(
    clock: trio.testing.MockClock, network: VirtualNetwork, server: Host
) -> None:
    """Who has gone leaves a place."""
    peers: list[str] = []

    async def until_goodbye(channel: UDPChannel) -> None:
        peers.append(channel.peer_address[0])
        while await channel.receive() != b"goodbye":
            pass

    async with serving(until_goodbye, on=server, max_peers=5, max_peers_per_source=2) as endpoint:
        async with AsyncExitStack() as stack:
            with network.host("192.0.2.66"):
                greedy = [stack.enter_context(await open_udp_endpoint("0.0.0.0")) for _ in range(4)]
            with network.host("192.0.2.67"):
                modest = stack.enter_context(await open_udp_endpoint("0.0.0.0"))
            for client in (*greedy, modest):
                await client.send(b"hello", endpoint.address)
            await trio.sleep(1)
            assert sorted(peers) == ["192.0.2.66", "192.0.2.66", "192.0.2.67"], "two of four"
            assert endpoint.statistics().dropped == {"too many of one source": 2}
            await greedy[0].send(b"goodbye", endpoint.address)
            await trio.sleep(1)
            await greedy[3].send(b"again", endpoint.address)
            await trio.sleep(1)
            assert peers[3:] == ["192.0.2.66"]


def test_vacancies_by_source() -> None:
    vacancies = Vacancies(10, 1, None)
    one, neighbour, other = ("2001:db8::1", 1, 0, 0), ("2001:db8::2", 2, 0, 0), ("2001:db8:0:1::1", 1, 0, 0)
    vacancies.take(one)
    assert [vacancies.objection(who) for who in (one, neighbour, other)] == ["too many of one source"] * 2 + [""]
    vacancies.give_back(one)
    assert vacancies.objection(neighbour) == ""
    assert not vacancies._taken, "nothing is kept of who has gone"


async def test_an_async_admit_is_no_yes(sockets: str) -> None:
    endpoint = await open_udp_endpoint(LOCAL)
    with await open_udp_endpoint(LOCAL) as client:
        await client.send(b"x", endpoint.address)
        with pytest.raises(TypeError, match="admit must be a function that is not async"):
            await serve_peers(echo, [endpoint], admit=lambda _: Later())  # type: ignore[arg-type,return-value]


async def test_what_was_read_is_counted_when_admit_fails() -> None:
    asked: list[Address] = []

    def admit(address: Address) -> bool:
        asked.append(address)
        return bool(1 // (3 - len(asked)))

    endpoint = await open_udp_endpoint(LOCAL)
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_context(await open_udp_endpoint(LOCAL)).send(b"x", endpoint.address)
        with pytest.raises(ZeroDivisionError):
            await serve_peers(Silent(), [endpoint], admit=admit)
    counted = endpoint.statistics()
    assert counted.received == sum(counted.dropped.values())


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("told", ["received", "dropped", "not admitted", "opened"])
async def test_what_was_read_is_counted_once_when_an_observer_raises(
    clock: trio.testing.MockClock, network: VirtualNetwork, told: str, once: bool
) -> None:
    """Regression: a datagram at whose drop an observer raised was counted a second time, and those behind it never."""
    events: list[Event] = []

    def raising(event: Event) -> None:
        kind = {"received": DatagramReceived, "opened": PeerOpened}.get(told, DatagramDropped)
        if isinstance(event, kind) and not (once and events):
            events.append(event)
            raise KeyError("boom")

    with observe(raising), trio.fail_after(100):
        with network.host("10.0.0.7"):
            endpoint = await open_udp_endpoint("10.0.0.7")
        async with await open_udp_endpoint("0.0.0.0") as client:
            for _ in range(5):
                await client.send(b"x", endpoint.address)
            await trio.sleep(1)  # so that they are read together
        with pytest.raises(KeyError, match="boom"), bare_exceptions():
            await serve_peers(Silent(), [endpoint], incoming_buffer=1, admit=lambda _: told != "not admitted")
    counted = endpoint.statistics()
    assert counted.received == 5
    assert (
        counted.dropped
        == {
            "received": {"server stopped": 5},
            "dropped": {"peer's buffer full": 1, "server stopped": 3, "channel closed": 1},
            "not admitted": {"not admitted": 1, "server stopped": 4},
            "opened": {"peer's buffer full": 4, "channel closed": 1},
        }[told]
    )


async def test_admit_is_a_function() -> None:
    with pytest.raises(TypeError, match="admit must be a function from an address to True or False, or None, not 5"):
        await serve_udp_peers(echo, 0, admit=5)  # type: ignore[arg-type]


async def test_endpoints_share_the_places(ipv6: None) -> None:
    silent = Silent()
    async with trio.open_nursery() as nursery:
        endpoints = await open_udp_endpoints(0)
        nursery.start_soon(partial(serve_peers, silent, endpoints, max_peers=1))
        with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint("::1") as two:
            await one.send(b"x", (LOCAL, endpoints[0].address[1]))
            await settled()
            await two.send(b"x", ("::1", endpoints[0].address[1]))
            await settled()
        assert len(silent.channels) == 1
        drops = [endpoint.statistics().dropped for endpoint in endpoints]
        assert sorted(map(len, drops)) == [0, 1]
        nursery.cancel_scope.cancel()


# -- idle -------------------------------------------------------------------------------------------------------------


async def test_who_says_nothing_for_so_long_has_gone(
    clock: trio.testing.MockClock, network: VirtualNetwork, server: Host
) -> None:
    network.link = Link(delay=0.25)
    heard: list[tuple[str, float]] = []

    async def handler(channel: UDPChannel) -> None:
        async for data in channel:
            heard.append((data.decode(), trio.current_time()))
        heard.append(("gone", trio.current_time()))

    async with serving(handler, on=server, idle_timeout=10):
        with await open_udp_channel("10.0.0.1", 7) as client:
            await client.send(b"1")
            await trio.sleep(9.5)
            await client.send(b"2")
            await trio.sleep(30)
            await client.send(b"3")
            await trio.sleep(1)
    assert heard == [("1", 0.25), ("2", 9.75), ("gone", 19.75), ("3", 39.75)]


async def test_a_busy_handler_is_not_idle(clock: trio.testing.MockClock, network: VirtualNetwork, server: Host) -> None:
    ended = []

    async def handler(channel: UDPChannel) -> None:
        await channel.receive()
        await trio.sleep(100)
        with pytest.raises(trio.EndOfChannel):
            await channel.receive()
        ended.append(trio.current_time())
        with pytest.raises(trio.EndOfChannel):  # the end is not for ever: the peer may speak again
            await channel.receive()
        ended.append(trio.current_time())

    async with serving(handler, on=server, idle_timeout=10):
        with await open_udp_channel("10.0.0.1", 7) as client:
            await client.send(b"x")
            await trio.sleep(200)
    assert ended == [about(110), about(120)]


async def test_what_came_just_before_the_end_is_received() -> None:
    """It is due and is woken; the datagram comes before it has run."""
    got: list[bytes] = []
    with await open_udp_endpoint(LOCAL) as endpoint:
        idle = Idle(10)
        peer = Peer((LOCAL, 9), endpoint._io, {}, idle, 1)

        async def receive() -> None:
            got.append(await UDPChannel(peer).receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            idle.remove(peer)
            peer.end_wait("idle")
            assert peer.deliver(b"in time")
    assert got == [b"in time"]


async def test_many_that_go_at_the_same_time(clock: trio.testing.MockClock) -> None:
    gone: list[float] = []

    async def handler(channel: UDPChannel) -> None:
        async for _ in channel:
            pass
        gone.append(trio.current_time())

    count = AT_ONCE * 2 + 1
    async with VirtualNetwork() as network:
        host = network.host("10.0.0.1")
        async with serving(handler, on=host, idle_timeout=5):
            for _ in range(count):
                with await open_udp_endpoint("0.0.0.0") as client:
                    await client.send(b"x", ("10.0.0.1", 7))
            await trio.sleep(10)
    assert gone == [about(5)] * count


async def test_for_ever(clock: trio.testing.MockClock) -> None:
    async with serving(echo, idle_timeout=float("inf")) as server:
        with await open_udp_channel(*server.address) as client:
            for _ in range(2):
                await client.send(b"x")
                assert await client.receive() == b"x"
                await trio.sleep(80_000)
            assert server.statistics().received == 2


# -- how a server ends ------------------------------------------------------------------------------------------------


async def test_what_a_handler_raises_comes_out_bare(sockets: str) -> None:
    others: list[str] = []

    async def handler(channel: UDPChannel) -> None:
        try:
            if await channel.receive() == b"boom":
                raise KeyError("boom")
            await channel.receive()
        except trio.Cancelled:
            others.append("cancelled")
            raise

    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        endpoint = await open_udp_endpoint(LOCAL)
        await one.send(b"x", endpoint.address)
        await two.send(b"boom", endpoint.address)
        with pytest.raises(KeyError, match="boom"):
            await serve_peers(handler, [endpoint])
        assert others == ["cancelled"]
        with pytest.raises(trio.ClosedResourceError):
            await endpoint.send(b"x", one.address)


async def test_grace(clock: trio.testing.MockClock, network: VirtualNetwork, server: Host) -> None:
    """What has come is received, and then the channel ends; nobody new is heard."""
    told: list[tuple[str, float]] = []

    async def handler(channel: UDPChannel) -> None:
        async for data in channel:
            await trio.sleep(1)
            told.append((data.decode(), trio.current_time()))
        told.append(("end", trio.current_time()))

    with await open_udp_channel("10.0.0.1", 7) as client:
        with server, trio.move_on_at(0.5):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve_udp_peers, handler, 7, host="10.0.0.1", grace_period=10))
                for data in (b"1", b"2"):
                    await client.send(data)
        assert trio.current_time() == about(2)
        await client.send(b"too late")
    assert told == [("1", about(1)), ("2", about(2)), ("end", about(2))]


async def test_when_the_grace_is_over_handlers_are_cancelled(
    clock: trio.testing.MockClock, network: VirtualNetwork, server: Host
) -> None:
    told: list[float] = []

    async def handler(channel: UDPChannel) -> None:
        try:
            await trio.sleep_forever()
        finally:
            told.append(trio.current_time())

    with await open_udp_channel("10.0.0.1", 7) as client:
        with server, trio.move_on_at(0.5):
            async with trio.open_nursery() as nursery:
                [endpoint] = await nursery.start(partial(serve_udp_peers, handler, 7, host="10.0.0.1", grace_period=10))
                await client.send_many([b"1", b"2"])
    assert told == [10.5]
    assert endpoint.statistics().dropped == {"channel closed": 2}


async def test_a_handler_that_waits_hears_of_the_end_at_once(
    clock: trio.testing.MockClock, network: VirtualNetwork, server: Host
) -> None:
    with await open_udp_channel("10.0.0.1", 7) as client:
        with server, trio.move_on_at(0.5):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve_udp_peers, echo, 7, host="10.0.0.1", grace_period=10))
                await client.send(b"x")
                assert await client.receive() == b"x"
    assert trio.current_time() == 0.5


async def test_without_grace_it_ends_at_once(sockets: str) -> None:
    silent = Silent()
    async with serving(silent) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"x")
            await settled()
    assert len(silent.channels) == 1
    with pytest.raises(trio.ClosedResourceError):
        await silent.channels[0].receive()
    with pytest.raises(trio.ClosedResourceError):
        await silent.channels[0].send(b"x")
    assert silent.channels[0].statistics().received == 1


# -- the channel ------------------------------------------------------------------------------------------------------


async def test_one_task_at_a_time_receives(sockets: str) -> None:
    told: list[str] = []

    async def handler(channel: UDPChannel) -> None:
        async def receive() -> None:
            try:
                told.append((await channel.receive()).decode())
            except trio.BusyResourceError:
                told.append("busy")

        await channel.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await settled()
            nursery.start_soon(receive)

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"1")
            await trio.sleep(0.01)
            await settled()
            await client.send(b"2")
            await settled()
    assert told == ["busy", "2"]


async def test_closing_wakes_who_waits(sockets: str) -> None:
    told: list[str] = []

    async def handler(channel: UDPChannel) -> None:
        async def receive() -> None:
            try:
                await channel.receive()
            except trio.ClosedResourceError:
                told.append("closed")

        await channel.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await settled()
            with channel:
                pass
        channel.close()

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"1")
            await trio.sleep(0.01)
            await settled()
    assert told == ["closed"]


async def test_closing_ends_a_send_that_is_under_way(sockets: str) -> None:
    """Regression: what was begun was sent to its end."""
    told: list[int] = []

    async def handler(channel: UDPChannel) -> None:
        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await channel.send_many([b"x"] * 5000)
            told.append(channel.statistics().sent)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while not channel.statistics().sent:
                await trio.lowlevel.checkpoint()
            channel.close()

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"x")
            await trio.sleep(0.01)
            await settled()
    assert len(told) == 1
    assert 0 < told[0] < 5000


async def test_closing_wakes_a_send_that_waits_for_room() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    told: list[str] = []

    async def never(*_: object) -> int:
        await trio.sleep_forever()
        raise AssertionError

    async def handler(channel: UDPChannel) -> None:
        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await channel.send(b"x")
            told.append("closed")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            channel.close()

    async with serving(handler) as server:
        factory.made[0].sendto = never  # type: ignore[method-assign]
        with await open_udp_channel(*server.address) as client:
            await client.send(b"x")
            await trio.sleep(0.01)
            await settled()
    assert told == ["closed"]


async def test_a_cancelled_receive_loses_nothing(sockets: str) -> None:
    told: list[bytes] = []
    timed_out, done = trio.Event(), trio.Event()

    async def handler(channel: UDPChannel) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await channel.receive()
        assert scope.cancelled_caught
        told.append(await channel.receive())
        with trio.move_on_after(0.001) as scope:
            await channel.receive()
        assert scope.cancelled_caught
        timed_out.set()
        told.append(await channel.receive())
        done.set()

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"1")
            await timed_out.wait()
            await client.send(b"2")
            await done.wait()
    assert told == [b"1", b"2"]


async def test_every_call_is_a_checkpoint(sockets: str) -> None:
    checked: list[str] = []

    async def handler(channel: UDPChannel) -> None:
        await settled()
        with trio.testing.assert_checkpoints():
            await channel.receive()
        with trio.testing.assert_checkpoints():
            await channel.receive_many()
        with trio.testing.assert_checkpoints():
            await channel.send(b"x")
        with trio.testing.assert_checkpoints():
            await channel.aclose()
        with trio.testing.assert_checkpoints(), pytest.raises(trio.ClosedResourceError):
            await channel.receive()
        with trio.testing.assert_checkpoints(), pytest.raises(trio.ClosedResourceError):
            await channel.send(b"x")
        checked.append("all")

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send_many([b"1", b"2"])
            assert await client.receive() == b"x"
            await settled()
    assert checked == ["all"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOBUFS, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL])
async def test_the_network_cannot_end_a_server(number: int) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    seen: list[UDPChannel] = []

    def trouble() -> None:
        factory.made[0].before_send = lambda: None
        raise OSError(number, "trouble")

    async def handler(channel: UDPChannel) -> None:
        seen.append(channel)
        async for data in channel:
            factory.made[0].before_send = trouble
            await channel.send_many([b"lost", data])

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            for data in (b"1", b"2"):
                await client.send(data)
                assert await client.receive() == data
        await settled()
        name = errno.errorcode[number]
        assert server.statistics().errors == {name: 2}
        statistics = seen[0].statistics()
        assert (statistics.sent, statistics.sent_bytes, statistics.dropped) == (2, 2, {name: 2})


async def test_too_large_is_an_error_of_who_sends_it(sockets: str) -> None:
    async def handler(channel: UDPChannel) -> None:
        with pytest.raises(DatagramTooLarge):
            await channel.send(bytes(65508))
        await channel.send(b"small")

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"x")
            assert await client.receive() == b"small"


async def test_what_is_sent_is_counted_in_bytes(sockets: str) -> None:
    """Regression: of a view of items that are larger, the items were counted."""
    numbers: Any = memoryview(bytes(80000)).cast("I")
    seen: list[UDPChannel] = []

    async def handler(channel: UDPChannel) -> None:
        seen.append(channel)
        with pytest.raises(DatagramTooLarge) as caught:
            await channel.send(numbers)
        assert caught.value.size == 80000
        buffer: Any = bytearray(b"3")
        await channel.send_many([numbers[:5], b"1", b"2", buffer])

    async with serving(handler) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send(b"x")
            assert await client.receive() == bytes(20)
            await settled()
        assert (seen[0].statistics().sent, seen[0].statistics().sent_bytes) == (4, 23)


async def test_statistics_of_a_channel(sockets: str) -> None:
    silent = Silent()
    async with serving(silent) as server:
        with await open_udp_channel(*server.address) as client:
            await client.send_many([b"1", b"23"])
            await settled()
            [channel] = silent.channels
            await channel.send_many([b"456", b"7"])
            assert await client.receive() == b"456"
            statistics = channel.statistics()
            assert (statistics.received, statistics.received_bytes) == (2, 3)
            assert (statistics.sent, statistics.sent_bytes) == (2, 4)
            assert (statistics.dropped, statistics.errors, statistics.kernel_drops) == ({}, {}, None)
            assert statistics.receive_buffer == server.statistics().receive_buffer


# -- who watches ------------------------------------------------------------------------------------------------------


async def test_events(clock: trio.testing.MockClock) -> None:
    events: list[Event] = []

    async def handler(channel: UDPChannel) -> None:
        async for data in channel:
            if data == b"return":
                return
            if data == b"raise":
                raise KeyError
            if data == b"sleep":
                await trio.sleep_forever()

    clients = [await open_udp_endpoint(LOCAL) for _ in range(4)]

    async def talk() -> None:
        for client, data in zip(clients, (b"idle", b"return", b"sleep"), strict=False):
            await client.send(data, server.address)
            await settled()
        await trio.sleep(7)
        await clients[3].send(b"raise", server.address)

    with observe(events.append):
        server = await open_udp_endpoint(LOCAL)
        with pytest.raises(KeyError), bare_exceptions():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(talk)
                await serve_peers(handler, [server], idle_timeout=5)
    opened = [event.remote for event in events if isinstance(event, PeerOpened)]
    closed = [(event.remote, event.reason) for event in events if isinstance(event, PeerClosed)]
    addresses = [client.address for client in clients]
    assert opened == addresses
    assert closed[:2] == [(addresses[1], "returned"), (addresses[0], "idle")]
    assert sorted(closed[2:], key=lambda pair: pair[1]) == [(addresses[3], "KeyError"), (addresses[2], "cancelled")]
    for client in clients:
        client.close()


async def test_that_the_server_stopped_is_told(clock: trio.testing.MockClock) -> None:
    events: list[Event] = []
    with observe(events.append):
        async with serving(echo, grace_period=1) as server:
            with await open_udp_channel(*server.address) as client:
                await client.send(b"x")
                assert await client.receive() == b"x"
    assert [event.reason for event in events if isinstance(event, PeerClosed)] == ["server stopped"]


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_peers": 0}, "max_peers must be a whole number of at least 1, not 0"),
        ({"max_peers_per_source": 0}, "max_peers_per_source must be a whole number of at least 1, not 0"),
        ({"max_peers": 1.5}, "max_peers must be a whole number of at least 1, not 1.5"),
        ({"incoming_buffer": 0}, "incoming_buffer must be a whole number of at least 1, not 0"),
        ({"idle_timeout": 0}, "idle_timeout must be a number of seconds above 0, not 0"),
        ({"idle_timeout": float("nan")}, "idle_timeout must be a number of seconds above 0, not nan"),
        ({"grace_period": -1}, "grace_period must be a number of seconds of at least 0, not -1"),
    ],
)
async def test_arguments_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await serve_udp_peers(echo, 0, host=LOCAL, **options)
    endpoint = await open_udp_endpoint(LOCAL)
    with pytest.raises(ValueError, match=message):
        await serve_peers(echo, [endpoint], **options)
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.send(b"x", (LOCAL, 9))


async def test_no_handler() -> None:
    with pytest.raises(TypeError, match="a handler must be an async function, not 7"):
        await serve_udp_peers(7, 0, host=LOCAL)  # type: ignore[arg-type]


async def test_no_endpoints() -> None:
    with pytest.raises(ValueError, match="endpoints must not be empty: there is nothing to serve"):
        await serve_peers(echo, [])


async def test_a_handler_that_is_not_async(sockets: str) -> None:
    def handler(_: UDPChannel) -> Any:
        return 7

    with await open_udp_endpoint(LOCAL) as client:
        endpoint = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(b"x", endpoint.address)])
        with pytest.raises(TypeError, match="a handler must be an async function; this one returned 7"):
            await serve_peers(handler, [endpoint])


async def test_a_handler_with_other_arguments() -> None:
    async def handler() -> None: ...

    with await open_udp_endpoint(LOCAL) as client:
        endpoint = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(b"x", endpoint.address)])
        with pytest.raises(TypeError, match="takes 0 positional arguments but 1 was given"):
            await serve_peers(handler, [endpoint])  # type: ignore[arg-type]
