"""What stands beside a lifeline for a time: in which track, and with which words.

Several things at a time stand side by side, up to a number that nobody could tell apart anyway. Words stand upright,
as long ones as there is room for.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TRACK = 7.0  # from one bracket to the next; pixels, as all lengths
HOOK = 4.0
BESIDE = 12.0  # what a text takes that stands upright
MOST_TRACKS = 10
LETTER = 4.6  # of such a text
LOWER = 24.0  # than where it could begin


def beside(x: float, top: float, bottom: float, *texts: str) -> Iterator[str]:
    """The first that there is room for: upright, read from below, near the top."""
    text = next((text for text in texts if len(text) * LETTER + 8 <= bottom - top), "")
    if text:
        y = min((top + bottom) / 2, top + len(text) * LETTER / 2 + LOWER)
        turn = f"rotate(-90 {x:.1f} {y:.1f})"
        yield f'<text class="beside" x="{x:.1f}" y="{y:.1f}" transform="{turn}">{escape(text)}</text>'


def tracks(spans: Iterable[tuple[float, float]]) -> list[int]:
    """For each, how far out it stands: what overlaps does so side by side."""
    free: list[float] = []
    found: list[int] = []
    for top, bottom in spans:
        track = next((number for number, until in enumerate(free) if until <= top), len(free))
        track = min(track, MOST_TRACKS - 1)
        free[track : track + 1] = [max(bottom, free[track] if track < len(free) else -math.inf)]
        found.append(track)
    return found
