"""Requests and their attempts, and what handlers did: what takes time beside a lifeline.

An attempt is told in two events, and its client may have exchanged its socket between them, which is told, too. Of an
attempt that is still waiting there is only the first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._events import (
    AttemptStarted,
    AttemptTimedOut,
    HandlerFinished,
    HandlerStarted,
    ReplyAccepted,
    RequestFailed,
    SocketExchanged,
)
from ._entries import Happened
from ._lifelines import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._entries import Entry
    from ._lifelines import Cast
    from ._sockets import Place, Sockets


TIMEOUT = "timeout"
OUTCOMES = {TIMEOUT: "timed out", "ECONNREFUSED": "refused"}  # of an attempt, by the event's reason; others as they are


@dataclass
class Attempt:
    """From ``started``, when the request was sent, until a reply, a failure, or the ``deadline``.

    ``entry`` is the index of the entry that tells of its start; times are seconds on Trio's clock; ``ended`` is None
    while it waits, and ``outcome`` is then empty. ``is_timeout``: it ended because its deadline had come;
    ``is_refused``: the network said that it had not arrived, then or before.
    """

    entry: int
    number: int
    started: float
    deadline: float
    data: bytes
    ended: float | None = None
    ended_entry: int | None = None
    outcome: str = ""
    is_timeout: bool = False
    is_refused: bool = False

    def end(self, time: float, entry: int, outcome: str) -> None:
        """It is over, unless it was before."""
        if self.ended is None:
            self.ended, self.ended_entry, self.outcome = time, entry, outcome

    @property
    def fate(self) -> str:
        """The class of its shape in pictures, after a space; none if it was answered."""
        if self.is_refused:
            return " refused"
        return {"answered": "", "timed out": " timed-out", "": " undecided"}.get(self.outcome, " given-up")


@dataclass
class Request:
    """One request of a client: all its attempts. The client counts its requests; or whoever draws them (`numbered`).

    ``is_given_up``: none of them was answered, and there is no other.
    """

    place: Place
    number: int
    attempts: list[Attempt] = field(default_factory=list)
    is_given_up: bool = False


def requests(entries: Iterable[Entry], sockets: Sockets) -> list[Request]:
    """All requests that a trace tells of, in the order in which they began."""
    order: list[Request] = []
    clients: dict[Place, dict[int, Request]] = {}  # who is at each socket now: its requests, by the numbers it tells
    for index, entry in enumerate(entries):
        if not isinstance(entry, Happened):
            continue
        event = entry.event
        if isinstance(event, SocketExchanged):
            clients[sockets.at(event.local)] = clients.pop(sockets.at(event.former), {})
        elif isinstance(event, AttemptStarted):
            client = clients.setdefault(sockets.at(event.local), {})
            if event.number == 1 and event.request in client:  # its numbers do not come again: it is another client
                client = clients[sockets.at(event.local)] = {}
            if event.request not in client:
                client[event.request] = Request(sockets.home(event.local), event.request)
                order.append(client[event.request])
            deadline = event.time + event.timeout
            client[event.request].attempts.append(Attempt(index, event.number, event.time, deadline, event.data))
        elif isinstance(event, (AttemptTimedOut, ReplyAccepted, RequestFailed)):
            request = clients.get(sockets.at(event.local), {}).get(event.request)
            if request is not None:  # else it began before the recording
                request.is_given_up = isinstance(event, RequestFailed) and request.attempts[-1].ended is not None
                _end(request.attempts[-1], index, event)
    return order


def numbered(found: list[Request], cast: Cast) -> list[Request]:
    """The same; each client counts its requests, and where several are one lifeline, all there are counted together.

    What begins at one instant, in virtual time, has an order by chance.
    """
    counts = Counter[int]()
    for request in sorted(found, key=lambda one: (one.attempts[0].started, in_order(one.place), one.number)):
        here = cast[request.place]
        counts[here] += 1
        request.number = counts[here]
    return found


def _end(attempt: Attempt, index: int, event: AttemptTimedOut | ReplyAccepted | RequestFailed) -> None:
    if isinstance(event, ReplyAccepted):
        attempt.end(event.time, index, "answered")
    elif isinstance(event, AttemptTimedOut):
        attempt.is_timeout = attempt.ended is None and (event.reason == TIMEOUT or event.time >= attempt.deadline)
        attempt.is_refused = attempt.ended is None and event.reason != TIMEOUT
        attempt.end(event.time, index, OUTCOMES.get(event.reason, event.reason))
    elif event.reason == "Cancelled":
        attempt.end(event.time, index, "cancelled")
    else:
        attempt.end(event.time, index, f"failed: {event.reason}")


@dataclass
class HandlerRun:
    """A handler at work: ``entry`` and ``ended_entry`` are indexes of entries, the latter None while it works."""

    entry: int
    place: Place
    started: float
    data: bytes
    ended: float | None = None
    ended_entry: int | None = None
    outcome: str = ""

    @property
    def fate(self) -> str:
        """The class of its shape in pictures, after a space; none if it returned, or is at work."""
        return {"": "", "replied": "", "silent": "", "cancelled": " cancelled"}.get(self.outcome, " raised")


def handler_runs(entries: Iterable[Entry], sockets: Sockets) -> list[HandlerRun]:
    """All that a trace tells of, in the order in which they began; equal ones end in the order of their beginning."""
    runs: list[HandlerRun] = []
    at_work: dict[tuple[Place, Place, bytes, int | None], list[HandlerRun]] = {}
    for index, entry, event in _of_handlers(entries):
        here = sockets.at(event.local)
        equal = at_work.setdefault((here, sockets.at(event.remote), event.data, entry.task), [])
        if isinstance(event, HandlerStarted):
            equal.append(HandlerRun(index, here, event.time, event.data))
            runs.append(equal[-1])
        elif equal:  # else it began before the recording
            run = equal.pop(0)
            run.ended, run.ended_entry, run.outcome = event.time, index, event.outcome
    return runs


def _of_handlers(entries: Iterable[Entry]) -> Iterator[tuple[int, Happened, HandlerStarted | HandlerFinished]]:
    for index, entry in enumerate(entries):
        if isinstance(entry, Happened) and isinstance(entry.event, (HandlerStarted, HandlerFinished)):
            yield index, entry, entry.event
