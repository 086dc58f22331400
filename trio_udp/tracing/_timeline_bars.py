"""`Bars`: the boxes of a timeline, one inside the other, each with its name and what became of it.

A name that is cut says nothing: two timeouts look alike. So a box that is too short for its name has it across, in an
edge that is wide enough, and one that took no time at all is as high as its name. Only where that would make a picture
wider than anybody's window are names cut. And where a silence is cut out, a name stands above or below that.
"""

from __future__ import annotations

import math
from bisect import bisect
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from ._boxes import SPINE, side_by_side
from ._brackets import draw_refusal
from ._plan import MARGIN, TOP, fitted
from ._show import show_duration, show_text
from ._timeline_names import cut_name, is_cancelled, names_of_bars
from ._trace import known_until, when_it_stops

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ._axis import Axis
    from ._boxes import Box
    from ._timeline import Bar, Timeline
    from ._trace import Trace

# Pixels. What is below a box is painted over all that sticks out of it.
CANCELLED, CAUGHT = 1.5, 3.5  # how thick these lines are
LEAST_HEIGHT = 3.0  # so that what took no time is seen
LETTER = 5.6  # the mean width of one in a box
LEAST_FOR_NUMBER = 12.0
WIDEST = 1000  # with names that run across
LOWEST_NAME = 7.5  # a box with one that does
LONGEST_NAME = 40
MOST_MOVES = 5  # of a deadline, that are told one by one
ASCENT, DESCENT = 7.2, 2.5  # of its letters
REFUSAL_ROOM = 8.0
CLEAR = 6.0  # from the middle of a silence that is cut out, and its edges, to a name


class Bars:
    """Those of a timeline, where they stand.

    Args:
      trace: what they are from.
      bars: the boxes.
      axis: says how far down.
      callers: names for tasks of which several have the same one.
      hidden: tasks that are not drawn, by the entry of the bar that they are in.

    ``right`` is where the last one ends, and ``breaks`` how far down each silence is cut out; ``deadlines`` are those
    of scopes that were not reached and have been drawn.
    """

    def __init__(
        self,
        trace: Trace,
        bars: Timeline,
        axis: Axis,
        callers: Mapping[int, str],
        hidden: Mapping[int, Sequence[int]],
    ) -> None:
        self._trace = trace
        self._ended = known_until(trace)
        self._axis = axis
        self._hidden_in = hidden
        self.breaks = [TOP + (cut.top + cut.bottom) / 2 for cut in axis.cuts]
        self.deadlines: set[float] = set()
        self._names = names_of_bars(bars, callers)
        place = partial(side_by_side, bars.bars, int(MARGIN) + 8)
        self._boxes, self.right = place(spine=self._spine)
        if self.right > WIDEST:
            self._boxes, self.right = place()
        self._across = sorted(self._find_across(self._boxes))

    def draw(self) -> Iterator[str]:
        """Each in a group of its own."""
        for box in self._boxes:
            yield from self._box(box)

    # -- where they are ------------------------------------------------------------------------------------------------

    def y(self, time: float) -> float:
        """Where several things in the ladder are below each other at one instant, their first."""
        return TOP + self._axis.get(("bars", time), self._axis.at(time))

    def _edges(self, bar: Bar) -> tuple[float, float]:
        """The upper and the lower one."""
        top, end = self.y(bar.begin), self._end(bar)
        instant = TOP + self._axis.get(("instant", 2, end), -TOP) if self._ends_high(bar) else 0.0
        return top, max(self.y(end), top + LEAST_HEIGHT, instant - 2)

    def _ends_high(self, bar: Bar) -> bool:
        """Has what took no time to fit in at its end, which is the recording's if it is still open?"""
        return bar.is_instant or (
            bar.end is None and any(self._end(one) == self._ended and self._ends_high(one) for one in bar.children)
        )

    def _end(self, bar: Bar) -> float:
        return self._ended if bar.end is None else bar.end

    def _spine(self, bar: Bar) -> int:
        """How wide the edge has to be that the name stands in."""
        top, bottom = self._edges(bar)
        length = _along(self._name(bar)[:LONGEST_NAME])
        start, end = self._piece(top, bottom, length)
        if bar.kind == "attempt" or length <= end - start or bottom - top < LOWEST_NAME:
            return SPINE
        return max(SPINE, int(length))

    def _find_across(self, boxes: Sequence[Box]) -> Iterator[tuple[float, int, int]]:
        """The baseline, the beginning and the end of each name that runs across."""
        for box in boxes:
            if box.spine > SPINE:
                yield self._baseline(*self._edges(box.bar)), box.x + 3, box.x + box.spine - 3
            yield from self._find_across(box.inside)

    # -- each of them -------------------------------------------------------------------------------------------------

    def _box(self, box: Box, since: float = math.inf) -> Iterator[str]:
        """One, and then all inside it. Since when something around it has been cancelled?"""
        bar = box.bar
        task = "" if bar.task is None else f' data-task="{bar.task}"'
        top, bottom = self._edges(bar)
        yield f'<g class="bar {bar.kind}{bar.fate}" data-entry="{bar.entry}"{task}{self._hidden(bar)}>'
        yield f"<title>{escape(self._told(bar))}</title>"
        yield from self._time_left(box, bottom)
        yield _outline(box, top, bottom)
        yield from self._breaks(box, top, bottom)
        yield from self._label(box, top, bottom)
        yield "</g>"
        for inner in box.inside:
            yield from self._box(inner, min(since, math.inf if bar.cancelled is None else bar.cancelled))
        if is_cancelled(bar, since):
            yield f'<g class="over"{task}>{self._cancellation(box, bottom)}</g>'

    def _hidden(self, bar: Bar) -> str:
        """For a page: whoever points at something of these tasks means this bar."""
        tasks = self._hidden_in.get(bar.entry)
        return f' data-hidden="{" ".join(map(str, tasks))}"' if tasks else ""

    def _breaks(self, box: Box, top: float, bottom: float) -> Iterator[str]:
        """Where a silence is cut out, so is a piece of the box."""
        inside = self.breaks[bisect(self.breaks, top) : bisect(self.breaks, bottom)]
        if inside:
            way = "".join(f"M{box.x - 1} {y:.1f}h{box.width + 2}" for y in inside)
            yield f'<path class="cut" d="{way}"/>'

    def _piece(self, top: float, bottom: float, length: float) -> tuple[float, float]:
        """The first that a name so long fits in, of those between which silences are cut out; else the longest."""
        inside = self.breaks[bisect(self.breaks, top) : bisect(self.breaks, bottom)]
        starts, ends = [top, *(y + CLEAR for y in inside)], [*(y - CLEAR for y in inside), bottom]
        pieces = list(zip(starts, ends, strict=True))
        longest = max(pieces, key=lambda piece: piece[1] - piece[0])
        return next(((start, end) for start, end in pieces if end - start >= length), longest)

    def _baseline(self, top: float, bottom: float) -> float:
        """Of a name that runs across: between the lines of a cancellation at both edges, if there is room."""
        top, bottom = self._piece(top, bottom, ASCENT + DESCENT + CAUGHT)
        return min(top + 11, (top + bottom) / 2 + 3.5, max(bottom - CAUGHT - DESCENT, top + 8))

    def _time_left(self, box: Box, bottom: float) -> Iterator[str]:
        """The way to a deadline that was not reached, and the deadline; or, as far as there is room, towards it."""
        deadline = box.bar.deadline
        if deadline is None or math.isinf(deadline) or box.bar.end is None or deadline <= box.bar.end:
            return
        room = min(box.room, self._ended)
        x, low = box.x + SPINE / 2, self.y(min(deadline, room))
        if low > bottom + 2:
            yield f'<path class="rest" d="M{x:g} {bottom:.1f}V{low:.1f}"/>'
            if deadline <= room:
                self.deadlines |= {deadline} if box.bar.kind != "attempt" else set()
                yield f'<path class="until" d="M{x - 4:g} {low:.1f}h8"/>'
            else:
                yield f'<path class="later" d="M{x - 3:g} {low - 5:.1f}l3 4 3-4"/>'

    def _cancellation(self, box: Box, bottom: float) -> str:
        assert box.bar.cancelled is not None
        y = min(self.y(box.bar.cancelled), bottom - CANCELLED / 2)
        caught = f'<path class="caught" d="{self._line(box, bottom - CAUGHT / 2, CAUGHT)}"/>' if box.bar.caught else ""
        return f'<path class="cancelled" d="{self._line(box, y, CANCELLED)}"/>{caught}'

    def _line(self, box: Box, y: float, thickness: float) -> str:
        """From edge to edge, but where a name stands that runs across: a line through it would cross it out."""
        first = bisect(self._across, (y - thickness / 2 - DESCENT + 0.1,))
        last = bisect(self._across, (y + thickness / 2 + ASCENT,))
        at, end, way = box.x, box.x + box.width, ""
        for left, right in sorted((left, right) for _, left, right in self._across[first:last]):
            if at < left < end:
                way += f"M{at} {y:.1f}h{left - at}"
                at = right
        return f"{way}M{at} {y:.1f}h{end - at}"

    def _name(self, bar: Bar) -> str:
        return self._names.get(bar.entry) or show_text(bar.name)

    def _label(self, box: Box, top: float, bottom: float) -> Iterator[str]:
        """Its name, and its deadline if there is room: along the left edge; or else the name alone, cut, or across."""
        bar, name = box.bar, self._name(box.bar)
        if bar.kind == "attempt":
            yield from self._label_of_attempt(box, top, bottom)
            return
        start, end = self._piece(top, bottom, _along(name))
        height, room = end - start, _letters(end - start)
        if box.spine > SPINE:
            words = cut_name(name, LONGEST_NAME)
            fits = fitted(box.spine - 8) if words != name else ""
            y = self._baseline(top, bottom)
            yield f'<text class="across" x="{box.x + 4}" y="{y:.1f}"{fits}>{escape(words)}</text>'
        elif len(name) + len(self._deadline(bar)) <= room:
            yield _down(box, start, f"{name}{self._deadline(bar)}")
        elif room >= min(len(name), 4):
            words = cut_name(name, room)
            yield _down(box, start, words, fitted(height - 8) if words != name else "")

    def _label_of_attempt(self, box: Box, top: float, bottom: float) -> Iterator[str]:
        """Which it is, and its deadline and what became of it if there is room."""
        bar = box.bar
        outcome = f": {show_text(bar.outcome) or 'undecided'}"
        if " refused" in bar.fate and bar.end is not None and bottom - top >= LEAST_FOR_NUMBER + REFUSAL_ROOM:
            yield draw_refusal(box.x + SPINE / 2, bottom - REFUSAL_ROOM / 2 - CAUGHT)
            bottom -= REFUSAL_ROOM
        start, end = self._piece(top, bottom, _along(bar.name))
        for text in (f"{bar.name}{outcome}{self._deadline(bar)}", f"{bar.name}{outcome}", bar.name):
            if len(text) <= _letters(end - start):
                yield _down(box, start, text)
                return
        top, bottom = self._piece(top, bottom, LEAST_FOR_NUMBER)
        if bottom - top >= LEAST_FOR_NUMBER:
            number = ".".join(word for word in bar.name.replace(",", "").split() if word.isdigit())
            yield f'<text class="number" x="{box.x + SPINE / 2:g}" y="{top + 10:.1f}">{number}</text>'

    def _told(self, bar: Bar) -> str:
        """What is known of a bar, a line each."""
        name = self._name(bar)
        lines = [name if bar.kind in ("attempt", "nursery") else f"{bar.kind} {name}"]
        if bar.end is None:
            goes_on = "to beyond what is drawn" if bar.outcome else f"still running {when_it_stops(self._trace)}"
            lines.append(f"from {self._at(bar.begin)}, {goes_on}")
        else:
            lines.append(f"{self._at(bar.begin)} to {self._at(bar.end)}: {show_duration(bar.end - bar.begin)}")
        if bar.deadline is not None:
            lines.append(self._deadline(bar).removeprefix(", ") or "no deadline")
        for time, deadline in bar.moved[:MOST_MOVES]:
            to = "away" if math.isinf(deadline) else f"to {self._at(deadline)}"
            lines.append(f"deadline moved {to}, at {self._at(time)}")
        if len(bar.moved) > MOST_MOVES:
            lines.append(f"and {len(bar.moved) - MOST_MOVES:,} times more")
        if bar.kind != "attempt" and bar.cancelled is not None:
            is_unknown = bar.end is None or bar.kind == "nursery"  # as earlier versions told it
            caught = ", caught" if bar.caught else "" if is_unknown else ", not caught"
            lines.append(f"cancelled at {self._at(bar.cancelled)}{caught}")
        if bar.kind == "attempt":
            lines.append(show_text(bar.outcome) or "undecided")
        return "\n".join(lines)

    def _deadline(self, bar: Bar) -> str:
        """What is added to a name; nothing where there is none."""
        return "" if bar.deadline is None or math.isinf(bar.deadline) else f", deadline at {self._at(bar.deadline)}"

    def _at(self, time: float) -> str:
        return f"{time - self._trace.started:.6f} s"


def _along(name: str) -> float:
    """How long a name is that runs down, with what is free around it."""
    return LETTER * len(name) + 8


def _letters(height: float) -> int:
    """How many have room there."""
    return int((height - 8) / LETTER)


def _outline(box: Box, top: float, bottom: float) -> str:
    """Without a lower edge for what is open there."""
    way = f"M{box.x} {bottom:.1f}V{top:.1f}h{box.width}V{bottom:.1f}"
    return f'<path class="box" d="{way}{"" if box.bar.end is None else "z"}"/>'


def _down(box: Box, top: float, text: str, fits: str = "") -> str:
    where = f"translate({box.x + SPINE / 2 - 3:g} {top + 4:.1f}) rotate(90)"
    return f'<text transform="{where}"{fits}>{escape(text)}</text>'
