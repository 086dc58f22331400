"""What is wrong with what `ask` has returned, with the line that has read it, and with how long it has waited.

Whom it believes is seen by the answer: each of them has another one to each question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...._events import DatagramSent
from ..._look import arrivals, happened, line_of, readings, sent, taken_for
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Run

SERVER = ("10.0.0.1", 7)

PATIENCE = 2.0  # seconds that the program is to wait
EXACT = 0.1 + 1e-6  # seconds: what it may be early or late
DELAY = 0.01  # seconds, each way
WORK = 0.5  # seconds that the server takes: whoever forges is faster


class Round(NamedTuple):
    """Who forges, how often, and whether the server answers."""

    eve: int = 0
    mallory: int = 0
    neighbour: int = 0
    answers: bool = True


ROUNDS = (
    Round(),
    Round(eve=1),
    Round(mallory=1),
    Round(eve=4, mallory=3),
    Round(eve=30, mallory=30, answers=False),
    Round(neighbour=1),
    Round(answers=False),
    Round(),
)

REASONS = {
    "eve": "That came from somebody else, to whom your program has sent nothing: from the port that the server has, on "
    "another host. An address is both, the host and the port. Anybody may send to yours, and one who has seen the "
    "question knows its number",
    "neighbour": "That came from the server's host, but from another port: another program there has sent it. An "
    "address is both, the host and the port",
    "mallory": "That has the server's address on it, but does not begin with the number of this question. Who sends a "
    "datagram can write any address on it; the number is known only to who has seen the question",
}

NO_ANSWER = "but the server has not answered, and without an answer it is to return None: `return None`"


def check(run: Run) -> Iterator[Finding]:
    if not sent(run, "you", "server"):
        yield from went_wrong(run, "raised", "spins")
        line = run.ending.line or run.notes["stands in"][0]
        yield Finding("your program has sent nothing to the server, so it cannot know what that answers", line)
        return
    yield from _asks_again(run)
    rounds = zip(*(run.notes.get(word, ()) for word in ("began", "result", "ended")), strict=False)
    for place, (began, result, ended) in enumerate(rounds):
        yield from _asked(run, place, began, ended)
        yield from _forged(run, place, result, ended)
        yield from _answered(run, place, began, result, ended)
    yield from _waits(run)
    yield from _raised(run)
    yield from went_wrong(run, "raised", "waits", "floods", "spins")


def _asks_again(run: Run) -> Iterator[Finding]:
    (forged,) = run.notes["forged"]
    lies = {data for each in forged.values() for data in each}
    times = {time for time, each in arrivals(run, "you") if each.data[4:] in lies}
    questions = sent(run, "you", "server")
    prompted = [each for each in questions if each.time in times]
    if run.ending.kind == "floods" and 2 * len(prompted) > len(questions):
        yield Finding(
            f"your program asks again in this line whenever something forged has come, here at {prompted[0].time:.3g} "
            f"s: {len(prompted):,} times, until the lesson has ended it. So it is others who decide how much it sends; "
            "and what is forged says nothing of the question, which may be answered yet",
            prompted[0].line,
            prompted[0].time,
        )
    began, place = run.notes["began"][-1], _over(run)
    late = [each for each in questions if each.time > began + PATIENCE + EXACT]
    if run.ending.kind == "floods" and late:
        yield Finding(
            f"your program asks question {place + 1} in this line again and again, at {late[-1].time - began:.3g} s "
            f"after the first time still. When the server has said nothing for {PATIENCE:.0f} s `ask` is to return "
            "None; those are counted from the first time, whatever has been asked since",
            late[-1].line,
            late[0].time,
        )


def _over(run: Run) -> int:
    """How many questions it has returned from."""
    return len(run.notes.get("result", ()))


def _waits(run: Run) -> Iterator[Finding]:
    place = _over(run)
    if run.ending.kind == "waits" and place < len(ROUNDS) and not ROUNDS[place].answers:
        words = f"the server does not answer: after {PATIENCE:.0f} s `ask` was to return None"
        if not any(ROUNDS[place]):
            words = (
                f"nobody answers, neither the server nor anybody else: after {PATIENCE:.0f} s `ask` was to return "
                "None. What your program does when something has come it never does then, so the wait itself has to "
                "end: `with trio.move_on_after(2):` around it"
            )
        yield Finding(
            f"your program waits for ever in this line. Question {place + 1} is one that {words}", run.ending.line
        )


def _raised(run: Run) -> Iterator[Finding]:
    """At what is forged, or since nobody has answered: on purpose, or as `trio.fail_after` does."""
    place = _over(run)
    if run.ending.kind != "raised" or place == len(run.notes["ended"]):
        return
    ended = run.notes["ended"][place]
    took = ended - run.notes["began"][place]
    forger = _read_just_then(run, ended) if took < PATIENCE - EXACT else ""
    due = f"When the server has said nothing for {PATIENCE:.0f} s `ask` is to return None"
    if forger:
        yield Finding(
            f"your program raised {run.ending.words}, when it had read what {forger} had forged, at {ended:.3g} s. "
            "What is wrong says nothing about what may still come, so the wait should go on",
            run.ending.line,
            ended,
        )
    elif run.ending.gives_up:
        yield Finding(
            f"your program raised {run.ending.words} for question {place + 1}. {due}: `return None`", run.ending.line
        )
    elif run.ending.exception == "TooSlowError":
        for general in went_wrong(run, "raised"):
            words = f"{general.message}. That was {took:.3g} s after question {place + 1}. {due}"
            yield Finding(f"{words}; `trio.move_on_after` raises nothing", general.line, ended)


def _read_just_then(run: Run, time: float) -> str:
    """Who has forged what was read at this moment; nobody, if none has."""
    (forged,) = run.notes["forged"]
    for name, lies in forged.items():
        if any(abs(each.time - time) < 1e-6 for lie in lies for each in readings(run, "you", lie)):
            return str(name)
    return ""


def _last_read(run: Run, began: float, ended: float) -> tuple[int | None, float]:
    """The line that has read something last in a round, and when; if none has, the one that asked."""
    read = [each for each in readings(run, "you", b"") if began <= each.time <= ended]
    if read:
        return line_of(run, read[-1]), read[-1].time
    asked = [each for each in sent(run, "you", "server") if began <= each.time <= ended]
    return (asked[-1].line, asked[-1].time) if asked else (None, began)


def _asked(run: Run, place: int, began: float, ended: float) -> Iterator[Finding]:
    (numbers,) = run.notes["numbers"]
    questions = [each for each in sent(run, "you", "server") if began <= each.time <= ended]
    if questions and not any(each.data.startswith(numbers[place]) for each in questions):
        question = questions[0]
        yield Finding(
            f"question {place + 1} begins with {question.data[:4]!r}, and was to begin with `number`, which is "
            f"{numbers[place]!r}. The server answers nothing else",
            question.line,
            question.time,
        )


def _forged(run: Run, place: int, result: object, ended: float) -> Iterator[Finding]:
    (forged,) = run.notes["forged"]
    for name, reason in REASONS.items():
        data = forged[name][place]
        if isinstance(result, bytes) and data in result:
            taken = readings(run, "you", data)
            line, time = (line_of(run, taken[-1]), taken[-1].time) if taken else (None, ended)
            words = _instead(run, place, getattr(taken[-1].event, "data", b"")) if taken and name == "mallory" else ""
            yield Finding(f"question {place + 1}: ask has returned {data!r}. {reason}{words}", line, time)


def _instead(run: Run, place: int, forged: bytes) -> str:
    number = run.notes["numbers"][0][place]
    return f". It begins with {forged[:4]!r}, and the number was {number!r}: all four bytes have to be the same"


def _missed(run: Run, place: int, what: str, began: float, ended: float) -> Finding:
    """Why it has not returned the answer: it has read that, has left it lying there, or did not wait for it."""
    answer = run.notes["numbers"][0][place] + run.notes["answers"][0][place]
    read = [each for each in readings(run, "you", answer) if each.time <= ended]
    if read:
        here = "In this line it" if line_of(run, read[0]) else "It"
        why = "What is it compared with, and is that what has come, to the byte?"
        if read[0].task not in [each.task for each in happened(run, DatagramSent, at="you")]:
            why = "The task that has read it is not the one that has asked: what a task's function returns nobody gets"
        words = (
            f"{here} has read the server's answer at {read[0].time:.3g} s, {answer!r}, which came from "
            f"{SERVER!r}, and has not returned it. {why}"
        )
        return Finding(f"{what}. {words}", line_of(run, read[0]), read[0].time)
    for each in sent(run, "server", "you"):
        if each.data == answer and each.delivered and each.delivered[0] <= ended:
            words = (
                f"The server's answer came at {each.delivered[0]:.3g} s to the socket that had asked in this line, and "
                "nobody has read it there"
            )
            asked = [one.line for one in sent(run, "you") if one.source_port == each.destination_port]
            return Finding(f"{what}. {words}", asked[0], each.delivered[0])
    for each in sent(run, "server", "you"):
        if each.data == answer and each.lost == "refused" and each.time + DELAY <= ended:
            question = next(one for one in sent(run, "you") if one.source_port == each.destination_port)
            words = (
                f"In this line it has asked, at {question.time:.3g} s, with a socket that was closed when the server's "
                f"answer came to it, at {each.time + DELAY:.3g} s"
            )
            return Finding(f"{what}. {words}", question.line, each.time)
    line, time = _last_read(run, began, ended)
    is_read = any(each.time == time for each in readings(run, "you", b""))
    words = ". What is wrong says nothing about what is still to come, so the wait should go on" if is_read else ""
    late = WORK + 2 * DELAY
    return Finding(f"{what}, and the server's answer comes {late:.3g} s after the question{words}", line, ended)


def _answered(run: Run, place: int, began: float, result: object, ended: float) -> Iterator[Finding]:
    answer = run.notes["answers"][0][place] if ROUNDS[place].answers else None
    what, took = f"question {place + 1}", ended - began
    line, read = _last_read(run, began, ended)
    if answer is not None and result is None:
        yield _missed(run, place, f"{what}: ask has returned None after {took:.3g} s", began, ended)
    elif result != answer:
        right = f"but the server has answered {answer!r}{taken_for(result, answer)}" if answer else NO_ANSWER
        yield Finding(f"{what}: ask has returned {result!r}, {right}", line, ended)
    if answer is None and took < PATIENCE - EXACT:
        yield Finding(
            f"{what}: ask has returned after {took:.3g} s. For {PATIENCE:.0f} s the server may still answer",
            line,
            ended,
        )
    if took > PATIENCE + EXACT:
        anew = (
            f". The last datagram was read {PATIENCE:.0f} s before that: each one that is forged begins the wait "
            "anew, so who forges decides how long your program waits"
        )
        yield Finding(
            f"{what}: ask has returned after {took:.3g} s, and it was to wait for {PATIENCE:.0f} s"
            + (anew if abs(ended - read - PATIENCE) < EXACT else ""),
            line,
            ended,
        )
