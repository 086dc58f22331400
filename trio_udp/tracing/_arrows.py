"""`Arrows`: the datagrams in the picture of a ladder.

What is lost nobody sees, so where a cross stands is a choice: where a typical datagram on that way would be after a
while, and near the other end if it was lost there. What was sent and not seen to arrive has no end: its line fades out.
"""

from __future__ import annotations

import math
from html import escape
from statistics import median
from typing import TYPE_CHECKING

from ._axis import Mark
from ._plan import TOP
from ._show import plural, shortened, show_data, show_duration, show_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._axis import Axis
    from ._ladder import Arrow, Ladder
    from ._plan import Plan
    from ._travels import Travel

# Why a virtual network loses what has come all the way.
AT_THE_END = {"refused", "no listener", "host down", "buffer full", "rebound"}

LOST_AFTER = 0.75  # of the widest gap on its way
STUB = 26.0  # the line of what was not sent; pixels, as all lengths
LOOP = 30.0  # how far one that comes back to its own lifeline goes out
HEAD = 7.0
CROSS = 4.0
LETTER = 6.05  # of a label
LINE = 11.0  # between two labels
SHORTEST_LABEL = 12  # characters

Point = tuple[float, float]


class Arrows:
    """Those of a ladder; says what has a height, and then draws it."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._began: dict[int, int] = {}  # where a datagram began, also for its copies: by its entry, the first arrow
        self._typical = _typical_times(ladder)
        self._labels: set[tuple[float, int]] = set()  # where there are some: in which gap, and how far down
        for number, arrow in enumerate(ladder.arrows):
            self._began.setdefault(arrow.travel.entry, number)

    def marks(self) -> Iterator[Mark]:
        """The ends of all arrows."""
        for number, arrow in enumerate(self._ladder.arrows):
            travel, start = arrow.travel, ("from", self._began[arrow.travel.entry])
            if travel.sent is not None and start[1] == number:
                yield Mark(travel.sent, travel.entry, arrow.source, start)
            if travel.has_arrived:
                assert travel.ended is not None
                assert travel.ended_entry is not None
                yield Mark(travel.ended, travel.ended_entry, arrow.destination, ("to", number), start)
            elif travel.outcome != "not sent":
                yield Mark(self._fades_at(arrow), travel.entry, None, ("to", number), start, takes=False)

    def _fades_at(self, arrow: Arrow) -> float:
        travel = arrow.travel
        assert travel.sent is not None
        if travel.ended is not None and travel.reason in AT_THE_END:
            return travel.ended
        usual = self._typical.get((arrow.source, arrow.destination), self._typical.get(None))
        if usual is None:
            return travel.sent if travel.ended is None else travel.ended
        return travel.sent + usual * (1 if travel.outcome == "unseen" else LOST_AFTER)

    def draw(self, plan: Plan, axis: Axis) -> Iterator[str]:
        """Each in a group of its own."""
        for number, arrow in enumerate(self._ladder.arrows):
            travel = arrow.travel
            start_y = TOP + axis["from" if travel.sent is not None else "to", self._began[travel.entry]]
            end_y = start_y if travel.outcome == "not sent" else TOP + axis["to", number]
            here, there = plan.x[arrow.source], plan.x[arrow.destination]
            if travel.outcome == "lost" and travel.reason in AT_THE_END:
                there -= math.copysign(2 * HEAD, there - here)
            elif travel.outcome == "lost" and here != there:
                begin, end = plan.widest_gap(arrow.source, arrow.destination)
                there = begin + (end - begin) * LOST_AFTER
            elif travel.outcome == "unseen":
                there -= math.copysign(HEAD, there - here)
            elif travel.outcome == "not sent":
                there = here + math.copysign(STUB, there - here)
            yield f"<g {self._attributes(arrow)}>"
            yield f"<title>{escape(self._tell(arrow))}</title>"
            yield from _shape(travel, (here, start_y), (there, end_y), arrow.source == arrow.destination)
            yield from self._label(plan, arrow, (here, start_y), (there, end_y))
            yield "</g>"

    def _attributes(self, arrow: Arrow) -> str:
        travel = arrow.travel
        kinds = ["datagram"]
        if arrow.destination < arrow.source:
            kinds.append("answer")
        kinds += [kind for kind in ("lost", "dropped", "ignored", "unseen") if travel.outcome == kind]
        kinds += ["lost"] * (travel.outcome == "not sent") + ["copy"] * travel.is_copy
        task = "" if arrow.task is None else f' data-task="{arrow.task}"'
        client = escape(self._ladder.lifelines[arrow.client].name)
        return f'class="{" ".join(kinds)}" data-entry="{travel.entry}"{task} data-client="{client}"'

    def _tell(self, arrow: Arrow) -> str:
        """What is shown to whoever points at it."""
        travel, started = arrow.travel, self._ladder.started
        here, there = (show_text(self._ladder.lifelines[end].name) for end in (arrow.source, arrow.destination))
        lines = [f"{here} to {there}, {plural(len(travel.data), 'byte')}", show_data(travel.data, 64)]
        if travel.outcome == "not sent":
            lines.append(f"not sent at {travel.begun - started:.6f} s: {show_text(travel.reason)}")
        elif travel.sent is None:
            lines.append("not seen to be sent")
        else:
            lines.append(f"sent at {travel.sent - started:.6f} s")
        if travel.has_arrived and travel.ended is not None:
            after = "" if travel.sent is None else f", after {show_duration(travel.ended - travel.sent)}"
            lines.append(f"arrived at {travel.ended - started:.6f} s{after}")
        if travel.outcome in ("lost", "dropped", "ignored"):
            lines.append(f"{travel.outcome}: {show_text(travel.reason)}")
        if travel.outcome == "unseen":
            lines.append("not seen to arrive")
        if travel.is_copy:
            lines.append("a second copy")
        if arrow.source_line is not None:
            lines.append(show_text(arrow.source_line))
        return "\n".join(lines)

    def _label(self, plan: Plan, arrow: Arrow, start: Point, end: Point) -> Iterator[str]:
        """Above its line, if no other label is there."""
        travel = arrow.travel
        if travel.outcome == "not sent" or arrow.source == arrow.destination:
            side = "start" if end[0] >= start[0] else "end"
            x = max(start[0], end[0]) + 9 if side == "start" else min(start[0], end[0]) - 9
            if arrow.source == arrow.destination:
                x, side = start[0] + LOOP + 9, "start"
            text = _label_text(travel, 30)
            if self._is_free(x, start[1]):
                yield f'<text class="label {side}" x="{x:.1f}" y="{start[1] + 3.5:.1f}">{text}</text>'
            return
        begin, gap_end = plan.widest_gap(arrow.source, arrow.destination)
        if travel.outcome == "lost":
            gap_end = max(min(gap_end, end[0]), begin) if gap_end > begin else min(max(gap_end, end[0]), begin)
        middle, slope = (begin + gap_end) / 2, (end[1] - start[1]) / (end[0] - start[0])
        y = start[1] + slope * (middle - start[0])
        letters = int((abs(gap_end - begin) - 24) / LETTER)
        if letters >= SHORTEST_LABEL and self._is_free(begin + gap_end, y):
            turn = f"rotate({math.degrees(math.atan(slope)):.2f} {middle:.1f} {y:.1f})"
            text = _label_text(travel, letters)
            yield f'<text class="label" x="{middle:.1f}" y="{y - 3.5:.1f}" transform="{turn}">{text}</text>'

    def _is_free(self, gap: float, y: float) -> bool:
        row = int(y // LINE)
        place = round(gap / 8)  # labels of lost ones are a little beside the others
        if any((place + beside, row + below) in self._labels for beside in range(-3, 4) for below in (-1, 0, 1)):
            return False
        self._labels.add((place, row))
        return True


def _typical_times(ladder: Ladder) -> dict[tuple[int, int] | None, float]:
    """How long datagrams take, by their way; by None, on any."""
    times: dict[tuple[int, int] | None, list[float]] = {}
    for arrow in ladder.arrows:
        travel = arrow.travel
        if travel.has_arrived and travel.sent is not None and travel.ended is not None:
            for way in ((arrow.source, arrow.destination), None):
                times.setdefault(way, []).append(travel.ended - travel.sent)
    return {way: median(each) for way, each in times.items()}


def _label_text(travel: Travel, letters: int) -> str:
    """Its payload, and what became of it; in SVG."""
    fate = ""
    if travel.outcome in ("lost", "not sent", "dropped", "ignored"):
        fate = f"{'lost' if travel.outcome == 'not sent' else travel.outcome}: {show_text(travel.reason)}"
        fate = fate if travel.reason != "loss" else "lost"
    elif travel.outcome == "unseen":
        fate = "not seen to arrive"
    elif travel.sent is not None and travel.ended is not None:
        fate = ("second copy, " if travel.is_copy else "") + show_duration(travel.ended - travel.sent)
    fate = shortened(fate, letters - 4)
    data = show_data(travel.data, max(3, letters - len(fate) - 2))
    return escape(data) + (f'<tspan class="fate" dx="8">{escape(fate)}</tspan>' if fate else "")


def _shape(travel: Travel, start: Point, end: Point, is_loop: bool) -> Iterator[str]:
    """The line, its head, and what else is to be seen of its fate."""
    if is_loop:
        path = f"M{start[0]:.1f} {start[1]:.1f}h{LOOP}V{end[1] + 4:.1f}H{end[0] + 1:.1f}"
        end, angle = (end[0], end[1] + 4), math.pi
        tip = end
    else:
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        tip = (end[0] - math.cos(angle), end[1] - math.sin(angle))
        path = f"M{start[0]:.1f} {start[1]:.1f}L{tip[0]:.1f} {tip[1]:.1f}"
    yield f'<path class="hit" d="{path}"/>'
    is_guess = travel.outcome == "unseen" or travel.sent is None
    yield f'<path class="line{" guess" if is_guess else ""}" d="{path}"/>'
    if travel.outcome not in ("lost", "not sent"):
        yield _head(tip, angle, is_open=travel.outcome == "unseen")
    if travel.outcome in ("lost", "not sent"):
        yield _cross(end)
    elif travel.outcome == "dropped":
        yield _cross((end[0] - 2 * HEAD * math.cos(angle), end[1] - 2 * HEAD * math.sin(angle)))
    elif travel.outcome == "ignored":
        yield f'<circle class="mark" cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="3.5"/>'


def _head(tip: Point, angle: float, *, is_open: bool) -> str:
    sides = [
        f"{tip[0] - HEAD * math.cos(angle + turn):.1f} {tip[1] - HEAD * math.sin(angle + turn):.1f}"
        for turn in (0.36, -0.36)
    ]
    middle = f"{tip[0]:.1f} {tip[1]:.1f}"
    if is_open:
        return f'<path class="head open" d="M{sides[0]}L{middle}L{sides[1]}"/>'
    return f'<path class="head" d="M{middle}L{sides[0]}L{sides[1]}Z"/>'


def _cross(at: Point) -> str:
    x, y, size = at[0] - CROSS, at[1] - CROSS, 2 * CROSS
    return f'<path class="cross" d="M{x:.1f} {y:.1f}l{size} {size}m{-size} 0l{size} {-size}"/>'
