"""What nobody has asked for: garbage, peers that vanish, forged replies, a system that refuses, a clock that jumps.

Each kind of server is a context manager in `SERVERS`, which looks, when it is over, whether its sums add up; each kind
of traffic is a function in `TRAFFIC`. All are tried with each other, on every kind of socket.
"""

from __future__ import annotations

import os
import random
import socket as stdlib_socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import (
    Datagram,
    NoReply,
    Retry,
    UDPChannel,
    UDPEndpoint,
    UDPStatistics,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_udp,
    serve_udp_peers,
)
from trio_udp._address import Address
from trio_udp.relay import serve_relay

from .fakes import settled

LOCAL = "127.0.0.1"

# Datagrams of incoming garbage that are sent in one go; more than that might fill a receive buffer.
FEW = 50


# -- servers ----------------------------------------------------------------------------------------------------------


class Count:
    """Handlers that echo, and how often they have."""

    def __init__(self) -> None:
        self.handled = 0

    async def answer(self, datagram: Datagram) -> bytes:
        self.handled += 1
        return datagram.data

    async def talk(self, channel: UDPChannel) -> None:
        async for data in channel:
            self.handled += 1
            await channel.send(data)


def check(counts: UDPStatistics, handled: int) -> None:
    """Whatever was received was handled, or is counted as dropped; of what was handled each was answered or dropped."""
    unhandled = ("server stopped", "channel closed", "too many peers", "peer's buffer full")
    assert counts.received == handled + sum(counts.dropped.get(reason, 0) for reason in unhandled)
    refused = sum(counts.errors.get(name, 0) for name in ("ENOBUFS", "ENOMEM", "EPERM", "EACCES"))
    assert counts.sent + sum(counts.dropped.values()) + refused == counts.received


@asynccontextmanager
async def a_crew(**options: Any) -> AsyncIterator[UDPEndpoint]:
    here = Count()
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, here.answer, 0, host=LOCAL, **options))
        yield server
        nursery.cancel_scope.cancel()
    check(server.statistics(), here.handled)


@asynccontextmanager
async def peers(**options: Any) -> AsyncIterator[UDPEndpoint]:
    here = Count()
    options = {"idle_timeout": 5.0, "incoming_buffer": FEW} | options
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp_peers, here.talk, 0, host=LOCAL, **options))
        await trio.testing.wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        yield server
        await trio.sleep(2 * options["idle_timeout"])
        assert trio.lowlevel.current_statistics().tasks_living == before
        nursery.cancel_scope.cancel()
    check(server.statistics(), here.handled)


@asynccontextmanager
async def a_relay(**options: Any) -> AsyncIterator[Any]:
    async with a_crew() as target, trio.open_nursery() as nursery:
        options = {"idle_timeout": 5.0} | options
        relay = await nursery.start(partial(serve_relay, LOCAL, 0, *target.address, **options))
        yield relay
        await trio.sleep(2 * options["idle_timeout"])
        counts = relay.statistics()
        assert counts.clients == 0
        for way in (counts.forward, counts.backward):
            assert way.received == way.forwarded + sum(way.dropped.values())
        nursery.cancel_scope.cancel()


SERVERS: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
    "a crew": a_crew,
    "a crew of one": partial(a_crew, max_tasks=1),
    "peers": peers,
    "few peers": partial(peers, max_peers=1),
    "a relay": a_relay,
}


# -- traffic ----------------------------------------------------------------------------------------------------------


async def send_and_hear(client: UDPEndpoint, to: Address, payloads: list[bytes]) -> None:
    """Each comes back as it was; the order is nobody's promise."""
    for start in range(0, len(payloads), FEW):
        few = payloads[start : start + FEW]
        await client.send_many([Datagram(data, to) for data in few])
        got: list[bytes] = []
        with trio.fail_after(60):
            while len(got) < len(few):
                got += [data for data, _ in await client.receive_many()]
        assert sorted(got) == sorted(few)


async def every_length(to: Address) -> None:
    """All that fit into an Ethernet frame, and the powers of two and the edges beyond."""
    edges = {abs(2**power + off) for power in range(11, 16) for off in (-1, 0, 1)} | {65_506, 65_507}
    with await open_udp_endpoint(LOCAL) as client:
        await send_and_hear(client, to, [bytes(length) for length in range(1501)])
        for length in sorted(edges):
            await send_and_hear(client, to, [bytes(length)])


async def random_bytes(to: Address) -> None:
    rng = random.Random(5)
    for _ in range(4):
        with await open_udp_endpoint(LOCAL) as client:
            await send_and_hear(client, to, [rng.randbytes(rng.choice([0, 1, 2, 16, 300, 1400])) for _ in range(300)])


async def nothing_at_all(to: Address) -> None:
    """Empty datagrams: data as any other, and the end of nothing."""
    with await open_udp_endpoint(LOCAL) as client:
        await send_and_hear(client, to, [b""] * 300)


async def who_vanish(to: Address) -> None:
    """Ports that are closed when the reply comes, so it is refused."""
    for _ in range(200):
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"x", to)
    await settled()


async def too_many_at_once(to: Address) -> None:
    """More than any buffer holds, of many: some is lost, and it is known how much."""
    clients = [await open_udp_endpoint(LOCAL) for _ in range(5)]
    try:
        for _ in range(10):
            for client in clients:
                await client.send_many([Datagram(bytes(1000), to)] * 40)
        await settled()
    finally:
        for client in clients:
            client.close()


TRAFFIC: list[Callable[[Address], Awaitable[None]]] = [
    every_length,
    random_bytes,
    nothing_at_all,
    who_vanish,
    too_many_at_once,
]


@pytest.mark.parametrize("traffic", TRAFFIC, ids=lambda traffic: traffic.__name__)
@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_goes_on(
    name: str, traffic: Callable[[Address], Awaitable[None]], sockets: str, clock: trio.testing.MockClock
) -> None:
    async with SERVERS[name]() as server:
        with suppress(trio.TooSlowError) if name == "few peers" else trio.CancelScope():  # those who have no place
            await traffic(server.address)
        with await open_udp_endpoint(LOCAL) as client:
            for _ in range(2):  # the second time it has been forgotten, where anybody is remembered
                await trio.sleep(20)
                await send_and_hear(client, server.address, [b"still there?"])


# -- ten thousand -----------------------------------------------------------------------------------------------------


def say_hello(number: int, to: Address) -> None:
    """As a machine of its own, which is gone at once."""
    with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as one:
        one.bind((f"127.1.{number // 250}.{1 + number % 250}", 0))
        one.sendto(b"hello", to)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8")
@pytest.mark.parametrize("most", [100, 5000])
async def test_ten_thousand_peers_come_and_go(most: int, clock: trio.testing.MockClock) -> None:
    """A hundred in each tenth of a second; each is forgotten after two seconds, so there are some 2000 at a time."""
    events: Counter[str] = Counter()
    with observe(lambda event: events.update([type(event).__name__])):
        async with peers(max_peers=most, idle_timeout=2.0) as server:
            for number in range(10_000):
                say_hello(number, server.address)
                if number % 100 == 99:
                    await trio.sleep(0.1)
            counts = server.statistics()
            assert (counts.received, counts.kernel_drops) == (10_000, 0)
    too_many = counts.dropped.get("too many peers", 0)
    assert events["PeerOpened"] == events["PeerClosed"] == 10_000 - too_many
    assert bool(too_many) == (most == 100)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8")
@pytest.mark.parametrize("most", [100, 500])
async def test_two_thousand_clients_of_a_relay_come_and_go(most: int, clock: trio.testing.MockClock) -> None:
    """Some 200 at a time, each with a socket."""
    descriptors = len(os.listdir("/proc/self/fd"))
    async with a_relay(max_clients=most, idle_timeout=2.0) as relay:
        for number in range(2000):
            say_hello(number, relay.address)
            if number % 10 == 9:
                await trio.sleep(0.1)
        counts = relay.statistics()
        assert counts.forward.received == counts.clients_in_all + counts.refused == 2000
    assert bool(counts.refused) == (most == 100)
    assert len(os.listdir("/proc/self/fd")) == descriptors


# -- forged replies ---------------------------------------------------------------------------------------------------


def pack(number: int) -> bytes:
    return struct.pack("!H", number & 0xFFFF)


def key_of(data: bytes) -> bytes:
    """Raises about what is too short, as a parser does."""
    return struct.pack("!H", *struct.unpack_from("!H", data))


async def flood(server: UDPEndpoint, stranger: UDPEndpoint, number: int, client: Address) -> int:
    """What comes before the right reply: nothing, garbage, others' replies; returns how much of it the server sent."""
    right = pack(number) + b"right"
    forged = [b"", b"\0", right[:1], pack(number - 1) + b"late", pack(number + 1) + b"early"]
    forged += [random.Random(number).randbytes(length) for length in (3, 500, 1400)]
    await stranger.send_many([Datagram(data, client) for data in (*forged, right)])
    await server.send_many([Datagram(data, client) for data in (*forged, right, right, right)])
    return len(forged) + 3


@pytest.mark.parametrize("correlate", [None, key_of], ids=["plain", "correlated"])
async def test_a_client_in_a_flood_of_forged_replies(
    correlate: Any, sockets: str, clock: trio.testing.MockClock
) -> None:
    """From other ports nothing is heard; from the right one only the right one is believed, and the rest is counted."""
    sent = Counter[str]()

    async def serve() -> None:
        async for data, address in server:
            sent["replies"] += await flood(server, stranger, struct.unpack("!H", data)[0], address)

    with await open_udp_endpoint(LOCAL) as server, await open_udp_endpoint(LOCAL) as stranger:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            async with await open_udp_client(*server.address, correlate=correlate) as client:
                for number in range(1, 41):
                    right = pack(number) + b"right"
                    assert await client.request(pack(number), accept=right.__eq__) == right
                    await settled()
                with pytest.raises(NoReply):  # what came after the last is looked at, and is not the next one's
                    await client.request(pack(99), accept=b"none".__eq__, retry=Retry(1))
                counts = client.statistics()
            nursery.cancel_scope.cancel()
    assert counts.received == 40 + sum(counts.dropped.values()) == sent["replies"]
