"""Finished replies on their way out.

A UDP socket is nearly always writable, so a reply is sent without waiting. When the send buffer is full for a moment it
waits, in order with those behind it, but not for long: whoever asked will ask again. What the network says to a reply
is counted and no more, for it is about one peer, and not about the server.
"""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING

import trio

from ._address import Address, format_address, payload_limit, payload_size
from ._errors import DatagramTooLarge, errno_name, logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._batch import BatchSocket

# Seconds that a finished reply waits at most for room in the socket's send buffer before it is dropped and counted. The
# buffer empties at the speed of the network card: a second is long past "for a moment".
SEND_PATIENCE = 1.0


class Outgoing:
    """Sends the replies of one endpoint.

    Args:
      io: its socket.
      before_waiting: called before a reply waits for room; the task that sends it will not be back soon.
    """

    def __init__(self, io: BatchSocket, before_waiting: Callable[[], None]) -> None:
        self._io = io
        self._before_waiting = before_waiting
        self._last: trio.Event | None = None  # set when who is last in line has been served
        self.waiting = 0  # how many are in line; no reply must overtake theirs
        self.end = math.inf  # on Trio's clock: no reply waits for room after this

    def send_now(self, replies: list[bytes], address: Address) -> list[bytes]:
        """Send replies to one peer without waiting; returns those for which there is no room."""
        while replies and not self.waiting:
            sent, problem = self._send_now(replies, address)
            replies = replies[sent:]
            if isinstance(problem, BlockingIOError):
                break
            if problem is not None:
                self.failed(replies[0], address, problem)
                replies = replies[1:]
        return replies

    def _send_now(self, replies: list[bytes], address: Address) -> tuple[int, OSError | None]:
        """How many went, and what was said to the next one."""
        done = 0
        for run in self._io.runs(replies):
            sent, problem = self._io.send_run(run, address)
            done += sent
            if problem is not None:
                return done, problem
        return done, None

    def get_in_line(self) -> Turn:
        """For `send_waiting`, where something comes between getting in line and waiting."""
        turn = Turn(self._last)
        if self._io.is_systems_own:  # somebody's own socket has no buffer that is full for all
            self._last = turn.over
            self.waiting += 1
        return turn

    async def send_later(self, reply: bytes, address: Address, problem: OSError) -> None:
        """Go on with a reply that could not be sent at once."""
        if isinstance(problem, BlockingIOError):
            await self.send_waiting([reply], address)
        else:
            self.failed(reply, address, problem)

    async def send_waiting(self, replies: list[bytes], address: Address, turn: Turn | None = None) -> None:
        """Send those for which there was no room, in order.

        A finished reply goes out even while the server is being cancelled, but it does not wait for ever.
        """
        if not replies:
            return
        self._before_waiting()
        turn = turn or self.get_in_line()
        try:
            with trio.CancelScope(deadline=min(trio.current_time() + SEND_PATIENCE, self.end), shield=True):
                if turn.before is not None:
                    await turn.before.wait()
                while replies:
                    problem = await self._io.send_waiting(replies[0], address)
                    if problem is not None:
                        self.failed(replies[0], address, problem)
                    replies = replies[1:]
        finally:
            turn.over.set()
            if self._io.is_systems_own:
                self.waiting -= 1
        for reply in replies:
            self._io.drop(reply, address, "send buffer full", outgoing=True)

    def failed(self, reply: bytes, address: Address, problem: OSError) -> None:
        """The system would not send it: count that."""
        if problem.errno == errno.EMSGSIZE:
            what = DatagramTooLarge(payload_size(reply), payload_limit(self._io.socket.family, address[0]))
            logger.error("a reply to %s was dropped: %s", format_address(address), what)
            self._io.drop(reply, address, "reply too large", outgoing=True)
        else:
            self._io.drop(reply, address, errno_name(problem), outgoing=True, counted=True)


class Turn:
    """A place in a line, which one has from the moment at which it is made, whoever then waits."""

    __slots__ = ("before", "over")

    def __init__(self, before: trio.Event | None) -> None:
        self.before = before
        self.over = trio.Event()
