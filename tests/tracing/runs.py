"""Traces for the tests of pictures: a small one by hand, and one of a program that ran on a virtual network."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import trio
import trio.testing

from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    ReplyAccepted,
    Retry,
    open_udp_client,
    serve_udp,
)
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import (
    Happened,
    NurseryClosed,
    NurseryOpened,
    ScopeCancelled,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
    Trace,
    record,
    scope,
)

if TYPE_CHECKING:
    from trio_udp import Datagram
    from trio_udp.testing import Host
    from trio_udp.tracing import Entry

CLIENT, SERVER = ("10.0.0.2", 5000), ("10.0.0.1", 7)

# One request: the first attempt is lost, the second answered; in a scope that takes no part, and one that is cancelled.
ENTRIES: list[Entry] = [
    TaskStarted(10.0, 1, "main", None),
    NurseryOpened(10.0, 1, 1),
    TaskStarted(10.0, 2, "serve", 1),
    TaskStarted(10.1, 3, "ask", 1),
    ScopeEntered(10.1, 1, "lunch", 3, 12.0),
    Happened(AttemptStarted(10.1, CLIENT, SERVER, 1, 1, 0.5, b"hi"), 3, "ask.py:7"),
    Happened(DatagramSent(10.1, CLIENT, SERVER, b"hi"), 3, "ask.py:7"),
    Happened(DatagramLost(10.2, CLIENT, SERVER, b"hi", "loss", 10.1), None, None),
    Happened(AttemptTimedOut(10.6, CLIENT, SERVER, 1, 1), 3, "ask.py:7"),
    Happened(AttemptStarted(10.6, CLIENT, SERVER, 1, 2, 1.0, b"hi"), 3, "ask.py:7"),
    Happened(DatagramSent(10.6, CLIENT, SERVER, b"hi"), 3, "ask.py:7"),
    Happened(DatagramReceived(10.7, SERVER, CLIENT, b"hi"), 2, None),
    Happened(DatagramSent(10.7, SERVER, CLIENT, b"HI"), 2, None),
    Happened(DatagramReceived(10.8, CLIENT, SERVER, b"HI"), 3, "ask.py:7"),
    Happened(ReplyAccepted(10.8, CLIENT, SERVER, 1, 2, 0.2, b"HI"), 3, "ask.py:7"),
    ScopeEntered(10.8, 2, "nap", 3, 11.0),
    ScopeCancelled(11.0, 2),
    ScopeExited(11.0, 2, 11.0, True),
    ScopeExited(11.2, 1, math.inf, False),
    TaskEnded(11.2, 3),
    TaskEnded(11.3, 2),
    NurseryClosed(11.3, 1),
]


def trace(entries: list[Entry] = ENTRIES, ended: float = 12.0) -> Trace:
    """Of entries, from 10 seconds on."""
    return Trace(tuple(entries), 10.0, ended)


async def shout(datagram: Datagram) -> bytes:
    await trio.sleep(0.01)
    return datagram.data.upper()


async def ask(number: int, host: Host, requests: int) -> None:
    with host:
        async with await open_udp_client("10.0.0.1", 7, random=Random(number), correlate=bytes.upper) as client:
            for request in range(1, requests + 1):
                with scope("the answer", trio.move_on_after(1.4)):
                    await client.request(b"hello %d of client %d" % (request, number), retry=Retry(first=0.25))
                await trio.sleep(0.02 * number)


async def lossy(clients: int, requests: int, hostile: str = "") -> Trace:
    """Some clients and a server, of whose datagrams three in ten are lost; names may have something at their end."""
    with record() as recording:
        async with VirtualNetwork(link=Link(delay=0.02, jitter=0.01, loss=0.3), seed=7) as network:
            server = network.host("10.0.0.1")
            recording.name("10.0.0.1", f"server{hostile}")
            async with trio.open_nursery() as nursery:
                with server:
                    await nursery.start(serve_udp, shout, 7)
                with scope(f"all clients{hostile}"):
                    async with trio.open_nursery() as asking:
                        for number in range(1, clients + 1):
                            address, name = f"10.0.1.{number}", f"client {number}{hostile}"
                            recording.name(address, name)
                            asking.start_soon(ask, number, network.host(address), requests, name=name)
                            await trio.sleep(0.005)
                nursery.cancel_scope.cancel()
    return recording.trace()


def run(clients: int = 3, requests: int = 3, hostile: str = "") -> Trace:
    """The same, in virtual time."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(lossy, clients, requests, hostile, clock=clock)
