"""`Ladder`: what a ladder diagram shows, whatever it is drawn with.

Time goes down, everybody who takes part has a vertical line, and each datagram is an arrow between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from ._entries import Happened, TaskStarted
from ._lifelines import Cast, Lifeline
from ._requests import HandlerRun, Request, handler_runs, numbered, requests
from ._sockets import Sockets
from ._trace import known_until
from ._travel import Travel
from ._travels import travels

if TYPE_CHECKING:
    from .._events import Event
    from ._sockets import Place
    from ._trace import Trace


MANY = 8  # clients, beyond which the last is out of sight of the server


@dataclass(frozen=True)
class Arrow:
    """A datagram between two lifelines, which are numbered from the left.

    ``client`` is the one at its end that asks, as ``client_asks`` says, or else the left one; ``task``,
    ``source_line`` and ``task_name`` are of whoever sent it, as far as they are known. It ``leaves`` if nothing was
    recorded where it goes; it ``may_go_on`` if what came later is not in the trace, which was full.
    """

    travel: Travel
    source: int
    destination: int
    client: int
    client_asks: bool
    task: int | None
    source_line: str | None
    task_name: str | None
    leaves: bool
    may_go_on: bool


@dataclass(frozen=True)
class Asked:
    """A request, and at which lifeline."""

    request: Request
    lifeline: int
    task: int | None


@dataclass(frozen=True)
class Work:
    """A handler's run, at which lifeline, and the socket that asked for it."""

    run: HandlerRun
    lifeline: int
    task: int | None
    asker: Place


@dataclass(frozen=True)
class Ladder:
    """Everything in it in order of time; times are on Trio's clock, and the picture begins at ``started``.

    Each lifeline counts its requests. ``requests`` are all, also those that are not in it.

    ``left_out`` datagrams and attempts are not in it, as they came after its limit, at ``ended``. With those there are
    so many ``datagrams``, of which so many are second ``copies``, and so many were ``lost`` or not sent. It
    ``is_turned`` if those who ask are on the right.
    """

    lifelines: tuple[Lifeline, ...]
    arrows: tuple[Arrow, ...]
    asked: tuple[Asked, ...]
    work: tuple[Work, ...]
    requests: tuple[Request, ...]
    started: float
    ended: float
    left_out: int
    datagrams: int
    copies: int
    lost: int
    is_turned: bool = False

    def wide_gaps(self) -> set[int]:
        """Behind which lifelines there must be room for payloads: other kinds are beyond, or one who is talked to."""
        kinds = {gap for gap, (one, other) in enumerate(pairwise(self.lifelines)) if one.role != other.role}
        neighbours = {min(one.source, one.destination) for one in self.arrows if abs(one.source - one.destination) == 1}
        return kinds | neighbours


def make_ladder(trace: Trace, limit: int) -> Ladder:
    """Of the first ``limit`` datagrams and as many attempts, and what else there was until then."""
    sockets = Sockets(trace.entries)
    all_travels = travels(trace.entries, sockets)
    cast = Cast(trace, sockets, all_travels)
    all_travels.sort(key=lambda travel: travel.begun)
    ended = all_travels[limit].begun if limit < len(all_travels) else known_until(trace)
    recorded = {cast[sockets.at(entry.event.local)] for entry in trace.entries if isinstance(entry, Happened)}
    tasks = {entry.task: entry.name for entry in trace.entries if isinstance(entry, TaskStarted)}
    arrows = [_arrow(trace, cast, travel, recorded, tasks) for travel in all_travels[:limit]]
    all_requests = numbered(requests(trace.entries, sockets), cast)
    all_asked = [Asked(one, cast[one.place], _task(trace, one.attempts[0].entry)) for one in all_requests]
    attempts = accumulate(len(one.request.attempts) for one in all_asked)
    asked = [
        one
        for one, so_far in zip(all_asked, attempts, strict=True)
        if so_far <= limit and one.request.attempts[0].started <= ended
    ]
    work = [one for one in _work(trace, sockets, cast)[:limit] if one.run.started <= ended]
    left_out = len(all_travels) - len(arrows)
    left_out += sum(len(one.request.attempts) for one in all_asked) - sum(len(one.request.attempts) for one in asked)
    lost = sum(travel.outcome in ("lost", "not sent") for travel in all_travels)
    parts = cast.lifelines, tuple(arrows), tuple(asked), tuple(work), tuple(all_requests)
    copies = sum(travel.is_copy for travel in all_travels)
    ladder = Ladder(*parts, trace.started, ended, left_out, len(all_travels), copies, lost)
    return without_idle(ladder) if left_out else ladder


def without_idle(ladder: Ladder) -> Ladder:
    """Only those who have a part in what is there."""
    busy = {end for arrow in ladder.arrows for end in (arrow.source, arrow.destination)}
    busy |= {one.lifeline for one in ladder.asked} | {one.lifeline for one in ladder.work}
    return _in_order(ladder, sorted(busy))


def arranged(ladder: Ladder) -> Ladder:
    """With many clients, those whom they ask stand left of them, in sight of each other and of the first clients."""
    clients = [number for number, one in enumerate(ladder.lifelines) if one.role == "client"]
    others = [number for number, one in enumerate(ladder.lifelines) if one.role != "client"]
    if len(clients) <= MANY or not others or clients[-1] > others[0]:
        return ladder
    return replace(_in_order(ladder, [*reversed(others), *clients]), is_turned=True)


def _in_order(ladder: Ladder, order: list[int]) -> Ladder:
    """Some of the lifelines, from left to right."""
    number = {old: new for new, old in enumerate(order)}
    return replace(
        ladder,
        lifelines=tuple(ladder.lifelines[old] for old in order),
        arrows=tuple(
            replace(one, source=number[one.source], destination=number[one.destination], client=number[one.client])
            for one in ladder.arrows
        ),
        asked=tuple(replace(one, lifeline=number[one.lifeline]) for one in ladder.asked),
        work=tuple(replace(one, lifeline=number[one.lifeline]) for one in ladder.work),
    )


def _arrow(trace: Trace, cast: Cast, travel: Travel, recorded: set[int], tasks: dict[int, str]) -> Arrow:
    source, destination = cast[travel.source], cast[travel.destination]
    entry = trace.entries[travel.entry]
    assert isinstance(entry, Happened), "only these tell of datagrams"
    ends = sorted((source, destination), key=lambda end: (cast.lifelines[end].role != "client", end))
    asks = cast.lifelines[ends[0]].role == "client"
    name = None if entry.task is None else tasks.get(entry.task)
    unknown = destination not in recorded, trace.forgotten > 0
    return Arrow(travel, source, destination, ends[0], asks, entry.task, entry.source, name, *unknown)


def _work(trace: Trace, sockets: Sockets, cast: Cast) -> list[Work]:
    return [
        Work(run, cast[run.place], _task(trace, run.entry), sockets.at(_event(trace, run.entry).remote))
        for run in handler_runs(trace.entries, sockets)
    ]


def _event(trace: Trace, index: int) -> Event:
    entry = trace.entries[index]
    assert isinstance(entry, Happened), "only these tell of handlers"
    return entry.event


def _task(trace: Trace, index: int) -> int | None:
    entry = trace.entries[index]
    return entry.task if isinstance(entry, Happened) else None
