"""Labels along arrows: none upon another, and as few arrows through them as can be."""

from __future__ import annotations

import math
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

import pytest

from trio_udp.tracing._labels import MANY, MIDDLE, Labels, cut_fate

if TYPE_CHECKING:
    Point = tuple[float, float]

LEFT, RIGHT = 100.0, 400.0


def across(top: float, bottom: float) -> tuple[Point, Point]:
    return (LEFT, top), (RIGHT, bottom)


def test_it_is_above_the_middle_if_nothing_is_there() -> None:
    assert Labels([across(0, 30)]).place(0, LEFT, RIGHT, 80) == (250.0, 15.0, True)
    assert Labels([((RIGHT, 0.0), (LEFT, 30.0))]).place(0, RIGHT, LEFT, 80) == (250.0, 15.0, True)


def test_arrows_that_cross_have_both_theirs() -> None:
    """Regression: both wanted the middle, and one went without."""
    labels = Labels([across(0, 20), across(10, 5)])
    first, second = (labels.place(number, LEFT, RIGHT, 80) for number in (0, 1))
    assert first is not None
    assert second is not None
    assert abs(first[0] - second[0]) >= 80 or first[2] is not second[2]


def test_below_there_is_room_too() -> None:
    labels = Labels([across(0, 0), across(8, 8)])
    assert labels.place(0, LEFT, RIGHT, 270) == (250.0, 0.0, True)
    assert labels.place(1, LEFT, RIGHT, 270) == (250.0, 8.0, False)


@pytest.mark.parametrize("steps", [MIDDLE, 5.0])
def test_what_has_to_be_alone_is_left_out_elsewhere(steps: float) -> None:
    """Three close to each other: below the last one nobody runs."""
    labels = Labels([across(step * steps, step * steps) for step in (0, 1, 2)])
    assert labels.place(1, LEFT, RIGHT, 80, is_alone=True) is None
    assert labels.place(2, LEFT, RIGHT, 80, is_alone=True) == (250.0, 2 * steps, False)
    assert labels.place(1, LEFT, RIGHT, 80) is not None


def test_where_all_is_full_there_is_none() -> None:
    labels = Labels([across(0, 0)] * 3)
    assert [labels.place(number, LEFT, RIGHT, 270) is None for number in (0, 1, 2)] == [False, False, True]
    labels = Labels([across(0, 0)])
    assert labels.place_beside(250, -MIDDLE, 300)
    assert not labels.place_beside(250, 0, 100)
    assert labels.place_beside(250, MIDDLE, 100)


@pytest.mark.parametrize("count", [30, MANY + 1])
@pytest.mark.parametrize("seed", range(5))
def test_none_lies_upon_another(count: int, seed: int) -> None:
    random = Random(seed)
    tops = [random.uniform(0, count * 10) for _ in range(count)]
    lines = [across(top, top + random.uniform(-60, 60)) for top in tops]
    labels, placed = Labels(lines), []
    for number, ((_, top), (_, bottom)) in enumerate(lines):
        width = random.uniform(60, 200)
        place = labels.place(number, LEFT, RIGHT, width)
        if place is not None:
            x, y, is_above = place
            slope = (bottom - top) / (RIGHT - LEFT)
            half = width / 2 * math.cos(math.atan(slope))
            assert LEFT < x - half < x + half < RIGHT
            placed.append((x - half, x + half, y + (-MIDDLE if is_above else MIDDLE) - slope * x, slope))
    assert len(placed) > count / 3
    for (left, right, at, slope), (other_left, other_right, other_at, other_slope) in combinations(placed, 2):
        shared = max(left, other_left), min(right, other_right)
        for x in shared if shared[0] < shared[1] else ():
            assert abs(at + slope * x - other_at - other_slope * x) > 8, "as high as letters"


def test_what_is_said_of_an_arrow_is_cut_between_words() -> None:
    """Regression: where another arrow ran through the whole label of a copy, it was "a2 second copy, damage…"."""
    fates = "second copy, damaged, 32 ms", "second copy, ignored: no request waits for it", "lost: refused"
    assert [[cut_fate(fate, room) for room in (45, 30, 20, 12, 2)] for fate in fates] == [
        [fates[0], fates[0], "second copy, damaged", "second copy", "second copy"],
        [fates[1], "second copy, ignored: no requ…", "second copy, ignored", "second copy", "second copy"],
        [fates[2], fates[2], fates[2], "lost", "lost"],
    ]
