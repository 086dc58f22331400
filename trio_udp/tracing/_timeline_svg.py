"""`timeline_svg`: boxes in boxes, and time runs down.

A timeline usually runs to the right, a row for each task. Here it runs down, a column for each, so that it stands
beside the ladder and every moment is at the same height in both. And a nursery is drawn as what it is: a box that holds
its tasks, each of which is a box for what it has open. That every task ends inside its nursery is then something one
sees.

Where a deadline was not reached, a dotted line goes on to it, as far as there is room. What was cancelled has a bar at
that moment, and a thick one at its lower edge if the cancellation was caught there. What still ran at the end is open
below. Colour says nothing that is not said by a line, too.

Heights are not to scale: a long silence is cut out, as in the ladder, and all boxes are broken there.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from ._axis import NOWHERE, Axis, Mark
from ._boxes import SPINE, side_by_side
from ._plan import MARGIN, TOP
from ._show import shortened, show_duration, show_text
from ._style import DARK, LIGHT
from ._timeline import timeline
from ._trace import known_until, what_is_forgotten, when_it_stops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._boxes import Box
    from ._timeline import Bar, Timeline
    from ._trace import Trace

__all__ = ["timeline_svg"]

# Pixels.
LEAST_HEIGHT = 3.0  # so that what took no time is seen
LETTER = 5.6  # the mean width of one in a box
LINE = 12.0  # between two times in the margin
LEAST_WIDTH = 320.0
BELOW = 104.0  # for what is said there

FIRST = -2  # at one instant, before all entries and what the ladder has before them

STYLE = (
    f"""
.timeline{{{LIGHT};background:var(--paper);color:var(--ink);font:10px system-ui,-apple-system,"Segoe UI",sans-serif}}
@media (prefers-color-scheme:dark){{.timeline{{{DARK}}}}}
.timeline[data-theme="light"],[data-theme="light"] .timeline{{{LIGHT}}}
.timeline[data-theme="dark"],[data-theme="dark"] .timeline{{{DARK}}}
"""
    + """\
.timeline .paper{fill:var(--paper)}
.timeline text{fill:var(--ink)}
.timeline .time,.timeline .silence{fill:var(--quiet);text-anchor:end;font-variant-numeric:tabular-nums}
.timeline .silence{font-style:italic}
.timeline .caption{font-size:11px;fill:var(--quiet)}
.timeline .tick{stroke:var(--thread)}
.timeline .cut{stroke:var(--paper);stroke-width:5}
.timeline .edge{stroke:var(--quiet);stroke-dasharray:1 3}
.timeline .box{--own:var(--quiet);fill:var(--paper);stroke:var(--own);stroke-width:.8}
.timeline .task>.box{fill:var(--work)}
.timeline .scope>.box{stroke-dasharray:5 2}
.timeline .attempt>.box{--own:var(--wait);stroke-width:1.2}
.timeline .timed-out>.box{--own:var(--lost)}
.timeline .given-up>.box{--own:var(--quiet)}
.timeline .number{text-anchor:middle}
.timeline .rest{fill:none;stroke:var(--quiet);stroke-dasharray:1 3}
.timeline .cancelled{stroke:var(--lost);stroke-width:1.5}
.timeline .caught{stroke:var(--lost);stroke-width:3.5}
"""
)


def timeline_svg(trace: Trace) -> str:
    """The nurseries, tasks, marked cancel scopes and attempts of a trace, as SVG.

    Time goes down; heights are not to scale, and a long silence is cut out. It follows the light or dark theme of
    whoever looks at it, unless it, or something around it, has an attribute ``data-theme`` that is ``"light"`` or
    ``"dark"``. The first 5000 bars are drawn, and the picture says so.

    Returns:
      an ``<svg>`` element with a style of its own, which can be a file or a part of a page.
    """
    bars = timeline(trace)
    return draw_timeline(bars, Axis(marks(bars, trace), []), trace)


def marks(bars: Timeline, trace: Trace) -> Iterator[Mark]:
    """Moments that have a height, one for all that is at an instant; above whatever else is there."""
    for time in {trace.started, known_until(trace), *_moments(bars)}:
        yield Mark(time, FIRST, NOWHERE, ("bars", time), takes=False)


def draw_timeline(bars: Timeline, axis: Axis, trace: Trace) -> str:
    """The picture, with an axis that another one may have, too."""
    return "\n".join(_Drawing(trace, bars, axis).parts())


def _moments(bars: Timeline) -> set[float]:
    """When something begins or ends."""
    return {time for bar in bars.walk() for time in (bar.begin, bar.end) if time is not None}


class _Drawing:
    def __init__(self, trace: Trace, bars: Timeline, axis: Axis) -> None:
        self._trace = trace
        self._ended = known_until(trace)
        self._bars = bars
        self._axis = axis
        self._breaks_at = [TOP + (cut.top + cut.bottom) / 2 for cut in axis.cuts]
        self._boxes, right = side_by_side(bars.bars, int(MARGIN) + 8)
        self._width = max(right + 16, LEAST_WIDTH)
        self._height = TOP + axis.height + BELOW

    def parts(self) -> Iterator[str]:
        size = f"{self._width:.0f}", f"{self._height:.0f}"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" viewBox="0 0 {size[0]} {size[1]}"'
            f' width="{size[0]}" height="{size[1]}">'
        )
        yield f"<title>Timeline</title>\n<desc>{self._description()}</desc>\n<style>{STYLE}</style>"
        yield f'<rect class="paper" width="{size[0]}" height="{size[1]}"/>'
        yield from self._margin()
        for box in self._boxes:
            yield from self._box(box)
        yield from self._cuts()
        yield from self._caption()
        yield "</svg>"

    def _y(self, time: float) -> float:
        """Where several things in the ladder are below each other at one instant, their first."""
        return TOP + self._axis.get(("bars", time), self._axis.at(time))

    # -- around the boxes ------------------------------------------------------------------------------------------

    def _description(self) -> str:
        kinds = Counter[str](bar.kind for bar in self._bars.walk())
        names = {"task": "tasks", "nursery": "nurseries", "scope": "cancel scopes", "attempt": "attempts"}
        counts = ", ".join(f"{name}: {kinds[kind]:,}" for kind, name in names.items())
        return f"{counts}. Time goes down; times are seconds since the recording began."

    def _margin(self) -> Iterator[str]:
        times = sorted(_moments(self._bars))
        since = [time - self._trace.started for time in times]
        digits = 3 if all(abs(seconds - round(seconds, 3)) < 1e-7 for seconds in since) else 6
        last = -LINE
        for time, seconds in zip(times, since, strict=True):
            y = self._y(time)
            if y - last >= LINE:
                last = y
                yield f'<text class="time" x="66" y="{y + 3.5:.1f}">{seconds:.{digits}f}</text>'
                yield f'<path class="tick" d="M71 {y:.1f}h5"/>'

    def _cuts(self) -> Iterator[str]:
        for cut, y in zip(self._axis.cuts, self._breaks_at, strict=True):
            yield f'<text class="silence" x="66" y="{y + 3.5:.1f}">\u22ee {show_duration(cut.seconds)}</text>'
            yield f'<path class="edge" d="M72 {y - 3:.1f}H{self._width - 8:.0f}m0 6H72"/>'

    def _caption(self) -> Iterator[str]:
        lines = ["A box holds what ran inside it: a nursery its tasks, a task its attempts."]
        if not self._bars.bars:
            lines = ["No task was recorded."]
        if self._bars.left_out:
            lines.append(
                f"Drawn are the first {len(list(self._bars.walk())):,} bars, and not {self._bars.left_out:,} more."
            )
        if self._trace.forgotten:
            lines.append(what_is_forgotten(self._trace))
        for row, line in enumerate(lines):
            y = TOP + self._axis.height + 62 + 16 * row
            yield f'<text class="caption" x="{MARGIN:.0f}" y="{y:.0f}">{escape(line)}</text>'

    # -- the boxes -------------------------------------------------------------------------------------------------

    def _box(self, box: Box) -> Iterator[str]:
        """One, and then all inside it."""
        bar = box.bar
        task = "" if bar.task is None else f' data-task="{bar.task}"'
        top, bottom = self._y(bar.begin), self._y(self._end(bar))
        bottom = max(bottom, top + LEAST_HEIGHT)
        yield f'<g class="bar {bar.kind}{_fate(bar)}" data-entry="{bar.entry}"{task}>'
        yield f"<title>{escape(self._told(bar))}</title>"
        yield from self._time_left(box, bottom)
        yield _outline(box, top, bottom)
        yield from self._breaks(box, top, bottom)
        yield from self._cancellation(box, bottom)
        yield from _name(box, top, bottom)
        yield "</g>"
        for inner in box.inside:
            yield from self._box(inner)

    def _breaks(self, box: Box, top: float, bottom: float) -> Iterator[str]:
        """Where a silence is cut out, so is a piece of the box; its name goes on."""
        inside = self._breaks_at[bisect(self._breaks_at, top) : bisect(self._breaks_at, bottom)]
        if inside:
            way = "".join(f"M{box.x - 1} {y:.1f}h{box.width + 2}" for y in inside)
            yield f'<path class="cut" d="{way}"/>'

    def _time_left(self, box: Box, bottom: float) -> Iterator[str]:
        """The way to a deadline that was not reached, as far as there is room."""
        deadline = box.bar.deadline
        if deadline is None or math.isinf(deadline) or box.bar.end is None or deadline <= box.bar.end:
            return
        room = min(box.room, self._ended)
        x, low = box.x + SPINE / 2, self._y(min(deadline, room))
        if low > bottom + 2:
            cap = "m-4 0h8" if deadline <= room else ""
            yield f'<path class="rest" d="M{x:g} {bottom:.1f}V{low:.1f}{cap}"/>'

    def _cancellation(self, box: Box, bottom: float) -> Iterator[str]:
        if box.bar.cancelled is not None:
            y = min(self._y(box.bar.cancelled), bottom)
            yield f'<path class="cancelled" d="M{box.x} {y:.1f}h{box.width}"/>'
        if box.bar.caught:
            yield f'<path class="caught" d="M{box.x} {bottom:.1f}h{box.width}"/>'

    def _end(self, bar: Bar) -> float:
        return self._ended if bar.end is None else bar.end

    def _told(self, bar: Bar) -> str:
        """What is known of a bar, a line each."""
        lines = [show_text(bar.name) if bar.kind in ("attempt", "nursery") else f"{bar.kind} {show_text(bar.name)}"]
        if bar.end is None:
            lines.append(f"from {self._at(bar.begin)}, still running {when_it_stops(self._trace)}")
        else:
            lines.append(f"{self._at(bar.begin)} to {self._at(bar.end)}: {show_duration(bar.end - bar.begin)}")
        if bar.deadline is not None:
            lines.append("no deadline" if math.isinf(bar.deadline) else f"deadline {self._at(bar.deadline)}")
        if bar.kind == "scope" and bar.cancelled is not None:
            caught = "" if bar.end is None else ", caught" if bar.caught else ", not caught"
            lines.append(f"cancelled at {self._at(bar.cancelled)}{caught}")
        if bar.outcome:
            lines.append(show_text(bar.outcome))
        return "\n".join(lines)

    def _at(self, time: float) -> str:
        return f"{time - self._trace.started:.6f} s"


def _fate(bar: Bar) -> str:
    """The class of an attempt without an answer."""
    if bar.kind != "attempt" or bar.outcome in ("answered", ""):
        return ""
    return " timed-out" if bar.caught else " given-up"


def _outline(box: Box, top: float, bottom: float) -> str:
    """Without a lower edge for what is open there."""
    way = f"M{box.x} {bottom:.1f}V{top:.1f}h{box.width}V{bottom:.1f}"
    return f'<path class="box" d="{way}{"" if box.bar.end is None else "z"}"/>'


def _name(box: Box, top: float, bottom: float) -> Iterator[str]:
    """Along the left edge, as much as there is room for; of an attempt, its number."""
    if box.bar.kind == "attempt":
        if bottom - top >= LINE:
            number = box.bar.name.rpartition(" ")[2]
            yield f'<text class="number" x="{box.x + SPINE / 2:g}" y="{top + 10:.1f}">{number}</text>'
        return
    room = int((bottom - top - 8) / LETTER)
    name = show_text(box.bar.name)
    if room >= min(len(name), 4):
        where = f"translate({box.x + SPINE / 2 - 3:g} {top + 4:.1f}) rotate(90)"
        yield f'<text transform="{where}">{escape(shortened(name, room))}</text>'
