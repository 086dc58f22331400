"""Several servers, each on a host of its own, near or far, silent or not there at all."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
import trio
import trio.testing

from trio_udp import Datagram, DatagramTooLarge, NoReply, Retry, first_reply, serve_udp
from trio_udp.faults import Link, drop_first, partition
from trio_udp.testing import Host, VirtualNetwork

from .fakes import closed_port, echo, start_on_loopback

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

LOCAL = "127.0.0.1"
PLAIN = Retry(jitter=0)


class Says:
    """A server that always says the same."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    async def __call__(self, datagram: Datagram) -> bytes:
        return self.text


def place(network: VirtualNetwork, name: str, round_trip: float) -> Host:
    """A host that is so many seconds away, there and back; nobody listens there yet."""
    host = network.host(f"10.0.0.{len(network.hosts)}", name=name)
    network.set_link("localhost", host, Link(delay=round_trip / 2), both=True)
    return host


def first_asked(network: VirtualNetwork, hosts: Sequence[Host]) -> list[float | None]:
    """When the first datagram was sent to each of them; None: never."""
    times = [[each.time for each in network.datagrams if each.destination[0] in host.addresses] for host in hosts]
    return [min(some, default=None) for some in times]


# Each server is so many seconds away; "silent" takes requests and says nothing, "closed": nobody listens, and the news
# takes 0.125 seconds. Then: who wins, when, and when each was first asked.
SCENARIOS: list[tuple[list[float | str], int, float, list[float]]] = [
    ([0.125], 0, 0.125, [0]),
    ([0.125, 0.125], 0, 0.125, [0]),
    ([0.5, 0.125], 1, 0.375, [0, 0.25]),
    ([0.375, 0.25], 0, 0.375, [0, 0.25]),
    (["silent", "silent", 0.5], 2, 1.0, [0, 0.25, 0.5]),
    (["closed", 0.25], 1, 0.375, [0, 0.125]),
    (["closed", "closed", 0.25], 2, 0.5, [0, 0.125, 0.25]),
    (["silent", "closed", 0.125], 2, 0.5, [0, 0.25, 0.375]),
]


@pytest.mark.parametrize(("servers", "winner", "when", "asked"), SCENARIOS)
async def test_who_wins(
    network: VirtualNetwork,
    clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    servers: list[float | str],
    winner: int,
    when: float,
    asked: list[float],
) -> None:
    hosts = []
    for number, kind in enumerate(servers):
        host = place(network, f"server{number}", 0.125 if isinstance(kind, str) else kind)
        hosts.append(host)
        if kind == "silent":
            network.set_link(host, "localhost", Link(loss=1))
        if kind != "closed":
            await nursery.start(host.run, serve_udp, Says(b"server %d" % number), 7)
    reply = await first_reply([(host.name, 7) for host in hosts], b"who?", retry=PLAIN)
    assert trio.current_time() == when
    assert reply == (b"server %d" % winner, (hosts[winner].addresses[0], 7))
    assert first_asked(network, hosts) == [*asked, *[None] * (len(servers) - len(asked))]


async def test_over_loopback(sockets: str, nursery: trio.Nursery) -> None:
    """The first refuses, so the second is asked at once, however long the stagger."""
    servers = [(LOCAL, await closed_port()), (LOCAL, await start_on_loopback(nursery, echo))]
    assert await first_reply(servers, b"hello", stagger=60) == (b"hello", servers[1])


async def test_an_unreachable_first_server_costs_the_stagger(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """It is cut off from us; the second one loses our first datagram, and is asked again on its own schedule."""
    near, far = place(network, "near", 0.125), place(network, "far", 0.25)
    for host in (near, far):
        await nursery.start(host.run, serve_udp, echo, 7)
    with (
        network.rule(partition(network.hosts["localhost"], near)),
        network.rule(drop_first(1, match=lambda flight: flight.destination[0] in far.addresses)),
    ):
        reply = await first_reply([("near", 7), ("far", 7)], b"hello", stagger=0.5, retry=PLAIN)
    assert reply.address == (far.addresses[0], 7)
    assert trio.current_time() == 0.5 + 1 + 0.25
    assert [(each.time, each.destination[0] in near.addresses, each.dropped) for each in network.datagrams[:-1]] == [
        (0, True, "partition"),
        (0.5, False, "drop_first"),
        (1, True, "partition"),
        (1.5, False, None),
    ]


async def test_what_is_not_accepted_does_not_win(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    for name in ("wrong", "right"):
        await nursery.start(place(network, name, 0.125).run, serve_udp, Says(name.encode()), 7)
    reply = await first_reply([("wrong", 7), ("right", 7)], b"?", accept=lambda data: data == b"right")
    assert reply.data == b"right"
    assert trio.current_time() == 0.25 + 0.125


async def test_all_fail(network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    """One is silent, one refuses, one says what is not accepted, and one does not exist."""
    network.set_link(place(network, "silent", 0.125), "localhost", Link(loss=1))
    place(network, "closed", 0.125)
    await nursery.start(place(network, "wrong", 0.125).run, serve_udp, Says(b"wrong"), 7)
    servers = [("silent", 7), ("closed", 7), ("wrong", 7), ("no-such-host.invalid", 7)]
    retry = Retry(attempts=2, first=1, jitter=0)
    with pytest.raises(NoReply, match="no reply from any server to 6 attempts") as caught:
        await first_reply(servers, b"?", retry=retry, accept=lambda data: data == b"right", stagger=0.5)
    assert (caught.value.address, caught.value.ignored) == (None, 2)
    # "closed" is asked at 0.5 and refuses at 0.625; then "wrong" is asked, and three seconds later it has had its time.
    assert caught.value.elapsed == trio.current_time() == 3.625
    group = caught.value.__cause__
    assert isinstance(group, ExceptionGroup)
    assert sorted(type(error).__name__ for error in group.exceptions) == ["NoReply", "NoReply", "NoReply", "gaierror"]
    [refused] = [error for error in group.exceptions if isinstance(error.__cause__, ConnectionRefusedError)]
    assert isinstance(refused, NoReply)


async def test_a_refused_server_may_still_win(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """A refusal starts the next server at once, and is a lost attempt for its own server, no more."""
    starting, silent = place(network, "starting", 0.25), place(network, "silent", 0.25)
    network.set_link(silent, "localhost", Link(loss=1))

    async def start_late() -> None:
        await trio.sleep(0.5)
        await serve_udp(echo, 7)

    nursery.start_soon(starting.run, start_late)
    reply = await first_reply([("starting", 7), ("silent", 7)], b"x", retry=PLAIN)
    assert reply == (b"x", (starting.addresses[0], 7))
    assert trio.current_time() == 1.25


async def test_a_server_that_has_given_up_is_followed_at_once(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.set_link("localhost", place(network, "unreachable", 0.125), Link(loss=1))
    await nursery.start(place(network, "quick", 0.125).run, serve_udp, echo, 7)
    retry = Retry(attempts=1, first=0.25, jitter=0)
    await first_reply([("unreachable", 7), ("quick", 7)], b"?", retry=retry, stagger=10)
    assert trio.current_time() == 0.25 + 0.125


async def test_too_large_for_one_is_not_too_large_for_all(sockets: str, nursery: trio.Nursery, ipv6: None) -> None:
    """IPv6 carries 20 bytes more."""
    four = await start_on_loopback(nursery, Says(b"four"))
    six = await start_on_loopback(nursery, Says(b"six"), "::1")
    reply = await first_reply([(LOCAL, four), ("::1", six)], bytes(65_520))
    assert reply.data == b"six"


async def test_losers_are_cancelled(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Their late replies find nobody, and they are not asked again."""
    await nursery.start(place(network, "slow", 0.75).run, serve_udp, echo, 7)
    await nursery.start(place(network, "quick", 0.125).run, serve_udp, echo, 7)
    await first_reply([("slow", 7), ("quick", 7)], b"?", retry=PLAIN)
    assert trio.current_time() == 0.25 + 0.125
    await trio.sleep(60)
    assert [(each.time, each.dropped) for each in network.datagrams] == [
        (0, None),  # to the slow one
        (0.25, None),  # to the quick one
        (0.3125, None),  # from it
        (0.375, "refused"),  # from the slow one
    ]


async def test_exceptions_of_the_caller_come_out_bare() -> None:
    with pytest.raises(DatagramTooLarge):
        await first_reply([(LOCAL, 9)], bytes(70_000))
    for servers, stagger in (([], 0.25), ([(LOCAL, 9)], -1), ([(LOCAL, 9)], float("nan"))):
        with trio.testing.assert_checkpoints():
            with pytest.raises(ValueError, match="servers must not be empty and stagger at least 0"):
                await first_reply(servers, b"x", stagger=stagger)


async def test_the_callers_deadline_wins(network: VirtualNetwork, clock: trio.testing.MockClock) -> None:
    network.link = Link(loss=1)
    network.host("10.0.0.1", name="silent")
    with pytest.raises(trio.TooSlowError), trio.fail_after(0.75):
        await first_reply([("silent", 7)] * 3, b"?")
    assert trio.current_time() == 0.75
    assert [each.time for each in network.datagrams] == [0, 0.25, 0.5]
