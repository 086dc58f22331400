"""`Spins`: tells of a program in which there is always something to do, so that virtual time does not pass.

It passes only while everybody waits. In a loop that asks again and again, and hardly waits or not at all, no deadline
ever comes, nor does it where tasks start tasks without end. So steps and tasks are counted, as Trio's instruments can
see them all: who does far more of them than any lesson takes is going round.

A real clock moves on by itself, and there are right programs which need that: `(sent + 0.8) - sent` may be less than
0.8, as numbers are rounded, so that who wakes up at `sent + 0.8`, and asks whether 0.8 seconds are over, hears no, and
has nothing to wait for. So where a program goes round at one moment and sends nothing a nanosecond passes now and then,
which no picture shows. Then it hears yes; and a loop that is endless goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._where import line_of, running_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock

# Of tasks, in a second of virtual time: no lesson comes near it.
MOST_STEPS = 20_000

# Tasks that are started; no lesson needs a twentieth of them.
MOST_TASKS = 4_000

# Times that every task which could do something has done it at one moment, until a bit of time passes; in seconds.
ROUNDS = 50
INSTANT = 1e-9

TASKS = f"your program starts tasks without end: {MOST_TASKS:,}, and no end to be seen"
HARDLY = f"your program goes round here without end, and hardly waits: {MOST_STEPS:,} steps in less than a second"


class Spins(trio.abc.Instrument):
    """Tells of a program in which time stands still, or nearly so, since somebody always has something to do.

    Args:
      found: called with what there is to say of it, empty if time stands still, and the line; again if it goes on.
      clock: of the play; it is moved a bit where it stands still.
      path: of the learner's file.
    """

    def __init__(self, found: Callable[[str, int | None], None], clock: MockClock, path: Path) -> None:
        self._found = found
        self._clock = clock
        self._path = path
        self._since = self._time = -1.0
        self._steps = self._still = self._rounds = self._tasks = 0  # steps in all, and since time has passed by itself

    def goes_on(self) -> None:
        """Something was sent, which is no standstill: a long run of datagrams all leave at one moment."""
        self._rounds = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self._tasks += 1
        if self._tasks % MOST_TASKS == 0:
            self._found(TASKS, running_line(self._path))

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps += 1
        self._still += 1
        if self._steps >= MOST_STEPS and (line := line_of(task, self._path)):
            self._found("" if self._still >= MOST_STEPS // 2 else HARDLY, line)
            self._steps = 0

    def before_io_wait(self, timeout: float) -> None:
        now = self._clock.current_time()
        self._rounds += 1
        if now != self._time:
            self._rounds = self._still = 0
            self._time = now
        if not self._since <= now < self._since + 1:  # it may have begun again
            self._since = now
            self._steps = 0
        if self._rounds == ROUNDS:
            self._clock.jump(INSTANT)
            self._rounds, self._time = 0, self._clock.current_time()
