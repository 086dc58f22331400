"""`Label`: what stands at a datagram in a ladder of text: what it carried, and what became of it.

The payload is often all that tells one datagram from the next, and the time is what one has come for. Where there is
little room one of them would have to go, and cut in the middle both are worth nothing: ``clie… 1`` is three clients. So
a label says whether anything is missing that a reader needs, and whoever draws can look for another place, or for
another way to draw all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ._rows import fate
from ._show import ELLIPSIS, shortened, show_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._travel import Travel

ENOUGH = 8  # letters of a payload that still say something


class Label(NamedTuple):
    """As much of both as there was room for."""

    travel: Travel
    data: str
    fate: str

    @property
    def text(self) -> str:
        """Both."""
        return f"{self.data}, {self.fate}" if self.fate else self.data

    @property
    def is_complete(self) -> bool:
        """Is there as much of both as there would be with room?"""
        return _has_fate(self) and (ELLIPSIS not in self.data or len(self.data) >= len(show_data(self.travel.data)))


def label(travel: Travel, room: int) -> Label:
    """Both, if there is room; or the payload is cut so that there is, or, if too little of it were left, alone."""
    became = fate(travel)
    data = show_data(travel.data, max(room, 1))
    for words in (became, became.partition(":")[0]):
        if len(Label(travel, data, words).text) <= room:
            return Label(travel, data, words)
    rest = len(f", {became}") if became else 0
    if room - rest < ENOUGH and ELLIPSIS not in data:
        return Label(travel, data, "")
    data = show_data(travel.data, max(3, room - rest))
    return Label(travel, data, shortened(became, max(0, room - len(data) - 2)))


def count_unclear(labels: Iterable[Label]) -> int:
    """How many do not say what became of the datagram, or which one it was."""
    payloads: dict[str, set[bytes]] = {}
    every = list(labels)
    for one in every:
        payloads.setdefault(one.data, set()).add(one.travel.data)
    return sum(not _has_fate(one) or _is_too_short(one) or len(payloads[one.data]) > 1 for one in every)


def _has_fate(one: Label) -> bool:
    became = fate(one.travel)
    return one.fate in (became, became.partition(":")[0])


def _is_too_short(one: Label) -> bool:
    return ELLIPSIS in one.data and len(one.data) < ENOUGH
