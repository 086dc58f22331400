"""`Usage`: what a thread has done itself, which a clock on the wall does not tell.

Something took long: was it slow, or had another process the core meanwhile? On a machine that has other work that is
a matter of a few milliseconds again and again (a time slice of Linux's scheduler), and says nothing about the program.
The system counts both for each thread: the time that it computed, and how often it gave up the core by itself, to wait
for a file, a lock or a sleep (getrusage(2), ru_nvcsw; the time that it tells as well is a tick old, 4 ms). To ask
costs a microsecond, so one does not ask for each datagram.
"""

from __future__ import annotations

import sys
from time import thread_time
from typing import NamedTuple

if sys.platform == "linux":
    from resource import RUSAGE_THREAD, getrusage


class Usage(NamedTuple):
    """``computed`` seconds of the processor, and how often it ``waited`` of its own accord, since the thread began."""

    computed: float
    waited: int

    def was_slow_itself(self, seconds: float) -> bool:
        """Whether since then this thread has computed for so long, or waited for anything but the core."""
        now = thread_usage()
        return now.computed - self.computed > seconds or now.waited > self.waited


def thread_usage() -> Usage:
    """What this thread has used until now; Linux only."""
    assert sys.platform == "linux"
    return Usage(thread_time(), getrusage(RUSAGE_THREAD).ru_nvcsw)
