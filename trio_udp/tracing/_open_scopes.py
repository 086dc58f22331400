"""`OpenScopes`: the cancel scopes that are open, marked ones and those of nurseries, and what was told of them.

Trio tells nobody that a scope is cancelled, or that its deadline was moved, so somebody has to look. At one that takes
some 20 ns, so where few are open it is done after each step and before each event. Else it is done where a cancellation
is about to lead to something, and when the program has nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio import current_time

from ._cancellation import is_cancelled, only_follows
from ._entries import NurseryCancelled, NurseryDeadlineMoved, ScopeCancelled, ScopeDeadlineMoved

if TYPE_CHECKING:
    from ._log import Log

__all__: list[str] = []

FEW = 40  # to look at so many takes 0.9 us


class OpenScopes:
    """Tells what becomes of scopes that have been added, until they are cancelled or left.

    Args:
      log: where to.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        # the deadline as it was told; the number of the marked scope, or of the nursery and that
        self._open: dict[trio.CancelScope, tuple[float, int, trio.Nursery | None]] = {}

    @property
    def are_many(self) -> bool:
        """May one not look as often as one likes?"""
        return len(self._open) > FEW

    def add(self, scope: trio.CancelScope, number: int, nursery: trio.Nursery | None = None) -> float:
        """It was entered, with this deadline."""
        deadline = scope.deadline
        self._open[scope] = deadline, number, nursery
        return deadline

    def forget(self, scope: trio.CancelScope) -> bool:
        """It was left; returns whether it was open until now: not told to be cancelled."""
        return self._open.pop(scope, None) is not None

    def clear(self) -> None:
        """Hold on to nothing any more."""
        self._open.clear()

    def look_if_few(self, time: float | None = None) -> bool:
        """Look at all, unless that takes long; returns whether it was done."""
        if len(self._open) > FEW:
            return False
        self.look(time)
        return True

    def look(self, time: float | None = None) -> None:
        """Tell what has happened to any of them, no later than at that time."""
        try:
            for scope, (deadline, _, _) in self._open.items():
                if scope._cancel_called or scope._deadline != deadline:
                    break
            else:
                return
        except AttributeError:  # Trio calls them something else; properties would take five times as long
            pass
        for scope in list(self._open):
            self.look_at(scope, time)

    def look_at(self, scope: trio.CancelScope, time: float | None = None) -> None:
        """The same of one, if it is open."""
        told = self._open.get(scope)
        if told is None:
            return
        before, number, nursery = told
        if (deadline := scope.deadline) != before:
            self._open[scope] = deadline, number, nursery
            moved = ScopeDeadlineMoved if nursery is None else NurseryDeadlineMoved
            self._log.add(moved(self.told_at(time), number, deadline))
        if is_cancelled(scope):
            del self._open[scope]
            if nursery is None:
                self._log.add(ScopeCancelled(self.told_at(time), number))
            elif not only_follows(nursery):
                self._log.add(NurseryCancelled(self.told_at(time), number))

    def told_at(self, time: float | None) -> float:
        """Now, if nobody says; no sooner than what has been told already, which was seen to be before."""
        if time is None:
            return current_time()
        latest = self._log.latest
        return time if latest is None else max(time, latest)
