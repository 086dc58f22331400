"""Who observes a task is told what it does with plain sockets of a virtual network: once, whoever calls them."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes import OtherSocket
from tests.testing.hosts import udp
from trio_udp import (
    DatagramArrived,
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    Event,
    UDPEndpoint,
    observe,
    open_udp_channel,
    open_udp_endpoint,
)
from trio_udp.faults import Link
from trio_udp.testing import Host, VirtualNetwork
from trio_udp.tracing import Happened, record

SERVER, CLIENT = ("10.0.0.1", 7), ("10.0.0.2", 32768)


@pytest.fixture
def network(virtual_network: VirtualNetwork) -> VirtualNetwork:
    virtual_network.link = Link(delay=0.25)
    virtual_network.host("10.0.0.1", "fd00::1", name="server")
    virtual_network.host("10.0.0.2", "fd00::2", name="client")
    return virtual_network


@pytest.fixture
def server(network: VirtualNetwork) -> Host:
    return network.hosts["server"]


@pytest.fixture
def client(network: VirtualNetwork) -> Host:
    return network.hosts["client"]


def ends(events: list[Event]) -> list[tuple[str, Any, Any]]:
    return [(type(event).__name__, event.local, event.remote) for event in events]


async def test_there_and_back(server: Host, client: Host, autojump_clock: MockClock) -> None:
    """Sockets that are bound to all addresses have the one by which the other knows them."""
    there, here = await udp(server, 7), await udp(client)
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"?", SERVER)
        _, address = await there.recvfrom(10)
        await there.sendmsg([b"!", b"!"], [], 0, address)
        assert await here.recv(10) == b"!!"
    assert events == [
        DatagramSent(0, CLIENT, SERVER, b"?"),
        DatagramArrived(0.25, CLIENT, SERVER, b"?", 0),
        DatagramReceived(0.25, SERVER, CLIENT, b"?"),
        DatagramSent(0.25, SERVER, CLIENT, b"!!"),
        DatagramArrived(0.5, SERVER, CLIENT, b"!!", 0.25),
        DatagramReceived(0.5, CLIENT, SERVER, b"!!"),
    ]


async def test_a_loss_is_told_of_what_was_told_as_sent(
    network: VirtualNetwork, client: Host, autojump_clock: MockClock
) -> None:
    """Regression: the loss alone was told."""
    network.link = Link(loss=1)
    here = await udp(client)
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"x", SERVER)
        await here.connect(SERVER)  # which changes its address, but not the one that it has sent from
        await trio.sleep(1)
    assert events == [DatagramSent(0, CLIENT, SERVER, b"x"), DatagramLost(0, CLIENT, SERVER, b"x", "loss", 0)]


async def test_ipv6_has_the_addresses_of_its_sockets(server: Host, client: Host, autojump_clock: MockClock) -> None:
    there, here = await udp(server, 7, "::"), await udp(client, 0, "::")
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"6", ("fd00::1", 7))
        await there.recv(10)
        await here.sendto(b"4", ("::ffff:10.0.0.1", 7))
        await there.recv(10)
    six, four = ("fd00::2", 32768, 0, 0), ("::ffff:10.0.0.2", 32768, 0, 0)
    assert ends(events) == [
        ("DatagramSent", six, ("fd00::1", 7, 0, 0)),
        ("DatagramArrived", six, ("fd00::1", 7, 0, 0)),
        ("DatagramReceived", ("fd00::1", 7, 0, 0), six),
        ("DatagramSent", four, ("::ffff:10.0.0.1", 7, 0, 0)),
        ("DatagramArrived", four, ("::ffff:10.0.0.1", 7, 0, 0)),
        ("DatagramReceived", ("::ffff:10.0.0.1", 7, 0, 0), four),
    ]


async def test_what_was_for_many_is_received_at_the_hosts_own_address(
    server: Host, client: Host, autojump_clock: MockClock
) -> None:
    there, here = await udp(server, 7), await udp(client)
    here.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, 1)
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"all", ("255.255.255.255", 7))
        await there.recv(10)
    assert ends(events) == [
        ("DatagramSent", CLIENT, ("255.255.255.255", 7)),
        ("DatagramLost", CLIENT, ("255.255.255.255", 7)),  # on its own host nobody listens
        ("DatagramArrived", CLIENT, ("255.255.255.255", 7)),
        ("DatagramReceived", SERVER, CLIENT),
    ]


async def test_a_look_takes_nothing_and_is_not_told(server: Host, client: Host, autojump_clock: MockClock) -> None:
    there, here = await udp(server, 7), await udp(client)
    await here.sendto(b"x", SERVER)
    events: list[Event] = []
    with observe(events.append):
        assert await there.recv(10, getattr(trio.socket, "MSG_PEEK", 2)) == b"x"
        assert not events
        await there.recv(10)
    assert ends(events) == [("DatagramReceived", SERVER, CLIENT)]


async def test_what_the_task_does_is_told_and_no_other(server: Host, client: Host, autojump_clock: MockClock) -> None:
    there, here = await udp(server, 7), await udp(client)
    events: list[Event] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(there.recv, 10)
        with observe(events.append):
            await here.sendto(b"x", SERVER)
        await here.sendto(b"y", SERVER)
    assert ends(events) == [("DatagramSent", CLIENT, SERVER)]


async def test_a_host_that_has_crashed_sends_nothing(client: Host, autojump_clock: MockClock) -> None:
    here = await udp(client)
    client.crash()
    events: list[Event] = []
    with observe(events.append):
        await here.sendto(b"x", SERVER)
    assert not events


class Odd(Exception):
    pass


async def test_what_an_observer_raises_comes_out_of_the_call(
    network: VirtualNetwork, server: Host, client: Host, autojump_clock: MockClock
) -> None:
    def odd(event: Event) -> None:
        if not isinstance(event, DatagramArrived):
            raise Odd

    there, here = await udp(server, 7), await udp(client)
    with observe(odd):
        with pytest.raises(Odd):
            await here.sendto(b"x", SERVER)
        with pytest.raises(Odd):
            await there.recv(10)
    assert [each.delivered for each in network.datagrams] == [[0.25]]


# -- endpoints of this library -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("reply_from_asked", [False, True])
async def test_an_endpoint_tells_it_and_the_socket_does_not(
    network: VirtualNetwork,
    server: Host,
    client: Host,
    autojump_clock: MockClock,
    wrapped: bool,
    reply_from_asked: bool,
) -> None:
    """Also one around a socket of somebody else's that is around ours."""
    there, here = await udp(server, 7), await udp(client)
    events: list[Event] = []
    with observe(events.append):
        socket = OtherSocket(there) if wrapped else there
        async with UDPEndpoint(socket, reply_from_asked=reply_from_asked) as endpoint:
            await here.sendto(b"?", SERVER)
            _, address = await endpoint.receive()
            network.link = Link(loss=1)
            await endpoint.send(b"!", address)
            await trio.sleep(1)
    wildcard = ("0.0.0.0", 7)
    assert ends(events) == [
        ("DatagramSent", CLIENT, SERVER),
        ("DatagramArrived", CLIENT, SERVER),
        ("DatagramReceived", wildcard, CLIENT),
        ("DatagramSent", wildcard, CLIENT),
        ("DatagramLost", wildcard, CLIENT),
    ]


async def test_a_channel_tells_it_and_its_socket_does_not(
    server: Host, client: Host, autojump_clock: MockClock
) -> None:
    there = await udp(server, 7)
    events: list[Event] = []
    with client, observe(events.append):
        async with await open_udp_channel(*SERVER) as channel:
            await channel.send(b"?")
            await trio.sleep(1)
    assert await there.recv(10) == b"?"
    assert ends(events) == [("DatagramSent", CLIENT, SERVER), ("DatagramArrived", CLIENT, SERVER)]


@pytest.mark.parametrize("opened_inside", [True, False])
async def test_an_endpoints_losses_are_told_to_its_own_observers(
    network: VirtualNetwork, client: Host, autojump_clock: MockClock, opened_inside: bool
) -> None:
    """Regression: who observed the task that sent heard of losses, and not of what had been sent."""
    network.link = Link(loss=1)
    events: list[Event] = []
    around: AbstractContextManager[None] = observe(events.append)
    inside = around if opened_inside else nullcontext()
    with client, inside:
        endpoint = await open_udp_endpoint("10.0.0.2")
        async with trio.open_nursery() as nursery:
            with nullcontext() if opened_inside else around:
                nursery.start_soon(endpoint.send, b"x", SERVER)
                await trio.sleep(1)
    endpoint.close()
    names = [type(event).__name__ for event in events]
    assert names == (["DatagramSent", "DatagramLost"] if opened_inside else [])


async def test_who_calls_an_endpoints_socket_is_told_of_it_by_the_socket(
    server: Host, client: Host, autojump_clock: MockClock
) -> None:
    events: list[Event] = []
    with client:
        endpoint = await open_udp_endpoint("10.0.0.2")
    with endpoint, observe(events.append):
        await endpoint.socket.sendto(b"x", SERVER)
        await trio.sleep(1)
    assert ends(events) == [("DatagramSent", CLIENT, SERVER), ("DatagramLost", CLIENT, SERVER)]


# -- in a recording ----------------------------------------------------------------------------------------------------


async def test_a_recording_has_the_lines_of_the_program(server: Host, client: Host, autojump_clock: MockClock) -> None:
    there, here = await udp(server, 7), await udp(client)
    with record() as recording:
        first = sys._getframe().f_lineno + 1
        await here.sendto(b"x", SERVER)
        await there.recvfrom(10)
    told = [entry for entry in recording.trace().entries if isinstance(entry, Happened)]
    assert [type(entry.event) for entry in told] == [DatagramSent, DatagramArrived, DatagramReceived]
    assert [str(entry.source).rpartition("/")[2] for entry in told] == [
        f"test_observed.py:{first}",
        "None",
        f"test_observed.py:{first + 1}",
    ]
    assert {entry.task for entry in told} != {None}


async def test_what_a_capture_has_forgotten_is_known(autojump_clock: MockClock) -> None:
    async with VirtualNetwork(record_limit=2) as network:
        here = await udp(network.host("10.0.0.2"))
        for _ in range(5):
            await here.sendto(b"x", SERVER)
        assert network.forgotten == 0  # nothing is decided yet
        await trio.sleep(1)
        assert network.forgotten == 3
    assert (network.forgotten, len(network.datagrams)) == (3, 2)
