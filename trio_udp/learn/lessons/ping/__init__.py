"""Lesson 1: a datagram gets lost, and a program that waits for the answer waits for ever.

The stage asks for ten pings, one after another. The answers are numbers of no pattern, so that nobody can return one
who has not received it. What is lost is chance, but for one ping of which more questions are lost in a row than anybody
would take for enough: else who asks ten times, and no more, would pass by luck.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from math import inf
from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Deliver, Drop, Link
from ..._lesson import Lesson
from ..._look import arrivals, gaps, line_of, lost, readings, sent, taken_for
from ..._refused import closed
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....faults import InFlight, Rule
    from ..._learner import Learner
    from ..._played import Carried, Run

PINGS = 10
SERVER = ("10.0.0.1", 7)
DELAY = 0.05  # seconds, each way
PAUSE = 1.0  # seconds between two pings: what is asked for one is not taken for another's
SEED = 1  # the second question is lost

# The ping of which so many questions are lost, whatever happens to others. But what is asked later than so many seconds
# after its beginning gets through: who waits twice as long each time has no hours, and asks only ten times until then.
UNLUCKY, IN_A_ROW = 8, 25
AT_LAST = 600.0

# Seconds. To ask again before an answer can have come is to ask for nothing.
TOO_SOON = 2 * DELAY

# Seconds. The exercise says so; and who waits longer from one question to the next begins with less than this.
TOO_LATE = 5.0

UNTIL = "However many were lost, the next one may arrive: it is to ask until an answer has come"

QUESTION = """\
The server answers at once, and the way takes 0.05 seconds in each direction.
But 3 of 10 datagrams get lost, and nobody tells you which.

Your program asks once and waits for the answer. That is how everybody begins.
Make it ask again when no answer comes: `ping(server)` returns what the server
has answered, however often it had to ask. How many in a row are lost nobody
tells you, either. It is called ten times.
"""

HINTS = (
    "What does your program do when a datagram is lost? And an hour later?",
    "Waiting has to end at some time. Trio ends what is inside of `with trio.move_on_after(seconds):` when these are "
    "over.",
    "Put the waiting into `with trio.move_on_after(0.5):`, and that, behind the sending, into `while True:`. When the "
    "answer is there, `return` leaves all of it.",
)


async def stage(learner: Learner) -> None:
    async with learner.network(Link(loss=0.3, delay=DELAY), seed=SEED) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"):
            await nursery.start(_answer)
        learner.note("stands in", learner.line_of(learner.function("ping", SERVER)))
        learner.note("nurseries", learner.lines_like(r"\bopen_nursery\("))
        with network.host("10.0.0.2", name="you"):
            for number in range(1, PINGS + 1):
                began = trio.current_time()
                learner.note("began", began)
                with network.rule(_unlucky(began)) if number == UNLUCKY else nullcontext():
                    learner.note("pings", [began, await learner.call("ping", SERVER), trio.current_time()])
                await trio.sleep(PAUSE)
        learner.over(PINGS)
        nursery.cancel_scope.cancel()


def _unlucky(began: float) -> Rule:
    left = IN_A_ROW

    def rule(flight: InFlight) -> Drop | Deliver:
        nonlocal left
        left -= 1
        return Drop("unlucky") if left >= 0 and flight.time < began + AT_LAST else Deliver(DELAY)

    return rule


async def _answer(task_status: trio.TaskStatus[None]) -> None:
    random = Random(SEED)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            _, client = await sock.recvfrom(65535)
            await sock.sendto(b"pong %06d" % random.randrange(10**6), client)


def check(run: Run) -> Iterator[Finding]:
    questions = sent(run, "you", "server")
    if not questions:
        yield from went_wrong(run, "raised", "spins")
        line = run.ending.line or run.notes["stands in"][0]
        yield Finding("your program has sent nothing to the server, so it cannot know what that answers", line)
        return
    of_each = [
        [each for each in questions if began <= each.time < later]
        for began, later in pairwise([*run.notes["began"], inf])
    ]
    yield from _raised(run, len(of_each), of_each[-1])
    yield from went_wrong(run, "raised")
    for asked in of_each:
        yield from _hurries(asked)
    for number, (began, answer, ended) in enumerate(run.notes.get("pings", ()), 1):
        asked = of_each[number - 1]
        came = [(time, each) for time, each in arrivals(run, "you") if began < time <= ended]
        yield from _wrong_answer(run, f"ping {number} returned {answer!r}", answer, asked, came, ended)
        yield from _dawdles(f"ping {number}", asked, came, ended)
    if run.ending.kind in ("waits", "floods") and of_each[len(run.notes.get("pings", ())) :]:
        yield from _has_no_end(run, len(of_each), of_each[-1])


def _raised(run: Run, number: int, asked: list[Carried]) -> Iterator[Finding]:
    """On purpose, that nobody has answered."""
    if run.ending.gives_up:
        words = f"ping {number} raised {run.ending.words}: it has asked {_times(len(asked))}, and then given up"
        yield Finding(f"{words}. {UNTIL}", run.ending.line)


def _has_no_end(run: Run, number: int, asked: list[Carried]) -> Iterator[Finding]:
    """The answer to a ping was there, or was lost."""
    began = asked[0].time if asked else inf
    came = [(time, each) for time, each in arrivals(run, "you", "server") if each.time > began]
    gone = [each for each in lost(run) if each.time >= began]
    if came:
        yield _goes_on(run, f"ping {number} has no end: it has asked {_times(len(asked))}", asked[-1], *came[0])
    elif gone and run.ending.kind == "waits":
        yield _waits(run, asked[-1], max(gone, key=lambda each: each.time))
    elif refused := [each for each in gone if each.lost == "refused"]:
        why = _nobody_listens(refused[0]) or closed(run, began, refused[0].time)
        yield Finding(f"ping {number} has no end: it has asked {_times(len(asked))}. {why}", asked[-1].line)


def _nobody_listens(question: Carried) -> str:
    if question.lost != "refused" or question.source != "you":
        return ""
    return (
        f"Its questions go to port {question.destination_port} of the server, where nobody listens, so nobody answers: "
        f"`server` says which port it is, and that is {SERVER[1]}"
    )


def _goes_on(run: Run, what: str, question: Carried, time: float, answer: Carried) -> Finding:
    read = readings(run, "you", answer.data)
    if read:
        line = line_of(run, read[0])  # None, if Trio has called it, as a task of its own
        here = "in this line " if line else ""
        words = f"and was read {here}at {read[0].time:.3g} s; but your program has not returned it"
        nurseries = run.notes["nurseries"][0]
        if nurseries and question.time > read[0].time:
            words += (
                f". The nursery of line {nurseries[0]} waits until all its tasks have ended, and one goes on to ask: "
            )
            words += "it ends if `nursery.cancel_scope.cancel()` is called with the answer there"
        return Finding(f"{what}. An answer came at {time:.3g} s, {words}", line or question.line, read[0].time)
    words = "and nobody has read it: when it came no task was waiting for it, at the socket that had asked"
    return Finding(f"{what}. An answer came at {time:.3g} s, {words}", question.line, time)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _waits(run: Run, question: Carried, gone: Carried) -> Finding:
    what = "Its question" if gone.source == "you" else "The server's answer"
    why = _nobody_listens(gone) or closed(run, gone.time)
    why = why or (
        f"{what}, sent at {gone.time:.3g} s, was lost on its way. So nothing will come, and nobody will ever say so"
    )
    line = run.ending.line or question.line
    return Finding(f"your program waits for ever in this line. {why}", line, gone.time)


def _hurries(questions: list[Carried]) -> Iterator[Finding]:
    for question, gap in zip(questions[1:], gaps(questions), strict=True):
        if gap < TOO_SOON - 1e-6:
            yield Finding(
                f"your program asks again after {gap:.3g} s, and no answer can be there in less than {TOO_SOON} s. If "
                "everybody does that, questions are what fills the network",
                question.line,
                question.time,
            )


def _wrong_answer(
    run: Run, what: str, answer: object, asked: list[Carried], came: list[tuple[float, Carried]], ended: float
) -> Iterator[Finding]:
    if not came and asked and (why := closed(run, asked[0].time, ended)):
        yield Finding(f"{what}, but it has got no answer. {why}", asked[-1].line, ended)
    elif not came:
        last = f"asked in this line at {asked[-1].time:.3g} s, and then given up" if asked else "not asked"
        last += f", asking {_times(len(asked))} in all. {UNTIL}" if asked else ""
        line = asked[-1].line if asked else run.notes["stands in"][0]
        yield Finding(f"{what}, but no answer had come: it has {last}", line, ended)
    elif answer not in [each.data for _, each in came]:
        right = came[-1][1].data
        read = readings(run, "you", right)
        only = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
        words = f"{what}, but the server has answered {right!r}{taken_for(only, right)}"
        line = line_of(run, read[-1]) if read else None
        if read and line is None:
            words += (
                ". A task of its own has read that, which is nothing but a call of Trio's: what a task returns goes to "
                "nobody"
            )
        yield Finding(words, line or run.notes["stands in"][0], ended)


def _dawdles(what: str, asked: list[Carried], came: list[tuple[float, Carried]], ended: float) -> Iterator[Finding]:
    for question, gap in zip(asked, gaps(asked)[:1], strict=False):
        if gap > TOO_LATE + 1e-6:
            yield Finding(
                f"{what} asks again only {gap:.3g} s after its first question, which was sent in this line. An answer "
                f"takes {TOO_SOON} s; what has not come after half a second was lost",
                question.line,
                question.time,
            )
    if came and ended - came[0][0] > TOO_LATE:
        yield Finding(
            f"{what} returned at {ended:.3g} s, and the answer had been there since {came[0][0]:.3g} s: your program "
            "was doing something else than waiting for it",
            asked[-1].line if asked else None,
            came[0][0],
        )


LESSON = Lesson(
    number=1,
    name="ping",
    title="a datagram gets lost",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
