"""Lesson 1: a datagram gets lost, and a program that waits for the answer waits for ever.

The stage asks for ten pings, one after another. The answers are numbers of no pattern, so that nobody can return one
who has not received it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals, gaps, lost, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Carried, Run

PINGS = 10
SERVER = ("10.0.0.1", 7)
DELAY = 0.05  # seconds, each way
SEED = 1  # the second question is lost, and one ping needs five

# Seconds. To ask again before an answer can have come is to ask for nothing.
TOO_SOON = 2 * DELAY

QUESTION = """\
The server answers at once, and the way takes 0.05 seconds in each direction.
But 3 of 10 datagrams get lost, and nobody tells you which.

Your program asks once and waits for the answer. That is how everybody begins.
Make it ask again when no answer comes: `ping(server)` returns what the server
has answered, however often it had to ask. It is called ten times.
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
        with network.host("10.0.0.2", name="you"):
            for _ in range(PINGS):
                began = trio.current_time()
                learner.note("pings", [began, await learner.call("ping", SERVER), trio.current_time()])
        learner.over(PINGS)
        nursery.cancel_scope.cancel()


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
        yield Finding("your program has sent nothing to the server", run.ending.line)
        return
    if run.ending.kind == "waits":
        gone = (lost(run, "you", "server") + lost(run, "server", "you"))[-1:]
        yield from (_waits(run, questions[-1], datagram) for datagram in gone)
    yield from went_wrong(run, "raised")
    yield from _hurries(questions)
    yield from _wrong_answers(run)


def _waits(run: Run, question: Carried, gone: Carried) -> Finding:
    what = "Its question" if gone.source == "you" else "The server's answer"
    return Finding(
        f"your program waits for ever in this line. {what}, sent at {gone.time:.3g} s, was lost on its way. So nothing "
        "will come, and nobody will ever say so",
        run.ending.line or question.line,
        gone.time,
    )


def _hurries(questions: list[Carried]) -> Iterator[Finding]:
    for question, gap in zip(questions[1:], gaps(questions), strict=True):
        if gap < TOO_SOON - 1e-6:
            yield Finding(
                f"your program asks again after {gap:.3g} s, and no answer can be there in less than {TOO_SOON} s. If "
                "everybody does that, questions are what fills the network",
                question.line,
                question.time,
            )


def _wrong_answers(run: Run) -> Iterator[Finding]:
    for number, (began, answer, ended) in enumerate(run.notes.get("pings", ()), 1):
        came = [each.data for time, each in arrivals(run, "you") if began < time <= ended]
        if not came:
            yield Finding(f"ping {number} returned {answer!r}, but no answer had come: it has given up", time=ended)
        elif answer not in came:
            yield Finding(f"ping {number} returned {answer!r}, but the server has answered {came[-1]!r}", time=ended)


LESSON = Lesson(
    number=1,
    name="ping",
    title="a datagram gets lost",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
