"""`timeline_svg`: boxes in boxes, and time runs down.

A timeline usually runs to the right, a row for each task. Here it runs down, a column for each, so that it stands
beside the ladder and every moment is at the same height in both. And a nursery is drawn as what it is: a box that holds
its tasks, each of which is a box for what it has open. That every task ends inside its nursery is then something one
sees.

Where a deadline was not reached, a dotted line goes on to it, as far as there is room. What was cancelled has a bar at
that moment, and a thick one at its lower edge if the cancellation was caught there; both lie upon what is inside. What
still ran at the end is open below. Colour says nothing that is not said by a line, too. Trio cancels the nurseries in a
scope that is cancelled as their tasks end; that is not drawn again.

A name that is cut says nothing: two timeouts look alike. So a box that is too short for its name has it across, in an
edge that is wide enough, and one that took no time at all is as high as its name. Only where that would make a picture
wider than anybody's window are names cut.

Heights are not to scale: a long silence is cut out, as in the ladder, and all boxes are broken there. The library's own
tasks are left out unless one asks for them.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter
from functools import partial
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from ._axis import INSTANT, NOWHERE, Axis, Mark
from ._boxes import SPINE, side_by_side
from ._excerpt import count_library, without_library
from ._ladder import make_ladder
from ._legend import ROW, SIGNS, legend_svg
from ._plan import MARGIN, TOP
from ._show import plural, shortened, show_duration, show_text
from ._style import DARK, LIGHT
from ._timeline import timeline
from ._trace import known_until, what_is_forgotten, when_it_stops

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ._boxes import Box
    from ._ladder import Ladder
    from ._timeline import Bar, Timeline
    from ._trace import Trace

__all__ = ["timeline_svg"]

# Pixels.
LEAST_HEIGHT = 3.0  # so that what took no time is seen
LETTER = 5.6  # the mean width of one in a box
LINE = 12.0  # between two times in the margin
LEAST_WIDTH = 320.0
WIDEST = 1000  # with names that run across
LOWEST_NAME = 7.5  # a box with one that does
LONGEST_NAME = 40
CAPTION_LETTER = 5.9
BELOW = 62.0  # to what is said there
MOST_LADDER = 2000  # datagrams, in which to look for who is who

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
.timeline .number{text-anchor:middle;font-size:9px}
.timeline .across{paint-order:stroke;stroke:var(--paper);stroke-width:2px}
.timeline .sign text{font-size:11px}
.timeline .rest{fill:none;stroke:var(--quiet);stroke-dasharray:1 3}
.timeline .cancelled{stroke:var(--lost);stroke-width:1.5}
.timeline .caught{stroke:var(--lost);stroke-width:3.5}
"""
)


def timeline_svg(trace: Trace, *, library: bool = False) -> str:
    """The nurseries, tasks, marked cancel scopes and attempts of a trace, as SVG.

    Time goes down; heights are not to scale, and a long silence is cut out. A legend says what its lines mean. It
    follows the light or dark theme of whoever looks at it, unless it, or something around it, has an attribute
    ``data-theme`` that is ``"light"`` or ``"dark"``. The first 5000 bars are drawn, and the picture says so.

    Args:
      library: also the tasks that this library has for itself, right of all others.

    Returns:
      an ``<svg>`` element with a style of its own, which can be a file or a part of a page.
    """
    everything = timeline(trace)
    bars = everything if library else without_library(everything)
    hidden = 0 if library else count_library(everything)
    names = callers(make_ladder(trace, MOST_LADDER))
    axis = Axis(marks(bars, trace), [])
    return draw_timeline(bars, axis, trace, names, hidden=hidden)


def callers(ladder: Ladder) -> dict[int, str]:
    """What the clients are called that tasks have made requests for, by the tasks' numbers."""
    return {one.task: ladder.lifelines[one.lifeline].name for one in ladder.asked if one.task is not None}


def marks(bars: Timeline, trace: Trace) -> Iterator[Mark]:
    """Moments that have a height, one for all that is at an instant; above whatever else is there.

    Where something took no time, the instant is as high as a name.
    """
    for time in {trace.started, known_until(trace), *_moments(bars)}:
        yield Mark(time, FIRST, NOWHERE, ("bars", time), takes=False)
    for time in {bar.begin for bar in bars.walk() if bar.kind != "attempt" and bar.is_instant and bar.end == bar.begin}:
        for row in range(3):
            yield Mark(time, FIRST + 1, INSTANT, ("instant", row, time))


def draw_timeline(
    bars: Timeline,
    axis: Axis,
    trace: Trace,
    callers: Mapping[int, str],
    *,
    hidden: int = 0,
    styled: bool = True,
    legend: bool = True,
) -> str:
    """The picture, with an axis that another one may have, too.

    Args:
      bars: what is drawn.
      axis: says how far down.
      trace: what they are from.
      callers: names for tasks of which several have the same one.
      hidden: how many tasks of the library's own are left out.
      styled: it has a style of its own.
      legend: it has a legend.
    """
    return "\n".join(_Drawing(trace, bars, axis, callers, hidden, legend).parts(styled=styled))


def _moments(bars: Timeline) -> set[float]:
    """When something begins or ends."""
    return {time for bar in bars.walk() for time in (bar.begin, bar.end) if time is not None}


class _Drawing:
    def __init__(
        self, trace: Trace, bars: Timeline, axis: Axis, callers: Mapping[int, str], hidden: int, legend: bool
    ) -> None:
        self._trace = trace
        self._ended = known_until(trace)
        self._bars = bars
        self._axis = axis
        self._breaks_at = [TOP + (cut.top + cut.bottom) / 2 for cut in axis.cuts]
        self._names = _names(bars, callers)
        place = partial(side_by_side, bars.bars, int(MARGIN) + 8)
        self._boxes, right = place(spine=self._spine)
        if right > WIDEST:
            self._boxes, right = place()
        self._width = max(right + 16, LEAST_WIDTH)
        self._caption = self._say(hidden)
        self._legend = legend
        self._height = TOP + axis.height + BELOW + 16 * len(self._caption) + (ROW * len(SIGNS) if legend else 0) + 8

    def parts(self, *, styled: bool) -> Iterator[str]:
        size = f"{self._width:.0f}", f"{self._height:.0f}"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" viewBox="0 0 {size[0]} {size[1]}"'
            f' width="{size[0]}" height="{size[1]}">'
        )
        yield f"<title>Timeline</title>\n<desc>{self._description()}</desc>"
        if styled:
            yield f"<style>{STYLE}</style>"
        yield f'<rect class="paper" width="{size[0]}" height="{size[1]}"/>'
        yield from self._margin()
        for box in self._boxes:
            yield from self._box(box)
        yield from self._cuts()
        yield from self._below()
        yield "</svg>"

    def _y(self, time: float) -> float:
        """Where several things in the ladder are below each other at one instant, their first."""
        return TOP + self._axis.get(("bars", time), self._axis.at(time))

    def _edges(self, bar: Bar) -> tuple[float, float]:
        """The upper and the lower one."""
        top, end = self._y(bar.begin), self._trace.ended if bar.end is None else bar.end
        instant = TOP + self._axis.get(("instant", 2, end), -TOP) if bar.is_instant else 0.0
        return top, max(self._y(end), top + LEAST_HEIGHT, instant - 2)

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

    def _say(self, hidden: int) -> list[str]:
        """What stands below it, in lines."""
        sentences = ["A box holds what ran inside it: a nursery its tasks, a task its attempts."]
        if not self._bars.bars:
            sentences = ["No task was recorded."]
        if hidden:
            sentences.append(f"Of the library's own, {plural(hidden, 'task')} are not shown.")
        if self._bars.left_out:
            drawn = len(list(self._bars.walk()))
            sentences.append(f"Drawn are the first {drawn:,} bars, and not {self._bars.left_out:,} more.")
        if self._trace.forgotten:
            sentences.append(what_is_forgotten(self._trace))
        letters = int((self._width - MARGIN - 20) / CAPTION_LETTER)
        return [line for sentence in sentences for line in wrap(sentence, letters)]

    def _below(self) -> Iterator[str]:
        y = TOP + self._axis.height + BELOW
        for row, line in enumerate(self._caption):
            yield f'<text class="caption" x="{MARGIN:.0f}" y="{y + 16 * row:.0f}">{escape(line)}</text>'
        if self._legend and self._bars.bars:
            yield legend_svg(MARGIN, y + 16 * len(self._caption) - 4)

    # -- the boxes -------------------------------------------------------------------------------------------------

    def _spine(self, bar: Bar) -> int:
        """How wide the edge has to be that the name stands in."""
        top, bottom = self._edges(bar)
        length = LETTER * min(len(self._name(bar)), LONGEST_NAME) + 8
        if bar.kind == "attempt" or length <= bottom - top or bottom - top < LOWEST_NAME:
            return SPINE
        return max(SPINE, int(length))

    def _box(self, box: Box, since: float = math.inf) -> Iterator[str]:
        """One, and then all inside it. Since when something around it has been cancelled?"""
        bar = box.bar
        task = "" if bar.task is None else f' data-task="{bar.task}"'
        top, bottom = self._edges(bar)
        yield f'<g class="bar {bar.kind}{_fate(bar)}" data-entry="{bar.entry}"{task}>'
        yield f"<title>{escape(self._told(bar))}</title>"
        yield from self._time_left(box, bottom)
        yield _outline(box, top, bottom)
        yield from self._breaks(box, top, bottom)
        yield from self._label(box, top, bottom)
        yield "</g>"
        for inner in box.inside:
            yield from self._box(inner, min(since, math.inf if bar.cancelled is None else bar.cancelled))
        if _is_cancelled(bar, since):
            yield f'<g class="over"{task}>{self._cancellation(box, bottom)}</g>'

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

    def _cancellation(self, box: Box, bottom: float) -> str:
        assert box.bar.cancelled is not None
        y = min(self._y(box.bar.cancelled), bottom)
        caught = f'<path class="caught" d="M{box.x} {bottom:.1f}h{box.width}"/>' if box.bar.caught else ""
        return f'<path class="cancelled" d="M{box.x} {y:.1f}h{box.width}"/>{caught}'

    def _name(self, bar: Bar) -> str:
        return self._names.get(bar.entry) or show_text(bar.name)

    def _label(self, box: Box, top: float, bottom: float) -> Iterator[str]:
        """Its name: along the left edge, as much as there is room for, or across."""
        bar, height = box.bar, bottom - top
        if bar.kind == "attempt":
            yield from self._label_of_attempt(box, top, bottom)
            return
        name, room = self._name(bar), int((height - 8) / LETTER)
        if box.spine > SPINE:
            y = min(top + 11, top + height / 2 + 3.5)
            yield f'<text class="across" x="{box.x + 4}" y="{y:.1f}">{escape(shortened(name, LONGEST_NAME))}</text>'
        elif room >= min(len(name), 4):
            yield _down(box, top, shortened(name, room))

    def _label_of_attempt(self, box: Box, top: float, bottom: float) -> Iterator[str]:
        """Which it is, and its deadline and what became of it if there is room."""
        bar = box.bar
        deadline = f", deadline {self._at(bar.deadline)}" if bar.deadline is not None else ""
        outcome = f": {show_text(bar.outcome)}" if bar.outcome else ""
        room = int((bottom - top - 8) / LETTER)
        for text in (f"{bar.name}{outcome}{deadline}", f"{bar.name}{outcome}", bar.name):
            if len(text) <= room:
                yield _down(box, top, text)
                return
        if bottom - top >= LINE:
            number = ".".join(word for word in bar.name.replace(",", "").split() if word.isdigit())
            yield f'<text class="number" x="{box.x + SPINE / 2:g}" y="{top + 10:.1f}">{number}</text>'

    def _end(self, bar: Bar) -> float:
        return self._ended if bar.end is None else bar.end

    def _told(self, bar: Bar) -> str:
        """What is known of a bar, a line each."""
        name = self._name(bar)
        lines = [name if bar.kind in ("attempt", "nursery") else f"{bar.kind} {name}"]
        if bar.end is None:
            lines.append(f"from {self._at(bar.begin)}, still running {when_it_stops(self._trace)}")
        else:
            lines.append(f"{self._at(bar.begin)} to {self._at(bar.end)}: {show_duration(bar.end - bar.begin)}")
        if bar.deadline is not None:
            lines.append("no deadline" if math.isinf(bar.deadline) else f"deadline {self._at(bar.deadline)}")
        if bar.kind != "attempt" and bar.cancelled is not None:
            caught = "" if bar.kind == "nursery" or bar.end is None else ", caught" if bar.caught else ", not caught"
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


def _down(box: Box, top: float, text: str) -> str:
    where = f"translate({box.x + SPINE / 2 - 3:g} {top + 4:.1f}) rotate(90)"
    return f'<text transform="{where}">{escape(text)}</text>'


def _names(bars: Timeline, callers: Mapping[int, str]) -> dict[int, str]:
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
        elif bar.kind != "attempt" and _is_cancelled(bar, since):
            name += ": cancelled"
        names[bar.entry] = name
    return names


def _since_when(bars: Iterable[Bar], since: float) -> Iterator[tuple[Bar, float]]:
    """All bars, and since when something around each was cancelled."""
    for bar in bars:
        yield bar, since
        yield from _since_when(bar.children, min(since, math.inf if bar.cancelled is None else bar.cancelled))


def _is_cancelled(bar: Bar, since: float) -> bool:
    """By itself: a nursery that is cancelled after what is around it only follows."""
    return bar.cancelled is not None and (bar.kind != "nursery" or bar.cancelled < since)
