"""A program on a pseudo-terminal of some size, and what is to be seen there.

pyte is the terminal: it understands what the program writes, as xterm would. It has one screen only, so that there is a
second one in use is told by the mode. The pseudo-terminal is the program's controlling one: Ctrl-C is a key.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyte

from tests.cli.child import COMMAND, PATIENCE, ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SECOND_SCREEN = 1049 << 5  # as pyte keeps private modes
END_OF_SECOND_SCREEN = "\x1b[?1049l"
CTRL_C = b"\x03"
CTRL_Q = b"\x11"
CTRL_S = b"\x13"
CTRL_Z = b"\x1a"
CTRL_BACKSLASH = b"\x1c"


class Terminal:
    """A pseudo-terminal with a program at its other end."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int,
        lines: int,
        variables: dict[str, str],
        cwd: Path,
        ignoring: Sequence[signal.Signals] = (),
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._written = bytearray()
        self._ours, self._theirs = pty.openpty()
        self._set_size(columns, lines)
        self.settings = termios.tcgetattr(self._theirs)

        def prepare() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in ignoring:
                signal.signal(number, signal.SIG_IGN)

        plain = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            cwd=cwd,
            env={**plain, "TERM": "xterm-256color", "PYTHONUTF8": "1", **variables},
            start_new_session=True,
            preexec_fn=prepare,
        )

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    # -- what is to be seen -------------------------------------------------------------------------------------------

    @property
    def display(self) -> str:
        """The screen, without spaces at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def line(self, number: int) -> str:
        """One line of it; -1 is the last."""
        return str(self._screen.display[number]).rstrip()

    @property
    def has_prompt(self) -> bool:
        """Is a shell's on the first screen, below all else? The keys that end or stop a program have the system forget
        what was not shown yet: so its last picture may be half a one, and the last line be empty.
        """
        return self.has_first_screen and "prompt>" in self.display.rstrip().rpartition("\n")[2]

    @property
    def written(self) -> str:
        """Everything that has been written, with what a terminal obeys."""
        return self._written.decode(errors="backslashreplace")

    @property
    def last_words(self) -> str:
        """What was written after the first screen had come back."""
        return self.written.rpartition(END_OF_SECOND_SCREEN)[2].replace("\r\n", "\n")

    @property
    def is_clean(self) -> bool:
        """Is the terminal as it was: its first screen, its cursor, echo, whole lines?"""
        return self.has_first_screen and termios.tcgetattr(self._theirs) == self.settings

    @property
    def has_first_screen(self) -> bool:
        """And the cursor?"""
        return not self._screen.cursor.hidden and SECOND_SCREEN not in self._screen.mode

    def wait_until(self, seen: Callable[[], object]) -> None:
        """Until that is so; ends with what was seen instead if it never is."""
        end = time.monotonic() + PATIENCE
        while not seen():
            assert time.monotonic() < end, f"not seen, but:\n{self.display}"
            assert self._read(0.1) or self.process.poll() is None or seen(), f"it ended with:\n{self.display}"

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Until that is on the screen."""
        self.wait_until(lambda: re.search(pattern, self.display))
        found = re.search(pattern, self.display)
        assert found
        return found

    def _read(self, patience: float) -> bool:
        if not select.select([self._ours], [], [], patience)[0]:
            return False
        data = os.read(self._ours, 65536)
        self._written += data
        self._stream.feed(data)
        return True

    # -- the end ------------------------------------------------------------------------------------------------------

    def ended(self) -> int:
        """The exit code, once there is one; everything that was written has been read."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            self._read(0.05)
            assert time.monotonic() < end, f"it goes on:\n{self.display}"
        while self._read(0):
            pass
        return self.process.returncode

    def hang_up(self) -> None:
        """The terminal goes away."""
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for fd in (self._ours, self._theirs):
            if fd >= 0:
                os.close(fd)


@contextmanager
def terminal(
    *arguments: str,
    columns: int = 80,
    lines: int = 24,
    variables: dict[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    cwd: Path = ROOT,
    ignoring: Sequence[signal.Signals] = (),
) -> Iterator[Terminal]:
    """Run the program on a terminal while the ``with`` lasts."""
    there = Terminal([*command, *arguments], columns, lines, variables or {}, cwd, ignoring)
    try:
        yield there
    finally:
        there.close()
