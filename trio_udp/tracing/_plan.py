"""`Plan`: where in the picture of a ladder things stand from left to right.

Clients stand close, as many are side by side. Before a relay and before a server there is room, which all arrows
between them cross, and in which their payloads can be read; so there is between neighbours who talk to each other.
Where there are many lifelines, every second name stands a line lower, and they are closer still.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from unicodedata import east_asian_width, normalize

from ._show import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._axis import Axis
    from ._ladder import Ladder

TOP = 64.0  # above the first moment, in pixels, as all lengths
MARGIN = 78.0  # for times, on the left
NARROW, NARROWEST = 66.0, 40.0  # between two that have nothing to say to each other, if they are a few, or many
WIDER, WIDE, ALMOST_WIDE = 320.0, 250.0, 160.0  # between two others: if there is one such gap, or a few, or many
A_FEW = 4
HEAD = TOP - 14.0  # as high as the names above the lifelines; below them the first label has its accents
TIMES = MARGIN - 1.0  # as wide as the times
LOWER = 14.0
LONGEST_NAME = 24
FEW = 8  # lifelines, with room for their addresses

# Of letters of a name: so wide are the widest of each kind in DejaVu Sans Bold, the widest of the usual fonts. Names
# that touch are read as one, and some room between them harms nobody. Of other scripts nobody here knows how wide their
# letters are: names in these are made to fit.
THIN, LETTER, CAPITAL, WIDE_LETTER = 6.0, 8.6, 10.5, 13.3
THIN_ONES = frozenset(" .,:;'|!()[]-/\\ijlfrtI")
WIDE_ONES = frozenset("mwMW%@")
SMALLER = 0.75  # of a place, which is not bold


class Plan:
    """Positions: ``x`` of each lifeline, ``left`` of all, ``bottom`` of the lifelines, ``width`` of the picture.

    Args:
      ladder: what is drawn.
      axis: says how tall it is.
      rooms: what each lifeline needs on its left.
      after: what the last one needs on its right.
    """

    def __init__(self, ladder: Ladder, axis: Axis, rooms: Sequence[float], after: float = 0.0) -> None:
        self._lifelines = ladder.lifelines
        count = len(ladder.lifelines)
        self.has_places = count <= FEW
        widths = [self._room(number) for number in range(count)]
        self.left = MARGIN
        self.x: list[float] = []
        at = MARGIN
        gaps = ladder.wide_gaps()
        wide = WIDER if len(gaps) == 1 else WIDE if len(gaps) <= A_FEW else ALMOST_WIDE
        narrow = NARROW if self.has_places else NARROWEST
        for number, room in enumerate(rooms):
            if number:
                at += max(wide if number - 1 in gaps else narrow, room)
                rival = number - (1 if self.has_places else 2)  # whose name is in the same line
                if rival >= 0:
                    at = max(at, self.x[rival] + (widths[rival] + widths[number]) / 2 + 8)
            else:
                at += max(widths[0] / 2, room)
            self.x.append(at)
        self.width = max(at + max(60.0, widths[-1] / 2 + 16 if widths else 0, after), 560.0)
        self.bottom = TOP + axis.height + 24

    def drop(self, number: int) -> float:
        """How much lower a name stands."""
        return 0.0 if self.has_places else LOWER * (number % 2)

    def name(self, number: int) -> str:
        """What stands above a lifeline."""
        return shortened(self._lifelines[number].name, LONGEST_NAME)

    def fitted_to(self, number: int) -> float | None:
        """How long a name has to be, if it may be longer than its room."""
        name = self.name(number)
        return _length(name) if any(_is_foreign(_base(letter)) for letter in name) else None

    def place(self, number: int) -> str:
        """And below that."""
        return shortened(self._lifelines[number].place, LONGEST_NAME)

    def widest_gap(self, one: int, other: int) -> tuple[float, float]:
        """Of those between two lifelines: where it begins and ends, in the direction from one to the other."""
        numbers = range(min(one, other), max(one, other) + 1)
        left, right = max(pairwise(self.x[numbers.start : numbers.stop]), key=lambda gap: gap[1] - gap[0])
        return (left, right) if one < other else (right, left)

    def _room(self, number: int) -> float:
        name = _length(self.name(number))
        return max(name, SMALLER * _length(self.place(number))) if self.has_places else name


def fitted(length: float) -> str:
    """An attribute of what has to be as long as this, however wide its letters are."""
    return f' textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"'


def _length(name: str) -> float:
    return sum(map(_width, name))


def _width(letter: str) -> float:
    letter = _base(letter)
    if letter in WIDE_ONES or east_asian_width(letter) in "WF":
        return WIDE_LETTER
    if letter in THIN_ONES:
        return THIN
    return LETTER if letter.islower() or letter.isdigit() else CAPITAL


def _is_foreign(letter: str) -> bool:
    return not letter.isascii() and east_asian_width(letter) not in "WF"


def _base(letter: str) -> str:
    """Without what is above or below it."""
    return normalize("NFD", letter)[0]
