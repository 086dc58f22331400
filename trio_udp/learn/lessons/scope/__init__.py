"""Lesson 2: a timeout ends what is inside of it, and a task is inside of its nursery.

Three questions that learners of Trio ask again and again are here: why a timeout around ``start_soon`` does nothing
(python-trio/trio #1650), where the nursery's own cancel scope is (#1831), and whether a scope can be used twice
(#1008). For the last one everything is asked twice, and every answer is another one.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals, line_of, readings, sent, tasks
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Run

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

# Seconds: what a program may be early or late, if it does anything in between.
EXACT = 0.05

QUESTION = """\
Of the four servers one answers at once, one after 0.6 seconds, one after 1.5,
and one never. Your program asks them all, each in a task of its own, and is to
return after one second, with the two answers that have come.

There is a timeout of one second in it, and still it waits for ever: a timeout
that is in the wrong place, as many a program has it. Move it to where it does
what was meant. Everything is asked twice, which has to work as well.
"""

HINTS = (
    "Print `trio.current_time()` behind the `with trio.move_on_after(1)` block. When is it left?",
    "A scope cancels what is inside of its `with`. `start_soon` only starts a task; the waiting for it is done at the "
    "end of the nursery's `async with`. Which of the two is inside of the other?",
    "Put `with trio.move_on_after(1):` around `async with trio.open_nursery() as nursery:`. Or leave it out, and set "
    "the deadline of the scope that every nursery has: `nursery.cancel_scope.deadline = trio.current_time() + 1`.",
)


async def stage(learner: Learner) -> None:
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        random = Random(2)
        addresses = []
        for name, wait in SERVERS.items():
            with network.host(name=name) as host:
                addresses.append((host.addresses[0], 7))
                await nursery.start(_answer, addresses[-1], wait, name, random)
        learner.note("stands in", learner.line_of(learner.function("ask_all", addresses)))
        with network.host(name="you"):
            for _ in range(ROUNDS):
                began = trio.current_time()
                learner.note("rounds", [began, await learner.call("ask_all", list(addresses)), trio.current_time()])
                await trio.sleep(PAUSE)
        learner.note("timeouts", learner.lines_like(r"(move_on|fail)_(after|at)\(|deadline\s*=|\bCancelScope\("))
        learner.note("returns", learner.lines_like(r"^\s+return\s"))
        learner.note("deadlines", learner.lines_like(r"deadline\s*=|_at\("))
        learner.note("cancels", learner.lines_like(r"\.cancel\("))
        learner.over(ROUNDS)
        nursery.cancel_scope.cancel()


async def _answer(
    address: tuple[str, int], wait: float | None, name: str, random: Random, task_status: trio.TaskStatus[None]
) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(address)
        task_status.started()
        while True:
            _, client = await sock.recvfrom(65535)
            if wait is not None:
                await trio.sleep(wait)
                await sock.sendto(f"{name} {random.randrange(10**6):06}".encode(), client)


def check(run: Run) -> Iterator[Finding]:
    if run.ending.kind == "waits" and sent(run, "you", "silent"):
        yield Finding(
            "your program waits for ever in this line, for an answer of the server `silent`. A timeout cancels what is "
            "inside of its `with`, unless that is shielded. A task is inside of its nursery, wherever it was started, "
            "and where the nursery ends it is waited for",
            run.ending.line,
        )
    if run.ending.kind == "raised" and "CancelScope" in run.ending.words:
        yield Finding(
            "your program uses a cancel scope a second time. A scope is for one `with`: make a new one in each call",
            run.ending.line,
        )
    yield from went_wrong(run, "raised", "waits", "floods", "spins")
    yield from _at_once(run)
    for began, result, ended in run.notes.get("rounds", ()):
        yield from _asked(run, began, ended)
        yield from _in_time(run, began, ended)
        yield from _answers(run, began, result, ended)


def _at_once(run: Run) -> Iterator[Finding]:
    """A call returned at once, since what it had started was cancelled at once: by whom?"""
    rounds = [(began, ended) for began, _, ended in run.notes.get("rounds", ())]
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


def _ends(run: Run, took: float) -> tuple[int | None, str]:
    """In which line stands what has ended a call after so long, most likely, and what to say of it."""
    timeouts, cancels = (_only(run.notes.get(word, [[]])[0]) for word in ("timeouts", "cancels"))
    if took < SECOND and cancels:
        return cancels, ". What cancels stands in this line"
    if timeouts:
        return timeouts, ". The timeout stands in this line"
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
        names = " and ".join(f"`{name}`" for name in missing)
        when = f" in the second call of ask_all, which returned after {ended - began:.3g} s" if began else ""
        asks = next((each.line for each in sent(run, "you") if began <= each.time <= ended), None)
        line, words = (asks, ". What asks the others stands in this line") if asks else (run.notes["stands in"][0], "")
        if ended - began < SECOND - EXACT and (cancels := _only(run.notes["cancels"][0])):
            line, words = cancels, f", and has cancelled what asks them after {ended - began:.3g} s, in this line"
        yield Finding(f"your program has not asked the server {names}{when}{words}", line, ended)


def _in_time(run: Run, began: float, ended: float) -> Iterator[Finding]:
    took = ended - began
    line, where = _ends(run, took)
    if took > SECOND + EXACT:
        words = f"ask_all has returned after {took:.3g} s; it should after 1 s, whoever has not answered"
        yield Finding(words + where, line, ended)
    if took < SECOND - EXACT:
        words = f"ask_all has returned after {took:.3g} s. Until the second is over an answer may come"
        yield Finding(words + where, line, ended)


def _answers(run: Run, began: float, result: object, ended: float) -> Iterator[Finding]:
    if not isinstance(result, (list, tuple)):
        words = f"ask_all has returned {result!r}; it should return a list, of the answers"
        line = run.notes["stands in"][0]
        if result is None:
            words += f". {NOT_REACHED}"
            line = _only([each for each in run.notes["returns"][0] if line is None or each > line]) or line
        yield Finding(words, line, ended)
        return
    came = [each.data for time, each in arrivals(run, "you") if began <= time <= ended]
    for answer in came:
        if answer not in result:
            line, read = _read(run, answer)
            words = f"the answer {answer!r} came in time, but ask_all has not returned it"
            words = f"{words}. It was read in this line{read}" if line else words
            yield Finding(f"{words}. What ask_all has returned is {result!r}", line, ended)
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
            yield Finding(f"ask_all has returned {answer!r}, {what}", _read(run, answer)[0], ended)


def _read(run: Run, answer: object) -> tuple[int | None, str]:
    """The line that has read an answer first, and when, in words."""
    read = readings(run, "you", answer) if isinstance(answer, bytes) else []
    return (line_of(run, read[0]), f", at {read[0].time:.3g} s") if read else (None, "")


LESSON = Lesson(
    number=2,
    name="scope",
    title="the timeout in the wrong place",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
