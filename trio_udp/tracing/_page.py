"""`html`: the ladder and the timeline on one page, which lights up in one what is pointed at in the other.

A picture of a run is looked at once, mailed to a colleague, and opened again in ten years. So the page is one file that
asks for nothing: no library, no font, no network. What it may do stands at its top: run the one script that has this
hash, and nothing else, whatever a payload or the name of a task contains. All of that is escaped besides.

The page knows nothing that the two pictures do not: its script reads from them who is whose (``data-task``,
``data-client``) and what is told of each thing (``<title>``). Without a script the pictures are still there.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from .._events import DatagramDropped, DatagramLost, DatagramSent
from ._entries import Happened, TaskStarted
from ._ladder import make_ladder
from ._show import plural, show_duration
from ._style import DARK, LIGHT
from ._svg import MOST_DATAGRAMS, draw_ladder
from ._timeline import timeline
from ._timeline_svg import draw_timeline, marks
from ._trace import known_until

if TYPE_CHECKING:
    from .._events import Event
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


def html(trace: Trace) -> str:
    """The ladder diagram and the timeline of a trace, as one page that needs nothing else.

    Pointing at a datagram, an attempt or a box shows what is known of it and lights up all of its task; a click holds
    it. The page zooms (buttons, ``+`` and ``-``, Ctrl and the wheel), moves when it is dragged, and can show one client
    alone. It is light or dark as the system is, or as its button says.

    Returns:
      HTML, to be written as UTF-8.
    """
    ladder = make_ladder(trace, MOST_DATAGRAMS)
    entries = tuple(entry for entry in trace.entries if entry.time <= ladder.ended)
    drawn = replace(trace, entries=entries, ended=ladder.ended)
    if ladder.ended < known_until(trace):
        drawn = replace(drawn, forgotten=0)  # this part was recorded as a whole
    bars = timeline(drawn)
    left, axis = draw_ladder(ladder, trace, marks(bars, drawn))
    script = _part("page.js")
    return Template(_part("page.html")).substitute(
        policy=POLICY.format(script=_hash(script)),
        facts=_facts(trace, ladder.ended),
        css=COLOURS + _part("page.css"),
        js=script,
        ladder=left,
        timeline=draw_timeline(bars, axis, drawn),
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """As a Content-Security-Policy names a script: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _is_unsent(event: Event) -> bool:
    """A relay does that, and so does a system that refuses to send: a cross in the ladder, too."""
    return isinstance(event, DatagramDropped) and event.outgoing


def _facts(trace: Trace, drawn_until: float) -> str:
    """What there was, in one line."""
    events = [entry.event for entry in trace.entries if isinstance(entry, Happened)]
    sent = sum(isinstance(event, DatagramSent) for event in events)
    lost = sum(isinstance(event, DatagramLost) or _is_unsent(event) for event in events)
    tasks = sum(isinstance(entry, TaskStarted) for entry in trace.entries)
    facts = [show_duration(trace.ended - trace.started), f"{plural(sent, 'datagram')} sent, {lost:,} lost"]
    facts += [plural(tasks, "task")] + [f"{trace.forgotten:,} entries forgotten"] * bool(trace.forgotten)
    if drawn_until < trace.ended:
        facts.append(f"drawn are the first {show_duration(drawn_until - trace.started)}")
    return " · ".join(facts)
