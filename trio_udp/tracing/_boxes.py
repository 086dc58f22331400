"""`Box`: where in a picture a bar of the timeline goes from left to right.

A box has its name along its left edge, and beside that lanes for what is inside. Things that follow one another share a
lane: a server with a short task per request is then as wide as it was busy, and not as wide as it ran long. The first
lane that is free is taken, so that what began first stands leftmost; the library's own tasks stand right of all else.

A name runs down along the left edge. Where the box is too short for that, it runs across, and the edge is as wide as
the name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._excerpt import is_library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._timeline import Bar

__all__ = ["GAP", "SPINE", "Box", "side_by_side"]

# Pixels.
SPINE = 16  # for the name
GAP = 4  # between lanes, and to the right edge


@dataclass(eq=False)
class Box:
    """A bar, from ``x``, ``width`` pixels wide.

    ``room`` is until when nothing else is drawn below it: to the end of what it is in, or to the next in its lane.
    """

    bar: Bar
    inside: list[Box] = field(default_factory=list)
    x: int = 0
    width: int = SPINE
    spine: int = SPINE
    room: float = math.inf


def _narrow(_: Bar) -> int:
    return SPINE


def side_by_side(
    bars: Iterable[Bar], x: int, until: float = math.inf, spine: Callable[[Bar], int] = _narrow
) -> tuple[list[Box], int]:
    """Boxes for some bars and all that is in them.

    Args:
      bars: in the order in which they began.
      x: of the first lane.
      until: when that which they are in ends.
      spine: how wide the edge of a box must be for its name.

    Returns:
      The boxes, and where the next one to the right could be.
    """
    boxes = [Box(bar, spine=spine(bar), room=until) for bar in bars]
    own = [is_library(box.bar) for box in boxes]
    for is_own in (False, True):
        for lane in _lanes([box for box, each in zip(boxes, own, strict=True) if each is is_own]):
            x = _fill(lane, x, spine) + GAP
    return boxes, x


def _lanes(boxes: Iterable[Box]) -> list[list[Box]]:
    lanes: list[list[Box]] = []
    for box in boxes:
        lane = next((lane for lane in lanes if _is_over(lane[-1].bar, box.bar.begin)), None)
        if lane is None:
            lanes.append([box])
        else:
            lane[-1].room = box.bar.begin
            lane.append(box)
    return lanes


def _is_over(bar: Bar, time: float) -> bool:
    """What took no time is drawn as if it took some."""
    return _end(bar) < time or (bar.end == time and not bar.is_instant)


def _fill(lane: list[Box], x: int, spine: Callable[[Bar], int]) -> int:
    """Give the boxes of a lane their places; returns where it ends."""
    for box in lane:
        box.x, box.width = x, box.spine
        if box.bar.children:
            box.inside, right = side_by_side(box.bar.children, x + box.spine, _end(box.bar), spine)
            box.width = right - x
    width = max(box.width for box in lane)
    for box in lane:
        box.width = box.width if box.bar.kind == "attempt" else width
    return x + width


def _end(bar: Bar) -> float:
    return math.inf if bar.end is None else bar.end
