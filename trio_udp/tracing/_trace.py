"""`Trace`: what was recorded, as a value that every view takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._entries import Entry

__all__ = ["Trace"]


@dataclass(frozen=True)
class Trace:
    """What happened in a program while it was recorded.

    Args:
      entries: in order.
      started: when the recording began, in seconds on Trio's clock; pictures count from here.
      ended: when it ended, or was looked at.
      names: what addresses are called in pictures: by ``"10.0.0.1:7"`` for one socket, or by ``"10.0.0.1"`` for all
        sockets there.
      forgotten: how many entries came after the recording was full.
    """

    entries: tuple[Entry, ...]
    started: float
    ended: float
    names: Mapping[str, str] = field(default_factory=dict)
    forgotten: int = 0


def known_until(trace: Trace) -> float:
    """Until when a picture of it can be drawn: where the recording was full, nobody knows what came after that."""
    if not trace.forgotten or not trace.entries:
        return trace.ended
    return max(entry.time for entry in trace.entries)


def when_it_stops(trace: Trace) -> str:
    """What goes on there has no end in the trace, for that reason."""
    return "when the recording was full" if trace.forgotten else "at the end"


def what_is_forgotten(trace: Trace) -> str:
    """The sentence below a picture; empty if there is nothing to be said."""
    if not trace.forgotten:
        return ""
    return f"The recording was full: {trace.forgotten:,} entries that came later are not in it."
