"""The times in the margin of a picture: as many as there is room for, each beside its moment.

Two moments may be closer than two lines of text. So a time may stand a little lower than its moment, and a hair line
leads to it. Where that would be too far away it is left out, as the next one is near.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from ._show import show_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Pixels.
LINE = 12.0  # from one line of text to the next
LOWEST = 12.0  # than its moment


def draw_times(moments: Iterable[tuple[float, float]], silences: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Those of moments, and how long what is cut out is.

    Args:
      moments: how far down each is, and its time, in seconds since the recording began; in order.
      silences: how far down the middle of each is, and how many seconds it has.
    """
    moments, middles = list(moments), [y for y, _ in silences]
    digits = 3 if all(abs(seconds - round(seconds, 3)) < 1e-7 for _, seconds in moments) else 6
    free = -math.inf  # from there on
    for y, seconds in moments:
        place, below = max(y, free), bisect_right(middles, y)
        if place <= y + LOWEST and (below == len(middles) or place == y or place <= middles[below] - LINE):
            free = place + LINE
            yield f'<text class="time" x="66" y="{place + 3.5:.1f}">{seconds:.{digits}f}</text>'
            yield f'<path class="tick" d="M{f"71 {y:.1f}h5" if place == y else f"69 {place:.1f}L73 {y:.1f}h3"}"/>'
    for y, seconds in silences:
        yield f'<text class="silence" x="66" y="{y + 3.5:.1f}">\u22ee {show_duration(seconds)}</text>'
