"""Traces to look at: made of events, and of what programs do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    DatagramDropped,
    DatagramReceived,
    DatagramSent,
    HandlerFinished,
    HandlerStarted,
    ReplyAccepted,
    ReplyIgnored,
    RequestFailed,
    SocketExchanged,
    observe,
)
from trio_udp._events import DatagramArrived, DatagramLost
from trio_udp.tracing import Entry, Happened, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trio_udp import Address, Event

SERVER: Address = ("10.0.0.1", 7)
CLIENT: Address = ("10.0.1.1", 40000)
OTHER: Address = ("10.0.1.2", 40000)


def trace_of(
    *events: Event, names: Mapping[str, str] | None = None, task: int | None = None, forgotten: int = 0
) -> Trace:
    """In the order in which they are given; from second 0 until half a second after the last."""
    entries = tuple(Happened(event, task, None) for event in events)
    ended = max((event.time for event in events), default=0.0) + 0.5
    return Trace(entries, 0.0, ended, names or {}, forgotten)


@contextmanager
def watched(names: Mapping[str, str] | None = None) -> Iterator[Callable[[], Trace]]:
    """What happens meanwhile; call what you get for it."""
    entries: list[Entry] = []
    started = trio.current_time()
    with observe(lambda event: entries.append(Happened(event, None, None))):
        yield lambda: Trace(tuple(entries), started, trio.current_time(), names or {})


def sent(time: float, local: Address, remote: Address, data: bytes = b"hello") -> DatagramSent:
    return DatagramSent(time, local, remote, data)


def received(time: float, local: Address, remote: Address, data: bytes = b"hello") -> DatagramReceived:
    return DatagramReceived(time, local, remote, data)


def lost(
    time: float,
    local: Address,
    remote: Address,
    sent_at: float,
    data: bytes = b"hello",
    reason: str = "loss",
    at: Address | None = None,
) -> DatagramLost:
    return DatagramLost(time, local, remote, data, reason, sent_at, at)


def arrived(
    time: float,
    local: Address,
    remote: Address,
    sent_at: float,
    data: bytes = b"hello",
    damaged: bytes | None = None,
    at: Address | None = None,
) -> DatagramArrived:
    return DatagramArrived(time, local, remote, data, sent_at, damaged, at)


def dropped(
    time: float, local: Address, remote: Address, data: bytes = b"hello", reason: str = "queue full", out: bool = False
) -> DatagramDropped:
    return DatagramDropped(time, local, remote, data, reason, out)


def ignored(time: float, local: Address, remote: Address, data: bytes = b"hello") -> ReplyIgnored:
    return ReplyIgnored(time, local, remote, data, "answered already")


def begins(
    time: float,
    local: Address = CLIENT,
    request: int = 1,
    number: int = 1,
    timeout: float = 1.0,
    data: bytes = b"hello",
) -> AttemptStarted:
    return AttemptStarted(time, local, SERVER, request, number, timeout, data)


def times_out(
    time: float, local: Address = CLIENT, request: int = 1, number: int = 1, reason: str = "timeout"
) -> AttemptTimedOut:
    return AttemptTimedOut(time, local, SERVER, request, number, reason)


def accepted(time: float, local: Address = CLIENT, request: int = 1, number: int = 1) -> ReplyAccepted:
    return ReplyAccepted(time, local, SERVER, request, number, 0.25, b"HELLO")


def exchanges(time: float, local: Address, former: Address = CLIENT) -> SocketExchanged:
    return SocketExchanged(time, local, SERVER, former)


def fails(time: float, local: Address = CLIENT, request: int = 1, reason: str = "NoReply") -> RequestFailed:
    return RequestFailed(time, local, SERVER, request, 1, reason)


def handled(start: float, end: float, remote: Address = CLIENT) -> tuple[HandlerStarted, HandlerFinished]:
    return (
        HandlerStarted(start, SERVER, remote, b"hello"),
        HandlerFinished(end, SERVER, remote, b"hello", "replied"),
    )


def exchange(start: float, client: Address = CLIENT, request: int = 1, number: int = 1) -> list[Event]:
    """A request and its reply, of a quarter of a second each way, in order."""
    handler = handled(start + 0.25, start + 0.25, client)
    return [
        begins(start, client, request, number),
        sent(start, client, SERVER),
        received(start + 0.25, SERVER, client),
        *handler,
        sent(start + 0.25, SERVER, client, b"HELLO"),
        received(start + 0.5, client, SERVER, b"HELLO"),
        accepted(start + 0.5, client, request, number),
    ]


def a_retry(start: float = 0.0, client: Address = CLIENT) -> list[Event]:
    """The first attempt is lost, the second is answered."""
    return [
        begins(start, client),
        sent(start, client, SERVER),
        lost(start + 0.000001, client, SERVER, start),
        times_out(start + 1.0, client),
        *exchange(start + 1.0, client, number=2),
    ]
