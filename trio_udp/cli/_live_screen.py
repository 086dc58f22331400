"""The screen that the live view has to itself, and how it is given back.

It is the terminal's second one ("alternate screen"): what stood on the first comes back when the view is over, and a
resize leaves no torn lines behind. Whoever takes it has to give it back, with the cursor that was hidden, however the
program ends. So nothing here is interrupted by Ctrl-C in the middle (Trio delivers it later); a signal that ends the
process at once can have `Screen.release` called first; and when the terminal is gone, that is the end of the program,
as when whoever reads a pipe has gone.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

import trio
from rich.console import Console
from rich.live import Live

from ._live_look import look_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.text import Text
    from typing_extensions import Self

    from ._live_look import Look

    Draw = Callable[[int, int, Look], Text]

# Back to the first screen (xterm's 1049), and the cursor is visible (DECTCEM): what rich writes for that, too.
RELEASE = b"\x1b[?1049l\x1b[?25h"


class Screen:
    """A terminal's second screen, from the first `draw` to the end of the ``with``.

    Args:
      file: the terminal.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._console = Console(
            file=file, force_terminal=True, force_interactive=True, markup=False, highlight=False, emoji=False
        )
        self._live: Live | None = None
        self._released = False
        self.look = look_for(file.encoding)

    def __enter__(self) -> Self:
        return self

    @trio.lowlevel.enable_ki_protection
    def __exit__(self, *_: object) -> None:
        live, self._live = self._live, None
        if live is not None and not self._released:
            with _terminal_may_be_gone():
                live.stop()
        self._released = True

    @trio.lowlevel.enable_ki_protection
    def draw(self, draw: Draw) -> float:
        """Show ``draw(width, height, look)``.

        Returns:
          How many seconds that took.

        Raises:
          BrokenPipeError: the terminal has gone.
        """
        if self._released:
            return 0.0
        began = perf_counter()
        size = self._console.size
        picture = draw(size.width, size.height, self.look)
        with _terminal_may_be_gone():
            if self._live is None:
                self._live = Live(
                    console=self._console,
                    screen=True,
                    auto_refresh=False,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start()
            self._live.update(picture, refresh=True)
            if self._released:  # by a signal's handler, in the middle of this
                self._live.stop()
        return perf_counter() - began

    def release(self) -> None:
        """Give the screen back, whatever is being done right now: signal handlers may call this."""
        if self._live is not None and not self._released:
            try:
                os.write(self._file.fileno(), RELEASE)
            except OSError:
                pass  # there is no terminal any more
        self._released = True


@contextmanager
def _terminal_may_be_gone() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # EIO: how a terminal says that nobody is there any more
        raise BrokenPipeError(error.errno, error.strerror) from None


@contextmanager
def released_when_killed(release: Callable[[], None]) -> Iterator[None]:
    """While it lasts, SIGTERM ends the process as always, but not before ``release()``."""
    if sys.platform == "win32":
        yield  # nobody can send it there
        return

    def end(number: int, _: FrameType | None) -> None:
        release()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: it was not Python that had put it there
