"""`ladder_svg`: a ladder as a picture that stands alone.

It is text with shapes, so nothing is needed to make it, and it is sharp at any size. One file with no script, no font
and no address of anything else: it can be mailed, and opened on a machine without a network. All that a page around it
may want to know about a shape stands there as ``data-...`` attributes.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING
from zlib import crc32

from ._arrows import Arrows
from ._axis import NOWHERE, Axis, Mark
from ._brackets import Brackets
from ._ladder import arranged, make_ladder
from ._plan import MARGIN, TOP, Plan, fitted
from ._show import NOTHING, plural
from ._style import STYLE
from ._times import draw_times
from ._trace import what_is_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._ladder import Ladder
    from ._trace import Trace

MOST_DATAGRAMS = 2000  # some 2 MB
MANY_DATAGRAMS = 100  # more are drawn closer
CAPTION_LETTER = 5.9
ONLY_READ = "On real sockets an arrow ends where its datagram was read: its time is that of its way and its waiting."
TALL = 900.0  # a picture whose names stand at its foot as well


def ladder_svg(trace: Trace) -> str:
    """The ladder diagram of a trace, as SVG.

    Hosts or sockets are vertical lines, datagrams the arrows between them: with a cross where one was lost, dashed
    where it is a second copy. Beside a client are its attempts, each from its start to its end, and around those of one
    request a loop if there are several, with an arrow to each further one. Bars are handlers at work. The margin has
    the seconds since the recording began; heights are not to scale, and a long silence is cut out, where the lines are
    dotted. When a datagram arrives only a virtual network tells. On real sockets an arrow ends where its datagram was
    read, and its time is that of its way and its waiting.

    It follows the light or dark theme of whoever looks at it, unless it, or something around it, has an attribute
    ``data-theme`` that is ``"light"`` or ``"dark"``. At most 2000 datagrams are drawn, and the picture says so.

    Returns:
      an ``<svg>`` element with a style of its own, which can be a file or a part of a page.
    """
    return draw_ladder(make_ladder(trace, MOST_DATAGRAMS), trace)[0]


def draw_ladder(ladder: Ladder, trace: Trace, beside: Iterable[Mark] = (), *, styled: bool = True) -> tuple[str, Axis]:
    """The picture, and its axis, for another picture that stands ``beside`` it and has these marks.

    It is ``styled`` if it has a style of its own.
    """
    ladder = arranged(ladder)
    arrows, brackets = Arrows(ladder), Brackets(ladder)
    marks = [Mark(ladder.started, -1, NOWHERE, "started"), Mark(ladder.ended, len(trace.entries), NOWHERE, "ended")]
    times = [one.travel.ended - one.travel.begun for one in ladder.arrows if one.travel.ended is not None]
    every = [*marks, *arrows.marks(), *brackets.marks(), *beside]
    axis = Axis(every, times, is_dense=len(ladder.arrows) > MANY_DATAGRAMS)
    return "\n".join(_draw(ladder, trace, axis, arrows, brackets, styled=styled)), axis


def _draw(
    ladder: Ladder, trace: Trace, axis: Axis, arrows: Arrows, brackets: Brackets, *, styled: bool
) -> Iterator[str]:
    plan = Plan(ladder, axis, brackets.rooms(axis), brackets.room_after(axis))
    width, caption = plan.width, _caption(ladder, trace, axis, plan.width)
    height = plan.bottom + 44 + 16 * len(caption)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" role="img" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}">'
    )
    yield f"<title>Ladder diagram</title>\n<desc>{escape(_description(ladder))}</desc>"
    if styled:
        yield f"<style>{STYLE}</style>"
    yield f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>'
    yield from _margin(axis, ladder.started)
    yield from _lifelines(plan, axis, ladder)
    yield from brackets.draw_handlers(plan, axis)
    yield from arrows.draw(plan, axis)
    yield from brackets.draw(plan, axis)  # upon these: an arrow through their words would make them hard to read
    for row, line in enumerate(caption):
        yield f'<text class="caption" x="{plan.left:.0f}" y="{plan.bottom + 38 + 16 * row:.0f}">{escape(line)}</text>'
    yield "</svg>"


def _margin(axis: Axis, started: float) -> Iterator[str]:
    moments = [(TOP + height, time - started) for height, time in axis.labels]
    yield from draw_times(moments, [(TOP + (cut.top + cut.bottom) / 2, cut.seconds) for cut in axis.cuts])


def _lifelines(plan: Plan, axis: Axis, ladder: Ladder) -> Iterator[str]:
    ends = [(TOP + cut.top, TOP + cut.bottom) for cut in axis.cuts]
    solid = [(top, bottom) for (_, top), (bottom, _) in pairwise([(0.0, TOP - 12), *ends, (plan.bottom, 0.0)])]
    thread = "".join(f"M0 {top:.1f}V{bottom:.1f}" for top, bottom in solid)
    cut = "".join(f"M0 {top:.1f}V{bottom:.1f}" for top, bottom in ends)
    path = f"thread-{crc32((thread + cut).encode()):08x}"  # in a page with several ladders, too, it says what it is
    yield f'<defs><path id="{path}" d="{thread}"/><path id="{path}-cut" d="{cut}"/></defs>'
    for number, lifeline in enumerate(ladder.lifelines):
        x, place, drop = plan.x[number], lifeline.place, plan.drop(number)
        name, fit = escape(plan.name(number)), plan.fitted_to(number)
        fits = "" if fit is None else fitted(fit)
        full = lifeline.name
        yield f'<g class="lifeline {lifeline.role}" data-key="{escape(lifeline.name)}">'
        yield f"<title>{escape(full if full == place else f'{full}, {place}')}</title>"
        yield f'<use class="thread" href="#{path}" x="{x:.1f}"/><use class="cut" href="#{path}-cut" x="{x:.1f}"/>'
        yield f'<text class="name" x="{x:.1f}" y="{TOP - 34 + drop:.1f}"{fits}>{name}</text>'
        if plan.has_places and full != place:
            yield f'<text class="place" x="{x:.1f}" y="{TOP - 20:.1f}">{escape(plan.place(number))}</text>'
        if axis.height > TALL:
            yield f'<text class="name" x="{x:.1f}" y="{plan.bottom + 12 + drop:.1f}"{fits}>{name}</text>'
        yield "</g>"


def _description(ladder: Ladder) -> str:
    arrived = sum(one.travel.has_arrived for one in ladder.arrows)
    lost = sum(one.travel.outcome in ("lost", "not sent") for one in ladder.arrows)
    names = ", ".join(lifeline.name for lifeline in ladder.lifelines)
    return (
        f"{plural(len(ladder.arrows), 'datagram')} between {names}: {arrived} arrived, {lost} were lost."
        " Time goes down; times are seconds since the recording began."
    )


def _caption(ladder: Ladder, trace: Trace, axis: Axis, width: float) -> list[str]:
    """What stands below it, in lines."""
    sentences = []
    if ladder.arrows:
        cut = "; where lines are dotted, a silence is cut out." if axis.cuts else "."
        sentences.append(f"Seconds since the recording began. Heights are not to scale{cut}")
    else:
        sentences.append(NOTHING)
    if any(arrow.travel.was_only_read for arrow in ladder.arrows):
        sentences.append(ONLY_READ)
    if ladder.left_out:
        drawn = f"Only the first {MOST_DATAGRAMS:,} datagrams, and as many attempts, are drawn"
        sentences.append(f"{drawn}; {ladder.left_out:,} that came later are not.")
    if trace.forgotten:
        sentences.append(what_is_forgotten(trace))
    letters = int((width - MARGIN - 20) / CAPTION_LETTER)
    return [line for sentence in sentences for line in wrap(sentence, letters)]
