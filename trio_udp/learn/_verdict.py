"""`Finding`: what is wrong with a run; `judge` finds it, `report` tells it.

Whoever learns needs one thing at a time: the first finding is told and no other, with the line that it is about, the
ladder of what happened around it, and how to go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING

from ..tracing import Happened, ladder_text
from ..tracing._show import shortened, show_text
from ._awaited import missing
from ._clocks import REAL_CLOCK
from ._elsewhere import NOT_ASYNCIO
from ._refused import closed
from ._source import lines as lines_of
from ._started import STARTED
from ._where import in_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._lesson import Lesson
    from ._played import Ending, Kind, Run

# Why something goes to somebody else than it is meant for, where a function reads a variable of the loop around it.
SURROUNDINGS = (
    "What a task reads of its surroundings may be another's by the time that it gets there; what it is given as an "
    "argument stays its own"
)

# Lines of a ladder; with what is said above and below, that is a screen.
MOST_ROWS = 20
BELOW = 6  # of them after the moment that a finding is about

# Lines of what the program has printed.
MOST_PRINTED = 10

# Characters of a finding, and lines of it: nothing that a check says is half as long.
MOST_SAID = 800
MOST_SAID_LINES = 12


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
      message: what, in a line or three.
      line: where in the learner's file; None: in no one place.
      time: when it happened, in seconds; the ladder is cut around it. None: at the end.
      within: the name of a part of the play, if it has such; the ladder has what happened in that. Empty: in the last.
    """

    message: str
    line: int | None = None
    time: float | None = None
    within: str = ""


def judge(lesson: Lesson, run: Run) -> Finding | None:
    """What is wrong with a run, the most helpful thing; None: it has passed."""
    if run.ending.kind in ("not loaded", "cut", "too long", "gone"):
        finding: Finding | None = _in_general(run)
    else:
        finding = next(lesson.check(run), None) or next(went_wrong(run, "raised", "waits", "floods", "spins"), None)
        finding = (_threaded(run) or _not_awaited(run) or _clocked(run, finding)) if finding else None
    if finding is None:
        return None
    return _started(run, replace(finding, message=_bounded(finding.message) + _caught(run.ending)))


def _threaded(run: Run) -> Finding | None:
    """What it is owed to that anything else is late, or has not come."""
    if not run.threads:
        return None
    return Finding(
        "your program has a thread work here. Threads live in real time, and a lesson in virtual time, of which an "
        "hour goes by while a thread begins: do without",
        run.threads[0],
    )


def _not_awaited(run: Run) -> Finding | None:
    """What it is owed to that anything else is wrong, most likely.

    Where a line has handed a coroutine to somebody who raised something else than that it is one, that is why nobody
    has awaited it, and not the other way round.
    """
    if not run.unawaited:
        return None
    call, ending = run.unawaited[0], run.ending
    name = call.name.rpartition(".")[2]
    if call.is_called_back:
        return Finding(
            f"`{name}` has to be a plain function here, `def {name}(...)`, since it is called without `await`: what an "
            "async one returns is a coroutine object, which is always true, and equal to no other",
            call.line,
        )
    is_compared = ending.exception == "AssertionError"
    is_handed_on = (call.line == ending.line and not is_compared) or NOT_ASYNCIO in ending.words
    if ending.kind == "raised" and is_handed_on and "coroutine" not in ending.words:
        return next(went_wrong(run, "raised"))
    return Finding(
        f"`{name}(...)` without `await` does nothing: it gives a coroutine object, which is always true, and equal to "
        f"no answer. Python's words for that are: coroutine '{call.name}' was never awaited",
        call.line,
    )


def _clocked(run: Run, finding: Finding) -> Finding:
    """By that clock all that is measured is wrong, and so may be what was found."""
    return replace(finding, message=REAL_CLOCK, line=run.clocks[0]) if run.clocks else finding


def _caught(ending: Ending) -> str:
    if ending.catches is None:
        return ""
    return (
        f". When Trio cancelled it then, your program caught that in line {ending.catches} and went on: `except:` and "
        "`except BaseException:` catch trio.Cancelled, too, and nothing can end such a loop"
    )


def _started(run: Run, finding: Finding) -> Finding:
    """With what there is to say of `start_soon`; in its own line, if that None is what something was raised about."""
    if not run.started:
        return finding
    is_about = run.ending.kind == "raised" and "NoneType" in run.ending.words
    line = run.started[0] if is_about else finding.line
    here = "in this line" if line == run.started[0] else f"in line {run.started[0]}"
    return replace(finding, message=f"{finding.message}. What `start_soon` returns {here} is {STARTED}", line=line)


def _bounded(message: str) -> str:
    """Without the middle of what is long: what an exception says, or a function returns, may be of any length."""
    if len(message) > MOST_SAID:
        more = len(message) - MOST_SAID
        message = f"{message[: MOST_SAID // 2]} ... {more:,} characters more ... {message[-MOST_SAID // 2 :]}"
    lines = message.splitlines()
    if len(lines) > MOST_SAID_LINES:
        half = MOST_SAID_LINES // 2
        lines[half:-half] = [f"... {len(lines) - 2 * half:,} lines more ..."]
    return "\n".join(lines)


def went_wrong(run: Run, *kinds: Kind) -> Iterator[Finding]:
    """That the run has ended in one of these ways, in general words; nothing, if it has not."""
    if run.ending.kind in kinds:
        yield _in_general(run)


def _in_general(run: Run) -> Finding:
    ending = run.ending
    here = " in this line" if ending.line else ""
    words = {
        "not loaded": ending.words,
        "raised": f"your program raised {ending.words}{_too_slow(ending)}",
        "waits": f"your program waits for ever{here}{_others(ending)}{missing(ending.awaits) or _to_nobody(run)}",
        "floods": "your program sends without end: 4,000 datagrams, and no end to be seen",
        "spins": ending.words or "your program goes round here without end and never waits, so that time stands still",
        "cut": "your program has cancelled more than its own: the lesson around it was over before its end. A scope or "
        "nursery that your program has not opened is not its to cancel",
        "too long": ending.words,
        "gone": ending.words,
    }
    return Finding(words[ending.kind], ending.line)


def _too_slow(ending: Ending) -> str:
    """Python has one that is called nearly the same, and many take this one for it."""
    is_trios = ending.exception == "TooSlowError" and not (ending.gives_up or "ExceptionGroup" in ending.words)
    return (
        ". It is Trio's own: `except trio.TooSlowError` catches it; `except TimeoutError` does not, nor does `except "
        "socket.timeout`, which is the same"
        if is_trios
        else ""
    )


def _to_nobody(run: Run) -> str:
    words = closed(run) if run.ending.kind == "waits" else ""
    return f". {words}" if words else ""


def _others(ending: Ending) -> str:
    lines = {waiting.line for waiting in ending.waiting} - {ending.line}
    return f", and {in_lines(lines)}" if lines else ""


# -- telling it --------------------------------------------------------------------------------------------------------


def report(lesson: Lesson, run: Run, finding: Finding, source: str, width: int = 80, most_rows: int = MOST_ROWS) -> str:
    """What a person is told.

    Args:
      lesson: which one.
      run: what happened.
      finding: the one that is told.
      source: the text of the learner's file.
      width: of a line.
      most_rows: lines of the ladder.

    Returns:
      Lines, each with a newline at its end.
    """
    where = f"{run.file}:{finding.line}" if finding.line else run.file
    lines = [*_wrapped(f"{where}: {finding.message}", width), *_source(source, finding.line, width)]
    ladder = excerpt(run, finding, width, most_rows)
    if ladder:
        lines += ["", *ladder]
    if run.output.strip():
        lines += ["", "The program printed:", *_printed(run.output, width)]
    return "".join(f"{line}\n" for line in lines)


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.splitlines():
        yield from wrap(show_text(line), max(20, width), break_long_words=False) or [""]


def _source(source: str, line: int | None, width: int) -> Iterator[str]:
    """The line, with two above it."""
    lines = lines_of(source)
    if line is None or not 1 <= line <= len(lines):
        return
    yield ""
    for number in range(max(1, line - 2), line + 1):
        mark = ">" if number == line else " "
        yield shortened(f"{mark} {number:4}  {show_text(lines[number - 1].expandtabs(4))}", width).rstrip()


def _printed(output: str, width: int) -> Iterator[str]:
    lines = output.splitlines()
    for line in lines[:MOST_PRINTED]:
        yield shortened(f"  {show_text(line.expandtabs())}", width)
    if len(lines) > MOST_PRINTED:
        yield f"  ... {len(lines) - MOST_PRINTED:,} more lines"


def excerpt(run: Run, finding: Finding, width: int = 80, most_rows: int = MOST_ROWS) -> list[str]:
    """The ladder around the moment of a finding, or its end; no lines if nothing was sent."""
    trace = run.parts.get(finding.within) or [run.trace, *run.parts.values()][-1]
    happened = tuple(entry for entry in trace.entries if isinstance(entry, Happened))
    if not happened:
        return []
    rows = ladder_text(replace(trace, entries=happened), width=max(40, width)).splitlines()
    times = [_time(row) for row in rows]
    head = [row for row, when in zip(rows[:1], times, strict=False) if when is None]  # the names, above columns
    rows, times = rows[len(head) :], times[len(head) :]
    last = len(rows)
    if finding.time is not None:
        moment = finding.time - trace.started
        there = next((place for place, when in enumerate(times) if when is not None and when > moment - 5e-7), last)
        last = min(last, there + 1 + BELOW)
    last = max(last, min(most_rows, len(rows)))
    first = max(0, last - most_rows)
    return [*head, *_left_out(first, "above"), *rows[first:last], *_left_out(len(rows) - last, "below")]


def _left_out(rows: int, where: str) -> list[str]:
    return [f"... {rows:,} lines {where}; `learn check --whole` shows them"] if rows else []


def _time(row: str) -> float | None:
    found = re.match(r" *(\d+\.\d{6})(?: |$)", row)
    return float(found[1]) if found else None
