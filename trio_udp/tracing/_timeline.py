"""What ran inside what, from when until when: the tree of tasks, nurseries, cancel scopes and attempts.

The entries of a trace are points in time, and a picture needs bars: one from a task's start to its end, inside the bar
of its nursery, inside that of the task which opened it. Nobody says where a nursery is *inside* its task, though, and
it need not be said: whatever one task has open is a stack. A nursery that is opened while a scope is entered lies in
that scope, and a request that is made inside both lies in the inner one.

A trace may begin in the middle of a program, and a file may say anything. So a bar whose surroundings were never
heard of stands at the outside, an end without a beginning is passed over, and what has no end is still running. When a
task ends, so does all that it had open; but a nursery's end is not made the end of its tasks. That every task has ended
by then is for the eye to see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ._entries import (
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryDeadlineMoved,
    NurseryOpened,
    ScopeCancelled,
    ScopeDeadlineMoved,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
)
from ._requests import requests
from ._sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._entries import Entry
    from ._requests import Attempt, Request
    from ._trace import Trace

__all__ = ["Bar", "Timeline", "timeline"]

Kind = Literal["task", "nursery", "scope", "attempt"]

# More make no picture that anybody reads, and a file that a browser is slow with.
MOST_BARS = 5000

# Bars inside bars; whoever walks the tree may do it by recursion.
DEEPEST = 100


@dataclass(eq=False)
class Bar:
    """From when until when something lasted. Times are seconds on Trio's clock.

    ``entry`` is the index in the trace of the entry that began it, ``task`` the number of its task, and ``end`` None if
    it was still running. ``deadline`` is of scopes, attempts and those nurseries that have one, and ``cancelled`` when
    they were, by that or by somebody; ``caught`` says that the cancellation ended there. ``moved`` are the moments in
    which the deadline was given up for another one, and that. ``outcome`` is what became of an attempt, empty if nobody
    knows, and ``fate`` its class in pictures.
    """

    kind: Kind
    name: str
    entry: int
    task: int | None
    begin: float
    end: float | None = None
    deadline: float | None = None
    cancelled: float | None = None
    caught: bool = False
    outcome: str = ""
    fate: str = ""
    moved: list[tuple[float, float]] = field(default_factory=list)
    children: list[Bar] = field(default_factory=list)
    depth: int = 0

    @property
    def is_instant(self) -> bool:
        """It took no time, or what is in it at its end did."""
        return self.end == self.begin or any(bar.end == self.end and bar.is_instant for bar in self.children)

    def walk(self) -> Iterator[Bar]:
        """This bar and all inside, each before what is in it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Timeline:
    """The outermost bars, and how many were left out because there are too many, or too deep inside others."""

    bars: list[Bar]
    left_out: int

    def walk(self) -> Iterator[Bar]:
        """All bars, each before what is in it."""
        for bar in self.bars:
            yield from bar.walk()


def timeline(
    trace: Trace, asked: Iterable[Request] | None = None, *, most: int = MOST_BARS, until: float = math.inf
) -> Timeline:
    """The bars of a trace: the first ``most`` to begin.

    Its requests may be given, with numbers by which a ladder calls them; else their clients' numbers stand there.
    What ends after ``until`` has no end in it. But what became of an attempt is told if the trace knows it.
    """
    if asked is None:
        asked = requests(trace.entries, Sockets(trace.entries))
    builder = _Builder(asked, most, until)
    for index, entry in enumerate(trace.entries):
        if entry.time <= until:
            builder.take(index, entry)
    return Timeline(builder.bars, builder.left_out)


class _Builder:
    def __init__(self, asked: Iterable[Request], most: int, until: float) -> None:
        self.bars: list[Bar] = []
        self.left_out = 0
        self._room = most
        self._until = until
        self._nurseries: dict[int, Bar] = {}
        self._scopes: dict[int, Bar] = {}
        self._attempts = {one.entry: (request.number, one) for request in asked for one in request.attempts}
        self._open: dict[int | None, list[Bar]] = {}  # by task: itself, and what it is in, the innermost last
        self._places: dict[Bar, int] = {}  # where in those: what is below a bar does not move while it is open

    def take(self, index: int, entry: Entry) -> None:
        match entry:
            case TaskStarted(time, task, name, nursery):
                bar = Bar("task", name, index, task, time)
                self._open[task] = [bar]
                self._put(bar, None if nursery is None else self._nurseries.get(nursery))
            case TaskEnded(time, task):
                self._close(self._open.pop(task, []), 0, time)
            case NurseryOpened(time, nursery, task, deadline):
                bar = Bar("nursery", "nursery", index, task, time, deadline=_unless_endless(deadline))
                self._nurseries[nursery] = self._begin(bar)
            case NurseryDeadlineMoved(time, nursery, deadline):
                if (bar_or_none := self._nurseries.get(nursery)) is not None:
                    bar_or_none.deadline = _unless_endless(deadline)
                    bar_or_none.moved.append((time, deadline))
            case NurseryCancelled(time, nursery):
                if (bar_or_none := self._nurseries.get(nursery)) is not None:
                    bar_or_none.cancelled = time
            case NurseryClosed(time, nursery, deadline, caught):
                self._leave(self._nurseries.get(nursery), time, _unless_endless(deadline), caught)
            case ScopeEntered(time, scope, name, task, deadline):
                self._scopes[scope] = self._begin(Bar("scope", name, index, task, time, deadline=deadline))
            case ScopeDeadlineMoved(time, scope, deadline):
                if (bar_or_none := self._scopes.get(scope)) is not None:
                    bar_or_none.deadline = deadline
                    bar_or_none.moved.append((time, deadline))
            case ScopeCancelled(time, scope):
                if (bar_or_none := self._scopes.get(scope)) is not None:
                    bar_or_none.cancelled = time
            case ScopeExited(time, scope, deadline, caught):
                self._leave(self._scopes.get(scope), time, deadline, caught)
            case Happened() if index in self._attempts:
                self._attempt(index, entry.task, *self._attempts[index])

    def _leave(self, bar: Bar | None, time: float, deadline: float | None, caught: bool) -> None:
        """A scope, or a nursery with its own."""
        if bar is not None:
            bar.deadline, bar.caught = deadline, caught
            self._end(bar, time)

    def _attempt(self, index: int, task: int | None, number: int, attempt: Attempt) -> None:
        """Nothing is inside an attempt, so it is not among what its task has open."""
        name = f"request {number}, attempt {attempt.number}"
        ended = attempt.ended if attempt.ended is not None and attempt.ended <= self._until else None
        bar = Bar("attempt", name, index, task, attempt.started, ended, attempt.deadline)
        bar.outcome, bar.fate = attempt.outcome, attempt.fate
        if attempt.is_timeout:
            bar.cancelled, bar.caught = ended, True
        self._put_inside(bar)

    # -- beginning and ending --------------------------------------------------------------------------------------

    def _begin(self, bar: Bar) -> Bar:
        """Something begins in its task, and what follows there is inside."""
        self._put_inside(bar)
        inside = self._open.setdefault(bar.task, [])
        self._places[bar] = len(inside)
        inside.append(bar)
        return bar

    def _put_inside(self, bar: Bar) -> None:
        inside = self._open.get(bar.task)
        self._put(bar, inside[-1] if inside else None)

    def _put(self, bar: Bar, parent: Bar | None) -> None:
        """Where a bar is left out, so is all in it: it is as deep as no bar may be."""
        bar.depth = 0 if parent is None else parent.depth + 1
        if not self._room or bar.depth > DEEPEST:
            self.left_out += 1
            bar.depth = DEEPEST
            return
        self._room -= 1
        (self.bars if parent is None else parent.children).append(bar)

    def _end(self, bar: Bar, time: float) -> None:
        """It is over, and with it what its task has opened since."""
        inside, place = self._open.get(bar.task, []), self._places[bar]
        if place < len(inside) and inside[place] is bar:  # else it was ended by what it was in
            self._close(inside, place, time)

    def _close(self, inside: list[Bar], first: int, time: float) -> None:
        for bar in inside[first:]:
            bar.end = time
        del inside[first:]


def _unless_endless(deadline: float) -> float | None:
    """Few nurseries have a deadline, and of the others there is nothing to be said."""
    return None if deadline == math.inf else deadline
