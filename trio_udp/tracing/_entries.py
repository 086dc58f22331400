"""What a trace is made of: one entry for each thing that happened, in order.

Three sources, one list. The library's own events say what became of datagrams and requests; they are wrapped, as they
do not know the task and the line of the program that they are owed to. Trio says which tasks and nurseries there are.
And cancel scopes that a program marks (`scope`) say when they were entered, cancelled and left.

Numbers stand for tasks, nurseries and scopes: 1, 2, ... each, in the order in which they are first heard of.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple, TypeAlias

from .. import _events
from .._events import Event

__all__ = [
    "Entry",
    "Happened",
    "NurseryCancelled",
    "NurseryClosed",
    "NurseryDeadlineMoved",
    "NurseryOpened",
    "ScopeCancelled",
    "ScopeDeadlineMoved",
    "ScopeEntered",
    "ScopeExited",
    "TaskEnded",
    "TaskStarted",
]


class Happened(NamedTuple):
    """An event of the library.

    ``task`` is the one that was running, None if none was, or if a network has lost a datagram or brought it;
    ``source`` the line of the program that led to it, as ``file:line``, None where only the library's own code was on
    the stack.
    """

    event: Event
    task: int | None
    source: str | None

    @property
    def time(self) -> float:
        """Of the event."""
        return self.event.time


class TaskStarted(NamedTuple):
    """Trio has a new task, in this nursery; None: its parent is Trio itself, or the recording began later.

    In every entry ``time`` is seconds on Trio's clock.
    """

    time: float
    task: int
    name: str
    nursery: int | None


class TaskEnded(NamedTuple):
    """A task is over."""

    time: float
    task: int


class NurseryOpened(NamedTuple):
    """A task, ``task``, is inside the ``async with`` of a nursery. Noticed when it first waits there.

    ``deadline`` is that of its own cancel scope, ``math.inf`` if it has none or an earlier version has not told it.
    """

    time: float
    nursery: int
    task: int
    deadline: float = math.inf


class NurseryDeadlineMoved(NamedTuple):
    """Its own cancel scope has another deadline than was told. Noticed as that of a marked scope is."""

    time: float
    nursery: int
    deadline: float


class NurseryCancelled(NamedTuple):
    """Its own cancel scope was cancelled: somebody called ``cancel``, or a task of it has failed.

    Not told of one that only ends because something around it was cancelled.
    """

    time: float
    nursery: int


class NurseryClosed(NamedTuple):
    """The ``async with`` is over, and with it all tasks that were in it.

    ``deadline`` and ``caught`` are of its own cancel scope, as for marked ones. An earlier version has told neither.
    """

    time: float
    nursery: int
    deadline: float = math.inf
    caught: bool = False


class ScopeEntered(NamedTuple):
    """A task has entered a cancel scope that is marked with a name; ``deadline`` is ``math.inf`` if it has none."""

    time: float
    scope: int
    name: str
    task: int
    deadline: float


class ScopeDeadlineMoved(NamedTuple):
    """It has another deadline than was told. Noticed at the end of the step that has moved it, or at an event in that.

    Where more than some tens of scopes and nurseries are open, it is noticed when one is cancelled, the program has
    nothing to do, or somebody looks at the recording: so of two moves it may be the second alone.
    """

    time: float
    scope: int
    deadline: float


class ScopeCancelled(NamedTuple):
    """It was cancelled: its deadline passed, or somebody called ``cancel``."""

    time: float
    scope: int


class ScopeExited(NamedTuple):
    """Its task has left it.

    ``deadline`` is what it was at the end; ``caught`` whether the scope has caught the cancellation, as Trio's
    ``cancelled_caught``.
    """

    time: float
    scope: int
    deadline: float
    caught: bool


Entry: TypeAlias = (
    "Happened | TaskStarted | TaskEnded | NurseryOpened | NurseryDeadlineMoved | NurseryCancelled"
    " | NurseryClosed | ScopeEntered | ScopeDeadlineMoved | ScopeCancelled | ScopeExited"
)
"""Any of them."""

EVENTS: Final[dict[str, Any]] = {
    name: getattr(_events, name) for name in _events.__all__ if name not in ("Event", "observe")
}
"""The kinds of events, by their names."""
