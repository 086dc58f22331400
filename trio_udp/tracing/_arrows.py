"""`Arrows`: the datagrams in the picture of a ladder.

What is lost nobody sees, so where a cross stands is a choice: where a typical datagram on that way would be after a
while, and near the other end if it was lost there. What was sent and not seen to arrive, or to be read, is dotted; if
nothing at all was recorded where it goes, that is no news, and nothing more is said. A cross where something arrived
was dropped there; what somebody had for a while before has arrived like all others, and its bar says the rest.
"""

from __future__ import annotations

import math
from html import escape
from statistics import median
from typing import TYPE_CHECKING

from .._address import format_address
from ._axis import NOWHERE, Mark
from ._labels import ENOUGH, Labels, cut_fate
from ._lifelines import AND_MORE
from ._plan import TOP
from ._show import plural, shortened, show_arrival, show_data, show_duration, show_text
from ._travel import Travel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._axis import Axis
    from ._ladder import Arrow, Ladder
    from ._plan import Plan
    from ._sockets import Place

# Why a virtual network loses what has come all the way.
AT_THE_END = {"refused", "no listener", "host down", "buffer full", "rebound"}

LOST_AFTER = 0.75  # of the widest gap on its way
STUB = 26.0  # the line of what was not sent; pixels, as all lengths
LOOP = 30.0  # how far one that comes back to its own lifeline goes out
HEAD = 7.0
CROSS = 4.0
LETTER = 6.05  # of a label
BESIDE = 18.0  # at least free on both sides of a label, taken together
SHORTEST_LABEL = 12  # characters
MINOR = 2  # has a label only where no other arrow runs through it

Point = tuple[float, float]


class Arrows:
    """Those of a ladder; says what has a height, and then draws it."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._began: dict[int, int] = {}  # where a datagram began, also for its copies: by its entry, the first arrow
        self._typical = _typical_times(ladder)
        for number, arrow in enumerate(ladder.arrows):
            self._began.setdefault(arrow.travel.entry, number)

    def marks(self) -> Iterator[Mark]:
        """The ends of all arrows."""
        for number, arrow in enumerate(self._ladder.arrows):
            travel, start, end = arrow.travel, ("from", self._began[arrow.travel.entry]), ("to", number)
            ways = [(which, arrow.source, arrow.destination) for which in ("from", "to")]
            if travel.sent is not None and start[1] == number:
                yield Mark(travel.sent, travel.entry, arrow.source, start, way=ways[0])
            if travel.has_arrived:
                assert travel.ended is not None
                assert travel.ended_entry is not None
                yield Mark(travel.ended, travel.ended_entry, arrow.destination, end, start, way=ways[1])
            elif travel.outcome != "not sent":
                nowhere = NOWHERE - 1 - arrow.destination
                yield Mark(self._fades_at(arrow), travel.entry, nowhere, end, start, way=ways[1])

    def _fades_at(self, arrow: Arrow) -> float:
        travel = arrow.travel
        assert travel.sent is not None
        if travel.ended is not None and (travel.outcome == "unseen" or travel.reason in AT_THE_END):
            return travel.ended
        usual = self._typical.get((arrow.source, arrow.destination), self._typical.get(None))
        if usual is None:
            return travel.sent if travel.ended is None else travel.ended
        return travel.sent + usual * (1 if travel.outcome == "unseen" else LOST_AFTER)

    def draw(self, plan: Plan, axis: Axis) -> Iterator[str]:
        """Each in a group of its own."""
        lines = [self._line(plan, axis, number) for number in range(len(self._ladder.arrows))]
        labels: dict[int, str] = {}
        places = Labels(lines)
        for number in sorted(range(len(lines)), key=lambda number: _urgency(self._ladder.arrows[number].travel)):
            labels[number] = self._label(plan, number, *lines[number], places)
        for number, (arrow, line) in enumerate(zip(self._ladder.arrows, lines, strict=True)):
            yield f"<g {self._attributes(arrow)}>"
            yield f"<title>{escape(self._tell(arrow))}</title>"
            yield from draw_arrow(arrow.travel, *line, is_loop=arrow.source == arrow.destination)
            yield f"{labels[number]}</g>"

    def _line(self, plan: Plan, axis: Axis, number: int) -> tuple[Point, Point]:
        """From where to where."""
        arrow = self._ladder.arrows[number]
        travel = arrow.travel
        start = TOP + axis["from" if travel.sent is not None else "to", self._began[travel.entry]]
        end = start if travel.outcome == "not sent" else TOP + axis["to", number]
        here, there = plan.x[arrow.source], plan.x[arrow.destination]
        direction = math.copysign(1, there - here)
        if travel.outcome == "not sent":
            there = here + direction * STUB
        elif travel.outcome == "unseen":
            there -= direction * HEAD
        elif travel.outcome == "lost" and travel.reason in AT_THE_END:
            there -= direction * 2 * HEAD
        elif travel.outcome == "lost" and here != there:
            begin, until = plan.widest_gap(arrow.source, arrow.destination)
            there = begin + (until - begin) * LOST_AFTER
        return (here, start), (there, end)

    def _attributes(self, arrow: Arrow) -> str:
        travel = arrow.travel
        kinds = ["datagram"]
        if (arrow.destination < arrow.source) is not self._ladder.is_turned and arrow.destination != arrow.source:
            kinds.append("answer")
        kinds += [kind for kind in ("lost", "dropped", "ignored") if travel.outcome == kind and not travel.was_kept]
        kinds += ["unseen"] * (travel.outcome == "unseen" and not arrow.leaves)
        kinds += ["lost"] * (travel.outcome == "not sent") + ["copy"] * travel.is_copy
        task = "" if arrow.task is None else f' data-task="{arrow.task}"'
        client = escape(self._ladder.lifelines[arrow.client].name)
        return f'class="{" ".join(kinds)}" data-entry="{travel.entry}"{task} data-client="{client}"'

    def _tell(self, arrow: Arrow) -> str:
        """What is shown to whoever points at it."""
        travel, started = arrow.travel, self._ladder.started
        here, there = self._end(arrow.source, travel.source), self._end(arrow.destination, travel.destination)
        lines = [f"{here} to {there}, {plural(len(travel.data), 'byte')}", show_data(travel.data, 64)]
        if travel.to_many is not None:
            lines.append(f"to all at {show_text(format_address(travel.to_many))}")
        if travel.outcome == "not sent":
            lines.append(f"not sent at {travel.begun - started:.6f} s: {show_text(travel.reason)}")
        elif travel.sent is None:
            lines.append("not seen to be sent")
        else:
            lines.append(f"sent at {travel.sent - started:.6f} s")
        if travel.ended is not None and (travel.has_arrived or travel.outcome == "unseen"):
            lines.append(self._tell_end(travel, travel.ended))
        if travel.read is not None and travel.waited is not None:
            lines.append(f"read at {travel.read - started:.6f} s, {show_duration(travel.waited)} later")
        if travel.outcome in ("lost", "dropped", "ignored"):
            lines.append(f"{travel.outcome}{self._when_put_away(travel)}: {show_text(travel.reason)}")
        if travel.outcome == "unseen":
            lines.append("to where nothing was recorded" if arrow.leaves else _unseen(arrow))
        if travel.damaged is not None:
            lines.append(f"damaged: {show_data(travel.damaged, 64)} has arrived, {plural(len(travel.damaged), 'byte')}")
        if travel.is_copy:
            lines.append("a second copy")
        if who := arrow.source_line or arrow.task_name:  # of the end that told of it
            lines.append(f"{'received' if travel.sent is None else 'sent'} by {show_text(who)}")
        return "\n".join(lines)

    def _tell_end(self, travel: Travel, ended: float) -> str:
        """When it arrived; or, where nobody tells of that, when it was read."""
        at = f"at {ended - self._ladder.started:.6f} s"
        took = "" if travel.sent is None else show_duration(ended - travel.sent)
        if travel.was_only_read:
            return f"read {at}, {took} after it was sent" if took else f"read {at}"
        return f"arrived {at}, after {took}" if took else f"arrived {at}"

    def _end(self, number: int, place: Place) -> str:
        """With the socket, where the lifeline has several."""
        lifeline = self._ladder.lifelines[number]
        which = f" ({show_text(format_address(place))})" if lifeline.place.endswith(AND_MORE) else ""
        return f"{lifeline.name}{which}"

    def _when_put_away(self, travel: Travel) -> str:
        """Where it was not at once."""
        if travel.put_away is None or not travel.was_kept:
            return ""
        return f" at {travel.put_away - self._ladder.started:.6f} s"

    def _label(self, plan: Plan, number: int, start: Point, end: Point, places: Labels) -> str:
        """Along its line, where no other label is; a shorter one if there is no other place."""
        arrow = self._ladder.arrows[number]
        if arrow.travel.outcome == "not sent" or arrow.source == arrow.destination:
            return self._label_beside(arrow, start, end, places)
        begin, until = plan.widest_gap(arrow.source, arrow.destination)
        if arrow.travel.outcome == "lost":
            until = min(until, end[0]) if begin < until else max(until, end[0])
        letters = int((abs(until - begin) - BESIDE) / LETTER)
        tried = 0
        for most in (letters, letters * 3 // 4, letters // 2):
            if most < SHORTEST_LABEL:
                break
            text, length = _label_text(arrow, most)
            if length == tried:
                continue
            is_alone = _urgency(arrow.travel) == MINOR
            place = places.place(number, begin, until, length * LETTER, is_alone=is_alone)
            if place is not None:
                return _along(text, *place, math.degrees(math.atan((end[1] - start[1]) / (end[0] - start[0]))))
            tried = length
        return ""

    def _label_beside(self, arrow: Arrow, start: Point, end: Point, places: Labels) -> str:
        """Of a short line, beyond its end."""
        text, length = _label_text(arrow, 30)
        direction = math.copysign(1, end[0] - start[0])
        x = end[0] + direction * 9 if arrow.travel.outcome == "not sent" else start[0] + LOOP + 9
        width = length * LETTER
        if not places.place_beside(x + direction * width / 2, start[1], width):
            return ""
        anchor = "start" if direction > 0 else "end"
        return f'<text class="label {anchor}" x="{x:.1f}" y="{start[1] + 3.5:.1f}">{text}</text>'


def _urgency(travel: Travel) -> int:
    """Whose label comes first where there is no room for all: a loss is what one looks for, a copy what one knows."""
    if travel.is_copy or travel.outcome == "ignored":
        return MINOR
    return 1 if travel.outcome == "arrived" else 0


def _along(text: str, x: float, y: float, is_above: bool, degrees: float) -> str:
    baseline = y - 3.5 if is_above else y + 10.5
    turn = f"rotate({degrees:.2f} {x:.1f} {y:.1f})"
    return f'<text class="label" x="{x:.1f}" y="{baseline:.1f}" transform="{turn}">{text}</text>'


def _unseen(arrow: Arrow) -> str:
    if arrow.travel.ended is None:
        return "not seen to arrive"
    return "not seen to be read" if arrow.may_go_on else "nobody has read it"


def _typical_times(ladder: Ladder) -> dict[tuple[int, int] | None, float]:
    """How long datagrams take, by their way; by None, on any."""
    times: dict[tuple[int, int] | None, list[float]] = {}
    for arrow in ladder.arrows:
        travel = arrow.travel
        if travel.has_arrived and travel.sent is not None and travel.ended is not None:
            for way in ((arrow.source, arrow.destination), None):
                times.setdefault(way, []).append(travel.ended - travel.sent)
    return {way: median(each) for way, each in times.items()}


def _label_text(arrow: Arrow, letters: int) -> tuple[str, int]:
    """Its payload, and what became of it, in SVG; and how many letters that is."""
    travel, fate = arrow.travel, ""
    words = ["second copy"] * travel.is_copy
    if travel.outcome in ("lost", "not sent", "dropped", "ignored") and not travel.was_kept:
        became = "lost" if travel.outcome == "not sent" else travel.outcome
        fate = ", ".join([*words, became if travel.reason == "loss" else f"{became}: {show_text(travel.reason)}"])
    elif travel.outcome == "unseen" and not arrow.leaves:
        fate = _unseen(arrow)
    elif travel.sent is not None and travel.ended is not None:
        fate = ", ".join([*words, *show_arrival(travel)])
    fate = shortened(cut_fate(fate, letters - 2 - min(len(show_data(travel.data)), ENOUGH)), letters - 4)
    data = show_data(travel.data, max(3, letters - len(fate) - 2))
    if not fate:
        return escape(data), len(data)
    return f'{escape(data)}<tspan class="fate" dx="8">{escape(fate)}</tspan>', len(data) + len(fate) + 2


def draw_arrow(travel: Travel, start: Point, end: Point, *, is_loop: bool = False) -> Iterator[str]:
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
    is_guess = travel.outcome == "unseen" or (travel.sent is None and travel.outcome != "not sent")
    yield f'<path class="line{" guess" if is_guess else ""}" d="{path}"/>'
    if travel.outcome not in ("lost", "not sent"):
        yield _head(tip, angle, is_open=travel.outcome == "unseen")
    if travel.outcome in ("lost", "not sent"):
        yield _cross(end)
    elif travel.outcome == "dropped" and not travel.was_kept:
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
