"""What checks ask of a run: small functions, without opinions.

Two sources, for two questions. What became of a datagram is asked of ``run.datagrams``, the network's own record, in
which everybody's are. What the program did, in which line and in which task, is asked of ``run.trace``.

Times are seconds from the beginning of the play, and exact: time is virtual.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from .._events import DatagramReceived
from ..tracing import Happened, ScopeCancelled, ScopeEntered, ScopeExited, TaskEnded, TaskStarted

if TYPE_CHECKING:
    from ._played import Carried, Run


# -- datagrams ---------------------------------------------------------------------------------------------------------


def sent(run: Run, by: str | None = None, to: str | None = None) -> list[Carried]:
    """The datagrams that one host sent to another, in order; None is anybody."""
    return [each for each in run.datagrams if by in (None, each.source) and to in (None, each.destination)]


def lost(run: Run, by: str | None = None, to: str | None = None) -> list[Carried]:
    """Those of them that never arrived, in no copy, and never will."""
    return [each for each in sent(run, by, to) if each.lost and not each.delivered]


def arrivals(run: Run, at: str, of: str | None = None) -> list[tuple[float, Carried]]:
    """When something arrived at a host, from another one or from anybody, and what: in the order of arrival."""
    found = [(time, each) for each in sent(run, of, at) for time in each.delivered]
    return sorted(found, key=lambda arrival: arrival[0])


def gaps(datagrams: list[Carried]) -> list[float]:
    """The times between each and the next."""
    return [later.time - one.time for one, later in pairwise(datagrams)]


# -- events ------------------------------------------------------------------------------------------------------------


def happened(run: Run, *kinds: type, at: str | None = None) -> list[Happened]:
    """The events of these kinds, of all if none is given, at sockets of a host; None is any."""
    entries = (entry for entry in run.trace.entries if isinstance(entry, Happened))
    return [
        entry
        for entry in entries
        if (not kinds or isinstance(entry.event, kinds)) and at in (None, host_of(run, entry))
    ]


def readings(run: Run, at: str, part: bytes) -> list[Happened]:
    """When somebody on a host has read a datagram that contains this, and where: the first time and later ones."""
    return [
        entry
        for entry in happened(run, DatagramReceived, at=at)
        if isinstance(entry.event, DatagramReceived) and part in entry.event.data
    ]


def host_of(run: Run, entry: Happened) -> str:
    """The host of the socket that an event is about."""
    address = entry.event.local[0]
    return run.trace.names.get(address, address)


def line_of(run: Run, entry: Happened) -> int | None:
    """The line of the learner's file that it is owed to; None if it is somebody else's."""
    return line_in(entry.source, run.file)


def line_in(source: str | None, file: str) -> int | None:
    """The same, of a source as recordings have it: ``file:line``."""
    where, _, line = (source or "").rpartition(":")
    return int(line) if where == file or where.endswith(("/" + file, "\\" + file)) else None


# -- results -----------------------------------------------------------------------------------------------------------


def taken_for(result: object, answer: bytes) -> str:
    """What it is that was returned instead of this answer, in words; nothing, if that is not known."""
    if isinstance(result, str) and result.encode("utf-8", "replace") == answer:
        return ". That is a str, and the answer is bytes: no bytes are equal to a str"
    if isinstance(result, tuple) and answer in result:
        return ". That is what `recvfrom` gives, the answer and the address that it came from"
    return ""


# -- tasks and scopes --------------------------------------------------------------------------------------------------


class Life(NamedTuple):
    """A task, or a scope that was marked: from ``began`` to ``ended``, None if it never did.

    ``within`` is the nursery that a task is in, or the task that is in a scope; ``cancelled`` is when a scope was.
    """

    number: int
    name: str
    within: int | None
    began: float
    ended: float | None = None
    cancelled: float | None = None


def tasks(run: Run) -> list[Life]:
    """All tasks of the play, in the order of their beginning; the learner's are named after their functions."""
    ended = {entry.task: entry.time for entry in run.trace.entries if isinstance(entry, TaskEnded)}
    return [
        Life(entry.task, entry.name, entry.nursery, entry.time, ended.get(entry.task))
        for entry in run.trace.entries
        if isinstance(entry, TaskStarted)
    ]


def names_of_tasks(run: Run) -> dict[int | None, str]:
    """By their numbers, as entries of a trace have them."""
    return {entry.task: entry.name for entry in run.trace.entries if isinstance(entry, TaskStarted)}


def scopes(run: Run) -> list[Life]:
    """All scopes that were marked with `trio_udp.tracing.scope`, by a stage for instance."""
    ended, cancelled = _times(run, ScopeExited), _times(run, ScopeCancelled)
    return [
        Life(entry.scope, entry.name, entry.task, entry.time, ended.get(entry.scope), cancelled.get(entry.scope))
        for entry in run.trace.entries
        if isinstance(entry, ScopeEntered)
    ]


def _times(run: Run, kind: Any) -> dict[int, float]:
    return {entry.scope: entry.time for entry in run.trace.entries if isinstance(entry, kind)}


def most_at_once(lives: list[Life]) -> int:
    """How many of them there were at the same time, at most."""
    moments = [(life.began, 1) for life in lives] + [(life.ended, -1) for life in lives if life.ended is not None]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most
