"""`Axis`: how far down in a picture a moment is.

A datagram takes a millisecond and an attempt a second, so to scale either the arrows are flat or the picture is as tall
as a house; and what happens at one instant, as it does in virtual time, would lie upon itself. So the scale is that of
the datagrams: a typical one falls by a fixed height. What is closer together than can be seen is moved apart, also at
one instant, where whatever touches the same lifeline is below each other. What is far apart moves closer: up to a
height it is to scale, then each doubling adds a little; and a long silence is cut out, visibly.

What only tasks do, beside the datagrams, needs less room: a program's first milliseconds, in which servers start, would
push the first datagram out of sight. And where there are many datagrams, all of it is closer.

So lengths tell little, and the order everything; the labels beside it are the times.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import groupby, pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

NOWHERE = -1  # the lifeline of what touches none
INSTANT = NOWHERE - 1_000_000  # of what makes an instant as high as a name beside the ladder
LABEL = 30.0

TYPICAL = 34.0  # how far a typical datagram falls; all lengths are in pixels
LEAST = 8.0  # between two moments
ROW = 8.0  # between two things at one lifeline and one instant
WORDS = 14.0  # between two datagrams that go the same way, side by side: what is said of one has room between them
TRUE = 70.0  # up to this it is to scale
DOUBLING = 12.0  # what is beyond adds so much each time that it doubles
MOST = 500.0  # what would be taller, to scale, is cut
CUT = 46.0  # to this
DENSE = 0.5  # of all that, where there are many datagrams; but what is cut is labelled
BESIDE = 12.0  # at most between moments of which one is of tasks alone: a line of text


class Mark(NamedTuple):
    """Something that has a height: ``key`` says what.

    At one instant ``order`` decides. Marks at one ``lifeline`` are then below each other, and none is above the one
    that it comes ``after``. What has no lifeline is an instant that nothing is written beside. One that ``takes`` no
    row has that of the next one. An end of what goes the same ``way`` as the one before it is further apart.
    """

    time: float
    order: int
    lifeline: int
    key: Hashable
    after: Hashable = None
    takes: bool = True
    way: Hashable = None


class Cut(NamedTuple):
    """A silence that is cut out, so many ``seconds``."""

    top: float
    bottom: float
    seconds: float


class Axis:
    """Heights from 0 to ``height``.

    Args:
      marks: what there is.
      travel_times: of datagrams, in seconds, for the scale.
      is_dense: it is closer.
    """

    def __init__(self, marks: Iterable[Mark], travel_times: Iterable[float], *, is_dense: bool = False) -> None:
        self._density = DENSE if is_dense else 1.0
        self._words = 0.0 if is_dense else WORDS
        self._ways: set[Hashable] = set()  # at the last moment
        moments = [(time, list(group)) for time, group in groupby(sorted(marks, key=_when), key=lambda mark: mark.time)]
        self._scale = _scale([time for time, _ in moments], [time for time in travel_times if time > 0])
        self._times: list[float] = []
        self._tops: list[float] = []
        self._bottoms: list[float] = []
        self._heights: dict[Hashable, float] = {}
        self.cuts: list[Cut] = []
        self.labels: list[tuple[float, float]] = []  # each a height and its time
        self.height = 0.0
        all_of_tasks = not any(mark.lifeline >= 0 for _, group in moments for mark in group)
        was_of_tasks = False
        for time, group in moments:
            is_of_tasks = not all_of_tasks and all(mark.lifeline in (NOWHERE, INSTANT) for mark in group)
            ways = {mark.way for mark in group} - {None}
            least = self._words if ways & self._ways else 0.0
            self._begin(time, BESIDE if is_of_tasks or was_of_tasks else math.inf, least)
            was_of_tasks, self._ways = is_of_tasks, ways
            self.height += self._lay_out(group)
            self._bottoms.append(self.height)
            if any(mark.lifeline >= 0 for mark in group):
                self.labels.append((self._tops[-1], time))

    def __getitem__(self, key: Hashable) -> float:
        """The height of a mark."""
        return self._heights[key]

    def get(self, key: Hashable, default: float) -> float:
        """The same; where there is no such mark, the default."""
        return self._heights.get(key, default)

    def at(self, time: float) -> float:
        """The height of any moment."""
        number = bisect_right(self._times, time) - 1
        if number < 0:
            return 0.0
        if number + 1 == len(self._times):
            return self.height
        part = (time - self._times[number]) / (self._times[number + 1] - self._times[number])
        return self._bottoms[number] + part * (self._tops[number + 1] - self._bottoms[number])

    def _begin(self, time: float, most: float, least: float) -> None:
        if self._times:
            silence = time - self._times[-1]
            fall = max(LEAST, least, self._density * _fall(silence * self._scale))
            if silence * self._scale <= MOST:
                fall = min(fall, most)
            else:
                fall = max(fall, LABEL)
                self.cuts.append(Cut(self.height, self.height + fall, silence))
            self.height += fall
        self._times.append(time)
        self._tops.append(self.height)

    def _lay_out(self, group: list[Mark]) -> float:
        """Give a height to all of one moment; returns how far the last is below the first."""
        free: dict[int, float] = {}  # from there on, by lifeline
        below: dict[Hashable, float] = {}  # the same, by way
        given: dict[Hashable, float] = {}
        for mark in group:
            height = max(free.get(mark.lifeline, 0.0), given.get(mark.after, 0.0), below.get(mark.way, 0.0))
            given[mark.key] = height
            self._heights[mark.key] = self._tops[-1] + height
            free[mark.lifeline] = height + ROW * mark.takes
            if mark.way is not None:
                below[mark.way] = height + self._words
        return max(given.values())


def _when(mark: Mark) -> tuple[float, int]:
    return mark.time, mark.order


def _fall(to_scale: float) -> float:
    """How far down it goes for what would be so much to scale."""
    if to_scale > MOST:
        return CUT
    return max(LEAST, min(to_scale, TRUE) + DOUBLING * math.log2(max(to_scale / TRUE, 1)))


def _scale(times: list[float], travel_times: list[float]) -> float:
    """Pixels per second."""
    if travel_times:
        return TYPICAL / median(travel_times)
    silences = [later - time for time, later in pairwise(times)]
    return TYPICAL / median(silences) if silences else 1.0
