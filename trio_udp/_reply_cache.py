"""`cache_replies`: a request that comes twice is executed once.

The network doubles datagrams, and a client that got no reply sends its request again: was it lost, or the reply? The
server cannot know. Where a request changes something (a ticket is sold, money moves) it must not be executed again, and
yet be answered again.

The obvious way is a dictionary from requests to replies, filled when a handler has ended. But duplicates come while it
is still running, above all then: a handler that is slow is what makes a client ask again. So a request is in the table
from the moment it begins, and its duplicates wait for the reply of the one that runs.

What was executed and gave no reply, or failed, is remembered as silence: at most once means that a failure in the
middle is not tried again. Only a handler that was cancelled leaves no trace.

Both tables have a common bound, and at it the newest request is dropped and counted. To forget the oldest reply before
its time would keep the server busy, and execute somebody's request twice because strangers sent many.
"""

from __future__ import annotations

from collections import OrderedDict
from inspect import isawaitable
from typing import TYPE_CHECKING

import trio

from ._checks import check_count, check_positive
from ._errors import is_cancellation
from ._guards import Guard
from ._handler import Handler, reply_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ._batch import Datagram

__all__ = ["cache_replies"]


def cache_replies(
    handler: Handler, *, key: Callable[[Datagram], Hashable], ttl: float = 120.0, max_entries: int = 4096
) -> Guard:
    """Run the handler once for each request, and give its duplicates the same reply.

    With a client that sends its request until it is answered, this makes exactly once out of at least once: for as long
    as the server lives, and duplicates come within ``ttl``.

    A duplicate of a request that is running waits for its reply, in one of the server's ``max_tasks``. If the handler
    fails, the exception goes its way, those who wait get silence, and so does every further duplicate. If it is
    cancelled, those who wait get silence, and the next duplicate runs it again.

    Args:
      handler: the one inside.
      key: what makes two datagrams the same request: ``lambda datagram: (datagram.address, datagram.data)``, or instead
        of all data a number in it that each client counts up. Without the address in it a stranger who guesses the rest
        gets the reply; with it, who gives up and asks again from another port is executed again.
      ttl: seconds for which a reply is remembered after it was given. It should be longer than clients try
        (`Retry.span`; CoAP's EXCHANGE_LIFETIME, RFC 7252 section 4.8.2, is 247 seconds and includes what datagrams can
        spend in the network).
      max_entries: requests that run and replies that are remembered, together: at least as many as come within
        ``ttl``, for when there are so many a new one is dropped. They are kept whole, and strangers choose them:
        `limit_rate` around this bounds how fast they come.

    Returns:
      The guard; it counts each ``"duplicate"``, and ``"reply cache full"`` for requests that were dropped.

    Raises:
      TypeError: the handler cannot be called, or ``key``.
      ValueError: an argument makes no sense; the message names it.
    """
    if not callable(key):
        raise TypeError(f"key must be a function of the datagram, not {key!r}")
    check_positive("ttl", ttl)
    check_count("max_entries", max_entries)
    return _ReplyCache(handler, key, ttl, max_entries)


class _Execution:
    """A request that is running."""

    __slots__ = ("ended", "reply")

    def __init__(self) -> None:
        self.ended: trio.Event | None = None  # made by the first who waits
        self.reply: bytes | None = None

    async def wait(self) -> bytes | None:
        if self.ended is None:
            self.ended = trio.Event()
        await self.ended.wait()
        return self.reply


class _ReplyCache(Guard):
    def __init__(self, handler: Handler, key: Callable[[Datagram], Hashable], ttl: float, max_entries: int) -> None:
        super().__init__(handler)
        self._key = key
        self._ttl = ttl
        self._max_entries = max_entries
        self._running: dict[Hashable, _Execution] = {}
        self._replies: OrderedDict[Hashable, tuple[float, bytes | None]] = OrderedDict()  # with the time of its end

    async def __call__(self, datagram: Datagram) -> bytes | None:
        key = self._key(datagram)
        self._forget_old()
        if key in self._replies:
            self._counts["duplicate"] += 1
            return self._replies[key][1]
        if key in self._running:
            self._counts["duplicate"] += 1
            return await self._running[key].wait()
        if len(self._running) + len(self._replies) >= self._max_entries:
            self._counts["reply cache full"] += 1
            return None
        return await self._execute(key, datagram)

    async def _execute(self, key: Hashable, datagram: Datagram) -> bytes | None:
        if isawaitable(key):  # each would be a key of its own, and no request a duplicate
            raise TypeError(f"key must be a function that is not async; this one returned {key!r}")
        self._running[key] = execution = _Execution()
        was_cancelled = False
        try:
            execution.reply = await reply_of(self._handler, datagram)
        except BaseException as error:
            was_cancelled = is_cancellation(error)
            raise
        finally:
            del self._running[key]
            if not was_cancelled:
                self._replies[key] = trio.current_time() + self._ttl, execution.reply
            if execution.ended is not None:
                execution.ended.set()
        return execution.reply

    def _forget_old(self) -> None:
        now = trio.current_time()
        while self._replies and next(iter(self._replies.values()))[0] <= now:
            self._replies.popitem(last=False)
