"""Who tells of what a socket does: the socket itself, or whoever calls it.

Plain sockets of Trio tell nothing. Those of a virtual network do, and an endpoint may be around one of them; each
datagram is told of once all the same. So while an endpoint calls a socket that may be such a one, it says that it tells
by itself, and whom: in a context variable, which reaches the socket through whatever is in between.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from ._events import current_emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._events import Emit

T = TypeVar("T")

# Whom the caller of a socket tells, maybe nobody; None: there is no such caller.
_told_by_caller: ContextVar[tuple[Emit | None] | None] = ContextVar("trio_udp told by caller", default=None)


def told_by_caller(emit: Emit | None, call: Callable[..., Awaitable[T]], *args: object) -> Awaitable[T]:
    """A call of a socket of which whoever calls tells, and the socket itself does not: await what is returned.

    Args:
      emit: whom the caller tells; None: nobody.
      call: the socket's method.
      args: what it is called with.
    """
    return call(*args) if emit is None and current_emit() is None else _told(emit, call, args)


async def _told(emit: Emit | None, call: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> T:
    before = _told_by_caller.get()
    _told_by_caller.set((emit,))
    try:
        return await call(*args)
    finally:
        _told_by_caller.set(before)


def emit_of_socket() -> tuple[Emit | None, bool]:
    """Who is to know of what a socket does just now (None: nobody), and whether it has to tell them itself."""
    caller = _told_by_caller.get()
    return (current_emit(), True) if caller is None else (caller[0], False)
