"""Lesson 9: whoever stops a server by cancelling all of it cuts off those whose questions it has taken.

Two ways to stop are common, and both wrong: to cancel the nursery with everything in it, and to look at a flag between
two questions, so that one more has to come before it is seen. What ``work`` answers are numbers of no pattern.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Run

SERVER = ("10.0.0.1", 7)
DELAY = 0.01  # seconds, each way
STOP = 3.0  # seconds: when the server is told to


class Asked(NamedTuple):
    """A question: who asks it when, in seconds, and how long the work at it takes."""

    client: str
    time: float
    question: bytes
    work: float


ACCEPTED = (
    Asked("anna", 0.5, b"job 1", 0.0),
    Asked("ben", 1.0, b"job 2", 5.0),
    Asked("carla", 2.0, b"job 3", 2.0),
    Asked("dora", 2.5, b"job 4", 0.25),
)
TOO_LATE = (
    Asked("ben", 3.5, b"job 5", 0.25),
    Asked("anna", 5.0, b"job 6", 4.0),
)

# Seconds: what a server may do after its last answer before it returns.
PROMPT = 0.1

# Seconds, until which clients listen.
UNTIL = 20.0

QUESTION = """\
`serve(port, work, stop)` answers questions until the event `stop` is set, which
happens at 3 seconds. Two questions are being worked at then: the work for one
ends a second later, that for the other three seconds later.

Your server cancels all of it, and two clients never hear of their questions
again. To stop gracefully is to take no further question, to answer those that
have been taken, and to return as soon as that is done.
"""

HINTS = (
    "What is inside of the nursery that is cancelled? Which of it should end at once, and which by itself?",
    "Listening has to be cancelled, working must not be. So they cannot be in the same nursery.",
    "Put a nursery for listening inside of the one for the work: `async with trio.open_nursery() as listening:`. "
    "Start `listen` in that, cancel it when `stop` is set, and leave the outer one to end by itself: it waits for its "
    "tasks.",
)


async def stage(learner: Learner) -> None:
    random = Random(9)
    lengths = {each.question: each.work for each in ACCEPTED + TOO_LATE}
    results = {question: b"%06d" % random.randrange(10**6) for question in lengths}
    stop = trio.Event()
    learner.note("results", {question.decode(): result for question, result in results.items()})

    async def work(question: bytes) -> bytes:
        question = bytes(question)
        line = learner.line()
        learner.note("begun", [question, trio.current_time(), line])
        try:
            await trio.sleep(lengths.get(question, 0))
        except trio.Cancelled:
            learner.note("cut", [question, trio.current_time(), line])
            raise
        return results.get(question, b"what?")

    async def serve() -> None:
        await learner.call("serve", SERVER[1], work, stop)
        learner.note("over", trio.current_time())

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"):
            nursery.start_soon(serve)
        hosts = {name: network.host(name=name) for name in dict.fromkeys(each.client for each in ACCEPTED + TOO_LATE)}
        for asked in ACCEPTED + TOO_LATE:
            with hosts[asked.client]:
                nursery.start_soon(_ask, asked)
        await trio.sleep_until(STOP)
        stop.set()
    learner.over(1)


async def _ask(asked: Asked) -> None:
    """Ask, and take whatever comes."""
    with trio.move_on_at(UNTIL), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await trio.sleep_until(asked.time)
        await sock.sendto(asked.question, SERVER)
        while True:
            await sock.recvfrom(65535)


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "floods", "spins")
    over = next(iter(run.notes.get("over", ())), None)
    if over is not None and over < STOP:
        yield Finding(f"serve has returned at {over:.3g} s, but nobody had told it to stop", time=over)
    for asked in ACCEPTED:
        yield from _answered(run, asked)
    yield from _nothing_new(run)
    yield from _ended(run, over)


def _answered(run: Run, asked: Asked) -> Iterator[Finding]:
    (results,) = run.notes["results"]
    who, what = asked.client, asked.question.decode()
    answers = [
        (time, each)
        for time, each in arrivals(run, who, "server")
        if asked.time < time and each.data in (results[what], b"what?")
    ]
    if len(answers) > 1:
        yield Finding(f"{who} got more than one answer to `{what}`", answers[1][1].line, answers[1][0])
    if answers:
        return
    cut = [(time, line) for question, time, line in run.notes.get("cut", ()) if question == asked.question]
    if cut:
        time, line = cut[0]
        when = "when the server was told to stop" if time == STOP else f"after the stop at {STOP:.3g} s"
        yield Finding(
            f"{who} had asked `{what}` at {asked.time:.3g} s, and the work for it was cancelled at {time:.3g} s, "
            f"{when}. It had been taken, so {who} still waits for the answer",
            line,
            time,
        )
    begun = any(question == asked.question for question, _, _ in run.notes.get("begun", ()))
    reason = "though the work for it was begun" if begun else "and the work for it was never begun"
    yield Finding(
        f"{who} asked `{what}` at {asked.time:.3g} s, before the server was told to stop at {STOP:.3g} s, and never "
        f"got what work has to say, {reason}",
        time=asked.time,
    )


def _nothing_new(run: Run) -> Iterator[Finding]:
    for asked in TOO_LATE:
        for question, time, line in run.notes.get("begun", ()):
            if question == asked.question:
                yield Finding(
                    f"{asked.client} asked `{question.decode()}` at {asked.time:.3g} s, and your server has begun to "
                    f"work at it. It was told to stop at {STOP:.3g} s; if it takes what comes later, it need never end",
                    line,
                    time,
                )


def _ended(run: Run, over: float | None) -> Iterator[Finding]:
    done = max(each.time + each.work for each in ACCEPTED) + DELAY
    if run.ending.kind == "waits":
        yield Finding(
            f"your server waits for ever in this line. It was told to stop at {STOP:.3g} s, and had answered all that "
            f"it had taken at {done:.3g} s: nothing is left to wait for",
            run.ending.line,
            done,
        )
    if over is not None and over > done + PROMPT:
        yield Finding(
            f"serve has returned at {over:.3g} s. The last answer was sent at {done:.3g} s, and nothing was left to do",
            time=over,
        )


LESSON = Lesson(
    number=9,
    name="stop",
    title="the graceful stop",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
    longest=60.0,
)
