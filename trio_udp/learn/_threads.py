"""`Threads`: where a program has a thread work while virtual time goes by.

A thread lives in real time. While it works all tasks may be waiting, so that virtual time jumps to whatever comes next:
an answer that was there at once is a second late, or an hour. That looks like any other lateness, and a learner would
look for it in his program, where it is not. So each wait for a thread is noted with its line, and forgotten again if it
has taken no time. A thread that the program itself has started nobody waits for, so it is noted at once.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import trio

from ._where import running_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What starts threads for a program that asks for a pool of them; not by importing it, which takes a while.
_EXECUTOR = os.path.join(os.path.dirname(os.__file__), "concurrent", "futures", "thread.py")

# Seconds: where somebody is always busy the clock is moved a bit.
NO_TIME = 1e-4


@contextmanager
def threads(path: Path) -> Iterator[list[int]]:
    """While this is open, the list has the lines that start a thread, wait for one, and those that time went by for.

    Args:
      path: of the file whose lines are meant.
    """
    found: list[int] = []
    really_run = trio.to_thread.run_sync

    @wraps(really_run)
    async def run_sync(*args: Any, **options: Any) -> Any:
        line, began = running_line(path), trio.current_time()
        if line is None:  # a library's own
            return await really_run(*args, **options)
        found.append(line)
        try:
            return await really_run(*args, **options)
        finally:
            if trio.current_time() < began + NO_TIME:
                found.remove(line)

    really_start = threading.Thread.start

    @wraps(really_start)
    def start(thread: threading.Thread) -> None:
        caller = sys._getframe(1).f_code.co_filename
        line = running_line(path) if caller in (str(path), _EXECUTOR) else None  # Trio starts some of its own
        if line is not None:
            found.append(line)
        really_start(thread)

    threading.Thread.start = start  # type: ignore[assignment, method-assign]
    trio.to_thread.run_sync = run_sync  # type: ignore[assignment]  # it has type variables
    try:
        yield found
    finally:
        threading.Thread.start = really_start  # type: ignore[method-assign]
        trio.to_thread.run_sync = really_run
