"""What is wrong with who was asked when, and with what `ask` has returned.

A round is judged by itself, and its faults in the order in which they come about: somebody was asked too early, the
answer is none, somebody was asked too late or it came too late, somebody was asked twice.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..._look import arrivals, line_of, readings, sent, taken_for
from ..._verdict import SURROUNDINGS, Finding, went_wrong
from ..._where import in_lines
from ._rounds import AGAIN, BUSY, DELAY, EXACT, PAUSE, ROUNDS, SERVERS, STAGGER, Round
from ._stale import stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run

# Many cancel the nursery, and return the answer in it.
NOT_REACHED = (
    "Where does `ask` return it? Once a nursery is cancelled, an `await` in it leaves it: what stands behind that, and "
    "still in the nursery, is not reached; and what a task returns goes to nobody"
)


def check(run: Run) -> Iterator[Finding]:
    if not sent(run, "you", "best"):
        if not sent(run, "you"):
            yield from went_wrong(run, "raised", "spins")
        yield _best_not_asked(run)
        return
    rounds = run.notes.get("rounds", ())
    for number, (began, result, ended) in enumerate(rounds):
        plan = _plan(number, began)
        asked = _asked(run, began, ended)
        yield from _too_early(run, plan, began, asked)
        yield from _answer(run, plan, began, result, ended, asked)
        yield from _too_late(run, plan, began, ended, asked)
        yield from _twice(run, plan, began, ended, asked)
    for began in run.notes.get("began", ())[len(rounds) :]:
        yield from _unfinished(run, _plan(len(rounds), began), began)
    yield from went_wrong(run, "raised", "waits", "floods", "spins")


def _best_not_asked(run: Run) -> Finding:
    """At the line that has asked somebody else, if one has."""
    words, others = "your program has not asked the best server", sent(run, "you")
    if not others:
        return Finding(words, run.ending.line or next(iter(run.notes.get("stands in", ())), None))
    first = others[0]
    same = [each for each in others if (each.time, each.destination) == (first.time, first.destination)]
    words += f": the first that this line has asked, at {first.time:.3g} s, is the {first.destination} one"
    words += f", {len(same)} times at once. {SURROUNDINGS}" if len(same) > 1 else ""
    return Finding(words, first.line, first.time)


def _plan(number: int, began: float) -> Round:
    story = f"call {number + 1} of {len(ROUNDS)}, at {began:.4g} s ({ROUNDS[number].story})"
    return ROUNDS[number]._replace(story=story)


def _unfinished(run: Run, plan: Round, began: float) -> Iterator[Finding]:
    """The call that has not returned."""
    ended = run.trace.ended - run.trace.started
    asked = _asked(run, began, ended)
    came = _good(run, began, ended)
    yield from _too_early(run, plan, began, asked)
    if run.ending.kind == "raised":
        yield from _raised(run, plan, began, ended)
    yield from _not_asked(run, plan, began, came[0][0] if came else ended, asked)
    if came and run.ending.kind == "waits":
        line, time = _last_read(run, came[0][1].data, ended)
        yield Finding(
            f"{plan.story}: the {came[0][1].source} server's answer {_reached(line, came[0][0])}, and ask has not "
            f"returned: {_waits(run)}",
            line,
            time,
        )
    lost = [each for each in sent(run, to="you") if each.time >= began and each.data != BUSY and each.lost]
    if lost and not came:
        line = asked[lost[0].source].line if lost[0].source in asked else None
        yield Finding(f"{plan.story}: ask has not returned. {_missed(lost[0], began)}", line, lost[0].time)


def _reached(line: int | None, time: float) -> str:
    return f"was read in this line, at {time:.4g} s" if line else f"came at {time:.4g} s, and nobody has read it"


def _waits(run: Run) -> str:
    lines = {waiting.line for waiting in run.ending.waiting}
    around = run.ending.waiting[-1].line if run.ending.waiting else 0
    if len(lines) > 1 and around in run.notes["nurseries"][0]:
        lines.remove(around)
        return (
            f"the nursery in line {around} ends when all its tasks have ended, also where a `return` leaves it, and "
            f"they wait for ever, {in_lines(lines)}. Who has an answer has to cancel them"
        )
    return f"your program waits for ever, {in_lines(lines)}"


def _raised(run: Run, plan: Round, began: float, ended: float) -> Iterator[Finding]:
    """With what had come by then, to a socket that was still there or not: what a list lacks is often an answer."""
    for finding in went_wrong(run, "raised"):
        if "\n" in finding.message:  # it has enough to say
            yield finding
        words = f"{plan.story}: {finding.message}. That was {ended - began:.3g} s after `ask` was called; "
        answers = [each for each in sent(run, to="you") if began <= each.time <= ended - DELAY and each.data != BUSY]
        if answers:
            line, _ = _last_read(run, answers[0].data, ended)
            words += f"the {answers[0].source} server's answer had come {answers[0].time + DELAY - began:.3g} s after "
            words += f"it, and was read in line {line}" if line else "it, and nobody listened"
        else:
            words += "no good answer had come by then"
            words += "".join(_still_to_come(plan, began, ended, _asked(run, began, ended)))
        yield Finding(words, finding.line, ended)


def _still_to_come(plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Iterator[str]:
    """Whose answer is the next, and when, in words; nothing, if no server that was asked has another one."""
    good = [(asked[name].time + wait + 2 * DELAY, name) for name, wait in _answering(plan) if name in asked]
    for time, name in sorted(each for each in good if each[0] > ended)[:1]:
        yield f"; the {name} server's comes {time - began:.3g} s after it"


def _answering(plan: Round) -> Iterator[tuple[str, float]]:
    """Who has a good answer, and after how many seconds."""
    for name, wait in zip(SERVERS, plan.waits, strict=True):
        if wait is not None and name not in plan.busy:
            yield name, wait


def _asked(run: Run, began: float, ended: float) -> dict[str, Carried]:
    """The first question to each server in a round."""
    asked: dict[str, Carried] = {}
    for each in sent(run, "you"):
        if began <= each.time <= ended:
            asked.setdefault(each.destination, each)
    return asked


def _good(run: Run, began: float, until: float) -> list[tuple[float, Carried]]:
    """The good answers that have arrived."""
    return [(time, each) for time, each in arrivals(run, "you") if began <= time <= until and each.data != BUSY]


def _too_early(run: Run, plan: Round, began: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    for place, name in enumerate(SERVERS[1:], 1):
        question = asked.get(name)
        if question is None:
            continue
        late = question.time - began
        earlier = SERVERS[place - 1]
        if earlier not in asked or asked[earlier].time > question.time:
            yield Finding(
                f"{plan.story}: the {name} server was asked before the {earlier} one. The best server comes first, as "
                "in the list that `ask` gets",
                question.line,
                question.time,
            )
        is_due = late > place * STAGGER - EXACT
        came = _good(run, began, question.time - (EXACT if is_due else 0))
        if came:
            yield Finding(
                f"{plan.story}: the {name} server was asked {late:.3g} s after `ask` was called, and a good answer had "
                f"come {came[0][0] - began:.3g} s after it. Then nobody else has to be asked",
                question.line,
                question.time,
            )
        refused = {each.source for time, each in arrivals(run, "you") if began <= time <= question.time}
        if late < place * STAGGER - 1e-6 and SERVERS[place - 1] not in refused:
            yield Finding(
                f"{plan.story}: the {name} server was asked {late:.3g} s after `ask` was called. Those before it have "
                f"{STAGGER} s each; if everybody asks all at once, all servers have three times the work",
                question.line,
                question.time,
            )


def _answer(
    run: Run, plan: Round, began: float, result: object, ended: float, asked: dict[str, Carried]
) -> Iterator[Finding]:
    came = _good(run, began, ended)
    if result in [each.data for _, each in came]:
        return
    if result == BUSY:
        yield Finding(
            f"{plan.story}: ask has returned {BUSY!r}, which is no answer: another server has one",
            *_last_read(run, BUSY, ended),
        )
    elif result is None:
        yield from _gave_up(run, plan, began, ended, asked)
    else:
        right = f"the server has answered {came[0][1].data!r}" if came else "no good answer had come"
        where = _last_read(run, came[0][1].data, ended) if came else (None, ended)
        taken = taken_for(result, came[0][1].data) if came else ""
        old = stale(run, began, ended, result)
        if old:
            taken, where = old.words, (old.line, old.time)
        yield Finding(f"{plan.story}: ask has returned {result!r}, and {right}{taken}", *where)


def _last_read(run: Run, data: bytes, until: float) -> tuple[int | None, float]:
    """The line that has read this by then, the last time, and when."""
    read = [each for each in readings(run, "you", data) if each.time <= until]
    return (line_of(run, read[-1]), read[-1].time) if read else (None, until)


def _gave_up(run: Run, plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    words = f"{plan.story}: ask has returned None, after {ended - began:.3g} s"
    for each in sent(run, to="you"):
        if began <= each.time < ended + PAUSE and each.data != BUSY:
            line, time = _last_read(run, each.data, ended)
            if line is not None:
                words += f". But the {each.source} server's answer was read in this line, at {time:.4g} s"
                yield Finding(f"{words}. {NOT_REACHED}", line, time)
            line = asked[each.source].line if each.source in asked else None
            yield Finding(f"{words}. {_missed(each, began)}", line, each.time)
    line, time = _last_read(run, BUSY, ended)
    if line is not None and time >= began:
        words += f". {BUSY!r} was read in this line, at {time:.4g} s: that is no answer, and another server has one"
        yield Finding(words, line, time)
    yield from _not_asked(run, plan, began, ended, asked)
    yield Finding(words, run.notes["stands in"][0], ended)


def _missed(answer: Carried, began: float) -> str:
    came = answer.time + DELAY
    return (
        f"The {answer.source} server's answer came at {came:.4g} s, {came - began:.3g} s after `ask` was called, and "
        "nobody listened"
    )


def _too_late(run: Run, plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    came = _good(run, began, ended)
    first = came[0][0] if came else ended
    yield from _not_asked(run, plan, began, first, asked)
    if ended > first + EXACT:
        line, time = _last_read(run, came[0][1].data, ended)
        read = f", which was read in this line at {time:.4g} s" if line else ""
        yield Finding(
            f"{plan.story}: ask has returned {ended - first:.3g} s after the first good answer had come{read}. With "
            "that there is nothing left to wait for",
            line,
            time,
        )


def _not_asked(run: Run, plan: Round, began: float, first: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    """Who was asked too late or never, though the first good answer came later than that."""
    for place, name in enumerate(SERVERS):
        due = began + place * STAGGER
        if due + EXACT >= first or (name in asked and asked[name].time <= due + EXACT):
            continue
        words = f"and it was to be asked after {place * STAGGER:.3g} s, as no good answer had come"
        if name in asked:
            when = f"asked {asked[name].time - began:.3g} s after `ask` was called"
            yield Finding(f"{plan.story}: the {name} server was {when}, {words}", asked[name].line, due)
        else:
            line = _stood(run, began, place)
            words += ". `ask` stood in this line then" if line else ""
            yield Finding(f"{plan.story}: the {name} server was never asked, {words}", line, due)


def _stood(run: Run, began: float, place: int) -> int | None:
    """In which line `ask` was when that server should just have been asked."""
    number = run.notes["began"].index(began)
    return next((line for *which, line in run.notes.get("stood", ()) if which == [number, place]), None)


def _twice(run: Run, plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    for name, first in asked.items():
        questions = [each for each in sent(run, "you", name) if began <= each.time <= ended]
        again = next((each for one, each in pairwise(questions) if each.time < one.time + AGAIN - 1e-6), None)
        if again:
            yield Finding(
                f"{plan.story}: the {name} server was asked again, {again.time - first.time:.3g} s after the first "
                f"time, and {len(questions)} times in all. It has the question: to ask once more is to give it more "
                "work, and brings its answer no sooner",
                again.line,
                again.time,
            )
