"""`Lives`: what runs on a host, and runs again after each crash.

A test of a crash wants the program to be gone in the middle of a step, as a machine's is, and then to begin anew. A
cancellation does the first. But what has been cancelled still runs its ``finally``, and may return something or raise:
of that nobody hears, since the machine on which it happens is gone.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from .._errors import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Lives:
    """Of all that runs on one host, from a start or restart to the next crash.

    Args:
      name: the host's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._scopes: set[trio.CancelScope] = set()
        self._begun: trio.Event | None = None  # set when they may begin again; None: they may

    def begin(self) -> None:
        """Let all begin that have been ended, and new ones."""
        if self._begun is not None:
            self._begun.set()
            self._begun = None

    def end(self) -> None:
        """Cancel all; none begins until `begin`."""
        if self._begun is None:
            self._begun = trio.Event()
        for scope in self._scopes:
            scope.cancel()

    async def run(
        self, async_fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], task_status: trio.TaskStatus[Any]
    ) -> T:
        """`Host.run`, on the host."""
        status = _StartedOnce(task_status)
        takes_status = "task_status" in inspect.signature(async_fn).parameters
        keywords = {"task_status": status} if takes_status else {}
        while True:
            while self._begun is not None:
                await self._begun.wait()
            if not takes_status:
                status.started()
            scope = trio.CancelScope()
            self._scopes.add(scope)
            try:
                with scope:
                    result = await async_fn(*args, **keywords)
                if not scope.cancel_called:
                    return result
            except Exception:
                if not scope.cancel_called:
                    raise
                logger.warning("%s has crashed, and what ran on it raised", self._name, exc_info=True)
            finally:
                self._scopes.discard(scope)


class _StartedOnce:
    """A task status that may be told more than once: a server that runs again after a crash starts again, too."""

    def __init__(self, status: trio.TaskStatus[Any]) -> None:
        self._status: trio.TaskStatus[Any] | None = status

    def started(self, value: object = None) -> None:
        status, self._status = self._status, None
        if status is not None:
            status.started(value)
