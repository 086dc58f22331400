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
from ._jsonlines import load, save
from ._recording import Recording, record
from ._scope import scope
from ._trace import Trace

__all__ = [
    "record",
    "Recording",
    "scope",
    "save",
    "load",
    "Trace",
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
