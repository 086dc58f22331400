"""Ctrl-C as a request, not as an exception in the middle of a line.

By default Trio turns Ctrl-C into a KeyboardInterrupt in whichever task happens to run. A server is to stop receiving,
finish what it has begun and print its statistics, so here the signal cancels the work from outside, and the command
goes on with its own last words.

The second Ctrl-C is meant for the case that the first one does not help, so nothing that may be stuck can be part of
it. ``trio.open_signal_receiver`` is: it tells a task, and no task runs while a handler of the user's blocks the whole
loop (``time.sleep``). So the signal handler here is our own. It runs between two instructions of whatever is running,
and before it tells Trio anything, it gives the signals back to the system, which ends the process at the next one.
(What remains is a single call into C that never comes back: Python runs no signal handler meanwhile.)

Where a file is to be written at the end, the second one would leave nothing of it, and it need not come from a person:
whatever runs this program, and forwards the Ctrl-C that we have had from the terminal already, sends one a millisecond
later. So there it takes a third (`Unfinished`), and the second is answered by saying so.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import trio

from .._errors import bare_exceptions
from ._common import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from typing_extensions import Self

# Ctrl-C, and what `kill` and service managers send. Windows knows SIGTERM by name only.
STOP_SIGNALS = (signal.SIGINT,) if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)

# What others end a process by. Windows has one of them by name.
REQUESTS = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__)


async def run_until_signal(
    work: Callable[[], Awaitable[object]],
    *signals: signal.Signals,
    heard: Callable[[], None] = lambda: None,
    at_once: Callable[[], None] = lambda: None,
    stop: Callable[[], None] | None = None,
) -> signal.Signals | None:
    """Run ``work()``; the first of the signals cancels it, the second ends the process.

    Args:
      work: an async function; what it raises comes out bare.
      signals: which ones.
      heard: called after the signal, before the work is cancelled.
      at_once: called even before that, by the signal's handler: also when no task runs any more.
      stop: called in the place of cancelling the work, if that can end by itself.

    Returns:
      The signal that ended the work; None if it ended by itself.
    """

    async def stop_at_signal(scope: trio.CancelScope) -> None:
        await first.arrived.wait()
        if sys.stderr.isatty():
            say("")  # the terminal has written ^C where it was
        heard()
        (stop or scope.cancel)()

    with FirstSignal(*signals, at_once=at_once) as first, bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_at_signal, nursery.cancel_scope, name="waits for a signal")
            await work()
            nursery.cancel_scope.cancel()
    return first.number


class FirstSignal:
    """While the ``with`` lasts, the first of some signals sets ``arrived``; the next one ends the process (`_next`)."""

    def __init__(self, *signals: signal.Signals, at_once: Callable[[], None] = lambda: None) -> None:
        self.arrived = trio.Event()
        self.number: signal.Signals | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._signals = signals
        self._at_once = at_once
        self._handled = _handled(signals, self._note)

    def __enter__(self) -> Self:
        self._handled.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._handled.__exit__(None, None, None)

    def _note(self, number: int, _: object) -> None:
        for each in self._signals:
            signal.signal(each, _next())
        self.number = signal.Signals(number)
        self._at_once()
        self._token.run_sync_soon(self.arrived.set)


@contextmanager
def ended_by_signals(signals: Sequence[signal.Signals] = REQUESTS) -> Iterator[None]:
    """SIGTERM and SIGHUP cancel what is inside, and then end the process as they always do, unless they are ignored.

    Args:
      signals: all of which do that.
    """
    token, scope = trio.lowlevel.current_trio_token(), trio.CancelScope()
    heard: list[int] = []

    def note(number: int, _: object) -> None:
        heard.append(number)
        for each in heeded:
            signal.signal(each, _next())
        token.run_sync_soon(scope.cancel)

    heeded = _heeded(signals)
    try:
        with _handled(heeded, note), scope:
            yield
    finally:
        if heard:
            signal.raise_signal(heard[0])


class Unfinished:
    """While the ``with`` lasts, a file is still to be written: no second signal ends the process before, but a third.

    Args:
      name: of the file, for a person.
    """

    now: ClassVar[Unfinished | None] = None  # of this process, as handlers of signals are

    def __init__(self, name: str) -> None:
        self._name = name
        self._heard: signal.Signals | None = None

    def __enter__(self) -> Self:
        Unfinished.now = self
        return self

    def __exit__(self, *_: object) -> None:
        Unfinished.now = None

    @property
    def next(self) -> Callable[[int, object], None] | signal.Handlers:
        """Who handles the signal that would end the process: we once more, or the system."""
        return self._warn if self._heard is None else signal.SIG_DFL

    def _warn(self, number: int, _: object) -> None:
        self._heard = signal.Signals(number)
        for each in (signal.SIGINT, *REQUESTS):
            if signal.getsignal(each) == self._warn:
                signal.signal(each, signal.SIG_DFL)
        words = f"{self._name} is still to be written; the next signal ends this at once, without it\n"
        os.write(2, words.encode(errors="backslashreplace"))  # in the middle of anything: it may be of `say`

    @contextmanager
    def being_written(self) -> Iterator[None]:
        """Now it is; a signal that comes meanwhile is heard when that is done."""
        was_heard = self._heard
        with _handled(_heeded((signal.SIGINT, *REQUESTS)), self.next):
            yield
        if self._heard is not None and was_heard is None:
            signal.raise_signal(self._heard)


def _heeded(signals: Sequence[signal.Signals]) -> list[signal.Signals]:
    """Those that are not ignored, as ``nohup`` has it."""
    return [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def _handled(
    signals: Sequence[signal.Signals], handler: Callable[[int, object], None] | signal.Handlers
) -> Iterator[None]:
    """While it lasts, they have this handler; afterwards that which they had before."""
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, then in before.items():
            signal.signal(number, then or signal.SIG_DFL)  # None: it was not Python that had put it there


def _next() -> Callable[[int, object], None] | signal.Handlers:
    """Who handles the second signal."""
    return signal.SIG_DFL if Unfinished.now is None else Unfinished.now.next
