"""Ctrl-C as a request, not as an exception in the middle of a line.

By default Trio turns Ctrl-C into a KeyboardInterrupt in whichever task happens to run. A server is to stop receiving,
finish what it has begun and print its statistics, so here the signal cancels the work from outside, and the command
goes on with its own last words.

The second Ctrl-C is meant for the case that the first one does not help, so nothing that may be stuck can be part of
it. ``trio.open_signal_receiver`` is: it tells a task, and no task runs while a handler of the user's blocks the whole
loop (``time.sleep``). So the signal handler here is our own. It runs between two instructions of whatever is running,
and before it tells Trio anything, it gives the signals back to the system, which ends the process at the next one.
(What remains is a single call into C that never comes back: Python runs no signal handler meanwhile.)
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import trio

from .._errors import bare_exceptions
from ._common import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Self

# Ctrl-C, and what `kill` and service managers send. Windows knows SIGTERM by name only.
STOP_SIGNALS = (signal.SIGINT,) if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)


async def run_until_signal(
    work: Callable[[], Awaitable[object]],
    *signals: signal.Signals,
    heard: Callable[[], None] = lambda: None,
    at_once: Callable[[], None] = lambda: None,
) -> signal.Signals | None:
    """Run ``work()``; the first of the signals cancels it, the second ends the process.

    Args:
      work: an async function; what it raises comes out bare.
      signals: which ones.
      heard: called after the signal, before the work is cancelled.
      at_once: called even before that, by the signal's handler: also when no task runs any more.

    Returns:
      The signal that ended the work; None if it ended by itself.
    """

    async def stop_at_signal(scope: trio.CancelScope) -> None:
        await first.arrived.wait()
        if sys.stderr.isatty():
            say("")  # the terminal has written ^C where it was
        heard()
        scope.cancel()

    with FirstSignal(*signals, at_once=at_once) as first, bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_at_signal, nursery.cancel_scope, name="waits for a signal")
            await work()
            nursery.cancel_scope.cancel()
    return first.number


class FirstSignal:
    """While the ``with`` lasts, the first of some signals sets ``arrived``; from then on the system handles them."""

    def __init__(self, *signals: signal.Signals, at_once: Callable[[], None] = lambda: None) -> None:
        self.arrived = trio.Event()
        self.number: signal.Signals | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._signals = signals
        self._at_once = at_once

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._note) for number in self._signals]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(self._signals, self._before, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)  # None: it was not Python that had put it there

    def _note(self, number: int, _: object) -> None:
        for each in self._signals:
            signal.signal(each, signal.SIG_DFL)
        self.number = signal.Signals(number)
        self._at_once()
        self._token.run_sync_soon(self.arrived.set)
