"""`DatagramLost`: who observes a sender is told what the virtual network has lost, and when. All times are exact."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from tests.testing.hosts import udp
from trio_udp import DatagramLost, DatagramSent, Event, observe, open_udp_client, open_udp_endpoint
from trio_udp.faults import Deliver, Drop, InFlight, Link, drop_first, hold
from trio_udp.testing import VirtualNetwork
from trio_udp.testing._mailbox import BOOKKEEPING

SERVER = ("10.0.0.1", 7)
HERE = ("10.0.0.2", 32768)


def losses(events: list[Event]) -> list[DatagramLost]:
    return [event for event in events if isinstance(event, DatagramLost)]


async def lost_of(
    network: VirtualNetwork, *payloads: bytes, to: tuple[str, int] = SERVER, start: float = 0.5
) -> list[DatagramLost]:
    """What is told of datagrams that an observed task of 10.0.0.2 sends at this time, once there is silence."""
    events: list[Event] = []
    with observe(events.append):
        await trio.sleep(start)
        with network.hosts["client"]:
            endpoint = await open_udp_endpoint("10.0.0.2")
        for data in payloads:
            await endpoint.send(data, to)
        await trio.sleep(100)
        endpoint.close()
    sent = [event for event in events if isinstance(event, DatagramSent)]
    assert {event.sent_at for event in losses(events)} <= {event.time for event in sent}
    assert {(event.local, event.remote) for event in losses(events)} <= {(HERE, to)}
    return losses(events)


@pytest.fixture
def network(virtual_network: VirtualNetwork) -> VirtualNetwork:
    virtual_network.host("10.0.0.1", name="server")
    virtual_network.host("10.0.0.2", name="client")
    return virtual_network


def lost(time: float, data: bytes, reason: str, sent_at: float = 0.5) -> DatagramLost:
    return DatagramLost(time, HERE, SERVER, data, reason, sent_at)


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (Link(loss=1, delay=0.25), "loss"),
        (Link(exact_loss=(1, 1), delay=0.25), "exact loss"),
        (Link(mtu=68, delay=0.25), "mtu"),
    ],
    ids=repr,
)
async def test_what_a_link_takes_is_lost_when_it_is_sent(
    network: VirtualNetwork, autojump_clock: MockClock, link: Link, reason: str
) -> None:
    network.link = link
    assert await lost_of(network, bytes(41)) == [lost(0.5, bytes(41), reason)]


async def test_a_queue_that_is_full(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(rate=224, queue=1)
    await udp(network.hosts["server"], 7)
    assert await lost_of(network, b"", b"", b"") == [lost(0.5, b"", "queue full")]


async def test_what_a_rule_takes(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    await udp(network.hosts["server"], 7)
    with network.rule(drop_first(1), lambda flight: Drop("the second") if flight.n == 2 else None):
        assert await lost_of(network, b"1", b"2", b"3") == [
            lost(0.5, b"1", "drop_first"),
            lost(0.5, b"2", "the second"),
        ]


async def test_no_such_host(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(delay=0.25)
    there = ("10.0.0.9", 7)
    assert await lost_of(network, b"x", to=there) == [DatagramLost(0.5, HERE, there, b"x", "no such host", 0.5)]


async def test_what_nobody_takes_is_lost_when_it_arrives(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(delay=0.25)
    assert await lost_of(network, b"x") == [lost(0.75, b"x", "refused")]


async def test_a_host_that_is_down(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(delay=0.25)
    network.hosts["server"].crash()
    assert await lost_of(network, b"x") == [lost(0.75, b"x", "host down")]


async def test_a_buffer_that_is_full(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(delay=0.25)
    server = await udp(network.hosts["server"], 7)
    server.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 2 * BOOKKEEPING)
    room = server.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF) // (BOOKKEEPING + 1)
    assert room > 1
    assert await lost_of(network, *[b"x"] * room, b"y") == [lost(0.75, b"y", "buffer full")]


async def test_one_of_two_copies(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """The first arrives, and its host crashes before the second does."""
    network.link = Link(duplicate=1, delay=0.25, reorder=1, reorder_delay=0.5)
    await udp(network.hosts["server"], 7)
    async with trio.open_nursery() as nursery:

        async def crash() -> None:
            await trio.sleep(0.9)
            network.hosts["server"].crash()

        nursery.start_soon(crash)
        assert await lost_of(network, b"x") == [lost(1.25, b"x", "host down")]
    [recorded] = network.datagrams
    assert recorded.delivered == [0.75]


async def test_each_copy_that_is_lost_is_told(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(duplicate=1, delay=0.25)
    assert await lost_of(network, b"x") == [lost(0.75, b"x", "refused")] * 2


async def test_one_that_was_held_has_its_time_of_sending(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(loss=1, delay=0.25)
    waiting = hold(limit=1)
    async with trio.open_nursery() as nursery:

        async def let_go() -> None:
            await trio.sleep(3)
            waiting.release()

        nursery.start_soon(let_go)
        with network.rule(waiting):
            assert await lost_of(network, b"held", b"too many") == [
                lost(0.5, b"too many", "hold full"),
                lost(3, b"held", "loss"),
            ]


async def test_a_nat_that_has_forgotten(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """The reply is lost, and is told as the server's."""
    server = await udp(network.hosts["server"], 7)
    events: list[Event] = []
    network.link = Link(delay=0.25)
    network.hosts["client"].rebind()
    with network.hosts["client"]:
        async with await open_udp_client("10.0.0.1", 7) as client:
            with trio.move_on_after(0.5):
                await client.request(b"?")
    _, address = await server.recvfrom(100)
    network.hosts["client"].rebind()
    with observe(events.append):
        await server.sendto(b"!", address)
        await trio.sleep(1)
    assert losses(events) == [DatagramLost(0.75, SERVER, address, b"!", "rebound", 0.5)]


async def test_to_many_there_is_one_for_each_that_does_not_hear(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    await udp(network.hosts["server"], 8)
    socket = await udp(network.hosts["client"])
    socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, 1)
    events: list[Event] = []
    with observe(events.append):
        await socket.sendto(b"x", ("255.255.255.255", 7))
        await trio.sleep(1)
    assert losses(events) == [
        DatagramLost(1e-6, HERE, ("255.255.255.255", 7), b"x", "no listener", 0, at)
        for at in (("10.0.0.2", 7), SERVER)  # also the sender's own host
    ]
    with observe(events.append):
        await socket.sendto(b"x", ("239.1.1.1", 7))
        await trio.sleep(1)
    assert losses(events)[2:] == [DatagramLost(1, HERE, ("239.1.1.1", 7), b"x", "no listener", 1, None)]


async def test_ipv6_is_shown_as_its_socket_does(virtual_network: VirtualNetwork, autojump_clock: MockClock) -> None:
    events: list[Event] = []
    virtual_network.link = Link(loss=1)
    virtual_network.host("fd00::1")
    with observe(events.append), await open_udp_endpoint("::") as endpoint:
        await endpoint.send(b"x", ("fd00::1", 7, 0, 0))
        await trio.sleep(1)
        assert losses(events) == [DatagramLost(0, endpoint.address, ("fd00::1", 7, 0, 0), b"x", "loss", 0)]
        assert len(endpoint.address) == 4


async def test_only_the_senders_own_observers(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    events: list[Event] = []
    socket = await udp(network.hosts["client"])
    await socket.sendto(b"before", SERVER)
    with observe(events.append):
        await socket.sendto(b"observed", SERVER)
        await trio.sleep(1)
        await socket.sendto(b"decided when it is over", SERVER)
    await trio.sleep(1)
    assert [event.data for event in losses(events)] == [b"observed"]
    assert [each.dropped for each in network.datagrams] == ["refused"] * 3


async def test_the_last_ones_are_told_at_the_end(autojump_clock: MockClock) -> None:
    events: list[Event] = []
    with observe(events.append):
        async with VirtualNetwork(Link(loss=1)) as network:
            client = network.host("10.0.0.2")
            network.host("10.0.0.1")
            await (await udp(client)).sendto(b"x", SERVER)
    assert losses(events) == [DatagramLost(0, HERE, SERVER, b"x", "loss", 0)]


class Odd(Exception):
    pass


def odd(event: Event) -> None:
    if isinstance(event, DatagramLost):
        raise Odd


def fail(flight: InFlight) -> Deliver:
    raise KeyError


@pytest.mark.parametrize("link", [Link(loss=1), Link(delay=0.25)], ids=["on the way", "at its end"])
async def test_what_an_observer_raises_comes_out_of_the_network(autojump_clock: MockClock, link: Link) -> None:
    """Not out of what another task happens to do at that moment, and no datagram is forgotten over it."""
    with pytest.raises(Odd):
        async with VirtualNetwork(link) as network:
            network.host("10.0.0.1")
            socket = await udp(network.host("10.0.0.2"))
            with observe(odd):
                for _ in range(3):
                    await socket.sendto(b"x", SERVER)
                await trio.sleep(0.25)
                assert len(network.datagrams) == 3
                await trio.sleep_forever()
    assert trio.current_time() < 1
    reason = "loss" if link.loss else "refused"
    assert [each.dropped for each in network.datagrams] == [reason] * 3
    assert network._wire.record.dropped == {reason: 3}


async def test_what_an_observer_raises_at_the_end_comes_out_too(autojump_clock: MockClock) -> None:
    with pytest.raises(Odd), observe(odd):
        async with VirtualNetwork(Link(loss=1)) as network:
            network.host("10.0.0.1")
            socket = await udp(network.host("10.0.0.2"))
            await socket.sendto(b"x", SERVER)


@pytest.mark.parametrize("callback", [odd, lambda event: None])
async def test_a_rules_own_failure_comes_first(autojump_clock: MockClock, callback: Callable[[Event], None]) -> None:
    with pytest.raises(KeyError):
        async with VirtualNetwork() as network:
            network.host("10.0.0.1")
            socket = await udp(network.host("10.0.0.2"))
            with observe(callback), network.rule(fail):
                await socket.sendto(b"x", SERVER)
                await trio.sleep_forever()
    assert network._wire.record.dropped == {"rule failed": 1}


async def test_a_rule_that_fails_over_one_of_many_copies(autojump_clock: MockClock) -> None:
    """Regression: those behind it were compared by their ways, which was a TypeError in the place of the rule's."""
    events: list[Event] = []
    with pytest.raises(KeyError):
        async with VirtualNetwork() as network:
            sockets = [await udp(network.host(), 7) for _ in range(4)]
            sockets[0].setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, 1)
            with observe(events.append), network.rule(fail):
                await sockets[0].sendto(b"x", ("255.255.255.255", 7))
                await trio.sleep_forever()
    assert [each.reason for each in losses(events)] == ["rule failed"]
    assert [each.dropped for each in network.datagrams].count(None) == 3
    assert [len(each.delivered) for each in network.datagrams].count(1) == 3


async def test_without_observers_nothing_is_made(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    socket = await udp(network.hosts["client"])
    await socket.sendto(b"x", SERVER)
    [sent] = network._wire._outbox
    assert sent.told is None
