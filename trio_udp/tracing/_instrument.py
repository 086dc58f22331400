"""`Watch`: which tasks, nurseries and marked cancel scopes there are, as Trio tells it while it runs.

Trio tells an instrument when a task starts, takes a step and ends. It says nothing of nurseries, so these are looked
for: at each step's end we compare those that the task is in with those it was in. A nursery cannot be missed, since
leaving one is a checkpoint.

Nor does Trio tell that a cancel scope is cancelled, so these are looked at (`OpenScopes`), marked ones and those that
nurseries have. It must not be told later than what it leads to, nor by a later time. A task that it wakes takes its
step in a later round of Trio's loop: so we look before the first step of a round, or the first that it begins. What a
task does in the step in which it cancels something is told after we have looked: before each event, and where a scope
or a task ends. And when the program has nothing to do we look, for there may be nobody to be woken. That a nursery is
cancelled only as something around it is can be seen while its tasks end: so when that happens, it is looked at.

An instrument that raises is removed by Trio, with a line in a log that nobody reads. So nothing here does: what goes
wrong is counted in ``problems``. For the same reason Ctrl-C waits: Trio would take it for a mistake of the instrument.

Trio's own tasks are left out. They are the same in each program and end after everything else, and in a picture that
begins with them a learner's program hangs three nurseries deep. But a system task in which something of this library
happens, or that enters a marked scope, is told of from then on, with no parent.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

import trio
from trio import current_time
from trio.lowlevel import current_task, enable_ki_protection

from ._cancellation import is_idle, is_woken_by_it
from ._entries import (
    NurseryClosed,
    NurseryOpened,
    ScopeCancelled,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
)
from ._open_scopes import OpenScopes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._log import Log

__all__: list[str] = []


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
        self._scopes = OpenScopes(log)
        self._has_looked = False  # in this round
        self._numbers = {kind: count(1) for kind in ("task", "nursery", "scope")}

    # -- what Trio calls ----------------------------------------------------------------------------------------------

    @enable_ki_protection
    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        try:
            self._spawned(task)
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._has_looked:
            return
        try:
            if self._scopes.look_if_few():
                self._has_looked = True
            elif is_woken_by_it(task):
                self._has_looked = True
                self._scopes.look()
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        try:
            has_looked = self._scopes.look_if_few()
            known = self._tasks.get(task)
            if known is not None:
                if task.child_nurseries != known.nurseries:
                    self._compare(task, known)
                if task.parent_nursery is not known.parent:
                    self._moved(task, known)
                if known.nurseries and not has_looked:  # it may be what is inside of that which has ended
                    self._scopes.look_at(known.nurseries[-1].cancel_scope)
        except BaseException as problem:
            self.note(problem)

    @enable_ki_protection
    def task_exited(self, task: trio.lowlevel.Task) -> None:
        try:
            if not self._scopes.look_if_few() and task.parent_nursery is not None:
                self._scopes.look_at(task.parent_nursery.cancel_scope)
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
            if is_idle() if self._scopes.are_many else not self._has_looked:
                self._scopes.look()
            self._has_looked = False
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
        self._scopes.clear()

    # -- tasks and nurseries ------------------------------------------------------------------------------------------

    def current(self, time: float) -> int | None:
        """The number of the running task; None if none is running.

        What is seen only now was there by this time, unless something later has been told already.
        """
        self._scopes.look_if_few(time)
        try:
            task = current_task()
        except RuntimeError:
            return None
        known = self._tasks.get(task)
        if known is None:
            known = self._start(task, time)
        if task.child_nurseries != known.nurseries:
            self._compare(task, known, time)
        return known.number

    def look(self) -> None:
        """Tell what nobody has seen yet of the running step, if its task is known, and which deadlines were moved."""
        try:
            task = current_task()
        except RuntimeError:
            return
        if (known := self._tasks.get(task)) is not None:
            self._compare(task, known)
        self._scopes.look()

    def _spawned(self, task: trio.lowlevel.Task) -> None:
        nursery = task.parent_nursery
        if nursery is None:
            return
        parent = self._tasks.get(nursery.parent_task)
        if parent is not None:  # else it is one of Trio's own
            self._compare(nursery.parent_task, parent)
            self._start(task)

    def _start(self, task: trio.lowlevel.Task, time: float | None = None) -> _Known:
        parent = task.parent_nursery
        known = self._tasks[task] = _Known(next(self._numbers["task"]), parent, self._number(parent))
        known.place = self._add(TaskStarted(self._scopes.told_at(time), known.number, task.name, known.inside))
        return known

    def _moved(self, task: trio.lowlevel.Task, known: _Known) -> None:
        """``nursery.start`` has opened a nursery for it, from which it has come into the one that is meant."""
        before, known.parent = known.inside, task.parent_nursery
        known.inside = self._number(known.parent)
        self._log.moved(known.place, before, known.inside)

    def _number(self, nursery: trio.Nursery | None) -> int | None:
        return None if nursery is None else self._nurseries.get(nursery)

    def _compare(self, task: trio.lowlevel.Task, known: _Known, time: float | None = None) -> None:
        """Tell which nurseries the task has left, and which it has entered; each is inside the one before it."""
        before, now = known.nurseries, task.child_nurseries
        same = 0
        while same < min(len(before), len(now)) and before[same] is now[same]:
            same += 1
        known.nurseries = now
        self._close(reversed(before[same:]), time)
        for nursery in now[same:]:
            number = self._nurseries[nursery] = next(self._numbers["nursery"])
            deadline = self._scopes.add(nursery.cancel_scope, number, nursery)
            self._add(NurseryOpened(self._scopes.told_at(time), number, known.number, deadline))
            self._scopes.look_at(nursery.cancel_scope, time)

    def _close(self, nurseries: Iterable[trio.Nursery], time: float | None = None) -> None:
        for nursery in nurseries:
            number, scope = self._nurseries.pop(nursery), nursery.cancel_scope
            self._scopes.look_at(scope, time)
            self._scopes.forget(scope)
            self._add(NurseryClosed(self._scopes.told_at(time), number, scope.deadline, scope.cancelled_caught))

    # -- scopes -------------------------------------------------------------------------------------------------------

    def entered(self, name: str, scope: trio.CancelScope) -> int | None:
        """The running task has entered a scope; returns its number, None if nobody can tell."""
        task = self.current(current_time())
        if task is None:
            return None
        number = next(self._numbers["scope"])
        deadline = self._scopes.add(scope, number)
        self._add(ScopeEntered(current_time(), number, name, task, deadline))
        return number

    def exited(self, number: int, scope: trio.CancelScope) -> None:
        """It has been left."""
        was_open = self._scopes.forget(scope)
        self.current(current_time())  # nurseries inside it have been left before
        if was_open and scope.cancel_called:  # in this step, or long ago if Trio does not tell
            self._add(ScopeCancelled(current_time(), number))
        self._add(ScopeExited(current_time(), number, scope.deadline, scope.cancelled_caught))


def _in_order(tasks: Iterable[trio.lowlevel.Task]) -> list[trio.lowlevel.Task]:
    """The oldest last; Trio gives a set, and counts its tasks for a similar purpose."""
    return sorted(tasks, key=lambda task: getattr(task, "_counter", 0), reverse=True)
