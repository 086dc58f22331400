"""Finished replies on their way out.

A UDP socket is nearly always writable, so a reply is sent without waiting. When the send buffer is full for a moment it
waits, in order with those behind it, but not for long: whoever asked will ask again. What the network says to a reply
is counted and no more, for it is about one peer, and not about the server.
"""

from __future__ import annotations

import errno
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import trio

from ._address import Address, format_address, payload_limit
from ._errors import DatagramTooLarge, errno_name, logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ._batch import BatchSocket

# Seconds that a finished reply waits at most for room in the socket's send buffer before it is dropped and counted. The
# buffer empties at the speed of the network card: a second is long past "for a moment".
SEND_PATIENCE = 1.0

Rest: TypeAlias = "tuple[list[bytes], OSError | None]"  # replies that were not sent, and what was said to the first


class Outgoing:
    """Sends the replies of one endpoint.

    Args:
      io: its socket.
      before_waiting: called before a reply waits for room; the task that sends it will not be back soon.
    """

    def __init__(self, io: BatchSocket, before_waiting: Callable[[], None]) -> None:
        self._io = io
        self._before_waiting = before_waiting
        self._line = trio.StrictFIFOLock()
        self.waiting = 0  # tasks in line; no reply must overtake theirs
        self.end = math.inf  # on Trio's clock: no reply waits for room after this

    def send_now(self, replies: list[bytes], address: Address) -> Rest:
        """Send replies to one peer without waiting, until that does not work any more."""
        return (replies, BlockingIOError()) if self.waiting else self._send_now(replies, address)

    def _send_now(self, replies: list[bytes], address: Address) -> Rest:
        done = 0
        for run in self._io.runs(replies):
            sent, problem = self._io.send_run(run, address)
            done += sent
            if problem is not None:
                return replies[done:], problem
        return [], None

    async def send_rest(self, replies: list[bytes], problem: OSError | None, address: Address) -> None:
        """Send what could not be sent at once, in order: wait for room where that can help, or count it.

        A finished reply goes out even while the server is being cancelled, but it does not wait for ever.
        """
        while problem is not None and not isinstance(problem, BlockingIOError):
            self._failed(replies[0], address, problem)
            replies, problem = self._send_now(replies[1:], address)
        if problem is None:
            return
        self._before_waiting()
        with trio.CancelScope(deadline=min(trio.current_time() + SEND_PATIENCE, self.end), shield=True):
            async with self._in_line():
                while replies:
                    if isinstance(problem, BlockingIOError):
                        problem = await self._io.send_waiting(replies[0], address)
                    if problem is not None:
                        self._failed(replies[0], address, problem)
                    replies = replies[1:]
                    replies, problem = self._send_now(replies, address)
        for reply in replies:
            self._io.drop(reply, address, "send buffer full", outgoing=True)

    @asynccontextmanager
    async def _in_line(self) -> AsyncIterator[None]:
        """When it is one's turn to wait for room.

        Somebody's own socket has no buffer that is full for all: what it waits for there is its own affair.
        """
        if not self._io.is_systems_own:
            yield
            return
        self.waiting += 1
        try:
            async with self._line:
                yield
        finally:
            self.waiting -= 1

    def _failed(self, reply: bytes, address: Address, problem: OSError) -> None:
        if problem.errno == errno.EMSGSIZE:
            what = DatagramTooLarge(len(reply), payload_limit(self._io.socket.family))
            logger.error("a reply to %s was dropped: %s", format_address(address), what)
            self._io.drop(reply, address, "reply too large", outgoing=True)
        else:
            self._io.drop(reply, address, errno_name(problem), outgoing=True, counted=True)
