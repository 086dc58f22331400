"""What is wrong with who was asked when, when `ask_all` has returned, and what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._events import DatagramSent
from ..._awaited import is_socket
from ..._look import arrivals, happened, line_of, readings, sent, taken_for, tasks
from ..._refused import refused
from ..._verdict import SURROUNDINGS, Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..._played import Carried, Run

SECOND = 1.0
ROUNDS = 2
PAUSE = 5.0  # seconds between two rounds: nothing of the first comes in the second
DELAY = 0.05  # seconds, each way

# When an answer leaves, in seconds after the question has come; None: never.
SERVERS: dict[str, float | None] = {"prompt": 0.0, "slow": 0.6, "silent": None, "late": 1.5}

# The answers are returned in the scope, and that ends the nursery.
NOT_REACHED = (
    "Where does it return one? Who returns inside of a `with` waits at the end of its nursery first; if the timeout "
    "cancels it there, it goes on behind that `with`, and has not returned"
)

NEVER = (
    "your program waits for ever in this line, for an answer of the server `silent`. A timeout cancels what is inside "
    "of its `with`, unless that is shielded. A task is inside of its nursery, wherever it was started, and where the "
    "nursery ends it is waited for"
)
AGAIN = "your program uses a cancel scope a second time. A scope is for one `with`: make a new one in each call"
ENTERED = (
    "your program enters a scope that is entered already: a nursery enters its own. A scope is for one `with`: set the "
    "deadline of this one, or make another one"
)

# Seconds: what a program may be early or late, if it does anything in between.
EXACT = 0.05


def check(run: Run) -> Iterator[Finding]:
    rounds = run.notes.get("rounds", ())
    if run.ending.kind == "waits":
        yield from _gone(run, rounds[-1][2] + PAUSE if rounds else 0.0)
        if is_socket(run.ending.awaits) and sent(run, "you", "silent"):
            yield Finding(NEVER, run.ending.line)
    if run.ending.kind == "raised" and "single 'with' block" in run.ending.words:
        is_entered = run.ending.line in run.notes["enters"][0]
        yield Finding(ENTERED if is_entered else AGAIN, run.ending.line)
    yield from went_wrong(run, "raised", "waits", "floods", "spins")
    yield from _at_once(run)
    for began, result, ended, kind in rounds:
        yield from _asked(run, began, ended)
        yield from _in_time(run, began, ended)
        yield from _gone(run, began)
        if isinstance(result, (list, tuple)):
            answers = list(result)
            yield from _nobodys(run, answers, ended)
            yield from _answers(run, began, answers, ended)
        else:
            yield _no_list(run, result, kind, ended)


def _at_once(run: Run) -> Iterator[Finding]:
    """A call returned at once, since what it had started was cancelled at once: by whom?"""
    rounds = [(began, ended) for began, _, ended, _ in run.notes.get("rounds", ())]
    for number, (began, ended) in enumerate(rounds):
        cut_short = [life for life in tasks(run) if life.began == life.ended == began]
        if ended > began or not cut_short or any(each.time == began for each in sent(run, "you")):
            continue
        if number:
            yield Finding(
                f"the second call of ask_all has returned after 0 s, and what it had started was cancelled at once. A "
                f"deadline is a time of the clock, which was {began:.3g} s then, and not how long to wait: one second "
                "from now is `trio.current_time() + 1`",
                _only(run.notes.get("deadlines", [[]])[0]),
                began,
            )
        else:
            yield Finding(
                "ask_all has returned after 0 s: its tasks were cancelled before their first step. `start_soon` does "
                "not wait for them, and `cancel()`, or a deadline that has passed, ends all that is inside at once",
                _only(run.notes.get("cancels", [[]])[0]),
                began,
            )


def _ends(run: Run, began: float, ended: float) -> tuple[int | None, str]:
    """In which line it is seen why a call has ended then, as far as that is known, and what to say of it."""
    took = ended - began
    fits = [line for line, seconds in run.notes["timeouts"][0] if seconds and abs(seconds - took) < EXACT]
    if len(fits) == 1:
        return fits[0], ". The timeout stands in this line"
    late = next((line for when, line in run.notes.get("late", ()) if when == began), None)
    if took > SECOND and late:
        return late, ". When the second was over, your program was waiting in this line"
    if took < SECOND and (cancels := _only(run.notes["cancels"][0])):
        return cancels, ". What cancels stands in this line"
    read = [each for each in readings(run, "you", b"") if abs(each.time - ended) < 1e-6 and line_of(run, each)]
    if took < SECOND and read:
        return line_of(run, read[-1]), ". That was when an answer had been read in this line"
    return run.notes["stands in"][0], ""


def _only(lines: list[int]) -> int | None:
    return lines[0] if len(lines) == 1 else None


def _asked(run: Run, began: float, ended: float) -> Iterator[Finding]:
    first: dict[str, float] = {}
    for each in sent(run, "you"):
        if began <= each.time <= ended:
            first.setdefault(each.destination, each.time)
    for name, time in first.items():
        if time > began + EXACT:
            yield Finding(
                f"the server `{name}` was asked {time - began:.3g} s after the others. All are to be asked at once, so "
                "that all have the whole second",
                next(each.line for each in sent(run, "you", name) if each.time == time),
                time,
            )
    missing = [name for name in SERVERS if name not in first]
    if missing:
        yield from _asked_others(run, missing, began, ended)
        when = f" in the second call of ask_all, which returned after {ended - began:.3g} s" if began else ""
        asks = next((each.line for each in sent(run, "you") if began <= each.time <= ended), None)
        line, words = (asks, ". What asks the others stands in this line") if asks else (run.notes["stands in"][0], "")
        if ended - began < SECOND - EXACT and (cancels := _only(run.notes["cancels"][0])):
            line, words = cancels, f", and has cancelled what asks them after {ended - began:.3g} s, in this line"
        yield Finding(f"your program has not asked the server {_listed(missing)}{when}{words}", line, ended)


def _in_time(run: Run, began: float, ended: float) -> Iterator[Finding]:
    took = ended - began
    line, where = _ends(run, began, ended)
    if took > SECOND + EXACT:
        words = f"ask_all has returned after {took:.3g} s; it should after 1 s, whoever has not answered"
        yield Finding(words + where, line, ended)
    if took < SECOND - EXACT:
        words = f"ask_all has returned after {took:.3g} s. Until the second is over an answer may come"
        yield Finding(words + where, line, ended)


def _asked_others(run: Run, missing: list[str], began: float, ended: float) -> Iterator[Finding]:
    """That tasks which were to ask these have asked another one, as each has read the same variable."""
    for name in (name for name in SERVERS if name not in missing):
        asked = [each for each in sent(run, "you", name) if began <= each.time <= ended]
        again = [each for each in asked if each.time == asked[0].time]
        by = {entry.task for entry in happened(run, DatagramSent, at="you") if entry.event.time == asked[0].time}
        if len(again) > 1 and len(by) > 1:
            yield Finding(
                f"your program has asked the server `{name}` {len(again)} times at once, and not the server "
                f"{_listed(missing)}. {SURROUNDINGS}",
                again[0].line,
                again[0].time,
            )


def _listed(names: list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


# -- what it has returned ----------------------------------------------------------------------------------------------


def _gone(run: Run, began: float) -> Iterator[Finding]:
    """That somebody has answered in time, and nobody was there."""
    for name in SERVERS:
        came = [time for time, _ in arrivals(run, "you", name) if began <= time <= began + SECOND]
        for each in refused(run, "you", name, DELAY):
            if began <= each.time <= began + SECOND and not came:
                yield Finding(each.words, each.line, each.time)


def _no_list(run: Run, result: object, kind: str, ended: float) -> Finding:
    if result is None:
        words = f"ask_all has returned None; it should return a list, of the answers. {NOT_REACHED}"
    else:
        # What a note cannot keep it has as text.
        shown = result if isinstance(result, str) and kind != "str" else repr(result)
        what = f"an object of type {kind}" if shown.startswith("<") else f"{shown}, of type {kind}"
        words = f"ask_all has returned {what}; it should return a list, of the answers"
    return Finding(words, _returns(run), ended)


def _nobodys(run: Run, result: list[object], ended: float) -> Iterator[Finding]:
    if None in result:
        words = "there is None in the list that ask_all has returned, and only answers belong there: it is "
        yield Finding(f"{words}{result!r}", _returns(run), ended)


def _returns(run: Run) -> int | None:
    """The line in which `ask_all` returns, most likely; else its own."""
    stands = run.notes["stands in"][0]
    return _only([each for each in run.notes["returns"][0] if stands is None or each > stands]) or stands


def _answers(run: Run, began: float, result: list[Any], ended: float) -> Iterator[Finding]:
    arrived = [each for time, each in arrivals(run, "you") if began <= time <= ended]
    came = [each.data for each in arrived]
    for each in arrived:
        if each.data not in result:
            yield _not_returned(run, each, result, ended)
    before = [each.data for time, each in arrivals(run, "you") if time < began]
    for answer in result:
        if answer in before:
            line, read = _read(run, answer)
            yield Finding(
                f"ask_all has returned {answer!r}, which was an answer to the call before this one, and was read in "
                f"this line{read}. It is still in a list that is older than the call",
                line,
                ended,
            )
        if result.count(answer) > came.count(answer):
            what = "more often than it has come" if answer in came else "which no server has sent by then"
            yield Finding(f"ask_all has returned {answer!r}, {what}", _read(run, answer)[0] or _returns(run), ended)


def _not_returned(run: Run, came: Carried, result: list[object], ended: float) -> Finding:
    answer = came.data
    line, read = _read(run, answer)
    words = f"the answer {answer!r} came in time, but ask_all has not returned it"
    instead = next((each for each in result if taken_for(each, answer)), None)
    if instead is not None:
        words += f", and has returned {instead!r}{taken_for(instead, answer)}"
    if line:
        words += f". It was read in this line{read}"
    else:
        asked = [each for each in sent(run, "you", came.source) if each.source_port == came.destination_port]
        line = asked[-1].line if asked else None
        words += ". It came to the socket that had asked in this line, and nobody has read it there"
    return Finding(words if instead else f"{words}. What ask_all has returned is {result!r}", line, ended)


def _read(run: Run, answer: object) -> tuple[int | None, str]:
    """The line that has read an answer first, and when, in words."""
    read = readings(run, "you", answer) if isinstance(answer, bytes) else []
    return (line_of(run, read[0]), f", at {read[0].time:.3g} s") if read else (None, "")
