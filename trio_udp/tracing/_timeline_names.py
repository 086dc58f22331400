"""What the boxes of a timeline are called, where their own names do not say enough.

Several tasks may run the same function; then whose requests they make tells them apart, or a number. And what was
cancelled says so in its name, but for nurseries that only follow what is around them: Trio cancels these as their tasks
end.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from ._show import shortened, show_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ._timeline import Bar, Timeline


def names_of_bars(bars: Timeline, callers: Mapping[int, str]) -> dict[int, str]:
    """By the entry that began it, what a bar is called if not by its name alone.

    Tasks that have one name are told apart by their clients, or else by numbers, and what was cancelled says so.
    """
    tasks = [bar for bar in bars.walk() if bar.kind == "task"]
    several = Counter(bar.name for bar in tasks)
    numbers = Counter[str]()
    names = {}
    for bar, since in _since_when(bars.bars, math.inf):
        name = show_text(bar.name.removeprefix("__main__."))
        if bar.kind == "task" and several[bar.name] > 1:
            numbers[bar.name] += 1
            caller = callers.get(bar.task or 0)
            name += f" for {caller}" if caller else f" {numbers[bar.name]}"
        elif bar.kind != "attempt" and is_cancelled(bar, since):
            name += ": cancelled"
        names[bar.entry] = name
    return names


def cut_name(name: str, room: int) -> str:
    """So many characters at most. A number at the end stays: it is what tells equal ones apart."""
    number = re.search(r" \d+$", name)
    if number is None or len(name) <= room or len(number[0]) >= room:
        return shortened(name, room)
    return shortened(name[: number.start()], room - len(number[0])) + number[0]


def _since_when(bars: Iterable[Bar], since: float) -> Iterator[tuple[Bar, float]]:
    """All bars, and since when something around each was cancelled."""
    for bar in bars:
        yield bar, since
        yield from _since_when(bar.children, min(since, math.inf if bar.cancelled is None else bar.cancelled))


def is_cancelled(bar: Bar, since: float) -> bool:
    """By itself: a nursery that is cancelled after what is around it only follows."""
    return bar.cancelled is not None and (bar.kind != "nursery" or bar.cancelled < since)
