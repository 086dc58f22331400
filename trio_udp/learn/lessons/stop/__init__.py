"""Lesson 9: whoever stops a server by cancelling all of it cuts off those whose questions it has taken.

Two ways to stop are common, and both wrong: to cancel the nursery with everything in it, and to look at a flag between
two questions, so that one more has to come before it is seen. What ``work`` answers are numbers of no pattern.

It is played twice, with work of other lengths: who waits for a fixed time instead of for the work is right once.
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

SERVER = "10.0.0.1"
DELAY = 0.01  # seconds, each way


class Asked(NamedTuple):
    """A question: who asks it when, in seconds, and how long the work at it takes."""

    client: str
    time: float
    question: bytes
    work: float


class Round(NamedTuple):
    """A server from its beginning to its end; what is asked before it is told to stop, and what comes too late."""

    port: int
    stop: float
    until: float
    accepted: tuple[Asked, ...]
    too_late: tuple[Asked, ...]


ROUNDS = (
    Round(
        port=7,
        stop=3.0,
        until=20.0,
        accepted=(
            Asked("anna", 0.5, b"job 1", 0.0),
            Asked("ben", 1.0, b"job 2", 5.0),
            Asked("carla", 2.0, b"job 3", 2.0),
            Asked("dora", 2.5, b"job 4", 0.25),
        ),
        too_late=(Asked("ben", 3.5, b"job 5", 0.25), Asked("anna", 5.0, b"job 6", 4.0)),
    ),
    Round(
        port=8,
        stop=23.0,
        until=40.0,
        accepted=(Asked("carla", 21.0, b"job 7", 9.0), Asked("dora", 22.9, b"job 8", 0.5)),
        too_late=(Asked("ben", 23.2, b"job 9", 0.25),),
    ),
)
CLIENTS = "anna", "ben", "carla", "dora"

# Seconds: what a server may do after its last answer before it returns.
PROMPT = 0.1

QUESTION = """\
`serve(port, work, stop)` answers questions until the event `stop` is set, which
happens at 3 seconds. Two questions are being worked at then: the work for one
ends a second later, that for the other three seconds later.

Your server cancels all of it, and two clients never hear of their questions
again. To stop gracefully is to take no further question, to answer those that
have been taken, and to return as soon as that is done. It is played a second
time, at another port, with work that takes other times.
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
    lengths = {each.question: each.work for part in ROUNDS for each in part.accepted + part.too_late}
    results = {question: b"%06d" % random.randrange(10**6) for question in lengths}
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
        learner.note("done", [question, trio.current_time(), line])
        return results.get(question, b"what?")

    async def serve(port: int, stop: trio.Event) -> None:
        await learner.call("serve", port, work, stop)
        learner.note("over", trio.current_time())

    async with learner.network(Link(delay=DELAY)) as network:
        server, clients = network.host(SERVER, name="server"), {name: network.host(name=name) for name in CLIENTS}
        for part in ROUNDS:
            learner.note("port", part.port)
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                with server:
                    nursery.start_soon(serve, part.port, stop)
                for asked in part.accepted + part.too_late:
                    with clients[asked.client]:
                        nursery.start_soon(_ask, asked, part)
                await trio.sleep_until(part.stop)
                stop.set()
    learner.over(len(ROUNDS))


async def _ask(asked: Asked, part: Round) -> None:
    """Ask, and take whatever comes."""
    with trio.move_on_at(part.until), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await trio.sleep_until(asked.time)
        await sock.sendto(asked.question, (SERVER, part.port))
        while True:
            await sock.recvfrom(65535)


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "floods", "spins")
    ends = [*run.notes.get("over", ()), None]
    for part, _, over in zip(ROUNDS, run.notes.get("port", ()), ends, strict=False):  # what has begun
        if over is not None and over < part.stop:
            yield Finding(f"serve has returned at {over:.3g} s, but nobody had told it to stop", time=over)
        for asked in part.accepted:
            yield from _answered(run, part, asked)
        yield from _nothing_new(run, part)
        yield from _ended(run, part, over)


def _answered(run: Run, part: Round, asked: Asked) -> Iterator[Finding]:
    (results,) = run.notes["results"]
    who, what = asked.client, asked.question.decode()
    came = [
        (time, each)
        for time, each in arrivals(run, who, "server")
        if asked.time < time and each.data in (results[what], b"what?")
    ]
    answers = [(time, each) for time, each in came if each.source_port == part.port]
    if len(answers) > 1:
        yield Finding(f"{who} got more than one answer to `{what}`", answers[1][1].line, answers[1][0])
    if answers:
        return
    if came:
        time, each = came[0]
        yield Finding(
            f"{who} had asked port {part.port}, and the answer to `{what}` came from port {each.source_port}: from "
            "another address. Who asks a server can believe only what comes from where the question went",
            each.line,
            time,
        )
    yield from _cut(run, part, asked)
    for question, time, line in run.notes.get("done", ()):
        if question == asked.question and time >= part.stop:
            yield Finding(
                f"{who} never got an answer to `{what}`, though the work for it ended at {time:.3g} s, after the stop. "
                "In a task that has been cancelled the next `await` raises trio.Cancelled, that of `sendto` too",
                line,
                time,
            )
    begun = any(question == asked.question for question, _, _ in run.notes.get("begun", ()))
    reason = "though the work for it was begun" if begun else "and the work for it was never begun"
    yield Finding(
        f"{who} asked `{what}` at {asked.time:.3g} s, before the server was told to stop at {part.stop:.3g} s, and "
        f"never got what work has to say, {reason}",
        time=asked.time,
    )


def _cut(run: Run, part: Round, asked: Asked) -> Iterator[Finding]:
    for question, time, line in run.notes.get("cut", ()):
        if question == asked.question:
            when = f"after the stop at {part.stop:.3g} s"
            if time == part.stop:
                when = "when the server was told to stop"
            elif time < part.stop:
                when = "before anybody had told the server to stop"
            yield Finding(
                f"{asked.client} had asked `{asked.question.decode()}` at {asked.time:.3g} s, and the work for it was "
                f"cancelled at {time:.3g} s, {when}. It had been taken, so {asked.client} still waits for the answer",
                line,
                time,
            )


def _nothing_new(run: Run, part: Round) -> Iterator[Finding]:
    for asked in part.too_late:
        for question, time, line in run.notes.get("begun", ()):
            if question == asked.question:
                yield Finding(
                    f"{asked.client} asked `{question.decode()}` at {asked.time:.3g} s, and your server has begun to "
                    f"work at it. It was told to stop at {part.stop:.3g} s; if it takes what comes later, it need "
                    "never end",
                    line,
                    time,
                )


def _ended(run: Run, part: Round, over: float | None) -> Iterator[Finding]:
    done = max(each.time + each.work for each in part.accepted) + DELAY
    if over is None and run.ending.kind == "waits":
        yield Finding(
            f"your server waits for ever in this line. It was told to stop at {part.stop:.3g} s, and had answered all "
            f"that it had taken at {done:.3g} s: nothing is left to wait for",
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
