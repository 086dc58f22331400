"""`Box`: where in a picture a bar of the timeline goes from left to right.

A box has its name along its left edge, and beside that lanes for what is inside. Things that follow one another share a
lane: a server with a short task per request is then as wide as it was busy, and not as wide as it ran long. The first
lane that is free is taken, so that what began first stands leftmost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    room: float = math.inf


def side_by_side(bars: Iterable[Bar], x: int, until: float = math.inf) -> tuple[list[Box], int]:
    """Boxes for some bars and all that is in them.

    Args:
      bars: in the order in which they began.
      x: of the first lane.
      until: when that which they are in ends.

    Returns:
      The boxes, and where the next one to the right could be.
    """
    lanes: list[list[Box]] = []
    boxes = [Box(bar, room=until) for bar in bars]
    for box in boxes:
        lane = next((lane for lane in lanes if _end(lane[-1].bar) <= box.bar.begin), None)
        if lane is None:
            lanes.append([box])
        else:
            lane[-1].room = box.bar.begin
            lane.append(box)
    for lane in lanes:
        x = _fill(lane, x) + GAP
    return boxes, x


def _fill(lane: list[Box], x: int) -> int:
    """Give the boxes of a lane their places; returns where it ends."""
    for box in lane:
        box.x = x
        if box.bar.children:
            box.inside, right = side_by_side(box.bar.children, x + SPINE, _end(box.bar))
            box.width = right - x
    width = max(box.width for box in lane)
    for box in lane:
        box.width = box.width if box.bar.kind == "attempt" else width
    return x + width


def _end(bar: Bar) -> float:
    return math.inf if bar.end is None else bar.end
