"""`clocks`: where a program looks at the real clock.

A lesson is played in virtual time, of which hours pass in a second of the real one. Who asks `time.monotonic` whether
half a second is over hears for a very long time that it is not, and a deadline made of `time.time` comes in fifty
years, or is over. The program may be right everywhere else; here it waits for ever, or much too long, and that looks
as if something else were wrong. So what looks at a real clock is noted with its line, and told if it does not pass.

Who does nothing but look, until real time is over, is stopped: it would take longer than a check may.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from ._learner import NotAsAsked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CLOCKS = ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns")

REAL_CLOCK = (
    "your program looks at the real clock here, and the lesson is in virtual time, of which hours pass while that one "
    "hardly moves. Trio's clock, which its deadlines go by as well, is trio.current_time()"
)

# Looks; no lesson needs a twentieth of them.
MOST_LOOKS = 5_000


@contextmanager
def clocks(path: Path) -> Iterator[list[int]]:
    """While this is open, the list gets the lines that look at a real clock, each once.

    Args:
      path: of the file whose lines are meant: what libraries do is their own business.
    """
    found: list[int] = []
    looks = 0

    def noted(clock: Callable[[], Any]) -> Callable[[], Any]:
        @wraps(clock)
        def look() -> Any:
            nonlocal looks
            caller = sys._getframe(1)
            if caller.f_code.co_filename == str(path):
                looks += 1
                if caller.f_lineno not in found:
                    found.append(caller.f_lineno)
                if looks > MOST_LOOKS:
                    raise NotAsAsked(REAL_CLOCK, found[0])
            return clock()

        return look

    before = {name: getattr(time, name) for name in CLOCKS}
    try:
        for name, clock in before.items():
            setattr(time, name, noted(clock))
        yield found
    finally:
        for name, clock in before.items():
            setattr(time, name, clock)
