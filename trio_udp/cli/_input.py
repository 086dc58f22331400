"""Standard input, read while the rest of the program goes on.

``sys.stdin.readline()`` would stop everything until a person has typed a line. Trio's way is to do that in a thread,
and to abandon the thread when Ctrl-C comes. But an abandoned thread keeps the lock of ``sys.stdin``'s buffer, and
Python ends with "Fatal Python error: could not acquire lock for <_io.BufferedReader name='<stdin>'>" if it finds it
locked. So the thread does nothing but ``os.read``, which holds no lock of Python's, and lines are found here.

Input may be endless (``/dev/zero``), a datagram is not. So nothing is read on once there is more than can be sent.
"""

from __future__ import annotations

import os
import select
import sys
from functools import partial

import trio

from ._common import Failure, plural

NEWLINE = os.linesep.encode()
READ_SIZE = 65536  # bytes; a Linux pipe holds as much (pipe(7))


def stdin_is_terminal() -> bool:
    """Is there a person at the other end?"""
    return sys.stdin is not None and sys.stdin.isatty()


class Input:
    """Standard input as bytes.

    Args:
      longest: bytes that all of it, or a line, may have.

    Raises:
      Failure: this program was started without one; from the methods, it is longer than that.
    """

    def __init__(self, longest: int) -> None:
        if sys.stdin is None:
            raise Failure("there is no standard input to read")
        self._fd = sys.stdin.fileno()
        self._longest = longest
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer in which there is no newline
        self._ended = False

    async def all(self) -> bytes:
        """Everything until the end of input."""
        while not self._ended:
            await self._read_more()
            self._check(len(self._buffer), "all of it is one datagram")
        return bytes(self._buffer)

    async def line(self) -> bytes | None:
        """The next line without its newline; None at the end of input."""
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            self._check(self._searched, "a line is one datagram")
            if self._ended:
                return self._take(self._searched) if self._buffer else None
            await self._read_more()
        self._check(end, "a line is one datagram")
        return self._take(end).removesuffix(NEWLINE[:-1])

    def _take(self, end: int) -> bytes:
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _check(self, size: int, rule: str) -> None:
        if size > self._longest:
            raise Failure(f"standard input is too long: {rule}, of {plural(self._longest, 'byte')} at most")

    async def _read_more(self) -> None:
        data = await trio.to_thread.run_sync(partial(_read, self._fd), abandon_on_cancel=True)
        self._buffer += data
        self._ended = not data


def _read(fd: int) -> bytes:
    """Wait for input and read it.

    Whoever shares our input may have made it non-blocking, for all who share it. So it is theirs, and stays as it is.
    """
    while True:
        try:
            return os.read(fd, READ_SIZE)
        except BlockingIOError:
            select.select([fd], [], [])
