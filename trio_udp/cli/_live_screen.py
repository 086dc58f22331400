"""The screen that the live view has to itself, and how it is given back.

It is the terminal's second one ("alternate screen"): what stood on the first comes back when the view is over, and a
resize leaves no torn lines behind. Whoever takes it has to give it back, with the cursor that was hidden, however the
program ends. So nothing here is interrupted by Ctrl-C in the middle (Trio delivers it later); a signal that ends or
stops the process has `Screen.release` or `Screen.suspend` called first; and when the terminal is gone, that is the end
of the program, as when whoever reads a pipe has gone.

Nothing waits for the terminal, which may have been stopped: pictures are left out until it takes them again.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from time import thread_time
from typing import IO, TYPE_CHECKING, NoReturn, TextIO, cast

import trio
from rich.console import Console
from rich.live import Live

from ._live_look import look_for
from ._live_output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.text import Text
    from typing_extensions import Self

    from ._live_look import Look

    Draw = Callable[[int, int, Look], Text]

# To the second screen and back to the first (xterm's 1049), and is the cursor visible (DECTCEM)? What rich writes, too.
TAKE = b"\x1b[?1049h\x1b[?25l"
RELEASE = b"\x1b[?1049l\x1b[?25h"

# Cells that are drawn at most. No terminal is larger, but COLUMNS may say so, and a picture that large takes minutes.
MOST_COLUMNS = 500
MOST_LINES = 200


class Screen:
    """A terminal's second screen, from the first `draw` to the end of the ``with``.

    Args:
      file: the terminal.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._output = Output(file)
        self._console = Console(
            file=cast("IO[str]", self._output),
            force_terminal=True,
            force_interactive=True,
            markup=False,
            highlight=False,
            emoji=False,
        )
        self._live: Live | None = None
        self._released = False
        self._away = False  # the screen was given back for a while
        self._latest: Draw | None = None
        self._is_shown = True  # the latest
        self._late = trio.Event()  # the terminal has not taken everything, or was given back and taken again
        self._token: trio.lowlevel.TrioToken | None = None
        self.look = look_for(file.encoding)

    def __enter__(self) -> Self:
        return self

    @trio.lowlevel.enable_ki_protection
    def __exit__(self, *_: object) -> None:
        live, self._live = self._live, None
        try:
            if live is not None and not self._released:
                with _terminal_may_be_gone():
                    live.stop()
                    self._output.say_at_last()
        finally:
            self._released = True
            self._close()

    def _close(self) -> None:
        if self._token is not None and self._output.fd is not None:
            trio.lowlevel.notify_closing(self._output.fd)
        self._output.close()

    @trio.lowlevel.enable_ki_protection
    def draw(self, draw: Draw) -> float:
        """Show ``draw(width, height, look)``, or later, if the terminal does not take it now.

        Returns:
          How many seconds that cost, of this thread's time on a processor.

        Raises:
          BrokenPipeError: the terminal has gone.
        """
        self._latest, self._is_shown = draw, False
        if self._released or not self._is_ready():
            return 0.0
        began = thread_time()
        width, height = self._console.size = size_of(self._file)
        picture = draw(width, height, self.look)
        self._is_shown = True
        with _terminal_may_be_gone():
            self._show(picture)
        self._send()
        return thread_time() - began

    def draw_again(self) -> None:
        """What was drawn last, as it is now."""
        if self._latest is not None:
            self.draw(self._latest)

    def _send(self) -> bool:
        """What the terminal takes now; was that all?"""
        with _terminal_may_be_gone():
            if not self._output.send():
                self._late.set()
                return False
        return True

    def _is_ready(self) -> bool:
        """Has the terminal taken everything, and is it ours?"""
        if not self._send():
            return False
        if self._away and self._output.is_in_front():
            self._away = False
            self._output.open(TAKE)
        return not self._away

    def _show(self, picture: Text) -> None:
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

    async def keep_up(self) -> NoReturn:
        """For ever: send what the terminal has not taken, and when it has, draw what was left out."""
        self._token = trio.lowlevel.current_trio_token()
        while True:
            await self._late.wait()
            self._late = trio.Event()
            while self._output.fd is not None and not self._send():
                await _writable(self._output.fd)
            if self._latest is not None and not self._is_shown:
                self.draw(self._latest)

    # -- for the handlers of signals: whatever is being done right now ------------------------------------------------

    def release(self) -> None:
        """Give the screen back, for good."""
        if self._live is not None and not self._released and not self._away:
            self._output.say_at_last(RELEASE)
        self._released = True

    def suspend(self) -> None:
        """Give the screen back for a while."""
        if self._live is not None and not self._released and not self._away:
            self._away, self._is_shown = True, False
            self._output.say_at_last(RELEASE)

    def resume(self) -> None:
        """Take it again when there is a picture, as soon as Trio runs."""
        if self._token is not None:
            self._token.run_sync_soon(self._late.set)


async def _writable(fd: int) -> None:
    try:
        await trio.lowlevel.wait_writable(fd)
    except trio.ClosedResourceError:
        pass  # the view is over


def size_of(file: TextIO) -> tuple[int, int]:
    """The columns and lines of a terminal, or what ``COLUMNS`` and ``LINES`` say in their place."""
    try:
        columns, lines = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    columns, lines = _variable("COLUMNS") or columns or 80, _variable("LINES") or lines or 24
    return min(columns, MOST_COLUMNS), min(lines, MOST_LINES)


def _variable(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


@contextmanager
def _terminal_may_be_gone() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # EIO: how a terminal says that nobody is there any more
        raise BrokenPipeError(error.errno, error.strerror) from None
