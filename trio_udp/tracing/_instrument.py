"""`Watch`: which tasks, nurseries and marked cancel scopes there are, as Trio tells it while it runs.

Trio tells an instrument when a task starts, takes a step and ends. It says nothing of nurseries, so these are looked
for: at each step's end we compare those that the task is in with those it was in. A nursery cannot be missed, since
leaving one is a checkpoint. Nor does Trio tell that a cancel scope is cancelled, so these are looked at
(`_cancellation`): in each round of Trio's loop after the first step, which a deadline may have led to, and after the
last one; where there are few, after each. A nursery has a cancel scope of its own. None can be cancelled and left
within one round, so these are looked at after the last step. But that one is cancelled only as something around it is
can be seen while its tasks end: so when that happens, it is looked at.

An instrument that raises is removed by Trio, with a line in a log that nobody reads. So nothing here does: what goes
wrong is counted in ``problems``. For the same reason Ctrl-C waits: Trio would take it for a mistake of the instrument.

Trio's own tasks are left out. They are the same in each program and end after everything else, and in a picture that
begins with them a learner's program hangs three nurseries deep. But a system task in which something of this library
happens, or that enters a marked scope, is told of from then on, with no parent.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from itertools import count
from typing import TYPE_CHECKING

import trio
from trio import current_time
from trio.lowlevel import current_task, enable_ki_protection

from ._cancellation import MOST_LOOKS, cancelled, is_cancelled, only_follows
from ._entries import (
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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._log import Log

__all__: list[str] = []


FEW = 8  # marked scopes; looking at more of them after each step would take longer than a microsecond


class _Known:
    """A task that was told of: its number, where in the log; in whose nursery it is, and in which of its own.

    ``inside`` is the number of the former, which may be closed already when the task turns out to have left it.
    """

    __slots__ = ("inside", "number", "nurseries", "parent", "place")

    def __init__(self, number: int, parent: trio.Nursery | None, inside: int | None) -> None:
        self.number = number
        self.parent = parent
        self.inside = inside
        self.place: int | None = None
        self.nurseries: list[trio.Nursery] = []


class Watch(trio.abc.Instrument):
    """Notes what happens in one Trio run, once it is installed and `begin` was called.

    Args:
      log: where to.
    """

    def __init__(self, log: Log) -> None:
        self.problems: Counter[str] = Counter()
        self.over_at: float | None = None  # when the run ended
        self._log = log
        self._add = log.add
        self._tasks: dict[trio.lowlevel.Task, _Known] = {}
        self._nurseries: dict[trio.Nursery, int] = {}
        self._unhurt: OrderedDict[trio.Nursery, trio.CancelScope] = OrderedDict()  # not cancelled yet
        self._scopes: OrderedDict[int, trio.CancelScope] = OrderedDict()  # neither cancelled nor left
        self._deadlines: dict[trio.CancelScope, float] = {}  # as they were told, of what is open and has one
        self._is_first = True  # the next step, in its round
        self._numbers = {kind: count(1) for kind in ("task", "nursery", "scope")}

    # -- what Trio calls ----------------------------------------------------------------------------------------------

    @enable_ki_protection
    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        try:
            self._spawned(task)
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        try:
            known = self._tasks.get(task)
            if known is not None:
                if task.child_nurseries != known.nurseries:
                    self._compare(task, known)
                if task.parent_nursery is not known.parent:
                    self._moved(task, known)
                if known.nurseries and known.nurseries[-1] in self._unhurt:
                    self._look_at_nursery(known.nurseries[-1])  # it may be what is inside of that which has ended
            self._look_after_step()
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def task_exited(self, task: trio.lowlevel.Task) -> None:
        try:
            self._look_after_step()  # one may have ended the task by that
            if (nursery := task.parent_nursery) in self._unhurt:
                assert nursery is not None
                self._look_at_nursery(nursery)
            known = self._tasks.pop(task, None)
            if known is not None:
                if task.parent_nursery is not known.parent:
                    self._moved(task, known)
                self._close(reversed(known.nurseries))
                self._add(TaskEnded(current_time(), known.number))
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def before_io_wait(self, timeout: float) -> None:
        try:
            self._is_first = True
            if self._scopes:  # one may have been cancelled with nobody in it who could take a step
                self._look_at_scopes()
            if self._unhurt:
                self._look_at_nurseries()
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def after_run(self) -> None:
        try:
            self.over_at = current_time()
            self.forget()
        except BaseException as problem:
            self.note(problem)

    def note(self, problem: BaseException) -> None:
        """Something has gone wrong here, and must not go wrong in the program."""
        self.problems[type(problem).__name__] += 1

    # -- beginning and end --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Tell of the tasks and nurseries that are there already."""
        root = trio.lowlevel.current_root_task()
        if root is None or not root.child_nurseries:
            return
        waiting = _in_order(root.child_nurseries[-1].child_tasks)  # Trio has the main task in a nursery of its own
        while waiting:
            task = waiting.pop()
            known = self._start(task)
            self._compare(task, known)
            for nursery in reversed(known.nurseries):
                waiting += _in_order(nursery.child_tasks)

    def forget(self) -> None:
        """Hold on to nothing any more."""
        self._tasks.clear()
        self._nurseries.clear()
        self._unhurt.clear()
        self._scopes.clear()
        self._deadlines.clear()

    # -- tasks and nurseries ------------------------------------------------------------------------------------------

    def current(self) -> int | None:
        """The number of the running task; None if none is running."""
        try:
            task = current_task()
        except RuntimeError:
            return None
        known = self._tasks.get(task)
        if known is None:
            known = self._start(task)
        if task.child_nurseries != known.nurseries:
            self._compare(task, known)
        return known.number

    def look(self) -> None:
        """Tell what nobody has seen yet of the running step, if its task is known, and which deadlines were moved."""
        try:
            task = current_task()
        except RuntimeError:
            return
        if (known := self._tasks.get(task)) is not None:
            self._compare(task, known)
        for number in list(self._scopes):
            self._look_at_scope(number)
        for nursery in self._nurseries:
            self._look_at_deadline(nursery)
            if nursery in self._unhurt:
                self._look_at_nursery(nursery)

    def _spawned(self, task: trio.lowlevel.Task) -> None:
        nursery = task.parent_nursery
        if nursery is None:
            return
        parent = self._tasks.get(nursery.parent_task)
        if parent is not None:  # else it is one of Trio's own
            self._compare(nursery.parent_task, parent)
            self._start(task)

    def _start(self, task: trio.lowlevel.Task) -> _Known:
        parent = task.parent_nursery
        known = self._tasks[task] = _Known(next(self._numbers["task"]), parent, self._number(parent))
        known.place = self._add(TaskStarted(current_time(), known.number, task.name, known.inside))
        return known

    def _moved(self, task: trio.lowlevel.Task, known: _Known) -> None:
        """``nursery.start`` has opened a nursery for it, from which it has come into the one that is meant."""
        before, known.parent = known.inside, task.parent_nursery
        known.inside = self._number(known.parent)
        self._log.moved(known.place, before, known.inside)

    def _number(self, nursery: trio.Nursery | None) -> int | None:
        return None if nursery is None else self._nurseries.get(nursery)

    def _compare(self, task: trio.lowlevel.Task, known: _Known) -> None:
        """Tell which nurseries the task has left, and which it has entered; each is inside the one before it."""
        before, now = known.nurseries, task.child_nurseries
        same = 0
        while same < min(len(before), len(now)) and before[same] is now[same]:
            same += 1
        known.nurseries = now
        self._close(reversed(before[same:]))
        for nursery in now[same:]:
            number = self._nurseries[nursery] = next(self._numbers["nursery"])
            scope = self._unhurt[nursery] = nursery.cancel_scope
            if (deadline := scope.deadline) != math.inf:  # which few have
                self._deadlines[scope] = deadline
            self._add(NurseryOpened(current_time(), number, known.number, deadline))

    def _close(self, nurseries: Iterable[trio.Nursery]) -> None:
        for nursery in nurseries:
            if nursery in self._unhurt:
                self._look_at_nursery(nursery)
                self._unhurt.pop(nursery, None)
            number, scope = self._nurseries.pop(nursery), nursery.cancel_scope
            self._deadlines.pop(scope, None)
            self._add(NurseryClosed(current_time(), number, scope.deadline, scope.cancelled_caught))

    def _look_at_nurseries(self) -> None:
        for nursery in cancelled(self._unhurt):
            self._look_at_nursery(nursery)

    def _look_at_nursery(self, nursery: trio.Nursery) -> None:
        if getattr(nursery.cancel_scope, "_cancel_called", False):  # as `is_cancelled`, but this is asked at each step
            del self._unhurt[nursery]
            self._look_at_deadline(nursery)
            if not only_follows(nursery):
                self._add(NurseryCancelled(current_time(), self._nurseries[nursery]))

    def _look_at_deadline(self, nursery: trio.Nursery) -> None:
        if self._was_moved(scope := nursery.cancel_scope):
            self._add(NurseryDeadlineMoved(current_time(), self._nurseries[nursery], scope.deadline))

    # -- scopes -------------------------------------------------------------------------------------------------------

    def entered(self, name: str, scope: trio.CancelScope) -> int | None:
        """The running task has entered a scope; returns its number, None if nobody can tell."""
        task = self.current()
        if task is None:
            return None
        number = next(self._numbers["scope"])
        deadline = self._deadlines[scope] = scope.deadline
        self._add(ScopeEntered(current_time(), number, name, task, deadline))
        self._scopes[number] = scope
        return number

    def exited(self, number: int, scope: trio.CancelScope) -> None:
        """It has been left."""
        self.current()  # nurseries inside it have been left before
        if self._scopes.pop(number, None) is not None and scope.cancel_called:
            self._add(ScopeCancelled(current_time(), number))
        self._deadlines.pop(scope, None)
        self._add(ScopeExited(current_time(), number, scope.deadline, scope.cancelled_caught))

    def _look_after_step(self) -> None:
        """At the scopes, if they are few, or it was the round's first step and they are not many."""
        if self._scopes and len(self._scopes) <= (MOST_LOOKS if self._is_first else FEW):
            self._look_at_scopes()
        self._is_first = False

    def _look_at_scopes(self) -> None:
        for number in cancelled(self._scopes):
            self._look_at_scope(number)

    def _look_at_scope(self, number: int) -> None:
        scope = self._scopes[number]
        if self._was_moved(scope):
            self._add(ScopeDeadlineMoved(current_time(), number, scope.deadline))
        if is_cancelled(scope):
            del self._scopes[number]
            self._add(ScopeCancelled(current_time(), number))

    def _was_moved(self, scope: trio.CancelScope) -> bool:
        """Since its deadline was told; now it will be."""
        before = self._deadlines.get(scope, math.inf)
        self._deadlines[scope] = scope.deadline
        return before != scope.deadline


def _in_order(tasks: Iterable[trio.lowlevel.Task]) -> list[trio.lowlevel.Task]:
    """The oldest last; Trio gives a set, and counts its tasks for a similar purpose."""
    return sorted(tasks, key=lambda task: getattr(task, "_counter", 0), reverse=True)
