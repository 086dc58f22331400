"""Signals that end or stop a program while it has the screen: the terminal is given back first.

Most of them end a process at once, with the cursor hidden and the shell's prompt on the wrong screen. So here each has
a handler that gives the screen back, and then does what would have been done: end the process by the same signal, so
that whoever waits for it sees no difference, or call the handler that was there before, which may want to write a
trace. Ctrl-Z stops the process in the same way; when it goes on, the screen is taken again and drawn anew.

Ctrl-C is not among them: it comes out as an exception, and all that was taken is given back on its way. Signals that
are ignored (``nohup``) stay so, and what the program has a handler of its own for is not ended by that.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._stopping import REQUESTS  # mean the end even if there is a handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# What ends a process unless it says otherwise, as far as there are such signals here. SIGSEGV and its like come from a
# mistake inside, which is no time to write anything. SIGUSR1 and 2 are the program's: `faulthandler.register` has them
# without telling Python.
ENDING = tuple(
    signal.Signals[name]
    for name in ("SIGHUP", "SIGTERM", "SIGQUIT", "SIGABRT", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU")
    if name in signal.Signals.__members__
)


@contextmanager
def handing_back(
    release: Callable[[], None], suspend: Callable[[], None], resume: Callable[[], None]
) -> Iterator[None]:
    """While it lasts, a signal that ends or stops the process does so after the terminal was given back.

    Args:
      release: gives it back for good. All of these are called by signal handlers, whatever is being done.
      suspend: gives it back for a while.
      resume: takes it again.
    """
    before: dict[signal.Signals, object] = {}

    def end(number: int, frame: FrameType | None) -> None:
        release()
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def stop(number: int, _: FrameType | None) -> None:
        suspend()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # which comes back when the process goes on
        signal.signal(number, stop)
        resume()

    def go_on(*_: object) -> None:
        resume()

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = dict.fromkeys(ENDING, end)
    if hasattr(signal, "SIGTSTP"):
        handlers |= {signal.SIGTSTP: stop, signal.SIGCONT: go_on}
    for number, handler in handlers.items():
        now = signal.getsignal(number)
        if now == signal.SIG_DFL or (number in REQUESTS and callable(now)):
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, then in before.items():
            if signal.getsignal(number) is handlers[number]:  # else it is the system's by now
                signal.signal(number, then)  # type: ignore[arg-type]
