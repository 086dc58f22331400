"""`Threads`: where a program has a thread work while virtual time goes by.

A thread lives in real time. While it works all tasks may be waiting, so that virtual time jumps to whatever comes next:
an answer that was there at once is a second late, or an hour. That looks like any other lateness, and a learner would
look for it in his program, where it is not. So each wait for a thread is noted with its line, and forgotten again if it
has taken no time. A thread that the program itself has started nobody waits for, so it is noted at once.

A `trio.run` in a thread is refused, whatever comes of it: it is another loop, with the real clock and none of the
lesson's network, and what it changes of Trio while a play goes on is the play's as well.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import trio

from ._learner import NotAsAsked
from ._where import running_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# What starts threads for a program that asks for a pool of them; not by importing it, which takes a while.
_EXECUTOR = os.path.join(os.path.dirname(os.__file__), "concurrent", "futures", "thread.py")

# Seconds: where somebody is always busy the clock is moved a bit.
NO_TIME = 1e-4

# Seconds of real time that threads have to come to a `trio.run`, when the play is over: they may have just begun.
AFTERWARDS = 0.5

OWN_RUN = (
    "trio.run is called here in a thread. That is a loop of its own, in real time, with no socket of the lesson's "
    "network. What is to go on beside something else is a task: `nursery.start_soon(...)`"
)


@contextmanager
def threads(path: Path) -> Iterator[list[int]]:
    """While this is open, the list has the lines that start a thread, wait for one, and those that time went by for.

    Args:
      path: of the file whose lines are meant.

    Raises:
      NotAsAsked: at the end of the block, if a thread has called `trio.run`.
    """
    found: list[int] = []
    begun: dict[threading.Thread, int] = {}
    really_wait, really_start = trio.to_thread.run_sync, threading.Thread.start

    @wraps(really_wait)
    async def run_sync(*args: Any, **options: Any) -> Any:
        line, began = running_line(path), trio.current_time()
        if line is None:  # a library's own
            return await really_wait(*args, **options)
        found.append(line)
        try:
            return await really_wait(*args, **options)
        finally:
            if trio.current_time() < began + NO_TIME:
                found.remove(line)

    @wraps(really_start)
    def start(thread: threading.Thread) -> None:
        caller = sys._getframe(1).f_code.co_filename
        line = running_line(path) if caller in (str(path), _EXECUTOR) else None  # Trio starts some of its own
        if line is not None:
            found.append(line)
            begun[thread] = line
        really_start(thread)

    def line_in(thread: threading.Thread) -> int | None:
        return running_line(path) or begun.get(thread) or next(reversed(found), None)

    threading.Thread.start = start  # type: ignore[assignment, method-assign]
    trio.to_thread.run_sync = run_sync  # type: ignore[assignment]  # it has type variables
    try:
        with _own_runs_refused(line_in):
            yield found
            _join(begun)
    finally:
        threading.Thread.start = really_start  # type: ignore[method-assign]
        trio.to_thread.run_sync = really_wait


@contextmanager
def _own_runs_refused(line_in: Callable[[threading.Thread], int | None]) -> Iterator[None]:
    """In other threads than this one `trio.run` raises; and so does the end of the block, if it has been called there.

    Args:
      line_in: in which line the program is, in a thread that has called it.
    """
    refused: list[NotAsAsked] = []
    own = threading.current_thread()
    really_run, really_tell = trio.run, threading.excepthook

    @wraps(really_run)
    def run(*args: Any, **options: Any) -> Any:
        here = threading.current_thread()
        if here is own:  # the play; and inside of that Trio has something to say itself
            return really_run(*args, **options)
        refused.append(NotAsAsked(OWN_RUN, line_in(here)))
        raise refused[0]

    def tell(problem: threading.ExceptHookArgs) -> None:
        if problem.exc_value not in refused:
            really_tell(problem)

    trio.run = run  # type: ignore[assignment]  # it has type variables
    threading.excepthook = tell
    try:
        yield
    finally:
        trio.run = really_run
        threading.excepthook = really_tell
    if refused:
        raise refused[0]


def _join(threads: Iterable[threading.Thread]) -> None:
    until = time.monotonic() + AFTERWARDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
