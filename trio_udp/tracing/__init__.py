"""See what a program has done: a recording of it, and pictures of that.

::

    with tracing.record() as recording:
        await whatever_it_does()
    Path("run.html").write_text(tracing.html(recording.trace()), encoding="utf-8")
"""

from ._chrome import chrome
from ._entries import (
    Entry,
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryDeadlineMoved,
    NurseryOpened,
    ScopeCancelled,
    ScopeDeadlineMoved,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
)
from ._jsonlines import load, save
from ._mermaid import mermaid
from ._page import html
from ._recording import Recording, record
from ._scope import scope
from ._svg import ladder_svg
from ._text import ladder_text
from ._timeline_svg import timeline_svg
from ._trace import Trace

__all__ = [
    "record",
    "Recording",
    "scope",
    "save",
    "load",
    "Trace",
    "ladder_svg",
    "ladder_text",
    "timeline_svg",
    "html",
    "mermaid",
    "chrome",
    "Entry",
    "Happened",
    "NurseryCancelled",
    "NurseryClosed",
    "NurseryDeadlineMoved",
    "NurseryOpened",
    "ScopeCancelled",
    "ScopeDeadlineMoved",
    "ScopeEntered",
    "ScopeExited",
    "TaskEnded",
    "TaskStarted",
]
