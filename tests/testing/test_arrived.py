"""`DatagramArrived`: who observes a sender is told what the virtual network has brought, and when. Times are exact."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.testing.hosts import udp
from trio_udp import DatagramArrived, Event, observe, open_udp_endpoint
from trio_udp.faults import Deliver, Link, drop_first
from trio_udp.testing import VirtualNetwork

SERVER = ("10.0.0.1", 7)
HERE = ("10.0.0.2", 32768)


@pytest.fixture
async def network(virtual_network: VirtualNetwork) -> VirtualNetwork:
    """With a server that reads nothing."""
    virtual_network.link = Link(delay=0.25)
    await udp(virtual_network.host("10.0.0.1", name="server"), 7)
    virtual_network.host("10.0.0.2", name="client")
    return virtual_network


async def arrivals_of(network: VirtualNetwork, *payloads: bytes, address: str = "10.0.0.2") -> list[DatagramArrived]:
    """What is told of datagrams that an observed task of 10.0.0.2 sends at 0.5 s, once there is silence."""
    events: list[Event] = []
    with observe(events.append):
        await trio.sleep(0.5)
        with network.hosts["client"], await open_udp_endpoint(address) as endpoint:
            for data in payloads:
                await endpoint.send(data, SERVER)
            await trio.sleep(100)
    return [event for event in events if isinstance(event, DatagramArrived)]


def arrived(time: float, data: bytes, damaged: bytes | None = None) -> DatagramArrived:
    return DatagramArrived(time, HERE, SERVER, data, 0.5, damaged)


async def test_what_arrives(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    with network.rule(drop_first(1)):
        assert await arrivals_of(network, b"lost", b"") == [arrived(0.75, b"")]


async def test_each_copy(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(delay=0.25, duplicate=1)
    assert await arrivals_of(network, b"x") == [arrived(0.75, b"x"), arrived(0.75, b"x")]


async def test_who_overtakes_arrives_first(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    with network.rule(lambda flight: Deliver(3) if flight.n == 1 else None):
        assert await arrivals_of(network, b"slow", b"quick") == [arrived(0.75, b"quick"), arrived(3.5, b"slow")]


async def test_what_was_damaged(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.link = Link(truncate=1)
    [event] = await arrivals_of(network, b"hello")
    [received] = network.hosts["server"].mailboxes
    got = received.take()
    assert got is not None
    assert event == arrived(0.500001, b"hello", got.data)
    assert b"hello".startswith(got.data)
    assert len(got.data) < 5


async def test_as_the_sender_knows_both(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """Its endpoint is bound to the wildcard, and called so."""
    [event] = await arrivals_of(network, b"x", address="0.0.0.0")
    assert (event.local, event.remote) == (("0.0.0.0", 32768), SERVER)


async def test_at_every_host_of_a_group(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    everybody = ("255.255.255.255", 7)
    await udp(network.host("10.0.0.3"), 7)
    here = await udp(network.hosts["client"], 9)
    here.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, 1)
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"all", everybody)
        await trio.sleep(1)
    assert [event for event in events if isinstance(event, DatagramArrived)] == [
        DatagramArrived(0.25, ("10.0.0.2", 9), everybody, b"all", 0, at=at) for at in (("10.0.0.3", 7), SERVER)
    ]


async def test_at_what_others_call_a_socket(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """Be it bound to the group, or one of IPv6 that hears IPv4, too."""
    with network.host("10.0.0.3", "fd00::3"):
        (await open_udp_endpoint("239.1.1.1", 8)).join_group("239.1.1.1")
        await trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM).bind(("::", 9))
    here = await udp(network.hosts["client"], 9)
    here.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, 1)
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"group", ("239.1.1.1", 8))
        await here.sendto(b"all", ("255.255.255.255", 9))
        await trio.sleep(1)
    assert [(event.data, event.at) for event in events if isinstance(event, DatagramArrived)] == [
        (b"all", ("10.0.0.2", 9)),
        (b"group", ("10.0.0.3", 8)),
        (b"all", ("::ffff:10.0.0.3", 9, 0, 0)),
    ]


class Odd(Exception):
    pass


def test_what_an_observer_raises_at_it_comes_out_of_the_network() -> None:
    def odd(event: Event) -> None:
        if isinstance(event, DatagramArrived):
            raise Odd

    async def main() -> None:
        async with VirtualNetwork() as network:
            there = await udp(network.host("10.0.0.1"), 7)
            with observe(odd), await open_udp_endpoint("192.0.2.1") as here:
                await here.send(b"x", SERVER)
                assert await there.recv(10) == b"x", "it has arrived all the same"
                await trio.sleep(1)

    with pytest.raises(Odd):
        trio.run(main, clock=MockClock(autojump_threshold=0))
