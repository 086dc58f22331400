"""`Output`: what is written to a terminal that may not take it.

A terminal can stop: by Ctrl-S, or because the connection that it is at the other end of hangs. Whoever writes to it
then waits, and here that would be the loop that serves. Not to wait (``O_NONBLOCK``) is a property of the open file,
which the shell and everybody else in this terminal shares. So the terminal is opened a second time, for us alone. What
it does not take is kept, and whoever draws leaves pictures out until all of it is gone.

Where it cannot be opened anew, as on Windows, it is written to as it stands, and waited for.
"""

from __future__ import annotations

import os
import select
from time import monotonic
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that the last words are waited for. A terminal takes them at once, or not at all; on a busy machine it was
# half a second before it had its turn.
PATIENCE = 2.0

# Seconds. Ctrl-Z has Linux forget what a full terminal has not shown yet (NOFLSH in termios(3)), and nobody who waits
# for room is told that there is some now.
LOOK_AGAIN = 0.02


class Output:
    """A stream of text to a terminal, as rich has it.

    Args:
      file: the terminal.

    ``fd`` is the terminal opened anew, None if it cannot be.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.fd = _open_anew(file)
        self.encoding = file.encoding
        self._waiting = b""
        self.is_shut = False  # what is written goes nowhere

    # -- for rich -----------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Of the terminal."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Send it, or keep it."""
        if self.is_shut:
            pass
        elif self.fd is None:
            self._file.write(text)
        else:
            self._waiting += text.encode(self.encoding, "backslashreplace")
        return len(text)

    def flush(self) -> None:
        """Send what the terminal takes."""
        if self.fd is not None:
            self.send()
        elif not self.is_shut:
            self._file.flush()

    # -- for us -------------------------------------------------------------------------------------------------------

    def send(self) -> bool:
        """Send what the terminal takes; was that all?"""
        while self._waiting and self.fd is not None and not self.is_shut:
            try:
                sent = os.write(self.fd, self._waiting)
            except BlockingIOError:
                return False
            self._waiting = self._waiting[sent:]
        return True

    def open(self, words: bytes) -> None:
        """It is written to again, these first."""
        self._waiting = words
        self.is_shut = False

    def say_at_last(self, words: bytes = b"") -> None:
        """Send this after all that is kept, or give up; signal handlers may call this, whatever is being done.

        From now on what is written goes nowhere, until it is opened.
        """
        rest, self._waiting = self._waiting + words, b""
        self.is_shut = True
        write = self._write_in_time if self.fd is not None else self._write_as_it_stands
        try:
            write(rest)
        except OSError:
            pass  # there is no terminal any more

    def _write_in_time(self, rest: bytes) -> None:
        assert self.fd is not None
        end = monotonic() + PATIENCE
        while rest:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:
                if monotonic() >= end:
                    return
                select.select([], [self.fd], [], LOOK_AGAIN)

    def _write_as_it_stands(self, rest: bytes) -> None:
        if rest:
            os.write(self._file.fileno(), rest)

    def is_in_front(self) -> bool:
        """Does this terminal belong to us now, and not to a shell in which we run in the background?"""
        ask: Callable[[int], int] | None = getattr(os, "tcgetpgrp", None)  # Windows has none
        try:
            return ask is None or ask(self.fileno()) == os.getpgrp()
        except OSError:
            return True  # it is no terminal that could belong to anybody

    def close(self) -> None:
        """The end of the second opening."""
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)


def _open_anew(file: TextIO) -> int | None:
    """None: it is no terminal, or has no name that we may open; Windows has neither."""
    try:
        return os.open(os.ttyname(file.fileno()), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except (OSError, AttributeError):
        return None
