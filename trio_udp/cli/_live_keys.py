"""Keys, one by one: for ``--step``, and to scroll.

A terminal hands over whole lines, and shows what is typed. While keys are read it does neither; Ctrl-C stays Ctrl-C.
The settings are put back at the end, however that comes, and what was typed too much is thrown away: the shell should
not run it. Windows has no ``termios``, and its console no file to wait for: there are no single keys, which is said.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NoReturn

import trio

from ._common import ExitCode, Failure

try:
    import termios
    import tty
except ImportError:  # Windows
    CAN_READ_KEYS = False
else:
    CAN_READ_KEYS = True

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

NEXT = (b" ", b"\n", b"\r")
QUIT = (b"q", b"Q", b"\x04")  # Ctrl-D: the end of the input

# Lines down. As xterm sends them, the arrows in either of its two modes (ECMA-48's CUU, CUD; DECCKM).
SCROLL = {b"j": 1, b"\x1b[B": 1, b"\x1bOB": 1, b"k": -1, b"\x1b[A": -1, b"\x1bOA": -1, b"\x1b[6~": 6, b"\x1b[5~": -6}
SCROLL_KEYS = "j, k, arrows: scroll"

ONE_KEY = re.compile(rb"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|.", re.DOTALL)


# Seconds between two looks whether the keys are ours again.
PATIENCE = 0.2


def keys_are_ours() -> bool:
    """Can keys be read here, also where nobody has asked for that? In the background they are the shell's."""
    if not CAN_READ_KEYS or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False  # it is not the terminal that we belong to


def check_keys() -> None:
    """Could they be read?

    Raises:
      Failure: they could not.
    """
    if not CAN_READ_KEYS:
        raise Failure("--step reads single keys, which this system has no way to: see --speed", ExitCode.USAGE)
    if not sys.stdin.isatty():
        raise Failure("--step reads keys, so standard input has to be a terminal: see --speed", ExitCode.USAGE)


class Keys:
    """The keys of the terminal at standard input, from `take` to the end of the ``with``.

    Args:
      scroll: called with a number of lines.
    """

    def __init__(self, scroll: Callable[[int], None]) -> None:
        self._fd = sys.stdin.fileno()
        self._scroll = scroll
        self._typed: list[bytes] = []
        self.are_taken = False

    @trio.lowlevel.enable_ki_protection
    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._fd)
        return self

    @trio.lowlevel.enable_ki_protection
    def __exit__(self, *_: object) -> None:
        self.restore()

    def take(self) -> None:
        """From now on there are single keys; signal handlers may call this. In the background it stops the process."""
        self.are_taken = True
        try:
            tty.setcbreak(self._fd)
        except termios.error:
            pass  # there is no terminal any more, as reading will tell

    def restore(self) -> None:
        """Let the terminal be as it was before, if anything is different; signal handlers may call this."""
        if not self.are_taken:
            return
        try:
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._before)
        except termios.error:
            pass  # there is no terminal any more

    async def take_when_ours(self) -> None:
        """At once, unless we are in the background now."""
        while not keys_are_ours():  # noqa: ASYNC110 - nobody is told when the shell gives them to us
            await trio.sleep(PATIENCE)
        self.take()

    def is_ahead(self) -> bool:
        """Has somebody typed more than was asked for?"""
        return bool(self._typed)

    async def goes_on(self) -> bool:
        """Wait for a key that means something: space and enter go on, q and the end of the input do not."""
        while True:
            while self._typed:
                key = self._typed.pop(0)
                if key in NEXT:
                    return True
                if key in QUIT:
                    return False
                if key in SCROLL:
                    self._scroll(SCROLL[key])
            self._typed = await self._read()
            if not self._typed:
                return False

    async def keep_scrolling(self) -> NoReturn:
        """For ever: nothing but that. What is typed for the shell is left to it."""
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            if not keys_are_ours():
                await trio.sleep(PATIENCE)
                continue
            typed = await self._read()
            for key in typed:
                if key in SCROLL:
                    self._scroll(SCROLL[key])
            if not typed:
                await trio.sleep_forever()

    async def _read(self) -> list[bytes]:
        """The keys that were typed; none: the terminal has gone, or its input has ended."""
        await trio.lowlevel.wait_readable(self._fd)
        try:
            typed = os.read(self._fd, 1024)
        except OSError:  # EIO: the terminal has gone
            typed = b""
        return ONE_KEY.findall(typed)
