"""`scope`: a cancel scope with a name, that recordings tell of."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import trio
from trio.lowlevel import enable_ki_protection

from ._recording import _recordings

if TYPE_CHECKING:
    from types import TracebackType

    from ._recording import Recording

__all__ = ["scope"]


def scope(name: str, cancel_scope: trio.CancelScope | None = None) -> AbstractContextManager[trio.CancelScope, bool]:
    """A cancel scope that has a name in pictures.

    ::

        with tracing.scope("lunch", trio.move_on_after(30)) as cancel_scope:
            await lunch()

    Each recording of this Trio run tells when it was entered, cancelled and left. Without one it is a cancel scope like
    any other.

    Args:
      name: what to call it.
      cancel_scope: a scope that nobody has entered yet, as ``trio.move_on_after`` gives one; a new one without a
        deadline unless given. ``trio.fail_after`` is a context manager around a scope, and none: mark what is inside.

    Returns:
      A context manager that enters the scope, and gives it.

    Raises:
      ValueError: the name is no text, or this is no cancel scope.
    """
    if not isinstance(name, str):
        raise ValueError(f"a scope's name must be text, not {name!r}")
    if cancel_scope is None:
        cancel_scope = trio.CancelScope()
    if not isinstance(cancel_scope, trio.CancelScope):
        raise ValueError(f"cancel_scope must be a trio.CancelScope, not {cancel_scope!r}")
    return _Marked(name, cancel_scope)


class _Marked:
    """Protected from Ctrl-C as Trio's own scopes are: one that was entered is also left."""

    __slots__ = ("_name", "_scope", "_told")

    def __init__(self, name: str, cancel_scope: trio.CancelScope) -> None:
        self._name = name
        self._scope = cancel_scope
        self._told: list[tuple[Recording, int | None]] = []

    @enable_ki_protection
    def __enter__(self) -> trio.CancelScope:
        self._scope.__enter__()
        for recording in _recordings.get():
            self._told.append((recording, recording._scope_entered(self._name, self._scope)))
        return self._scope

    @enable_ki_protection
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            return self._scope.__exit__(kind, error, traceback)
        finally:
            for recording, number in self._told:
                recording._scope_exited(number, self._scope)
