"""See what a program has done: a recording of it, and pictures of that.

::

    with tracing.record() as recording:
        await whatever_it_does()
    Path("run.html").write_text(tracing.html(recording.trace()), encoding="utf-8")
"""

from ._entries import (
    Entry,
    Happened,
    NurseryClosed,
    NurseryOpened,
    ScopeCancelled,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
)
from ._mermaid import mermaid
from ._svg import ladder_svg
from ._text import ladder_text
from ._trace import Trace

__all__ = [
    "Trace",
    "ladder_svg",
    "ladder_text",
    "mermaid",
    "Entry",
    "Happened",
    "NurseryClosed",
    "NurseryOpened",
    "ScopeCancelled",
    "ScopeEntered",
    "ScopeExited",
    "TaskEnded",
    "TaskStarted",
]
