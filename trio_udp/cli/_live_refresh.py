"""When the live view is drawn: by a task, so often that it looks alive, and so seldom that it costs little.

A picture takes a few milliseconds of the loop that serves: 4 on 80x24, 7 on 120x40 with 20 clients, 80 with 1000. So
there are ten in a second at most, and fewer where many tasks make them dear: together they take no more than a tenth of
the time. What counts is time of this thread on a processor: a picture in the middle of which Ctrl-Z stopped the process
for an hour was not dear. And however dear one was, the next comes before anybody takes the view for frozen.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds between two pictures, of real time.
PERIOD = 0.1

# What drawing takes of all time, at most.
SHARE = 1 / 10

# Seconds between two pictures at most, whatever they cost: the first one includes that modules are imported.
LONGEST = 2.0

# Seconds of real time that virtual time may take before there is a first picture: a screen that comes and goes at once
# is a flash.
PATIENCE = 0.5


async def keep_drawing(draw: Callable[[], float], speed: float = 1.0) -> NoReturn:
    """Draw for ever; ``draw()`` returns the seconds that it cost, ``speed`` is that of Trio's clock."""
    while True:
        pause = _pause(draw())
        await trio.sleep(pause * speed)


class News:
    """Draws when something has happened: for time that jumps, where no task may wait for the next picture."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._due = perf_counter() + PATIENCE
        self._any = trio.Event()

    def tell(self) -> None:
        """Something has happened."""
        self._any.set()

    async def keep_drawing(self) -> NoReturn:
        """Draw for ever, when it is due and there is something new."""
        while True:
            await self._any.wait()
            self._any = trio.Event()
            if perf_counter() >= self._due:
                cost = self._draw()
                self._due = perf_counter() + _pause(cost)


def _pause(cost: float) -> float:
    """Seconds of real time until the next picture, after one that cost so many."""
    return min(max(PERIOD, cost / SHARE), LONGEST)
