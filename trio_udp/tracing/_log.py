"""`Log`: the entries of a recording, as many as it may keep.

At the limit the newest is forgotten and counted, and the oldest stays: how a run began is what explains the rest.

Trio's ``nursery.start`` needs a place for the new task until that says that it has started, and opens a nursery of its
own for it. Told as it is, a task would outlive its nursery there. So once a task has moved, it has always been where it
is now, and the nursery that it came through has never been: `moved`.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from ._entries import (
    EVENTS,
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryDeadlineMoved,
    NurseryOpened,
    TaskStarted,
)
from ._wildcards import told_apart

if TYPE_CHECKING:
    from ._entries import Entry

    Raw = tuple[Any, ...]

__all__: list[str] = []


class Log:
    """Takes entries until it is closed.

    Args:
      limit: how many it keeps.
      room: how many bytes of payloads it keeps; none of the entries that come after one for which there is no room.

    ``kept`` are those. Events come by the thousand, so whoever has one looks at ``limit`` and ``room`` and appends it
    there, as one plain tuple: the event's values, the task, the source and the name of its kind. To make a `Happened`
    of it can be done afterwards. And Python's garbage collector does not come back to a plain tuple of plain values, as
    it does to a NamedTuple: with 100,000 of those, an event costs 0.7 us more.
    """

    def __init__(self, limit: int, room: int) -> None:
        self.forgotten = 0
        self.is_closed = False
        self.limit = limit
        self.room = room
        self.kept: list[Entry | Raw] = []
        self._passages: set[int] = set()  # nurseries that tasks have only come through
        self._last_nursery = 0  # that is told of; they are numbered in their order

    def add(self, entry: Entry) -> int | None:
        """Keep it, if that is possible; returns where."""
        if self.is_closed:
            return None
        place = len(self.kept)
        if place >= self.limit:
            self.forgotten += 1
            return None
        if type(entry) is NurseryOpened:
            self._last_nursery = entry.nursery
        self.kept.append(entry)
        return place

    def forget(self) -> None:
        """There is no room for the newest: from now on for none, or there would be gaps that nobody sees."""
        self.limit = len(self.kept)
        self.forgotten += 1

    def moved(self, place: int | None, passage: int | None, nursery: int | None) -> None:
        """The task whose start is kept at ``place`` came through one nursery into another."""
        if passage is not None and passage <= self._last_nursery:
            self._passages.add(passage)
        if place is not None:
            started = self.kept[place]
            assert isinstance(started, TaskStarted)
            self.kept[place] = started._replace(nursery=nursery)

    @property
    def latest(self) -> float | None:
        """The time of the newest entry."""
        return _cooked(self.kept[-1]).time if self.kept else None

    def entries(self) -> tuple[Entry, ...]:
        """All, by their times: what a network has lost is told later than it happens."""
        passages = self._passages
        kept = [entry for entry in map(_cooked, self.kept) if not (passages and _nursery(entry) in passages)]
        return tuple(told_apart(sorted(kept, key=attrgetter("time"))))


def _cooked(entry: Entry | Raw) -> Entry:
    if type(entry) is not tuple:
        return cast("Entry", entry)
    *values, task, source, kind = entry
    return Happened(EVENTS[kind]._make(values), task, source)


_OF_NURSERIES = (NurseryOpened, NurseryDeadlineMoved, NurseryCancelled, NurseryClosed)


def _nursery(entry: Entry) -> int | None:
    """Which nursery it is about, and nothing else."""
    return entry.nursery if isinstance(entry, _OF_NURSERIES) else None
