"""Which cancel scopes are cancelled, found out by looking, without doing anything to them.

Trio tells nobody that a scope is cancelled. The obvious question, ``scope.cancel_called``, is none: where the deadline
has passed and Trio has not noticed yet, it cancels the scope, so that a program would take another course because it
is watched. What it has noted so far is asked instead; that is an attribute of its own, so where it is missing there are
no answers, and whoever asks learns of it when the scope has been left.

Where something around a nursery is cancelled, Trio cancels the nursery itself, too, as soon as a task of it has ended
by that. It is nobody's doing, and `only_follows` tells it.
"""

from __future__ import annotations

import sys

import trio

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

__all__: list[str] = []


def is_cancelled(scope: trio.CancelScope) -> bool:
    """Has Trio noted that it is?"""
    return getattr(scope, "_cancel_called", False)


def is_woken_by_it(task: trio.lowlevel.Task) -> bool:
    """Will the task's next step begin with a Cancelled?"""
    return isinstance(getattr(getattr(task, "_next_send", None), "error", None), trio.Cancelled)


def is_idle() -> bool:
    """Will the run wait for something? With a clock that jumps its timeout does not say so."""
    return trio.lowlevel.current_statistics().tasks_runnable == 0


def only_follows(nursery: trio.Nursery) -> bool:
    """Is something around it cancelled, and has that ended its tasks? False where Trio does not tell."""
    status = getattr(nursery.cancel_scope, "_cancel_status", None)
    ended_by = getattr(nursery, "_pending_excs", ())
    return (
        getattr(status, "parent_cancellation_is_visible_to_us", False)
        and len(ended_by) > 0
        and all(_is_cancellation(error) for error in ended_by)
    )


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
