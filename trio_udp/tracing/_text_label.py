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
    from ._rows import Row
    from ._travel import Travel

ENOUGH = 8  # letters of a payload that still say something


class Label(NamedTuple):
    """As much of both as there was room for; ``whole`` is the payload as it stands where there is room."""

    travel: Travel
    whole: str
    data: str
    fate: str

    @property
    def text(self) -> str:
        """Both."""
        return _text(self.data, self.fate)

    @property
    def is_complete(self) -> bool:
        """Is there as much of both as there would be with room?"""
        return self.fate == fate(self.travel) and (ELLIPSIS not in self.data or len(self.data) >= len(self.whole))


def label(travel: Travel, room: int, *, ascii: bool = False) -> Label:
    """Both, if there is room; or the payload is cut so that there is, or, if too little of it were left, alone."""
    became, whole = fate(travel), show_data(travel.data, ascii=ascii)
    data = show_data(travel.data, max(room, 1), ascii=ascii)
    for words in (became, _brief(became)):
        if len(_text(data, words)) <= room:
            return Label(travel, whole, data, words)
    rest = len(f", {became}") if became else 0
    if room - rest < ENOUGH and ELLIPSIS not in data:
        return Label(travel, whole, data, "")
    data = show_data(travel.data, max(3, room - rest), ascii=ascii)
    return Label(travel, whole, data, shortened(became, max(0, room - len(data) - 2)))


def _brief(fate: str) -> str:
    """Without why it was lost, or how much later it was read."""
    return fate.partition(":")[0].partition(", read")[0]


def _text(data: str, fate: str) -> str:
    return f"{data}, {fate}" if fate else data


class Labels:
    """All of one picture, as they are made; in ``ascii``, if there is nothing else in it."""

    def __init__(self, *, ascii: bool) -> None:
        self._ascii = ascii
        self._made: list[Label] = []
        self._cut_notes = 0

    def add(self, travel: Travel, room: int) -> Label:
        """The label of one more datagram."""
        self._made.append(label(travel, room, ascii=self._ascii))
        return self._made[-1]

    def add_note(self, row: Row, room: int) -> str:
        """The note of another row, in as many words as there is room for."""
        note = next((note for note in row.notes if len(note) <= room), "")
        self._cut_notes += not note
        return note or shortened(row.notes[-1], room)

    def complete(self) -> None:
        """There is a place for all of the last one."""
        last = self._made[-1]
        self._made[-1] = last._replace(data=last.whole, fate=fate(last.travel))

    def count_unclear(self) -> int:
        """How many do not say what became of the datagram, or which one it was; and how many notes are cut."""
        payloads: dict[str, set[bytes]] = {}
        for one in self._made:
            payloads.setdefault(one.data, set()).add(one.travel.data)
        return self._cut_notes + sum(
            not _has_fate(one) or _is_too_short(one) or len(payloads[one.data]) > 1 for one in self._made
        )


def _has_fate(one: Label) -> bool:
    became = fate(one.travel)
    return one.fate in (became, _brief(became))


def _is_too_short(one: Label) -> bool:
    return ELLIPSIS in one.data and len(one.data) < ENOUGH
