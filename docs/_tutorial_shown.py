"""What the pages of the tutorial show of a run: its output, and the ladder of what it did.

OUT.txt is the output, OUT.svg the ladder, and OUT.jsonl the trace that it is drawn from. A page must not say something
else each time it is built, so what is different for everybody, or at each hour, is made the same here.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trio_udp import tracing
from trio_udp.tracing import Happened, Trace

if TYPE_CHECKING:
    from trio_udp.tracing import Entry

PORT = 9000  # on which all servers of the tutorial are
PROGRAMS = Path(__file__).resolve().parent / "examples" / "tutorial"


def stopped(seconds: float) -> str:
    """The last line of a program that waits for ever."""
    return f"[still waiting after {seconds:g} seconds: stopped here]\n"


def numbered(name: str, count: int) -> list[str]:
    """What so many of a kind are called."""
    return [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]


def same_each_time(text: str, folder: Path) -> str:
    """Where the programs are, and what time it is, is different for everybody."""
    for part in (folder, PROGRAMS):
        text = text.replace(f"{part}{os.sep}", "")
    return re.sub(r"\b\d\d:\d\d:\d\d\b", "12:00:00", text)


def _same_data(trace: Trace) -> Trace:
    """The times of day in datagrams, too."""

    def same(entry: Entry) -> Entry:
        if not isinstance(entry, Happened):
            return entry
        event: Any = entry.event
        if "data" in event._fields:
            event = event._replace(data=re.sub(rb"\b\d\d:\d\d:\d\d\b", b"12:00:00", event.data))
        return entry._replace(event=event)

    return replace(trace, entries=tuple(map(same, trace.entries)))


def write(out: Path, said: str, trace: Trace | None, folder: Path) -> None:
    """The output, and if there is a trace, the ladder and the trace itself."""
    files = {".txt": same_each_time(said, folder)}
    if trace is not None:
        trace = _same_data(trace)
        files[".svg"] = tracing.ladder_svg(trace)
        tracing.save(trace, out.with_suffix(".jsonl"))
    for suffix, text in files.items():
        path = Path(f"{out}{suffix}")
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # what is as it was is not built again
            path.write_text(text, encoding="utf-8")
