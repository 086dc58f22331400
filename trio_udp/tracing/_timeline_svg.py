"""`timeline_svg`: boxes in boxes, and time runs down.

A timeline usually runs to the right, a row for each task. Here it runs down, a column for each, so that it stands
beside the ladder and every moment is at the same height in both. And a nursery is drawn as what it is: a box that holds
its tasks, each of which is a box for what it has open. That every task ends inside its nursery is then something one
sees.

Where a deadline was not reached, a dotted line goes on to it; it ends with an arrow's head where there is no room for
all of it. An attempt that was refused has a cross at its end. What was cancelled has a bar at that moment, and a thick
one at its lower edge if the cancellation was caught there; both lie upon what is inside. What still ran at the end is
open below. Colour says nothing that is not said by a line, too. Trio cancels the nurseries in a scope that is cancelled
as their tasks end; that is not drawn again. Names that run across are not crossed out.

Heights are not to scale: a long silence is cut out, as in the ladder, and all boxes are broken there. The library's own
tasks are left out unless one asks for them.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from ._axis import INSTANT, NOWHERE, Axis, Mark
from ._excerpt import count_library, without_library
from ._ladder import make_ladder
from ._legend import ROW, legend_svg, occurring
from ._plan import MARGIN, TOP
from ._show import plural
from ._style import DARK, LIGHT
from ._timeline import timeline
from ._timeline_bars import CANCELLED, CAUGHT, Bars
from ._times import draw_times
from ._trace import known_until, what_is_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ._ladder import Ladder
    from ._timeline import Bar, Timeline
    from ._trace import Trace

__all__ = ["timeline_svg"]

# Pixels.
LEAST_WIDTH = 320.0
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
.timeline .tick{fill:none;stroke:var(--thread)}
.timeline .cut{stroke:var(--paper);stroke-width:5}
.timeline .edge{stroke:var(--quiet);stroke-dasharray:1 3}
.timeline .box{--own:var(--quiet);fill:var(--paper);stroke:var(--own);stroke-width:.8}
.timeline .task>.box{fill:var(--work)}
.timeline .scope>.box{stroke-dasharray:5 2}
.timeline .attempt>.box{--own:var(--wait);stroke-width:1.2}
.timeline .timed-out>.box,.timeline .refused>.box{--own:var(--lost)}
.timeline .given-up>.box{--own:var(--quiet)}
.timeline .undecided>.box{--own:var(--ink);stroke-dasharray:4 3}
.timeline .number{text-anchor:middle;font-size:9px}
.timeline .across{paint-order:stroke;stroke:var(--paper);stroke-width:2px}
.timeline .sign text{font-size:11px}
.timeline .rest,.timeline .until,.timeline .later{fill:none;stroke:var(--quiet)}
.timeline .rest{stroke-dasharray:1 3}
.timeline .refusal{fill:none;stroke:var(--lost);stroke-width:1.5}
"""
    + f".timeline .cancelled{{stroke:var(--lost);stroke-width:{CANCELLED}}}\n"
    + f".timeline .caught{{stroke:var(--lost);stroke-width:{CAUGHT}}}\n"
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
    ladder = make_ladder(trace, MOST_LADDER)
    everything = timeline(trace, ladder.requests)
    bars = everything if library else without_library(everything)
    hidden = 0 if library else count_library(everything)
    axis = Axis(marks(bars, trace), [])
    return draw_timeline(bars, axis, trace, callers(ladder), hidden=hidden)


def callers(ladder: Ladder) -> dict[int, str]:
    """What the clients are called that tasks have made requests for, by the tasks' numbers."""
    return {one.task: ladder.lifelines[one.lifeline].name for one in ladder.asked if one.task is not None}


def marks(bars: Timeline, trace: Trace) -> Iterator[Mark]:
    """Moments that have a height, one for all that is at an instant; above whatever else is there.

    Where something took no time, the instant is as high as a name.
    """
    for time in {trace.started, known_until(trace), *_moments(bars, known_until(trace))}:
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
    hidden_in: Mapping[int, Sequence[int]] | None = None,
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
      hidden_in: and other tasks that are, by the entry of the bar that they are in: for a page.
      styled: it has a style of its own.
      legend: it has a legend.
    """
    boxes = Bars(trace, bars, axis, callers, hidden_in or {})
    return "\n".join(_Drawing(trace, bars, axis, boxes, hidden, legend).parts(styled=styled))


def _moments(bars: Timeline, ended: float) -> set[float]:
    """When something begins, is cancelled or ends, and deadlines other than of attempts, as far as the picture goes."""
    times = _ends(bars)
    return times | {time for time in _deadlines(bars.bars, ended) if min(times, default=ended) <= time}


def _deadlines(bars: Iterable[Bar], until: float) -> Iterator[float]:
    """But those beyond the end of what they are in, to which no line goes: nothing would be there."""
    for bar in bars:
        if bar.kind != "attempt" and bar.deadline is not None and bar.deadline <= until:
            yield bar.deadline
        yield from _deadlines(bar.children, until if bar.end is None else min(until, bar.end))


def _ends(bars: Timeline) -> set[float]:
    """The first of these."""
    return {time for bar in bars.walk() for time in (bar.begin, bar.cancelled, bar.end) if time is not None}


class _Drawing:
    def __init__(self, trace: Trace, bars: Timeline, axis: Axis, boxes: Bars, hidden: int, legend: bool) -> None:
        self._trace = trace
        self._bars = bars
        self._axis = axis
        self._boxes = boxes
        self._width = max(self._boxes.right + 16, LEAST_WIDTH)
        self._caption = self._say(hidden)
        self._drawn = list(self._boxes.draw())
        self._signs = occurring("\n".join(self._drawn)) if legend else []
        self._height = TOP + axis.height + BELOW + 16 * len(self._caption) + ROW * len(self._signs) + 8

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
        yield from self._drawn
        yield from self._cuts()
        yield from self._below()
        yield "</svg>"

    # -- around the boxes ------------------------------------------------------------------------------------------

    def _description(self) -> str:
        kinds = Counter[str](bar.kind for bar in self._bars.walk())
        names = {"task": "tasks", "nursery": "nurseries", "scope": "cancel scopes", "attempt": "attempts"}
        counts = ", ".join(f"{name}: {kinds[kind]:,}" for kind, name in names.items())
        return f"{counts}. Time goes down; times are seconds since the recording began."

    def _margin(self) -> Iterator[str]:
        times = _ends(self._bars)
        if times:
            times |= {known_until(self._trace)} | self._boxes.deadlines
        moments = [(self._boxes.y(time), time - self._trace.started) for time in sorted(times)]
        silences = zip(self._boxes.breaks, (cut.seconds for cut in self._axis.cuts), strict=True)
        yield from draw_times(moments, list(silences))

    def _cuts(self) -> Iterator[str]:
        for y in self._boxes.breaks:
            yield f'<path class="edge" d="M72 {y - 3:.1f}H{self._width - 8:.0f}m0 6H72"/>'

    def _say(self, hidden: int) -> list[str]:
        """What stands below it, in lines."""
        sentences = ["A box holds what ran inside it: a nursery its tasks, a task its attempts."]
        if not self._bars.bars:
            sentences = ["No task was recorded."]
        if hidden:
            are = "is" if hidden == 1 else "are"
            sentences.append(f"{plural(hidden, 'task')} of the library's own {are} not shown.")
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
        if self._signs:
            yield legend_svg(self._signs, MARGIN, y + 16 * len(self._caption) - 4)
