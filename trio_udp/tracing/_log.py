"""`Log`: the entries of a recording, as many as it may keep.

At the limit the newest is forgotten and counted, and the oldest stays: how a run began is what explains the rest.

Trio's ``nursery.start`` needs a place for the new task until that says that it has started, and opens a nursery of its
own for it. Told as it is, a task would outlive its nursery there. So once a task has moved, it has always been where it
is now, and the nursery that it came through has never been: `moved`.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, cast

from ._entries import Happened, NurseryClosed, NurseryOpened, TaskStarted

if TYPE_CHECKING:
    from .._events import Event
    from ._entries import Entry

    Raw = tuple[Event, int | None, str | None]

__all__: list[str] = []


class Log:
    """Takes entries until it is closed.

    Args:
      limit: how many it keeps.

    ``kept`` are those. Events come by the thousand, so whoever has one looks at ``limit`` and appends it there, as a
    plain tuple: to make a `Happened` of it takes a fifth of what an event costs, and can be done afterwards.
    """

    def __init__(self, limit: int) -> None:
        self.forgotten = 0
        self.is_closed = False
        self.limit = limit
        self.kept: list[Entry | Raw] = []
        self._passages: set[int] = set()  # nurseries that tasks have only come through

    def add(self, entry: Entry) -> int | None:
        """Keep it, if that is possible; returns where."""
        if self.is_closed:
            return None
        if len(self.kept) >= self.limit:
            self.forgotten += 1
            return None
        self.kept.append(entry)
        return len(self.kept) - 1

    def moved(self, place: int | None, passage: int | None, nursery: int | None) -> None:
        """The task whose start is kept at ``place`` came through one nursery into another."""
        if passage is not None:
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
        return tuple(sorted(kept, key=attrgetter("time")))


def _cooked(entry: Entry | Raw) -> Entry:
    return Happened._make(entry) if type(entry) is tuple else cast("Entry", entry)


def _nursery(entry: Entry) -> int | None:
    """Whose opening or closing it is."""
    return entry.nursery if isinstance(entry, (NurseryOpened, NurseryClosed)) else None
