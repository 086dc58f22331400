"""The relay between real sockets, in virtual time where time matters: who gets what, when, and what is counted."""

from __future__ import annotations

import errno
import socket as stdlib_socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked as settle

from trio_udp import Datagram, DatagramDropped, Event, UDPEndpoint, observe, open_udp_endpoint, serve_udp
from trio_udp._address import Address
from trio_udp._batch import BatchSocket
from trio_udp.faults import PRESETS, Deliver, InFlight, Link, Passage, Rebind, drop_first, drop_if, hold, partition
from trio_udp.relay import Relay, Relayed, WayStatistics, relay_endpoints, serve_relay
from trio_udp.testing import VirtualNetwork

from .fakes import OtherSocket, OtherSockets, closed_port, echo

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

LOCAL = "127.0.0.1"


@asynccontextmanager
async def relaying(target: UDPEndpoint, host: str | None = LOCAL, **options: Any) -> AsyncIterator[Relay]:
    """A relay in front of a target, for as long as the ``async with`` lasts."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(serve_relay, host, 0, *target.address[:2], **options))
        nursery.cancel_scope.cancel()


async def collect(endpoint: UDPEndpoint) -> list[bytes]:
    """What has come by now, and what is still going through; nothing that waits for a clock."""
    got: list[bytes] = []
    await settle()
    while endpoint.socket.is_readable():
        got += [data for data, _ in await endpoint.receive_many()]
    return got


async def note_arrivals(endpoint: UDPEndpoint, arrivals: list[tuple[float, bytes]]) -> None:
    """When which datagram arrived, rounded to a microsecond."""
    async for data, _ in endpoint:
        arrivals.append((round(trio.current_time(), 6), data))


def ways(relay: Relay) -> tuple[WayStatistics, WayStatistics]:
    statistics = relay.statistics()
    return statistics.forward, statistics.backward


# -- without faults ---------------------------------------------------------------------------------------------------


async def test_datagrams_go_there_and_back(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            for data in (b"hello", b"", bytes(65507)):
                await client.send(data, relay.address)
                received, address = await target.receive()
                assert received == data
                assert address not in (client.address, relay.address)
                await target.send(data + b"!"[: 65507 - len(data)], address)
                assert await client.receive() == (data + b"!"[: 65507 - len(data)], relay.address)
            await settle()
            forward, backward = ways(relay)
            assert (forward.received, forward.received_bytes) == (3, 65512)
            assert (forward.forwarded, forward.forwarded_bytes) == (3, 65512)
            assert (backward.received, backward.received_bytes) == (3, 65514)
            assert (backward.forwarded, backward.forwarded_bytes) == (3, 65514)
            for way in (forward, backward):
                assert (way.duplicated, way.damaged, way.dropped, way.errors) == (0, 0, {}, {})
        assert ways(relay) == (forward, backward)
        assert relay.statistics().clients == 0


async def test_each_client_gets_its_own_answers() -> None:
    clients = [await open_udp_endpoint(LOCAL) for _ in range(20)]
    with await open_udp_endpoint(LOCAL) as target:
        async with relaying(target) as relay:
            seen = set()
            for number, client in enumerate(clients):
                await client.send(b"%d" % number, relay.address)
                data, address = await target.receive()
                await target.send(data, address)
                seen.add(address)
            for number, client in enumerate(clients):
                assert (await client.receive()).data == b"%d" % number
                client.close()
            assert len(seen) == 20
            assert (relay.statistics().clients, relay.statistics().clients_in_all) == (20, 20)


async def test_order_is_kept_and_nothing_is_lost() -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            sent = [b"%d" % number for number in range(200)]
            for data in sent:
                await client.send(data, relay.address)
            assert await collect(target) == sent


@pytest.mark.parametrize(("here", "there"), [(LOCAL, "::1"), ("::1", LOCAL), ("::1", "::1")])
async def test_families_may_differ(here: str, there: str, ipv6: None) -> None:
    with await open_udp_endpoint(there) as target, await open_udp_endpoint(here) as client:
        async with relaying(target, here) as relay:
            await client.send(b"hello", relay.address)
            data, address = await target.receive()
            await target.send(b"and back", address)
            assert (data, (await client.receive()).data) == (b"hello", b"and back")


async def test_it_listens_at_all_addresses_of_a_host(ipv6: None) -> None:
    async with trio.open_nursery() as nursery:
        [server, *_] = await nursery.start(partial(serve_udp, echo, 0, host=LOCAL))
        relay = await nursery.start(partial(serve_relay, None, 0, *server.address))
        assert {address[1] for address in relay.addresses} == {relay.address[1]}
        for host in (LOCAL, "::1"):
            with await open_udp_endpoint(host) as client:
                await client.send(b"hello", (host, relay.address[1]))
                assert (await client.receive()).data == b"hello"
        assert relay.statistics().clients == 2
        nursery.cancel_scope.cancel()


# -- by chance: the same for the same client and number, whatever its port ---------------------------------------------


def surviving(link: Link, seed: int, client: int, way: str, count: int) -> list[bytes]:
    """The numbers that this link lets through."""
    passage = Passage(link, seed, ("client", client, way))
    fates = [(n, passage.fate(0.0, n, b"%d" % n, 28)) for n in range(1, count + 1)]
    return [copy.data for n, fate in fates for copy in fate.copies]


async def test_what_is_lost_hangs_on_the_seed_and_not_on_the_port() -> None:
    link = Link(loss=0.5)
    for _ in range(2):
        with await open_udp_endpoint(LOCAL) as target:
            async with relaying(target, forward=link, seed=7) as relay:
                for number in (1, 2):
                    with await open_udp_endpoint(LOCAL) as client:
                        for n in range(1, 41):
                            await client.send(b"%d" % n, relay.address)
                        assert await collect(target) == surviving(link, 7, number, "forward", 40)
    first = surviving(link, 7, 1, "forward", 40)
    assert b" ".join(first[:8]) == b"1 5 8 11 12 16 18 20"  # for ever: people write seeds down
    assert first != surviving(link, 7, 2, "forward", 40)
    assert first != surviving(link, 8, 1, "forward", 40)


async def test_answers_have_fates_of_their_own() -> None:
    link = Link(loss=0.5)
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, backward=link, seed=7) as relay:
            await client.send(b"", relay.address)
            address = (await target.receive()).address
            for n in range(1, 41):
                await target.send(b"%d" % n, address)
            expected = surviving(link, 7, 1, "backward", 40)
            assert await collect(client) == expected != surviving(link, 7, 1, "forward", 40)
            forward, backward = ways(relay)
            assert (forward.received, forward.forwarded) == (1, 1)
            assert (backward.received, backward.forwarded) == (40, len(expected))
            assert backward.dropped == {"loss": 40 - len(expected)}


@pytest.mark.parametrize(
    "link",
    [
        Link(duplicate=0.5),
        Link(corrupt=0.5),
        Link(garble=0.5),
        Link(truncate=0.5),
        Link(exact_loss=(3, 10)),
        Link(loss=0.3, duplicate=0.3, corrupt=0.3, in_a_row=2),
    ],
    ids=str,
)
async def test_what_arrives_is_what_the_link_says(link: Link) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=link, seed=3) as relay:
            for n in range(1, 31):
                await client.send(b"%d" % n, relay.address)
            arrived = await collect(target)
            assert arrived == surviving(link, 3, 1, "forward", 30)
            forward, _ = ways(relay)
            assert forward.received == 30
            assert forward.forwarded == len(arrived) == 30 + forward.duplicated - sum(forward.dropped.values())
            assert (forward.duplicated > 0) == (link.duplicate > 0)
            assert (forward.damaged > 0) == (link.corrupt + link.garble + link.truncate > 0)


async def test_too_large_for_the_link() -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(mtu=128)) as relay:
            for size in (100, 101, 99):
                await client.send(bytes(size), relay.address)
            assert [len(data) for data in await collect(target)] == [100, 99]
            assert ways(relay)[0].dropped == {"mtu": 1}


# -- delays, in virtual time ------------------------------------------------------------------------------------------


async def test_delay_and_jitter(autojump_clock: trio.testing.MockClock) -> None:
    link = Link(delay=1.0, jitter=0.5, duplicate=0.3)
    passage = Passage(link, 5, ("client", 1, "forward"))
    expected = [
        (round(copy.time, 6), copy.data)
        for n in range(1, 21)
        for copy in passage.fate(trio.current_time(), n, b"%d" % n, 28).copies
    ]
    arrivals: list[tuple[float, bytes]] = []
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=link, seed=5) as relay, trio.open_nursery() as nursery:
            nursery.start_soon(note_arrivals, target, arrivals)
            for n in range(1, 21):
                await client.send(b"%d" % n, relay.address)
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
    assert arrivals == sorted(expected)
    assert len(arrivals) > 20
    assert [data for _, data in arrivals] != [data for _, data in sorted(expected, key=lambda arrival: int(arrival[1]))]


async def test_both_ways_take_their_time(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(delay=0.25), backward=Link(delay=0.5)) as relay:
            await client.send(b"hello", relay.address)
            data, address = await target.receive()
            assert trio.current_time() == pytest.approx(0.25)
            await target.send(data, address)
            assert await client.receive() == (b"hello", relay.address)
            assert trio.current_time() == pytest.approx(0.75)


async def test_a_slow_link_and_its_queue(autojump_clock: trio.testing.MockClock) -> None:
    """72 bytes and 28 of headers at 800 bit/s are a second each; two wait, while one is being sent."""
    arrivals: list[tuple[float, bytes]] = []
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(rate=800, queue=2)) as relay, trio.open_nursery() as nursery:
            nursery.start_soon(note_arrivals, target, arrivals)
            for n in range(5):
                await client.send(b"%d" % n * 72, relay.address)
            await trio.sleep(10)
            assert ways(relay)[0].dropped == {"queue full": 2}
            nursery.cancel_scope.cancel()
    assert arrivals == [(1.0, b"0" * 72), (2.0, b"1" * 72), (3.0, b"2" * 72)]


async def test_a_shorter_delay_is_not_kept_waiting_by_a_longer_one(autojump_clock: trio.testing.MockClock) -> None:
    delays = {b"late": 10.0, b"soon": 1.0}
    arrivals: list[tuple[float, bytes]] = []
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        rule = lambda flight: Deliver(delays[flight.data])  # noqa: E731
        async with relaying(target, rules=[rule]) as relay, trio.open_nursery() as nursery:
            nursery.start_soon(note_arrivals, target, arrivals)
            for data in delays:
                await client.send(data, relay.address)
                await settle()
            await trio.sleep(20)
            nursery.cancel_scope.cancel()
    assert arrivals == [(1.0, b"soon"), (10.0, b"late")]


async def test_only_so_many_may_wait(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(delay=1), max_waiting=3) as relay:
            for n in range(5):
                await client.send(b"%d" % n, relay.address)
            assert (await target.receive()).data == b"0"
            assert await collect(target) == [b"1", b"2"]
            assert ways(relay)[0].dropped == {"too many waiting": 2}
            await client.send(b"now there is room", relay.address)
            assert (await target.receive()).data == b"now there is room"


async def test_many_that_are_due_at_once(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(delay=1)) as relay:
            sent = [b"%d" % n for n in range(150)]
            for data in sent:
                await client.send(data, relay.address)
            await trio.sleep(2)
            assert await collect(target) == sent


# -- rules ------------------------------------------------------------------------------------------------------------


async def test_rules_see_what_is_in_flight(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[InFlight] = []
    await trio.sleep(5)
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, rules=[seen.append]) as relay:
            for data in (b"one", b"two"):
                await client.send(data, relay.address)
                await target.send(data.upper(), (await target.receive()).address)
                await client.receive()
    here, there = client.address, target.address
    assert seen == [
        InFlight(5.0, here, there, 1, b"one"),
        InFlight(5.0, there, here, 1, b"ONE"),
        InFlight(5.0, here, there, 2, b"two"),
        InFlight(5.0, there, here, 2, b"TWO"),
    ]


async def test_rules_for_one_way() -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(
            target,
            rules=[drop_if(lambda flight: flight.n == 4, "four")],
            forward_rules=[drop_first(1)],
            backward_rules=[drop_if(lambda flight: flight.n == 2, "two")],
        ) as relay:
            for n in range(1, 5):
                await client.send(b"%d" % n, relay.address)
            for expected in (b"2", b"3"):
                data, through = await target.receive()
                assert data == expected
            for n in range(1, 5):
                await target.send(b"%d" % n, through)
            assert await collect(client) == [b"1", b"3"]
            forward, backward = ways(relay)
            assert forward.dropped == {"drop_first": 1, "four": 1}
            assert backward.dropped == {"two": 1, "four": 1}


async def test_the_first_rule_that_decides_decides() -> None:
    rules = [drop_first(2), drop_if(lambda flight: flight.data == b"4", "four"), lambda flight: Deliver()]
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(loss=1), rules=rules) as relay:
            for n in range(1, 6):
                await client.send(b"%d" % n, relay.address)
            assert await collect(target) == [b"3", b"5"]
            assert ways(relay)[0].dropped == {"drop_first": 2, "four": 1}


async def test_addresses_in_rules_are_the_real_ones() -> None:
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, echo, 0, host="127.0.0.3"))
        cut = partition("127.0.0.2", "127.0.0.3")
        relay = await nursery.start(partial(serve_relay, LOCAL, 0, *server.address, rules=[cut]))
        with await open_udp_endpoint("127.0.0.2") as cut_off, await open_udp_endpoint(LOCAL) as client:
            for endpoint in (cut_off, client):
                await endpoint.send(b"hello", relay.address)
            assert (await client.receive()).data == b"hello"
            assert await collect(cut_off) == []
        assert ways(relay)[0].dropped == {"partition": 1}
        nursery.cancel_scope.cancel()


async def test_what_is_held_goes_over_the_link_when_it_is_released(autojump_clock: trio.testing.MockClock) -> None:
    held = hold(lambda flight: flight.data != b"free", limit=2)
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, forward=Link(delay=1), rules=[held]) as relay:
            for data in (b"one", b"two", b"three", b"free"):
                await client.send(data, relay.address)
            assert (await target.receive()).data == b"free"
            assert (len(held), ways(relay)[0].dropped) == (2, {"hold full": 1})
            await trio.sleep_until(10)
            assert held.release(1) == 1
            assert (await target.receive()).data == b"one"
            assert trio.current_time() == pytest.approx(11)
            assert await collect(target) == []
            held.release()
            assert (await target.receive()).data == b"two"


async def test_what_is_held_goes_on_at_once_where_there_is_no_delay() -> None:
    held = hold()
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, rules=[held]) as relay:
            for data in (b"one", b"two"):
                await client.send(data, relay.address)
            assert await collect(target) == []
            held.release()
            assert await collect(target) == [b"one", b"two"]


async def test_what_is_released_too_late_is_counted(autojump_clock: trio.testing.MockClock) -> None:
    held = hold()
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, idle_timeout=5, rules=[held]) as relay:
            await client.send(b"one", relay.address)
            await trio.sleep(6)
            held.release()
            assert ways(relay)[0].dropped == {"client gone": 1}
            await client.send(b"two", relay.address)
            await settle()
        held.release()
        assert ways(relay)[0].dropped == {"client gone": 2}


async def test_a_rule_that_makes_no_sense_ends_the_relay() -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with pytest.raises(TypeError, match="a rule returns"):
            await relay_and_send(target, client, rules=[lambda flight: True])


async def test_what_the_callers_code_raises_comes_out_bare() -> None:
    def complain(_: object) -> None:
        raise ZeroDivisionError("of the caller")

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with pytest.raises(ZeroDivisionError, match="of the caller"):
            await relay_and_send(target, client, rules=[complain])
        with pytest.raises(ZeroDivisionError, match="of the caller"):
            await relay_and_send(target, client, tell=complain)


async def test_what_was_read_with_a_datagram_whose_rule_raises_is_counted() -> None:
    relays: list[Relay] = []

    def complain(flight: InFlight) -> None:
        if flight.data == b"1":
            raise ZeroDivisionError

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with suppress(ExceptionGroup):
            async with relaying(target, rules=[complain]) as relay:
                relays.append(relay)
                await client.send_many([Datagram(b"%d" % number, relay.address) for number in range(5)])
                await trio.sleep_forever()
        forward, _ = ways(relays[0])
        assert (forward.received, forward.forwarded) == (5, 1)
        assert forward.dropped == {"rule failed": 1, "relay stopped": 3}


async def test_what_was_read_with_a_datagram_about_which_tell_raises_is_counted() -> None:
    relays: list[Relay] = []

    def complain(relayed: Relayed) -> None:
        if relayed.n == 3:
            raise ZeroDivisionError

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with suppress(ExceptionGroup):
            async with relaying(target, tell=complain) as relay:
                relays.append(relay)
                await client.send_many([Datagram(b"%d" % number, relay.address) for number in range(5)])
                await trio.sleep_forever()
        forward, _ = ways(relays[0])
        assert forward.received == 5
        assert forward.dropped == {"rule failed": 1, "relay stopped": 2}


async def test_what_is_raised_when_something_is_released_is_the_relays() -> None:
    """Who releases it can do nothing about that, and may have nothing to do with the relay."""
    held = hold(limit=1)

    def complain(_: object) -> None:
        raise ZeroDivisionError("of the caller")

    released: list[int] = []

    async def release() -> None:
        await settle()
        released.append(held.release())

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(release)
            with pytest.raises(ZeroDivisionError, match="of the caller"):
                await relay_and_send(target, client, rules=[held], tell=complain)
    assert released == [1]


async def test_what_was_released_and_is_not_sent_yet_when_the_relay_ends_is_counted() -> None:
    held = hold()
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, rules=[held]) as relay:
            await client.send(b"hello", relay.address)
            await settle()
            assert held.release() == 1
        forward, _ = ways(relay)
        assert forward.forwarded + forward.dropped.get("relay stopped", 0) == forward.received == 1


class Started(trio.TaskStatus[Relay]):
    """Sends a datagram as soon as the relay is there."""

    def __init__(self, client: UDPEndpoint) -> None:
        self.client = client

    def started(self, relay: Relay) -> None:
        self.client.socket._sock.sendto(b"hello", relay.address)  # type: ignore[attr-defined]


async def relay_and_send(target: UDPEndpoint, client: UDPEndpoint, **options: Any) -> None:
    await serve_relay(LOCAL, 0, *target.address[:2], **options, task_status=Started(client))


# -- telling ----------------------------------------------------------------------------------------------------------


async def test_each_fate_is_told(autojump_clock: trio.testing.MockClock) -> None:
    told: list[Relayed] = []
    rules = [drop_if(lambda flight: flight.data == b"one")]
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        backward = Link(delay=1, corrupt=1)
        async with relaying(target, backward=backward, rules=rules, tell=told.append) as relay:
            for data in (b"one", b"two"):
                await client.send(data, relay.address)
            await target.send(b"TWO", (await target.receive()).address)
            data, _ = await client.receive()
    first, second, answer = told
    me = client.address
    assert first == (0.0, 1, me, True, 1, b"one", (), "drop_if")
    assert second == (0.0, 1, me, True, 2, b"two", ((0.0, b"two"),), None)
    assert answer == (0.0, 1, me, False, 1, b"TWO", ((1.0, data),), None)
    assert [relayed.damaged for relayed in told] == [False, False, True]


async def test_observers_see_what_is_dropped() -> None:
    events: list[Event] = []
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with observe(events.append):
            async with relaying(target, max_clients=1, rules=[drop_first(1)]) as relay:
                await client.send(b"one", relay.address)
                await settle()
                with await open_udp_endpoint(LOCAL) as another:
                    await another.send(b"two", relay.address)
                    await settle()
    dropped = [(event.reason, event.data) for event in events if isinstance(event, DatagramDropped)]
    assert dropped == [("drop_first", b"one"), ("too many clients", b"two")]


# -- clients come and go ----------------------------------------------------------------------------------------------


async def test_clients_are_bounded() -> None:
    async with AsyncExitStack() as admitted:
        target = admitted.enter_context(await open_udp_endpoint(LOCAL))
        relay = await admitted.enter_async_context(relaying(target, max_clients=10))
        for _ in range(10):  # they stay open, so that nobody else gets their ports
            client = admitted.enter_context(await open_udp_endpoint(LOCAL))
            await client.send(b"hello", relay.address)
        await settle()
        for _ in range(3000):
            with await open_udp_endpoint(LOCAL) as one_more:
                await one_more.send(b"me, too", relay.address)
                await settle()  # or the kernel's buffer would be full
        await client.send(b"still here", relay.address)
        assert await collect(target) == [b"hello"] * 10 + [b"still here"]
        statistics = relay.statistics()
        assert (statistics.clients, statistics.clients_in_all, statistics.refused) == (10, 10, 3000)
        assert statistics.forward.dropped == {"too many clients": 3000}


async def test_clients_are_bounded_when_two_come_at_once_at_two_addresses(ipv6: None) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as one:
        with await open_udp_endpoint("::1") as other:
            async with relaying(target, None, max_clients=1) as relay:
                port = relay.address[1]
                await one.send(b"me", (LOCAL, port))
                await other.send(b"me, too", ("::1", port))
                assert await collect(target) in ([b"me"], [b"me, too"])
                assert relay.statistics().forward.dropped == {"too many clients": 1}


async def test_an_idle_client_is_forgotten_and_comes_back_as_a_new_one(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, idle_timeout=10, max_clients=1) as relay:
            addresses = []
            for pause in (9, 9, 11, 0):
                await client.send(b"hello", relay.address)
                addresses.append((await target.receive()).address)
                await trio.sleep(pause)
            first, second, third, fourth = addresses
            assert first == second == third != fourth
            assert (relay.statistics().clients, relay.statistics().clients_in_all) == (1, 2)
            await target.send(b"too late", first)
            await target.send(b"in time", fourth)
            assert (await client.receive()).data == b"in time"


async def test_answers_keep_a_client_alive(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, idle_timeout=10) as relay:
            await client.send(b"hello", relay.address)
            address = (await target.receive()).address
            for _ in range(5):
                await trio.sleep(9)
                await target.send(b"still there?", address)
                assert (await client.receive()).data == b"still there?"
            await trio.sleep(11)
            assert relay.statistics().clients == 0


async def test_a_client_with_datagrams_on_their_way_is_not_idle(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, idle_timeout=1, forward=Link(delay=30)) as relay:
            await client.send(b"hello", relay.address)
            data, address = await target.receive()
            await target.send(data, address)
            assert await client.receive() == (b"hello", relay.address)
            assert trio.current_time() == pytest.approx(30)


async def test_new_ports_at_given_times(autojump_clock: trio.testing.MockClock) -> None:
    ports: list[tuple[float, int]] = []
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, rebind=Rebind(first=2.5, every=5)) as relay:
            for second in range(10):
                await trio.sleep_until(second)
                await client.send(b"hello", relay.address)
                data, address = await target.receive()
                ports.append((second, address[1]))
                await target.send(data, address)
                assert (await client.receive()).data == b"hello"
            before, between, after = (port for _, port in (ports[0], ports[5], ports[9]))
            assert ports == [(n, before if n < 2.5 else between if n < 7.5 else after) for n in range(10)]
            assert len({before, between, after}) == 3
            await target.send(b"to the old port", (LOCAL, before))
            assert await collect(client) == []
            assert relay.statistics().clients_in_all == 1


async def test_when_there_is_no_socket_for_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    full = False

    class Full(OtherSockets):
        def socket(self, *args: Any, **kwargs: Any) -> trio.socket.SocketType:
            if full:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().socket(*args, **kwargs)

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        trio.socket.set_custom_socket_factory(Full())
        async with relaying(target) as relay:
            full = True
            await client.send(b"one", relay.address)
            await settle()
            assert ways(relay)[0].dropped == {"EMFILE": 1}
            full = False
            await client.send(b"two", relay.address)
            assert (await target.receive()).data == b"two"
            assert relay.statistics().clients_in_all == 1


# -- what the network says --------------------------------------------------------------------------------------------


async def test_refusals_are_counted_and_end_nothing() -> None:
    port = await closed_port()
    with await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            relay = await nursery.start(partial(serve_relay, LOCAL, 0, LOCAL, port))
            for _ in range(3):
                await client.send(b"hello", relay.address)
                await settle()
            assert ways(relay)[0].errors == {"ECONNREFUSED": 3}
            for _ in range(2):
                await client.send(b"hello", relay.address)  # the second meets the refusal of the first when it is sent
            await settle()
            with await open_udp_endpoint(LOCAL, port) as target:
                await client.send(b"and now?", relay.address)
                data, address = await target.receive()
                await target.send(data, address)
                assert (await client.receive()).data == b"and now?"
            forward, _ = ways(relay)
            assert (forward.received, forward.forwarded, forward.dropped) == (6, 6, {})
            nursery.cancel_scope.cancel()


class Addresses(trio.abc.HostnameResolver):
    """A name with several addresses."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    async def getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        assert host == b"several"
        return [(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM, 17, "", (one, port)) for one in self.hosts]

    async def getnameinfo(self, *args: Any) -> Any:
        raise NotImplementedError


async def test_a_target_with_several_addresses() -> None:
    """Who is refused at the first goes to the second, and whoever comes later starts there."""
    trio.socket.set_custom_hostname_resolver(Addresses("127.0.0.2", LOCAL))
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            relay = await nursery.start(partial(serve_relay, LOCAL, 0, "several", target.address[1]))
            await client.send(b"refused", relay.address)
            await settle()
            await client.send(b"one", relay.address)
            assert (await target.receive()).data == b"one"
            with await open_udp_endpoint(LOCAL) as another:
                await another.send(b"two", relay.address)
                assert (await target.receive()).data == b"two"
            assert ways(relay)[0].errors == {"ECONNREFUSED": 1}
            nursery.cancel_scope.cancel()


async def test_a_refusal_met_when_sending_is_a_reason_to_go_to_the_next_address() -> None:
    trio.socket.set_custom_hostname_resolver(Addresses("127.0.0.2", LOCAL))
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            relay = await nursery.start(partial(serve_relay, LOCAL, 0, "several", target.address[1]))
            for data in (b"refused", b"in one batch with that"):
                client.socket._sock.sendto(data, relay.address)  # type: ignore[attr-defined]
            assert await collect(target) == [b"in one batch with that"]
            nursery.cancel_scope.cancel()


async def test_each_client_goes_its_own_way_through_the_addresses() -> None:
    """When one prefers another address, the others still know which is theirs."""
    trio.socket.set_custom_hostname_resolver(Addresses("127.0.0.2", LOCAL))
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            relay = await nursery.start(partial(serve_relay, LOCAL, 0, "several", target.address[1]))
            with await open_udp_endpoint("127.0.0.2", target.address[1]) as first_target:
                await client.send(b"one", relay.address)
                assert (await first_target.receive()).data == b"one"
            with await open_udp_endpoint(LOCAL) as another:
                await another.send(b"refused", relay.address)
                await settle()
            await client.send(b"refused, too", relay.address)
            await settle()
            await client.send(b"two", relay.address)
            assert await collect(target) == [b"two"]
            nursery.cancel_scope.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts them")
async def test_what_the_kernel_drops_is_counted(autojump_clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, idle_timeout=10, backward=Link(loss=1)) as relay:
            await client.send(b"hello", relay.address)
            address = (await target.receive()).address
            for _ in range(20_000):  # at once, while nobody reads
                target.socket._sock.sendto(b"x", address)  # type: ignore[attr-defined]
            await settle()
            _, backward = ways(relay)
            assert backward.kernel_drops
            assert backward.received + backward.kernel_drops == 20_000
            await trio.sleep(11)
            assert relay.statistics().clients == 0
            assert ways(relay)[1] == backward


@pytest.mark.parametrize(
    ("number", "dropped", "arrived"),
    [
        (errno.EPERM, {"EPERM": 1}, [b"two"]),
        (errno.ENETUNREACH, {"ENETUNREACH": 1}, [b"two"]),
        (errno.ENOBUFS, {"ENOBUFS": 1}, [b"two"]),
        (errno.EINVAL, {"EINVAL": 1}, [b"two"]),
    ],
)
async def test_what_cannot_be_sent_is_counted(number: int, dropped: dict[str, int], arrived: list[bytes]) -> None:
    def refuse(data: bytes) -> Callable[[], None]:
        def before_send() -> None:
            raise OSError(number, "the test says so")

        return before_send

    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            await client.send(b"zero", relay.address)
            await target.receive()
            towards_target = factory.made[-1]
            towards_target.before_send = refuse(b"one")
            await client.send(b"one", relay.address)
            await settle()
            towards_target.before_send = lambda: None
            await client.send(b"two", relay.address)
            assert await collect(target) == arrived
            assert ways(relay)[0].dropped == dropped


async def test_a_refusal_that_is_met_when_sending_is_an_earlier_ones() -> None:
    """The kernel tells it once, and has not sent the datagram at which it does."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    news = [OSError(errno.ECONNREFUSED, "about an earlier one")]

    def tell_once() -> None:
        if news:
            raise news.pop()

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            await client.send(b"zero", relay.address)
            await target.receive()
            factory.made[-1].before_send = tell_once
            await client.send(b"one", relay.address)
            assert (await target.receive()).data == b"one"
            assert (ways(relay)[0].dropped, ways(relay)[0].errors) == ({}, {"ECONNREFUSED": 1})


async def test_a_send_buffer_that_stays_full_holds_nothing_up(autojump_clock: trio.testing.MockClock) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    class Stuck(OtherSocket):
        async def send(self, data: Any, flags: int = 0) -> int:
            await trio.sleep_forever()

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            await client.send(b"zero", relay.address)
            await target.receive()
            working, factory.made[-1].__class__ = factory.made[-1].__class__, Stuck
            await client.send(b"one", relay.address)
            await trio.sleep(2)
            assert ways(relay)[0].dropped == {"send buffer full": 1}
            factory.made[-1].__class__ = working
            await client.send(b"two", relay.address)
            assert (await target.receive()).data == b"two"


@pytest.mark.parametrize("link", [Link(), Link(delay=1)], ids=["at once", "later"])
async def test_a_client_that_is_stuck_holds_no_other_up(link: Link, autojump_clock: trio.testing.MockClock) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    class Stuck(OtherSocket):
        async def send(self, data: Any, flags: int = 0) -> int:
            await trio.sleep_forever()

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with await open_udp_endpoint(LOCAL) as another:
            async with relaying(target, forward=link) as relay:
                await client.send(b"zero", relay.address)
                await target.receive()
                factory.made[-1].__class__ = Stuck
                start = trio.current_time()
                for _ in range(100):
                    await client.send(b"stuck", relay.address)
                await another.send(b"not delayed", relay.address)
                assert (await target.receive()).data == b"not delayed"
                assert trio.current_time() == pytest.approx(start + link.delay)
                await trio.sleep(1.001)
                assert ways(relay)[0].dropped == {"send buffer full": 100}


async def test_a_full_send_buffer_of_trios_own_socket_drops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network does whose queue is full; nobody waits for it to empty."""

    def full(self: BatchSocket, data: bytes, address: Address) -> OSError | None:
        return BlockingIOError(errno.EAGAIN, "the test says so")

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            monkeypatch.setattr(BatchSocket, "_send_now", full)
            client.socket._sock.sendto(b"hello", relay.address)  # type: ignore[attr-defined]
            await settle()
            assert ways(relay)[0].dropped == {"send buffer full": 1}
            monkeypatch.undo()


async def test_a_target_that_refuses_all_is_not_asked_for_ever() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    asked = 0

    def refuse() -> None:
        nonlocal asked
        asked += 1
        raise OSError(errno.ECONNREFUSED, "the test says so")

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target) as relay:
            await client.send(b"zero", relay.address)
            await target.receive()
            factory.made[-1].before_send = refuse
            await client.send(b"one", relay.address)
            await settle()
            assert (asked, ways(relay)[0].dropped) == (2, {"ECONNREFUSED": 1})


async def test_a_new_port_while_a_datagram_waits_for_the_old_one(autojump_clock: trio.testing.MockClock) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    class Closing(OtherSocket):
        async def send(self, data: Any, flags: int = 0) -> int:
            await trio.sleep(0.5)
            raise trio.ClosedResourceError("as of Trio's sockets")

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        async with relaying(target, rebind=Rebind(first=1.2, every=100)) as relay:
            await client.send(b"zero", relay.address)
            await target.receive()
            factory.made[-1].__class__ = Closing
            await trio.sleep(1)
            await client.send(b"one", relay.address)
            await trio.sleep(1)
            assert ways(relay)[0].dropped == {"socket closed": 1}
            await client.send(b"two", relay.address)
            assert (await target.receive()).data == b"two"


async def test_an_error_of_the_machine_is_no_news_of_the_network() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    def break_down() -> None:
        raise OSError(errno.EIO, "it broke")

    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with pytest.raises(ExceptionGroup) as caught:
            async with relaying(target) as relay:
                await client.send(b"zero", relay.address)
                await target.receive()
                factory.made[-1].before_receive = break_down
                await target.send(b"x", factory.made[-1].getsockname())
                await trio.sleep(10)
        [error] = caught.value.exceptions
        assert isinstance(error, OSError)
        assert error.errno == errno.EIO


# -- servers that answer from another port ----------------------------------------------------------------------------


async def test_an_answer_from_another_port_is_not_believed_by_default() -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as other:
        with await open_udp_endpoint(LOCAL) as client:
            async with relaying(target) as relay:
                await client.send(b"hello", relay.address)
                _, address = await target.receive()
                await other.send(b"me, too", address)
                await target.send(b"I am here", address)
                assert await collect(client) == [b"I am here"]


async def test_a_port_can_be_followed() -> None:
    """As with TFTP: the first datagram goes to the well-known port, the others to where the answer came from."""
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as transfer:
        with await open_udp_endpoint(LOCAL) as client, await open_udp_endpoint("127.0.0.2") as stranger:
            async with relaying(target, follow_port=True) as relay:
                await client.send(b"read", relay.address)
                port = (await target.receive()).address[1]
                await stranger.send(b"believe me", (LOCAL, port))
                await client.send(b"read again", relay.address)
                assert (await target.receive()).data == b"read again"
                await transfer.send(b"data", (LOCAL, port))
                assert await client.receive() == (b"data", relay.address)
                await client.send(b"acknowledged", relay.address)
                assert await transfer.receive() == (b"acknowledged", (LOCAL, port))
                assert ways(relay)[1].dropped == {"stranger": 1}


async def test_a_port_is_followed_when_the_client_has_heard_it(autojump_clock: trio.testing.MockClock) -> None:
    """A client that did not get the answer asks again where it asked first."""
    first_answer_lost = drop_if(lambda flight: flight.data == b"data 1")
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as transfer:
        with await open_udp_endpoint(LOCAL) as client:
            async with relaying(target, follow_port=True, rules=[first_answer_lost], backward=Link(delay=1)) as relay:
                await client.send(b"read", relay.address)
                _, address = await target.receive()
                await transfer.send(b"data 1", address)
                await settle()
                await client.send(b"read again", relay.address)
                assert (await target.receive()).data == b"read again"
                await transfer.send(b"data 2", address)
                await settle()
                await client.send(b"and again", relay.address)
                assert (await target.receive()).data == b"and again"
                assert (await client.receive()).data == b"data 2"
                await client.send(b"acknowledged", relay.address)
                assert (await transfer.receive()).data == b"acknowledged"


async def test_two_ports_that_answer_one_client_are_not_mixed_up(autojump_clock: trio.testing.MockClock) -> None:
    """A server of TFTP that is asked twice begins two transfers. They hide behind one port of the relay's, and a client
    that believed both put its file together wrongly."""
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        with await open_udp_endpoint(LOCAL) as transfer, await open_udp_endpoint(LOCAL) as another:
            async with relaying(target, follow_port=True, backward=Link(delay=1)) as relay:
                await client.send(b"read", relay.address)
                _, address = await target.receive()
                await transfer.send(b"one", address)
                await settle()
                await another.send(b"on its way when that is heard", address)
                await trio.sleep(2)
                await another.send(b"later", address)
                await transfer.send(b"two", address)
                await trio.sleep(2)
                assert await collect(client) == [b"one", b"two"]
                assert ways(relay)[1].dropped == {"stranger": 2}


async def test_a_port_of_ipv6_can_be_followed(ipv6: None) -> None:
    with await open_udp_endpoint("::1") as target, await open_udp_endpoint("::1") as transfer:
        with await open_udp_endpoint(LOCAL) as client:
            async with relaying(target, follow_port=True) as relay:
                await client.send(b"read", relay.address)
                _, address = await target.receive()
                await transfer.send(b"data", address)
                assert (await client.receive()).data == b"data"


# -- between virtual sockets -------------------------------------------------------------------------------------------


async def test_on_the_virtual_network(autojump_clock: trio.testing.MockClock) -> None:
    """Three hosts, a tenth of a second between any two of them; the relay takes a second each way."""
    slow = Link(delay=1)
    async with VirtualNetwork(Link(delay=0.1)) as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.3"):
            [server] = await nursery.start(partial(serve_udp, echo, 7, host="10.0.0.3"))
        with network.host("10.0.0.2"):
            start = partial(serve_relay, "10.0.0.2", 7, *server.address, rules=[drop_first(1)])
            relay = await nursery.start(partial(start, forward=slow, backward=slow))
        with network.host("10.0.0.1"), await open_udp_endpoint("10.0.0.1") as client:
            for data in (b"lost", b"hello"):
                await client.send(data, relay.address)
            assert await client.receive() == (b"hello", ("10.0.0.2", 7))
        assert trio.current_time() == pytest.approx(2.4, abs=0.001)
        forward, backward = ways(relay)
        assert (forward.received, forward.forwarded, forward.dropped) == (2, 1, {"drop_first": 1})
        assert (backward.received, backward.forwarded) == (1, 1)
        nursery.cancel_scope.cancel()


# -- the end, and before the beginning --------------------------------------------------------------------------------


async def test_cancelled_it_closes_everything_and_counts_what_waited() -> None:
    factory = OtherSockets()
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        trio.socket.set_custom_socket_factory(factory)
        async with relaying(target, forward=Link(delay=1000)) as relay:
            await client.send(b"hello", relay.address)
            await client.send(b"hello again", relay.address)
            await settle()
            assert ways(relay)[0].dropped == {}
        assert ways(relay)[0].dropped == {"relay stopped": 2}
    assert len(factory.made) == 2
    assert all(socket.inner.fileno() == -1 for socket in factory.made)


async def cancelled_when(
    attribute: str, socket_class: type[OtherSocket], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> WayStatistics:
    """A relay with 20 datagrams of 20 clients to deal with, cancelled in the middle of it."""
    scope = trio.CancelScope()
    calls = 0
    original = getattr(socket_class, attribute)

    async def call(self: OtherSocket, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 7:
            scope.cancel()
        return await original(self, *args)

    target = await open_udp_endpoint(LOCAL)
    clients = [await open_udp_endpoint(LOCAL) for _ in range(20)]
    monkeypatch.setattr(socket_class, attribute, call)
    trio.socket.set_custom_socket_factory(OtherSockets())
    relays: list[Relay] = []

    class Send(trio.TaskStatus[Relay]):
        def started(self, relay: Relay) -> None:
            relays.append(relay)
            for client in clients:
                client.socket._sock.sendto(b"hello", relay.address)  # type: ignore[attr-defined]

    with scope:
        await serve_relay(LOCAL, 0, *target.address[:2], **options, task_status=Send())
    for endpoint in (target, *clients):
        endpoint.close()
    return ways(relays[0])[0]


@pytest.mark.parametrize("attribute", ["connect", "send", "recvfrom"])
async def test_cancelled_in_the_middle_it_counts_what_it_has_read(
    attribute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = await cancelled_when(attribute, OtherSocket, monkeypatch)
    assert forward.received >= 6
    assert forward.received == forward.forwarded + sum(forward.dropped.values())
    assert set(forward.dropped) <= {"relay stopped"}


async def test_cancelled_while_a_client_is_admitted_it_counts_the_others_of_the_batch() -> None:
    """With Trio's own sockets, which are read in batches."""
    relays: list[Relay] = []
    with await open_udp_endpoint(LOCAL) as target, trio.CancelScope() as scope:
        clients = [await open_udp_endpoint(LOCAL) for _ in range(20)]

        class Send(trio.TaskStatus[Relay]):
            def started(self, relay: Relay) -> None:
                relays.append(relay)
                for client in clients:
                    client.socket._sock.sendto(b"hello", relay.address)  # type: ignore[attr-defined]

        def cancel(relayed: Relayed) -> None:
            scope.cancel()

        await serve_relay(LOCAL, 0, *target.address[:2], tell=cancel, task_status=Send())
    forward, _ = ways(relays[0])
    assert (forward.received, forward.forwarded + sum(forward.dropped.values())) == (20, 20)
    for client in clients:
        client.close()


async def test_a_cancelled_relay_is_cancelled() -> None:
    with await open_udp_endpoint(LOCAL) as target:
        with trio.move_on_after(0) as scope:
            await serve_relay(LOCAL, 0, *target.address[:2])
        assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"seed": "x"}, "seed must be a whole number, not 'x'"),
        ({"target_port": "80"}, "target_port must be from 1 to 65535, not '80'"),
        ({"idle_timeout": "x"}, "idle_timeout must be a number of seconds above 0, not 'x'"),
        ({"target_port": 0}, "target_port must be from 1 to 65535, not 0"),
        ({"max_clients": 0}, "max_clients must be a whole number, at least 1"),
        ({"max_waiting": 0}, "max_waiting must be a whole number, at least 1"),
        ({"forward": 0.3}, "forward must be a Link, not 0.3"),
        ({"backward": PRESETS["wifi"]}, "backward must be a Link, not Preset"),
        ({"rules": [drop_first(1), Link()]}, "rules must be functions, not Link"),
        ({"rules": drop_first(1)}, "rules must be a list or another sequence of functions, not <function"),
        ({"forward_rules": [3]}, "forward_rules must be functions, not 3"),
        ({"backward_rules": drop_first(1)}, "backward_rules must be a list or another sequence of functions, not <"),
        ({"rebind": 5.0}, "rebind must be a Rebind or None, not 5.0"),
        ({"tell": "me"}, "tell must be a function or None, not 'me'"),
        ({"idle_timeout": 0}, "idle_timeout must be a number of seconds above 0"),
        ({"idle_timeout": float("nan")}, "idle_timeout must be a number of seconds above 0"),
    ],
)
async def test_what_makes_no_sense(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why), trio.testing.assert_checkpoints():
        await partial(serve_relay, LOCAL, 0, LOCAL, **{"target_port": 7, **options})()


async def test_endpoints_that_are_open_already_are_closed_at_the_end() -> None:
    with await open_udp_endpoint(LOCAL) as target, await open_udp_endpoint(LOCAL) as client:
        endpoint = await open_udp_endpoint(LOCAL)
        async with trio.open_nursery() as nursery:
            relay = await nursery.start(partial(relay_endpoints, [endpoint], *target.address))
            assert relay.address == endpoint.address
            await client.send(b"hello", relay.address)
            assert (await target.receive()).data == b"hello"
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.ClosedResourceError):
            await endpoint.receive()


async def test_endpoints_are_closed_when_something_makes_no_sense() -> None:
    endpoint = await open_udp_endpoint(LOCAL)
    with pytest.raises(ValueError, match="seed must be"):
        await relay_endpoints([endpoint], LOCAL, 7, seed="x")  # type: ignore[arg-type]
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.receive()


async def test_it_cannot_be_its_own_target() -> None:
    port = await closed_port()
    with pytest.raises(ValueError, match=f"a relay cannot be its own target: 127.0.0.1:{port}"):
        await serve_relay(LOCAL, port, LOCAL, port)
    with await open_udp_endpoint(LOCAL, port):
        pass  # it is free


@pytest.mark.parametrize(
    ("host", "target_host"),
    [
        ("0.0.0.0", LOCAL),
        ("0.0.0.0", "127.0.0.2"),
        ("0.0.0.0", "0.0.0.0"),
        ("0.0.0.0", "::ffff:127.0.0.1"),
        (LOCAL, "0.0.0.0"),
        (None, LOCAL),
        (None, "::1"),
        ("::", "::1"),
    ],
)
async def test_it_cannot_be_its_own_target_at_another_address(host: str | None, target_host: str, ipv6: None) -> None:
    """Each datagram would make one more client, until there are too many."""
    port = await closed_port()
    with pytest.raises(ValueError, match=r"a relay cannot be its own target: .+:\d+"), trio.fail_after(10):
        await serve_relay(host, port, target_host, port)
    for each in (LOCAL, "::1"):
        with await open_udp_endpoint(each, port):
            pass  # it is free


@pytest.mark.parametrize(("host", "target_host"), [("0.0.0.0", "::1"), ("0.0.0.0", "192.0.2.1"), (LOCAL, "127.0.0.2")])
async def test_the_same_port_of_somebody_else_may_be_the_target(host: str, target_host: str, ipv6: None) -> None:
    port = await closed_port()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_relay, host, port, target_host, port))
        nursery.cancel_scope.cancel()


async def test_on_the_virtual_network_it_cannot_be_its_own_target_either() -> None:
    async with VirtualNetwork() as network:
        with network.host("10.0.0.1"), pytest.raises(ValueError, match=r"its own target: 10\.0\.0\.1:7"):
            await serve_relay(None, 7, "10.0.0.1", 7)


async def test_a_relay_that_cannot_begin_leaves_nothing_open() -> None:
    made: list[trio.socket.SocketType] = []

    class Factory(trio.abc.SocketFactory):
        def socket(self, *args: int) -> trio.socket.SocketType:
            if len(made) == 1:
                raise OSError(errno.EMFILE, "Too many open files")
            made.append(trio.socket.from_stdlib_socket(stdlib_socket.socket(*args)))
            return made[0]

    with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as probe:
        probe.bind((LOCAL, 0))
        port = probe.getsockname()[1]
    trio.socket.set_custom_socket_factory(Factory())
    with pytest.raises(OSError, match="Too many open files"):
        await serve_relay("0.0.0.0", port, LOCAL, port)
    assert [socket.fileno() for socket in made] == [-1]


async def test_hosts_and_ports_that_cannot_be_had() -> None:
    with await open_udp_endpoint(LOCAL) as taken:
        with pytest.raises(OSError, match="cannot open UDP"):
            await serve_relay(LOCAL, taken.address[1], LOCAL, 7)
    with pytest.raises(stdlib_socket.gaierror):
        await serve_relay(LOCAL, 0, "a..b", 7)
