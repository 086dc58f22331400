"""Virtual time that can be watched: it passes at some speed while the program waits, and stands still while it works.

Slow motion needs a clock that is slower than the wall's. The obvious one, `trio.testing.MockClock` with a ``rate``,
lets time pass while the program computes as well. At a hundred times the speed ten milliseconds of work are a second,
and attempts time out whose answers nobody has lost: another speed would tell another story.

So time here moves only while all tasks are blocked, and no further than to the next deadline, as it does under
``MockClock(autojump_threshold=0)``; but it takes its time. Whatever runs sees the very same times as there.

What the work has taken is made up for at the next waits, so that the whole keeps its speed; but not if it was long. A
process that was stopped for a minute should go on from there, and not in a hurry.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import trio

# Times real time. A second in a quarter of an hour; and so fast that nobody sees anything.
SLOWEST = 0.001
FASTEST = 1000

# Seconds of real time that are made up for at most.
LATE = 0.05


class PacedClock(trio.abc.Clock):
    """A clock for ``trio.run``: begins at 0.

    Args:
      speed: seconds of its time in a second of real time.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._now = 0.0
        self._due = 0.0  # when, in real time, it should have been `_now`
        self._until: float | None = None  # how far it may go in this wait; None: the program works

    def start_clock(self) -> None:
        """Trio calls this."""
        self._due = perf_counter()

    def current_time(self) -> float:
        """Seconds."""
        if self._until is not None:
            self._advance(self._until)
            self._until = None
        return self._now

    def _advance(self, until: float) -> None:
        before, elapsed = self._now, perf_counter() - self._due
        self._now = max(before, min(until, before + elapsed * self._speed))
        self._due += (self._now - before) / self._speed

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio calls this when all tasks are blocked: from here to its next question for the time, time passes."""
        real = perf_counter()
        self._due = max(self._due, real - LATE)
        self._until = deadline
        return self._due + (deadline - self._now) / self._speed - real


def add_pace(parser: argparse.ArgumentParser) -> None:
    """``--virtual``, ``--speed`` and ``--step``."""
    add = parser.add_argument
    add("--virtual", action="store_true", help="on a network in memory, in virtual time: the same, without waiting")
    add("--speed", type=speed, metavar="X", help="in virtual time that is X times as fast as real time, like 0.25")
    add("--step", action="store_true", help="in virtual time, a key for each event; on a terminal")


def speed(text: str) -> float:
    """How many times as fast as real time."""
    wanted = f"a speed is a number from {SLOWEST:g} to {FASTEST:g}, like 0.25"
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}") from None
    if not SLOWEST <= number <= FASTEST:
        raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}")
    return number


def time_jumps(args: argparse.Namespace) -> bool:
    """Is it virtual time that waits for nobody?"""
    return bool(args.virtual) and args.speed is None and not args.step


def choose_clock(args: argparse.Namespace) -> trio.abc.Clock | None:
    """What time is; None: Trio's own. From here on ``--speed`` and ``--step`` are ``--virtual`` as well."""
    args.virtual = args.virtual or args.step or args.speed is not None
    if not args.virtual:
        return None
    if args.speed is not None:
        return PacedClock(args.speed)
    from trio.testing import MockClock  # which nobody else waits for at the start

    return MockClock(rate=0) if args.step else MockClock(autojump_threshold=0)
