"""`Ladder`: what a ladder diagram shows, whatever it is drawn with.

Time goes down, everybody who takes part has a vertical line, and each datagram is an arrow between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._entries import Happened
from ._lifelines import Cast, Lifeline
from ._requests import HandlerRun, Request, handler_runs, requests
from ._sockets import Sockets
from ._travels import Travel, travels

if TYPE_CHECKING:
    from ._trace import Trace


@dataclass(frozen=True)
class Arrow:
    """A datagram between two lifelines, which are numbered from the left.

    ``client`` is the one at its end that asks, as ``client_asks`` says, or else the left one; ``task`` and
    ``source_line`` are of whoever sent it, as far as they are known.
    """

    travel: Travel
    source: int
    destination: int
    client: int
    client_asks: bool
    task: int | None
    source_line: str | None


@dataclass(frozen=True)
class Asked:
    """A request, and at which lifeline."""

    request: Request
    lifeline: int
    task: int | None


@dataclass(frozen=True)
class Work:
    """A handler's run, and at which lifeline."""

    run: HandlerRun
    lifeline: int
    task: int | None


@dataclass(frozen=True)
class Ladder:
    """Everything in it in order of time; times are on Trio's clock, and the picture begins at ``started``.

    ``left_out`` datagrams are not in it, as they came after its limit, at ``ended``.
    """

    lifelines: tuple[Lifeline, ...]
    arrows: tuple[Arrow, ...]
    asked: tuple[Asked, ...]
    work: tuple[Work, ...]
    started: float
    ended: float
    left_out: int


def make_ladder(trace: Trace, limit: int) -> Ladder:
    """Of the first ``limit`` datagrams, and what else there was until then."""
    sockets = Sockets(trace.entries)
    all_travels = travels(trace.entries, sockets)
    cast = Cast(trace, sockets, all_travels)
    all_travels.sort(key=lambda travel: travel.begun)
    ended = all_travels[limit].begun if limit < len(all_travels) else trace.ended
    asked, work = _asked(trace, sockets, cast), _work(trace, sockets, cast)
    return Ladder(
        lifelines=cast.lifelines,
        arrows=tuple(_arrow(trace, cast, travel) for travel in all_travels[:limit]),
        asked=tuple(one for one in asked if one.request.attempts[0].started <= ended),
        work=tuple(one for one in work if one.run.started <= ended),
        started=trace.started,
        ended=ended,
        left_out=max(0, len(all_travels) - limit),
    )


def _arrow(trace: Trace, cast: Cast, travel: Travel) -> Arrow:
    source, destination = cast[travel.source], cast[travel.destination]
    entry = trace.entries[travel.entry]
    assert isinstance(entry, Happened), "only these tell of datagrams"
    ends = sorted((source, destination), key=lambda end: (cast.lifelines[end].role != "client", end))
    asks = cast.lifelines[ends[0]].role == "client"
    return Arrow(travel, source, destination, ends[0], asks, entry.task, entry.source)


def _asked(trace: Trace, sockets: Sockets, cast: Cast) -> list[Asked]:
    return [
        Asked(request, cast[request.place], _task(trace, request.attempts[0].entry))
        for request in requests(trace.entries, sockets)
    ]


def _work(trace: Trace, sockets: Sockets, cast: Cast) -> list[Work]:
    return [Work(run, cast[run.place], _task(trace, run.entry)) for run in handler_runs(trace.entries, sockets)]


def _task(trace: Trace, index: int) -> int | None:
    entry = trace.entries[index]
    return entry.task if isinstance(entry, Happened) else None
