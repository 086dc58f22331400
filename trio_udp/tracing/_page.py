"""`html`: the ladder and the timeline on one page, which lights up in one what is pointed at in the other.

A picture of a run is looked at once, mailed to a colleague, and opened again in ten years. So the page is one file that
asks for nothing: no library, no font, no network. What it may do stands at its top: run the one script that has this
hash, and nothing else, whatever a payload or the name of a task contains. All of that is escaped besides.

The page knows nothing that the two pictures do not: its script reads from them who is whose (``data-task``) and what is
told of each thing (``<title>``), and beside them how high their names are and how wide their times (``data-head`` and
``data-times``). Without a script the pictures are still there.

To show one client alone, hiding the others would leave a page of nothing with an arrow somewhere. So each client has
two pictures of its own, with its own lifelines and heights, made by the same functions; they wait in a ``<template>``,
which costs a browser nothing until it is looked at. All clients together have the arrows of the whole once more. The
timeline with the library's own tasks waits there, too. Where these are hidden, a box in sight stands for those in it.

A program without a datagram has no ladder, and its timeline all of the page.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from ._entries import TaskStarted
from ._excerpt import count_library, hidden_tasks, only_of, without_library
from ._ladder import make_ladder
from ._legend import legend_html
from ._owners import ladders_of_clients
from ._plan import HEAD, TIMES
from ._show import NOTHING, plural, show_duration
from ._style import DARK, LIGHT
from ._style import STYLE as LADDER_STYLE
from ._svg import MOST_DATAGRAMS, draw_ladder
from ._timeline import timeline
from ._timeline_svg import STYLE as TIMELINE_STYLE
from ._timeline_svg import callers, draw_timeline, marks
from ._trace import known_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._ladder import Ladder
    from ._timeline import Timeline
    from ._trace import Trace

__all__ = ["html"]

# Styles may be inline, as those of the pictures are: they can hide something, and fetch nothing.
POLICY = (
    "default-src 'none'; script-src '{script}'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)

COLOURS = f"""\
:root {{ {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}
:root[data-theme=light] {{ {LIGHT} }}
:root[data-theme=dark] {{ {DARK} }}
"""

SCRIPTS = ("point.js", "move.js", "choose.js")  # one script: what they need of each other is there when it runs


def html(trace: Trace) -> str:
    """The ladder diagram and the timeline of a trace, as one page that needs nothing else.

    Pointing at a datagram, an attempt or a box shows what is known of it and lights up all of its task; a click holds
    it. The page zooms (buttons, ``+`` and ``-``, Ctrl and the wheel), moves when it is dragged, and can show one client
    alone, or the library's own tasks as well. It is light or dark as the system is, or as its button says.

    Returns:
      HTML, to be written as UTF-8.
    """
    ladder = make_ladder(trace, MOST_DATAGRAMS)
    drawn = replace(trace, entries=tuple(e for e in trace.entries if e.time <= ladder.ended), ended=ladder.ended)
    if ladder.ended < known_until(trace):
        drawn = replace(drawn, forgotten=0)  # this part was recorded as a whole
    everything = timeline(trace, ladder.requests, until=ladder.ended)
    bars, hidden, names = without_library(everything), count_library(everything), callers(ladder)
    left, axis = draw_ladder(ladder, trace, marks(bars, drawn), styled=False)
    with_library = draw_timeline(everything, axis, drawn, names, styled=False, legend=False) if hidden else ""
    right = draw_timeline(
        bars,
        axis,
        drawn,
        names,
        hidden=hidden,
        hidden_in=hidden_tasks(everything, bars, _tasks_in(ladder)),
        styled=False,
        legend=False,
    )
    script = "\n".join(map(_part, SCRIPTS))
    return Template(_part("page.html")).substitute(
        policy=POLICY.format(script=_hash(script)),
        facts=_facts(trace, ladder),
        css=COLOURS + LADDER_STYLE + TIMELINE_STYLE + _part("page.css"),
        js=script,
        legend=legend_html(left if ladder.lifelines else "", right + with_library),
        head=f"{HEAD:.0f}",
        times=f"{TIMES:.0f}",
        alone="" if ladder.lifelines else ' class="alone"',
        ladder=left,
        timeline=right,
        library=f'<template id="with-library">{with_library}</template>' if hidden else "",
        clients="\n".join(_clients(ladder, everything, bars, drawn, names)),
    )


def _clients(
    ladder: Ladder, everything: Timeline, bars: Timeline, trace: Trace, names: Mapping[int, str]
) -> Iterator[str]:
    """The pictures of each alone, if there are several."""
    clients = list(ladders_of_clients(ladder))
    for name, own in clients if len(clients) > 1 else ():
        mine = only_of(bars, {task for task, client in names.items() if client == name})
        left, axis = draw_ladder(own, trace, marks(mine, trace), styled=False)
        hidden_in = hidden_tasks(everything, mine, _tasks_in(own))
        right = draw_timeline(mine, axis, trace, names, hidden_in=hidden_in, styled=False, legend=False)
        yield f'<template data-view="{escape(name)}">{left}{right}</template>'


def _tasks_in(ladder: Ladder) -> set[int | None]:
    """Whose work is to be seen there."""
    return {one.task for kind in (ladder.arrows, ladder.asked, ladder.work) for one in kind}


def _part(name: str) -> str:
    return files(__package__).joinpath("page").joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """As a Content-Security-Policy names a script: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _facts(trace: Trace, ladder: Ladder) -> str:
    """What there was, in one line."""
    tasks = sum(isinstance(entry, TaskStarted) for entry in trace.entries)
    second = "a second copy" if ladder.copies == 1 else "second copies"
    copies = f", {ladder.copies:,} of them {second}" if ladder.copies else ""
    counted = f"{plural(ladder.datagrams, 'datagram')}{copies}, {ladder.lost:,} lost"
    facts = [show_duration(trace.ended - trace.started), counted]
    if not ladder.lifelines:
        facts[1:] = [NOTHING.rstrip(".")]
    facts += [plural(tasks, "task")] + [f"{trace.forgotten:,} entries forgotten"] * bool(trace.forgotten)
    if ladder.ended < trace.ended:
        facts.append(f"drawn are the first {show_duration(ladder.ended - trace.started)}")
    return " · ".join(facts)
