"""What a handler is, what is said to one that is none, and what is told of it to those who watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeAlias

import trio

from ._batch import Datagram
from ._errors import is_cancellation
from ._events import Emit, HandlerFinished, HandlerStarted

if TYPE_CHECKING:
    from ._endpoint import UDPEndpoint

__all__ = ["Handler"]

Handler: TypeAlias = Callable[[Datagram], Awaitable["bytes | None"]]
"""An async function from a datagram to the reply, or to None for silence."""


def check_handler(handler: object) -> None:
    """Raise the TypeError for what cannot be called; whether it is async shows when it is called."""
    if not callable(handler):
        raise TypeError(f"a handler must be an async function, not {handler!r}")


def check_awaitable(returned: object) -> None:
    """Raise the TypeError for a handler that is not async."""
    if not isawaitable(returned):
        raise TypeError(f"a handler must be an async function; this one returned {returned!r}") from None


def check_reply(reply: object) -> None:
    """Raise the TypeError for what cannot be sent."""
    if not isinstance(reply, (bytes, bytearray, memoryview)):
        raise TypeError(f"a handler returns bytes or None, not {type(reply).__name__}") from None


async def reply_of(handler: Handler, datagram: Datagram) -> bytes | None:
    """What a handler inside a handler answers, as bytes.

    Raises:
      TypeError: the handler is not async, or what it returned is no reply.
    """
    awaitable = handler(datagram)
    try:
        reply = await awaitable
    except TypeError:
        check_awaitable(awaitable)
        raise
    if reply is None or type(reply) is bytes:
        return reply
    check_reply(reply)
    return bytes(reply)


def observed(handler: Handler, endpoint: UDPEndpoint, emit: Emit) -> Handler:
    """The handler, telling when it starts and how it ends."""
    local = endpoint.address

    async def telling(datagram: Datagram) -> bytes | None:
        data, remote = datagram
        emit(HandlerStarted(trio.current_time(), local, remote, data))
        outcome = "silent"
        awaitable = None
        try:
            awaitable = handler(datagram)
            reply = await awaitable
            if reply is not None:
                outcome = "replied"
            return reply
        except BaseException as error:
            outcome = "cancelled" if is_cancellation(error) else type(error).__name__
            if isinstance(error, TypeError) and awaitable is not None:
                check_awaitable(awaitable)
            raise
        finally:
            emit(HandlerFinished(trio.current_time(), local, remote, data, outcome))

    return telling
