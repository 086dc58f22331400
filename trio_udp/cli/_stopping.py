"""Ctrl-C as a request, not as an exception in the middle of a line.

By default Trio turns Ctrl-C into a KeyboardInterrupt in whichever task happens to run. A server is to stop receiving,
finish what it has begun and print its statistics, so here the signal cancels the work from outside, and the command
goes on with its own last words. The second Ctrl-C finds the system's own way of handling it, and that needs nobody's
cooperation: it ends the process also where a handler will not let go.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import trio

from .._errors import bare_exceptions
from ._common import say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

# Ctrl-C, and what `kill` and service managers send. Windows knows SIGTERM by name only.
STOP_SIGNALS = (signal.SIGINT,) if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)


async def run_until_signal(
    work: Callable[[], Awaitable[object]], *signals: signal.Signals, heard: Callable[[], None] = lambda: None
) -> signal.Signals | None:
    """Run ``work()``; the first of the signals cancels it, the second ends the process.

    Args:
      work: an async function; what it raises comes out bare.
      signals: which ones.
      heard: called at the signal, before the work is cancelled.

    Returns:
      The signal that ended the work; None if it ended by itself.
    """
    stopped_by: list[signal.Signals] = []

    async def stop_at_signal(arrivals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        async for number in arrivals:
            stopped_by.append(signal.Signals(number))
            for each in signals:
                signal.signal(each, signal.SIG_DFL)  # the receiver puts back what was there before
            if sys.stderr.isatty():
                say("")  # the terminal has written ^C where it was
            heard()
            scope.cancel()
            return

    with trio.open_signal_receiver(*signals) as arrivals, bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_at_signal, arrivals, nursery.cancel_scope)
            await work()
            nursery.cancel_scope.cancel()
    return stopped_by[0] if stopped_by else None
