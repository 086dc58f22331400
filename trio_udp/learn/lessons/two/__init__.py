"""Lesson 5: two tasks read one socket, and each gets the other's reply.

Trio refuses that with a BusyResourceError, for exactly this reason. The exercise has taken the way that many take then:
a lock, with which Trio is content, and nothing is better. The servers answer in the order opposite to that in which
they are asked, so it is never chance who gets whose answer.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import line_of, readings, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Run

DELAY = 0.05  # seconds, each way

# Seconds that each needs for an answer, in the order in which they are asked.
SERVERS = {"roof": 1.5, "garden": 1.0, "cellar": 0.0}

BEHIND = 0.1  # seconds that one may be asked after the one before
EXACT = 0.05  # seconds: what a program may be late

QUESTION = """\
The thermometer on the roof needs 1.5 seconds for its answer, the one in the
garden 1 second, and the one in the cellar answers at once. They are asked one
0.1 seconds after the other, and nobody should have to wait for another one.

Your program has a task for each of them, and one socket for all. Each task
takes what it receives for the answer of its own server, and it is not. Make
`ask_all(servers)` return a dict of the right answers: address to answer.
"""

HINTS = (
    "Which of the tasks has the lock first, and whose answer comes first?",
    "`recvfrom` takes the next datagram of the socket, whoever has sent it. It cannot know what your task waits for. "
    "What would have to belong to the task alone, so that nothing else can come?",
    "Open the socket inside of `ask`, so that each task has its own, and leave the lock out. (Or keep one socket, read "
    "it in one place, and go by the address that `recvfrom` gives.)",
)


async def stage(learner: Learner) -> None:
    random = Random(5)
    answers = {name: b"%.1f degrees" % (random.randrange(1000) / 10) for name in SERVERS}
    learner.note("answers", answers)
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        addresses = {}
        for name, wait in SERVERS.items():
            with network.host(name=name) as host:
                addresses[name] = host.addresses[0], 7
                await nursery.start(_answer, addresses[name], wait, answers[name])
        with network.host(name="you"):
            learner.note("began", trio.current_time())
            result = await learner.call("ask_all", list(addresses.values()))
            learner.note("ended", trio.current_time())
            names = {address: name for name, address in addresses.items()}
            is_dict = isinstance(result, dict)
            learner.note("result", {names.get(key, key): result[key] for key in result} if is_dict else result)
        learner.over(1)
        nursery.cancel_scope.cancel()


async def _answer(address: tuple[str, int], wait: float, answer: bytes, task_status: trio.TaskStatus[None]) -> None:
    async def later(client: tuple[str, int]) -> None:
        await trio.sleep(wait)
        await sock.sendto(answer, client)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(address)
        task_status.started()
        async with trio.open_nursery() as nursery:
            while True:
                _, client = await sock.recvfrom(65535)
                nursery.start_soon(later, client)


def check(run: Run) -> Iterator[Finding]:
    if run.ending.exception == "BusyResourceError":
        yield Finding(
            "two of your tasks wait for datagrams of one socket, and Trio refuses that: whichever of them reads first "
            "would get what comes first, whether it has asked for that or not",
            run.ending.line,
        )
    yield from went_wrong(run, "raised")
    yield from _asked(run)
    yield from went_wrong(run, "waits", "floods", "spins")
    for result in run.notes.get("result", ()):
        yield from _answers(run, result)
        yield from _in_time(run)


def _asked(run: Run) -> Iterator[Finding]:
    began = run.notes["began"][0]
    for place, name in enumerate(SERVERS):
        questions = sent(run, "you", name)
        if not questions:
            yield Finding(f"your program has not asked the thermometer `{name}`", run.ending.line)
            return
        late = questions[0].time - began
        if late > place * BEHIND + EXACT:
            yield Finding(
                f"`{name}` was asked after {late:.3g} s only. It should not have to wait until others have answered: "
                "an answer takes long, and asking takes no time",
                questions[0].line,
                questions[0].time,
            )


def _answers(run: Run, result: object) -> Iterator[Finding]:
    if not isinstance(result, dict):
        yield Finding(f"ask_all has returned {result!r}; it should return a dict, of addresses and answers")
        return
    (answers,) = run.notes["answers"]
    whose = {answer: name for name, answer in answers.items()}
    for name, answer in answers.items():
        told = result.get(name)
        if told == answer:
            continue
        if isinstance(told, bytes) and told in whose:
            yield _mixed_up(run, name, whose[told], told)
        elif told is None:
            yield Finding(f"the answer of `{name}` is missing in what ask_all has returned")
        else:
            yield Finding(f"ask_all says that `{name}` has answered {told!r}, and it has answered {answer!r}")


def _mixed_up(run: Run, name: str, other: str, data: bytes) -> Finding:
    taken = readings(run, "you", data)
    line, time = (line_of(run, taken[0]), taken[0].time) if taken else (None, None)
    when = "" if time is None else f", at {time:.3g} s"
    return Finding(
        f"ask_all says that `{name}` has answered {data!r}, but `{other}` has{when}. What comes to a socket is taken "
        "by the task that reads first, whether it has asked for that or not",
        line,
        time,
    )


def _in_time(run: Run) -> Iterator[Finding]:
    (began,), (ended,) = run.notes["began"], run.notes["ended"]
    last = max(place * BEHIND + wait for place, wait in enumerate(SERVERS.values())) + 2 * DELAY
    if ended - began > last + EXACT:
        yield Finding(
            f"ask_all has returned after {ended - began:.3g} s, and the last answer can be here after {last:.3g} s",
            time=ended,
        )


LESSON = Lesson(
    number=5,
    name="two",
    title="two clients, one socket",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
