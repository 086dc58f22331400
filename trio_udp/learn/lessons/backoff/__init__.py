"""Lesson 3: how often to ask, how long to wait in between, and when to give up.

Three servers are asked: one that answers, one whose first questions are lost, and one that is down. The answers are
numbers of no pattern.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Drop, Link
from ..._lesson import Lesson
from ..._look import arrivals, gaps, line_of, readings, sent, taken_for
from ..._refused import refused
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....faults import InFlight
    from ..._learner import Learner
    from ..._played import Carried, Run

# How many questions to it are lost, the first ones; all of them: it is down.
SERVERS: dict[str, float] = {"up": 0, "troubled": 3, "down": inf}

ATTEMPTS = 5
GROWTH = 1.25  # what is clearly longer; the library's own waits grow by a third at least
DELAY = 0.05  # seconds, each way
TOO_SOON = 2 * DELAY
PAUSE = 5.0  # seconds between two servers
LONGEST = 60.0  # seconds for one server
PROMPT = 0.1  # seconds that an answer may lie there

QUESTION = f"""\
Three servers are asked, one after another. One answers in 0.1 seconds. Of one
the first three questions get lost. And one is down: it never answers.

Your program asks every 10 ms until an answer comes, if it comes. Make it ask
{ATTEMPTS} times at most, and wait longer each time, by a quarter of the time
before at least (twice as long is usual). When no answer has come to any of the
{ATTEMPTS} questions, `ask(server)` returns None. A call takes a minute at most.
"""

HINTS = (
    "How many questions are on their way when the first answer comes? And how many has the server that is down got "
    "after an hour?",
    "Two things: a loop that ends, `for attempt in range(5):`, and a wait that is another one each time round.",
    "Begin with `wait = 0.5` above the loop, write `with trio.move_on_after(wait):`, and behind it, still in the loop, "
    "`wait *= 2`. Behind the loop: `return None`.",
)


async def stage(learner: Learner) -> None:
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        addresses, random = {}, Random(3)
        for name in SERVERS:
            with network.host(name=name) as host:
                addresses[name] = host.addresses[0], 7
                await nursery.start(_answer, addresses[name], random)

        losses: dict[object, float] = {addresses[name]: first for name, first in SERVERS.items()}

        def lose(datagram: InFlight) -> Drop | None:
            return Drop("loss") if datagram.n <= losses.get(datagram.destination, 0) else None

        with network.rule(lose), network.host(name="you"):
            for name, address in addresses.items():
                began = trio.current_time()
                learner.note("asked", [name, began, await learner.call("ask", address), trio.current_time()])
                await trio.sleep(PAUSE)
        learner.over(len(SERVERS))
        nursery.cancel_scope.cancel()


async def _answer(address: tuple[str, int], random: Random, task_status: trio.TaskStatus[None]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(address)
        task_status.started()
        while True:
            _, client = await sock.recvfrom(65535)
            await sock.sendto(b"fine %06d" % random.randrange(10**6), client)


def check(run: Run) -> Iterator[Finding]:
    for name in SERVERS:
        questions = sent(run, "you", name)
        yield from _hurries(name, questions)
        yield from _too_many(name, questions)
        yield from _goes_on(run, name, questions)
        yield from _gone(run, name)
        yield from _does_not_grow(name, questions)
    yield from _raised(run)
    yield from went_wrong(run, "raised", "floods", "spins")
    for asked in run.notes.get("asked", ()):
        yield from _ended(run, *asked)
    yield from went_wrong(run, "waits")


def _hurries(name: str, questions: list[Carried]) -> Iterator[Finding]:
    for question, gap in zip(questions[1:], gaps(questions), strict=True):
        if gap < TOO_SOON - 1e-6:
            yield Finding(
                f"your program asks the server `{name}` again after {gap:.3g} s, and it has asked {len(questions):,} "
                f"times in all. An answer takes {TOO_SOON:.3g} s: what comes of the first question cannot be here yet",
                question.line,
                question.time,
            )


def _too_many(name: str, questions: list[Carried]) -> Iterator[Finding]:
    if len(questions) > ATTEMPTS:
        question = questions[ATTEMPTS]
        yield Finding(
            f"your program asks the server `{name}` for the {ATTEMPTS + 1}th time at {question.time:.3g} s, and "
            f"{len(questions):,} times in all. After {ATTEMPTS} questions it should give up: nobody says that a server "
            "is down, so the program has to decide",
            question.line,
            question.time,
        )


def _goes_on(run: Run, name: str, questions: list[Carried]) -> Iterator[Finding]:
    for came, _ in arrivals(run, "you", name)[:1]:
        for question in questions:
            if question.time > came + 1e-6:
                yield Finding(
                    f"the answer of the server `{name}` had come at {came:.3g} s, and your program asks it once more "
                    f"at {question.time:.3g} s. With an answer there is nothing left to ask",
                    question.line,
                    question.time,
                )


def _gone(run: Run, name: str) -> Iterator[Finding]:
    """That it has answered, and nobody was there, as long as it was asked."""
    ends = [ended for asked, _, _, ended in run.notes.get("asked", ()) if asked == name]
    for each in refused(run, "you", name, DELAY):
        if each.time <= (ends[0] if ends else inf) and not arrivals(run, "you", name):
            yield Finding(each.words, each.line, each.time)


def _does_not_grow(name: str, questions: list[Carried]) -> Iterator[Finding]:
    waits = gaps(questions)
    for question, before, wait in zip(questions[2:], waits, waits[1:], strict=False):
        if wait < before * GROWTH - 1e-6:
            yield _no_growth(name, question, before, wait)


def _no_growth(name: str, question: Carried, before: float, wait: float) -> Finding:
    return Finding(
        f"your program waits {before:.3g} s for an answer of the server `{name}`, and then {wait:.3g} s. The "
        "longer a server has not answered, the longer it should be left alone; each wait is to be a quarter "
        "longer than the one before, at least",
        question.line,
        question.time,
    )


def _ended(run: Run, name: str, began: float, result: object, ended: float) -> Iterator[Finding]:
    questions = sent(run, "you", name)
    line = questions[-1].line if questions else None
    came = [(time, each.data) for time, each in arrivals(run, "you", name) if began <= time <= ended]
    if not came:
        yield from _gave_up(run, name, questions, result, ended)
        if result is not None:
            words = f"ask has returned {result!r} for the server `{name}`, which has never answered"
            yield Finding(words, line, ended)
    elif result not in [data for _, data in came]:
        answer = came[-1][1]
        words = (
            f"ask has returned {result!r}, but the server `{name}` has answered {answer!r}{taken_for(result, answer)}"
        )
        read = readings(run, "you", answer)
        yield Finding(words, (line_of(run, read[0]) if read else None) or line, ended)
    waits = [*gaps(questions), ended - questions[-1].time] if questions else []
    if ended - began > LONGEST:
        took = ", ".join(f"{wait:.3g}" for wait in waits)
        yield Finding(
            f"ask has returned {ended - began:.3g} s after it was called, for the server `{name}`. A minute is what a "
            f"call may take: nobody waits for longer. It has waited {took} s",
            line,
            ended,
        )
    elif not came and len(waits) > 1 and waits[-1] < waits[-2] * GROWTH - 1e-6 and ended - began < LONGEST - 1e-6:
        yield _no_growth(name, questions[-1], *waits[-2:])
    if came and ended - came[0][0] > PROMPT + 1e-6:
        yield Finding(
            f"the answer of the server `{name}` had come at {came[0][0]:.3g} s, and ask has returned "
            f"{ended - came[0][0]:.3g} s later. To wait is to wait for the answer, and to be there when it comes",
            line,
            came[0][0],
        )


def _raised(run: Run) -> Iterator[Finding]:
    """On purpose, that nobody has answered, or whatever it is when it has asked often enough."""
    if run.ending.kind != "raised":
        return
    name = list(SERVERS)[len(run.notes.get("asked", ()))]
    questions = sent(run, "you", name)
    if not run.ending.gives_up and len(questions) < ATTEMPTS:
        return
    times = "once" if len(questions) == 1 else f"{len(questions)} times"
    yield Finding(
        f"your program raised {run.ending.words}, when the server `{name}` was asked {times}. It is to be asked "
        f"{ATTEMPTS} times, and when no answer has come to any of these, `ask(server)` returns None: `return None`",
        run.ending.line,
    )


def _gave_up(run: Run, name: str, questions: list[Carried], result: object, ended: float) -> Iterator[Finding]:
    """Without an answer: too soon?"""
    if not questions:
        others = [each.line for each in sent(run, "you") if each.time < ended]
        words = f"the server `{name}` was not asked, and ask has returned {result!r}"
        words += ". What asks the others stands in this line: this call did not come to it" if others else ""
        yield Finding(words, others[-1] if others else None, ended)
    elif len(questions) < ATTEMPTS:
        times = "once" if len(questions) == 1 else f"{len(questions)} times"
        yield Finding(
            f"the server `{name}` was asked {times}, and ask has returned {result!r}, without an answer. It should ask "
            f"{ATTEMPTS} times before it gives up",
            questions[-1].line,
            ended,
        )
    elif ended - questions[-1].time < TOO_SOON - 1e-6:
        yield Finding(
            f"ask gives up {ended - questions[-1].time:.3g} s after its last question to the server `{name}`. No "
            f"answer can be here in less than {TOO_SOON:.3g} s: why did it ask?",
            questions[-1].line,
            ended,
        )


LESSON = Lesson(
    number=3,
    name="backoff",
    title="how often to ask, and when to give up",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
