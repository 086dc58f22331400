"""The live view of a server or a relay: it has standard error, where their lines would go, until it is to stop.

The end may be slow: handlers may go on for a while after the first Ctrl-C, and a second one ends the process at once.
So the screen is given back at the first, by the signal's handler itself: nothing that hangs can keep it.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import trio

from .._errors import bare_exceptions
from ._live import View
from ._live_held import held_streams
from ._live_refresh import keep_drawing
from ._live_screen import Screen
from ._live_signals import handing_back
from ._live_tree import tree_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from rich.text import Text

    from ._live_look import Look
    from ._live_tree import Node

    # From the tree, what was said, the time, width, height and look.
    Draw = Callable[[Sequence[Node], Sequence[str], float, int, int, Look], Text]


class LiveServer(View):
    """A server's view, while it is there."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._stack = ExitStack()
        self._task = trio.lowlevel.current_task()
        self._outer = len(self._task.child_nurseries) + 1  # and the one of the view itself

    @trio.lowlevel.enable_ki_protection  # what was taken is known to whoever closes it
    def open(self) -> None:
        """Take the terminal; what fails in the middle has to be followed by `close`, too."""
        terminal = sys.stderr
        self._held = self._stack.enter_context(held_streams())
        self.screen = screen = self._stack.enter_context(Screen(terminal))
        self._stack.enter_context(handing_back(screen.release, screen.suspend, screen.resume))

    def refresh(self) -> float:
        """Draw it anew; returns what that cost, as `Screen.draw` does."""
        return self.screen.draw(self._page)

    def _page(self, width: int, height: int, look: Look) -> Text:
        tree = tree_of(self._task, self._outer)
        return self._draw(tree, self._held.shown(height), trio.current_time(), width, height, look)

    def release(self) -> None:
        """Give the terminal back, whatever hangs: signal handlers may call this."""
        self.screen.release()

    def close(self) -> None:
        """The end of the view; what was said meanwhile is said now."""
        self._stack.close()


@asynccontextmanager
async def live_server(draw: Draw) -> AsyncIterator[LiveServer]:
    """Show a server while the ``async with`` lasts, or until it is closed.

    Args:
      draw: draws the whole screen.
    """
    view = LiveServer(draw)
    with bare_exceptions():
        async with trio.open_nursery() as nursery:
            try:
                view.open()
                nursery.start_soon(keep_drawing, view.refresh, name="the live view")
                nursery.start_soon(view.screen.keep_up, name="the live view's output")
                yield view
            finally:
                view.close()
            nursery.cancel_scope.cancel()
