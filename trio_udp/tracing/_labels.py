"""`Labels`: what stands beside the arrows of a ladder, none upon another.

The middle of an arrow is where one looks for its label, and where two clients ask at once their arrows cross just
there. So a label may move along its arrow, or stand below it, to where no other one is; there it takes the place
through which the fewest other arrows run. Where there are many arrows, those are not looked for: everything is full of
them, and to look for them would take as long as all the rest.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from ._show import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Point = tuple[float, float]

# Pixels, as all lengths here.
STEP = 20.0  # along an arrow, from one place that is tried to the next
MIDDLE = 7.0  # from the arrow to the middle of a label's letters
APART = 11.5  # between the middles of two lines of text
NEAR = 6.0  # from there on a line goes through the letters
DOT = 8.0  # a label is looked at as a row of dots, so far from each other
PAGE = 48.0  # in squares of which dots and lines are found again
MANY = 200  # arrows
ENOUGH = 8  # characters of a payload, or of a reason: it is not cut to less


class Labels:
    """Finds a place for each.

    Args:
      lines: of all arrows, from where to where, by their numbers.
    """

    def __init__(self, lines: Sequence[tuple[Point, Point]]) -> None:
        self._lines = lines
        self._dots: dict[tuple[int, int], list[Point]] = {}  # of the labels that are there, by their squares
        self._near: dict[int, list[int]] = {}  # lines by how far down they are
        for number, (start, end) in enumerate(lines if len(lines) <= MANY else ()):
            low, high = sorted((start[1], end[1]))
            for page in range(int((low - PAGE) // PAGE), int((high + PAGE) // PAGE) + 1):
                self._near.setdefault(page, []).append(number)

    def place(
        self, number: int, begin: float, until: float, width: float, *, is_alone: bool = False
    ) -> tuple[float, float, bool] | None:
        """Where a label so wide has room along an arrow.

        Args:
          number: which arrow.
          begin: from where, across.
          until: to where.
          width: of the label.
          is_alone: only where no other arrow runs.

        Returns:
          The point of the arrow, and whether the label is above it; None if there is no place.
        """
        (left, top), (right, bottom) = self._lines[number]
        slope = (bottom - top) / (right - left)
        length = width / 2 * math.cos(math.atan(slope))
        best, fewest = None, 1 if is_alone else len(self._lines)
        for is_above in (True, False):
            for x in _from_the_middle(begin, until, length):
                y = top + slope * (x - left)
                dots = _dots(x, y + (-MIDDLE if is_above else MIDDLE), length, slope)
                if not self._is_free(dots):
                    continue
                crossings = self._crossings(number, dots)
                if crossings < fewest:
                    best, fewest = (x, y, is_above, dots), crossings
                if not crossings:
                    break
            if not fewest:
                break
        if best is None:
            return None
        self._take(best[3])
        return best[:3]

    def place_beside(self, x: float, y: float, width: float) -> bool:
        """Is there room around this point? Now it is taken."""
        dots = _dots(x, y, width / 2, 0.0)
        if not self._is_free(dots):
            return False
        self._take(dots)
        return True

    def _take(self, dots: list[Point]) -> None:
        for x, y in dots:
            self._dots.setdefault((int(x // PAGE), int(y // PAGE)), []).append((x, y))

    def _is_free(self, dots: list[Point]) -> bool:
        return not any(
            abs(x - there[0]) < 1.5 * DOT and abs(y - there[1]) < APART for x, y in dots for there in self._around(x, y)
        )

    def _around(self, x: float, y: float) -> Iterator[Point]:
        across, down = int(x // PAGE), int(y // PAGE)
        for column in (across - 1, across, across + 1):
            for row in (down - 1, down, down + 1):
                yield from self._dots.get((column, row), ())

    def _crossings(self, own: int, dots: list[Point]) -> int:
        """How many other arrows go through a label, of those that are looked for."""
        pages = {int(y // PAGE) for _, y in dots}
        others = {number for page in pages for number in self._near.get(page, ())} - {own}
        return sum(_goes_through(*self._lines[number], dots) for number in others)


def _goes_through(start: Point, end: Point, dots: list[Point]) -> bool:
    """Does a line come near one of the dots, or change its side between two?"""
    (left, top), (right, bottom) = sorted((start, end))
    slope = (bottom - top) / (right - left) if right > left else 0.0
    above = [top + slope * (x - left) - y for x, y in dots if left <= x <= right]
    return any(abs(distance) < NEAR for distance in above) or any(one * other < 0 for one, other in pairwise(above))


def _from_the_middle(begin: float, until: float, half: float) -> Iterator[float]:
    """Where the middle of something can be, from the middle of what it is in to both of its ends."""
    low, high = sorted((begin, until))
    middle, slack = (low + high) / 2, (high - low) / 2 - half - 10
    yield middle
    for step in range(1, int(max(0.0, slack) / STEP) + 1):
        yield middle - step * STEP
        yield middle + step * STEP


def _dots(x: float, y: float, half: float, slope: float) -> list[Point]:
    """A row of them, from end to end of a label."""
    count = max(2, math.ceil(2 * half / DOT) + 1)
    return [(x + across, y + slope * across) for across in (half * (2 * n / (count - 1) - 1) for n in range(count))]


def cut_fate(fate: str, room: int) -> str:
    """As many of its words as there is room for, but the first; a reason is cut if enough of it is left."""
    if len(fate) <= room:
        return fate
    words, colon, _ = fate.partition(":")
    if colon and room - len(words) - 2 >= ENOUGH:
        return shortened(fate, room)
    fewer = words if colon else fate.rpartition(", ")[0]
    return cut_fate(fewer, room) if fewer else fate
