"""`Brackets`: what takes time in the picture of a ladder, beside its lifeline: attempts and handlers.

On the left of a client each attempt is a bracket that is open towards it, from its start to its end. The deadline is a
thick foot if it was met; if not, a dotted line goes on towards it until the next attempt begins. The foot of one that
was refused has a cross. Around the attempts of one request is a loop, where there are several. All this is drawn after
the arrows of datagrams: these run through it to clients further away, and a line upon words is harder to read than
words upon a line.

Handlers are bars upon the lifeline. What one of them raised, or that it was cancelled, stands at its end, if nobody is
further to the right; elsewhere its sign has to do.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from html import escape
from typing import TYPE_CHECKING

from ._axis import Mark
from ._beside import BESIDE, HOOK, TRACK, beside, tracks
from ._loops import Loop, draw_loops, room_for_loops
from ._plan import TOP
from ._show import shortened, show_data, show_duration, show_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._axis import Axis
    from ._ladder import Asked, Ladder, Work
    from ._plan import Plan
    from ._requests import Attempt

FIRST = 6.0  # from a lifeline to the first bracket; pixels, as all lengths
APART = 5.0  # from attempts to loops
AROUND = 5.0  # what an arrow that goes round needs above and below the words beside an attempt
BAR = 6.0  # a handler's
REFUSAL = 2.5  # half the size of its cross
AFTER = 5.0  # from the bars to what is said of them
LINE = 10.0  # from one of these words to the next
WORD_LETTER = 5.2
LONGEST_WORD = 24


class Brackets:
    """Those of a ladder; says what has a height, and then draws it."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._asked: dict[int, list[Asked]] = {}
        self._work: dict[int, list[Work]] = {}
        for asked in ladder.asked:
            self._asked.setdefault(asked.lifeline, []).append(asked)
        for work in ladder.work:
            self._work.setdefault(work.lifeline, []).append(work)

    def marks(self) -> Iterator[Mark]:
        """The ends of all of them."""
        for asked in self._ladder.asked:
            for attempt in asked.request.attempts:
                if attempt.started <= self._ladder.ended:
                    yield Mark(attempt.started, attempt.entry, asked.lifeline, ("attempt", attempt.entry), takes=False)
                if (end := self._end(attempt.ended, attempt.ended_entry)) is not None:
                    yield Mark(*end, asked.lifeline, ("attempt ends", attempt.entry), takes=False)
        for work in self._ladder.work:
            run = work.run
            yield Mark(run.started, run.entry, work.lifeline, ("handler", run.entry))
            if (end := self._end(run.ended, run.ended_entry)) is not None:
                yield Mark(*end, work.lifeline, ("handler ends", run.entry), ("handler", run.entry), takes=False)

    def _end(self, time: float | None, entry: int | None) -> tuple[float, int] | None:
        """If it is in the picture."""
        return (time, entry) if time is not None and entry is not None and time <= self._ladder.ended else None

    def rooms(self, axis: Axis) -> list[float]:
        """What each lifeline needs on its left."""
        numbers = range(len(self._ladder.lifelines))
        return [self._outermost(self._asked.get(number, []), axis) for number in numbers]

    def _outermost(self, asked: list[Asked], axis: Axis) -> float:
        inner = FIRST + TRACK * max(self._tracks(asked, axis), default=0) + HOOK + BESIDE
        return inner + APART + room_for_loops(self._loops(asked, axis))

    def draw(self, plan: Plan, axis: Axis) -> Iterator[str]:
        """Attempts and loops, each in a group of its own."""
        for lifeline, x in enumerate(plan.x):
            yield from self._attempts(self._asked.get(lifeline, []), x, axis)

    def draw_handlers(self, plan: Plan, axis: Axis) -> Iterator[str]:
        """Each in a group of its own, too."""
        for lifeline, x in enumerate(plan.x):
            yield from self._handlers(self._work.get(lifeline, []), x, axis, is_last=lifeline == len(plan.x) - 1)

    # -- handlers -----------------------------------------------------------------------------------------------------

    def _handlers(self, work: list[Work], x: float, axis: Axis, *, is_last: bool) -> Iterator[str]:
        spans = [self._span(axis, "handler", one.run.entry) for one in work]
        places = tracks(spans)
        words = self._words(work, spans) if is_last else {}
        for number, (one, (top, bottom), track) in enumerate(zip(work, spans, places, strict=True)):
            run = one.run
            took = "" if run.ended is None else f", {show_duration(run.ended - run.started)}"
            title = f"handler{took}: {show_text(run.outcome) or 'still at work'}\n{show_data(run.data, 64)}"
            task = "" if one.task is None else f' data-task="{one.task}"'
            yield f'<g class="handler{run.fate}" data-entry="{run.entry}"{task}><title>{escape(title)}</title>'
            yield from draw_handler(x - BAR / 2 + track * BAR, top, max(bottom, top + 3), run.fate)
            if number in words:
                beyond = max(place for span, place in zip(spans, places, strict=True) if _are_near(span, bottom))
                after = x - BAR / 2 + BAR * (beyond + 1) + AFTER
                yield f'<text class="ending" x="{after:.1f}" y="{bottom + 3:.1f}">{escape(words[number])}</text>'
            yield "</g>"

    def _words(self, work: list[Work], spans: list[tuple[float, float]]) -> dict[int, str]:
        """What stands at the ends of bars, by their numbers; of those that end together, at one."""
        words: dict[int, str] = {}
        free = -math.inf
        for number in sorted(range(len(work)), key=lambda number: spans[number][1]):
            if self._word(work[number]) and spans[number][1] >= free:
                words[number], free = self._word(work[number]), spans[number][1] + LINE
        return words

    def _word(self, work: Work) -> str:
        """What a handler raised, or that it was cancelled, if that is in the picture."""
        run = work.run
        has_ended = run.fate and self._end(run.ended, run.ended_entry) is not None
        return shortened(show_text(run.outcome), LONGEST_WORD) if has_ended else ""

    def room_after(self, axis: Axis) -> float:
        """What the last lifeline needs on its right."""
        work = self._work.get(len(self._ladder.lifelines) - 1, [])
        longest = max((len(self._word(one)) for one in work), default=0)
        places = tracks(self._span(axis, "handler", one.run.entry) for one in work)
        return BAR * (max(places) + 0.5) + AFTER + WORD_LETTER * longest + AFTER if longest else 0.0

    def _span(self, axis: Axis, kind: str, entry: int) -> tuple[float, float]:
        """From its start to its end, as far as they are in the picture."""
        return TOP + axis.get((kind, entry), axis.height), TOP + axis.get((f"{kind} ends", entry), axis.height)

    # -- attempts -----------------------------------------------------------------------------------------------------

    def _attempts(self, asked: list[Asked], x: float, axis: Axis) -> Iterator[str]:
        """Of one client."""
        all_attempts = self._all_attempts(asked)
        spans = [self._span(axis, "attempt", attempt.entry) for _, attempt in all_attempts]
        starts = sorted(top for top, _ in spans)
        places = self._tracks(asked, axis)
        several = max(places, default=0)
        for number, ((one, attempt), (top, bottom)) in enumerate(zip(all_attempts, spans, strict=True)):
            after = bisect_right(starts, bottom - 1)
            until = starts[after] if after < len(starts) else TOP + axis.height
            yield from self._attempt(one, attempt, x - FIRST - TRACK * places[number], top, bottom, axis, until)
            if not several:
                margin = AROUND if len(one.request.attempts) > 1 else 0.0
                yield from beside(x - FIRST - HOOK - 4, top + margin, bottom - margin, *self._texts(one, attempt))
            yield "</g>"
        if loops := self._loops(asked, axis):
            inner = x - FIRST - TRACK * several - HOOK - 1
            outer = inner - APART - (0 if several else BESIDE)
            yield from draw_loops(loops, outer, inner, self._ladder.lifelines[asked[0].lifeline].name)

    def _tracks(self, asked: list[Asked], axis: Axis) -> list[int]:
        """Of each attempt in the picture: all of one request stand in one."""
        found = tracks(self._loop(one, axis).span for one in asked)
        return [track for one, track in zip(asked, found, strict=True) for _ in self._all_attempts([one])]

    def _all_attempts(self, asked: list[Asked]) -> list[tuple[Asked, Attempt]]:
        """Those in the picture."""
        ended = self._ladder.ended
        return [(one, attempt) for one in asked for attempt in one.request.attempts if attempt.started <= ended]

    def _attempt(
        self, asked: Asked, attempt: Attempt, x: float, top: float, bottom: float, axis: Axis, until: float
    ) -> Iterator[str]:
        task = "" if asked.task is None else f' data-task="{asked.task}"'
        client = escape(self._ladder.lifelines[asked.lifeline].name)
        yield f'<g class="attempt{attempt.fate}" data-entry="{attempt.entry}"{task} data-client="{client}">'
        yield f"<title>{escape(self._tell(asked, attempt))}</title>"
        is_open = attempt.ended is None or attempt.ended > self._ladder.ended
        rest = min(TOP + axis.at(attempt.deadline), until) - 2
        yield from draw_bracket(x, top, bottom, is_timeout=attempt.is_timeout, is_open=is_open, rest=rest)
        if attempt.is_refused and not is_open:
            yield draw_refusal(x + 1, bottom - 1)

    def _texts(self, asked: Asked, attempt: Attempt) -> Iterator[str]:
        """What stands beside it, the longest first."""
        request, outcome = asked.request.number, show_text(attempt.outcome) or "waits"
        long = f"request {request}, attempt {attempt.number}: {outcome}"
        if not attempt.is_timeout:
            yield f"{long}, deadline at {attempt.deadline - self._ladder.started:.6g} s"
        yield from (long, f"{request}.{attempt.number}: {outcome}", f"{request}.{attempt.number}")

    def _tell(self, asked: Asked, attempt: Attempt) -> str:
        """What is shown to whoever points at it."""
        started, number = self._ladder.started, f"request {asked.request.number}, attempt {attempt.number}"
        lines = [
            f"{number}: {show_text(attempt.outcome) or 'still waiting'}",
            show_data(attempt.data, 64),
            f"began at {attempt.started - started:.6f} s",
            f"deadline at {attempt.deadline - started:.6f} s: {show_duration(attempt.deadline - attempt.started)}",
        ]
        if attempt.ended is not None and not attempt.is_timeout:
            took = show_duration(attempt.ended - attempt.started)
            lines.append(f"ended at {attempt.ended - started:.6f} s, after {took}")
        return "\n".join(lines)

    def _loops(self, asked: list[Asked], axis: Axis) -> list[Loop]:
        """Of the requests that were sent more than once."""
        return [self._loop(one, axis) for one in asked if len(one.request.attempts) > 1]

    def _loop(self, asked: Asked, axis: Axis) -> Loop:
        """Where the picture ends before its last attempt, it goes on to there."""
        drawn = [one for one in asked.request.attempts if one.started <= self._ladder.ended]
        spans = [self._span(axis, "attempt", one.entry) for one in drawn]
        if len(drawn) < len(asked.request.attempts):
            spans[-1] = (spans[-1][0], TOP + axis.height)
        return Loop(asked.request, asked.task, spans)


def _are_near(span: tuple[float, float], y: float) -> bool:
    """A bar, and a word at this height."""
    return span[0] <= y + LINE / 2 and span[1] >= y - LINE / 2


def draw_bracket(
    x: float, top: float, bottom: float, *, is_timeout: bool, is_open: bool, rest: float | None = None
) -> Iterator[str]:
    """That of an attempt, and the rest of its time, if there is so much."""
    foot = f"M{x - HOOK:.1f} {bottom - 1:.1f}h{HOOK}" if not (is_open or is_timeout) else ""
    path = f"M{x:.1f} {top + 1:.1f}h{-HOOK}V{bottom - 1:.1f}"
    yield f'<path class="hit" d="{path}"/><path class="bracket" d="{path}{foot}"/>'
    if is_timeout:
        yield f'<path class="deadline" d="M{x - HOOK - 1:.1f} {bottom - 1:.1f}h{HOOK + 2}"/>'
    elif rest is not None and rest > bottom + 2:
        yield f'<path class="bracket rest" d="M{x - HOOK:.1f} {bottom:.1f}V{rest:.1f}"/>'


def draw_handler(x: float, top: float, bottom: float, fate: str) -> Iterator[str]:
    """Its bar; one that raised has a cross at its end, and one that was cancelled a line across."""
    yield f'<rect x="{x:.1f}" y="{top:.1f}" width="{BAR}" height="{bottom - top:.1f}"/>'
    if fate == " raised":
        yield draw_refusal(x + BAR / 2, bottom)
    elif fate:
        yield f'<path class="deadline" d="M{x - 2:.1f} {bottom:.1f}h{BAR + 4}"/>'


def draw_refusal(x: float, y: float) -> str:
    """That of an attempt, with its middle there."""
    size = 2 * REFUSAL
    path = f"M{x - REFUSAL:.1f} {y - REFUSAL:.1f}l{size} {size}m{-size} 0l{size} {-size}"
    return f'<path class="refusal" d="{path}"/>'
