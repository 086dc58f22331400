"""`timeline_svg`: boxes in boxes, and time runs down.

A timeline usually runs to the right, a row for each task. Here it runs down, a column for each, so that it stands beside
the ladder and every moment is at the same height in both. And a nursery is drawn as what it is: a box that holds its
tasks, each of which is a box for what it has open. That every task ends inside its nursery is then something one sees.

Where a deadline was not reached, a dotted line goes on to it, as far as there is room. What was cancelled has a bar at
that moment, and a thick one at its lower edge if the cancellation was caught there. What still ran at the end is open
below. Colour says nothing that is not said by a line, too.

Names are other people's: what cannot be printed is escaped, and what means something to a browser also.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from ._boxes import GAP, SPINE, Box, side_by_side
from ._timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._timeline import Bar
    from ._trace import Trace

__all__ = ["timeline_svg"]

# Pixels.
LEAST_HEIGHT = 3  # so that what took no time is seen
CHARACTER = 5.6  # the mean width of one, at the size below
MARGIN = 64  # for the times, at the left

LIGHT = "--ink:#22303c; --quiet:#687580; --line:#8f9ca7; --rule:#e6e8e6; --paper:#fdfcf9; --task:#edf1f3; --wait:#d3e2ee; --good:#1f63a3; --bad:#b8401a"
DARK = "--ink:#d8e0e6; --quiet:#8f9ca8; --line:#647280; --rule:#232b32; --paper:#14191e; --task:#1e262d; --wait:#1e3a52; --good:#6cb0ee; --bad:#f28d5f"

STYLE = f"""\
.timeline {{ {LIGHT}; font: 10px ui-sans-serif, system-ui, sans-serif; background: var(--paper); color: var(--ink) }}
@media (prefers-color-scheme: dark) {{ .timeline {{ {DARK} }} }}
[data-theme=light] .timeline {{ {LIGHT} }}
[data-theme=dark] .timeline {{ {DARK} }}
.timeline text {{ fill: currentColor }}
.timeline .time, .timeline .note {{ fill: var(--quiet) }}
.timeline .rule {{ stroke: var(--rule) }}
.timeline .box {{ fill: var(--paper); stroke: var(--line) }}
.timeline .task > .box {{ fill: var(--task) }}
.timeline .scope > .box {{ stroke-dasharray: 5 2 }}
.timeline .attempt > .box {{ fill: var(--wait); stroke: var(--good) }}
.timeline .attempt.unanswered > .box {{ fill: var(--paper); stroke: var(--bad) }}
.timeline .left {{ fill: none; stroke: var(--quiet); stroke-dasharray: 1 3 }}
.timeline .cancelled {{ stroke: var(--bad); stroke-width: 1.5 }}
.timeline .caught {{ stroke: var(--bad); stroke-width: 3.5 }}
"""


def timeline_svg(trace: Trace) -> str:
    """The nurseries, tasks, marked cancel scopes and attempts of a trace, as one self-contained SVG picture.

    Each is a ``<g class="bar task">`` (or ``nursery``, ``scope``, ``attempt``) with ``data-task``, ``data-entry`` and a
    ``<title>`` that says what is known of it.
    """
    return draw(trace, Evenly(trace))


def draw(trace: Trace, axis: Axis) -> str:
    """The same, with every moment where the axis says."""
    bars = timeline(trace)
    boxes, right = side_by_side(bars.bars, MARGIN)
    width, height = max(right, MARGIN + 180), axis.height
    drawing = _Drawing(trace, axis)
    what = f"{sum(1 for _ in bars.walk())} nurseries, tasks, cancel scopes and attempts"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" viewBox="0 0 {width} {height:g}"'
        f' width="{width}" height="{height:g}" aria-label="timeline: {what}">',
        f"<style>{STYLE}</style>",
        *drawing.times(width),
        *(part for box in boxes for part in drawing.box(box)),
    ]
    if bars.left_out:
        parts.append(f'<text class="note" x="{MARGIN}" y="12">the first {what}; {bars.left_out} are left out</text>')
    return "\n".join([*parts, "</svg>\n"])


class _Drawing:
    def __init__(self, trace: Trace, axis: Axis) -> None:
        self._trace = trace
        self._y = axis.y
        self._ticks = axis.ticks

    def times(self, width: int) -> Iterator[str]:
        """Lines across at round times."""
        for time, label in self._ticks:
            y = self._y(time)
            yield f'<path class="rule" d="M{MARGIN - 8} {y:.1f}H{width}"/>'
            yield f'<text class="time" x="{MARGIN - 12}" y="{y + 3:.1f}" text-anchor="end">{label}</text>'

    def box(self, box: Box) -> Iterator[str]:
        """One, and then all inside it."""
        bar = box.bar
        kind = "attempt unanswered" if bar.kind == "attempt" and bar.outcome != "answered" and bar.end else bar.kind
        task = "" if bar.task is None else f' data-task="{bar.task}"'
        top, bottom = self._y(bar.begin), self._y(self._end(bar))
        bottom = max(bottom, top + LEAST_HEIGHT)
        yield f'<g class="bar {kind}" data-entry="{bar.entry}"{task}><title>{shown(self._told(bar))}</title>'
        yield from self._time_left(box, bottom)
        yield _outline(box.x, top, box.width, bottom, is_open=bar.end is None)
        yield from self._cancellation(box, bottom)
        yield from _name(box, top, bottom)
        yield "</g>"
        for inner in box.inside:
            yield from self.box(inner)

    def _time_left(self, box: Box, bottom: float) -> Iterator[str]:
        """The way to a deadline that was not reached, as far as there is room."""
        deadline = box.bar.deadline
        if deadline is None or box.bar.end is None or deadline <= box.bar.end:
            return
        x, low = box.x + SPINE / 2, self._y(min(deadline, box.room, self._trace.ended))
        if low > bottom + 2:
            cap = f"M{x - 4:g} {low:.1f}h8" if deadline <= min(box.room, self._trace.ended) else ""
            yield f'<path class="left" d="M{x:g} {bottom:.1f}V{low:.1f}{cap}"/>'

    def _cancellation(self, box: Box, bottom: float) -> Iterator[str]:
        if box.bar.cancelled is not None:
            y = min(self._y(box.bar.cancelled), bottom)
            yield f'<path class="cancelled" d="M{box.x} {y:.1f}h{box.width}"/>'
        if box.bar.caught:
            yield f'<path class="caught" d="M{box.x} {bottom:.1f}h{box.width}"/>'

    def _end(self, bar: Bar) -> float:
        return self._trace.ended if bar.end is None else bar.end

    def _told(self, bar: Bar) -> str:
        """What is known of a bar, a line each."""
        lines = [bar.name if bar.kind in ("attempt", "nursery") else f"{bar.kind} {bar.name}"]
        if bar.end is None:
            lines.append(f"from {self._at(bar.begin)}, still running at the end")
        else:
            lines.append(f"{self._at(bar.begin)} to {self._at(bar.end)}: {bar.end - bar.begin:.6g} s")
        if bar.deadline is not None:
            lines.append("no deadline" if math.isinf(bar.deadline) else f"deadline {self._at(bar.deadline)}")
        if bar.cancelled is not None and bar.kind == "scope":
            lines.append(f"cancelled at {self._at(bar.cancelled)}" + (", caught" if bar.caught else ", not caught"))
        if bar.outcome is not None:
            lines.append(bar.outcome)
        return "\n".join(lines)

    def _at(self, time: float) -> str:
        return f"{time - self._trace.started:.6f} s"


def _outline(x: int, top: float, width: int, bottom: float, *, is_open: bool) -> str:
    """Without a lower edge for what is open there."""
    way = f"M{x} {bottom:.1f}V{top:.1f}h{width}V{bottom:.1f}"
    return f'<path class="box" d="{way if is_open else way + "z"}"/>'


def _name(box: Box, top: float, bottom: float) -> Iterator[str]:
    """Along the left edge, as much as there is room for."""
    room = int((bottom - top - 10) / CHARACTER)
    name = box.bar.name if box.bar.kind != "attempt" else box.bar.name.rpartition(" ")[2]
    if len(name) > room:
        name = name[: room - 1] + "…" if room > 3 else ""
    if name:
        x, y = box.x + SPINE / 2 - 3, top + 5
        yield f'<text transform="translate({x:g} {y:.1f}) rotate(90)">{shown(name)}</text>'


def shown(text: str) -> str:
    """Text that somebody else has written, for a page or a picture."""
    printable = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return html.escape(printable)
