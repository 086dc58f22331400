"""Lesson 7: a loop that awaits the work makes everybody wait for the slowest.

What ``work`` answers are numbers of no pattern: they are had by doing the work, and by nothing else. Most questions
come from a port of their own; one client asks two from the same, a slow one and then a quick one, since a server that
has a queue for each client makes this one wait for itself.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals, readings, sent
from ..._played import Carried
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Run

SERVER = ("10.0.0.1", 7)
DELAY = 0.01  # seconds, each way
SLOW = 5.0  # seconds of work


class Asked(NamedTuple):
    """A question: who asks it when, in seconds, how long the work takes, and if from the port of the last."""

    client: str
    time: float
    question: bytes
    work: float
    again: bool = False


QUESTIONS = (
    Asked("anna", 1.0, b"quick 1", 0.0),
    Asked("ben", 2.0, b"slow 1", SLOW),
    Asked("carla", 3.0, b"quick 2", 0.0),
    Asked("dora", 3.5, b"slow 2", SLOW),
    Asked("anna", 4.0, b"quick 3", 0.0),
    Asked("anna", 4.25, b"slow 3", SLOW),
    Asked("carla", 4.5, b"slow 4", SLOW),
    Asked("dora", 5.0, b"quick 4", 0.0, again=True),
)  # of four clients, so that a terminal has room for all of them

# Seconds: what an answer may take beside its work and the way.
PROMPT = 0.1

# Seconds, in which one task at a time would have done everything.
UNTIL = 30.0

QUESTION = """\
`work(question)` is an async function that the lesson gives to your server. For
`quick 1` and its like it returns at once; at `slow 1` it works for 5 seconds.

Your server awaits it in its loop, and hears nothing meanwhile: a client with a
quick question waits until the work for the slow one is done. Each question is
to be answered as soon as its own work is done, to the client that has asked it.
`serve(port, work)` goes on for ever; the lesson cancels it.
"""

HINTS = (
    "Who is in the loop while `work` works? And who calls `recvfrom` meanwhile?",
    "Receiving and working have to go on at the same time, so they have to be in two tasks. Tasks are started in a "
    "nursery, and the loop can be inside of its `async with`.",
    "Write an async function that awaits the work and sends the answer, with the question and the client as its "
    "arguments; in the loop: `nursery.start_soon(answer, question, client)`.",
)


async def stage(learner: Learner) -> None:
    random = Random(7)
    lengths = {each.question: each.work for each in QUESTIONS}
    results = {each.question: b"%06d" % random.randrange(10**6) for each in QUESTIONS}

    learner.note("results", {question.decode(): result for question, result in results.items()})

    async def work(question: bytes) -> bytes:
        learner.note("begun", [question, learner.line(), trio.current_time()])
        await trio.sleep(lengths.get(bytes(question), 0))
        learner.note("done", question)
        return results.get(bytes(question), b"what?")

    async def serve() -> None:
        await learner.call("serve", SERVER[1], work)
        learner.note("over", trio.current_time())

    learner.note("binds", learner.lines_like(r"\.bind\("))
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"):
            nursery.start_soon(serve)
        hosts = {name: network.host(name=name) for name in dict.fromkeys(each.client for each in QUESTIONS)}
        async with trio.open_nursery() as clients:
            for asked in QUESTIONS:
                if not asked.again:
                    with hosts[asked.client]:
                        clients.start_soon(_ask, [asked, *(each for each in QUESTIONS if _follows(each, asked))])
        learner.over()
        nursery.cancel_scope.cancel()


def _follows(later: Asked, first: Asked) -> bool:
    return later.again and later.client == first.client


async def _ask(questions: list[Asked]) -> None:
    """Ask them from one port, and take whatever comes."""
    with trio.move_on_at(UNTIL), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        for asked in questions:
            with trio.move_on_at(asked.time):
                await _hear(sock)
            await sock.sendto(asked.question, SERVER)
        await _hear(sock)


async def _hear(sock: trio.socket.SocketType) -> None:
    while True:
        await sock.recvfrom(65535)


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "floods", "spins")
    for time in run.notes.get("over", ()):
        yield Finding(f"serve has returned, at {time:.3g} s. A server goes on", time=time)
    (results,) = run.notes["results"]
    for asked in QUESTIONS:
        yield from _answered(run, asked, results)


def _answered(run: Run, asked: Asked, results: dict[str, bytes]) -> Iterator[Finding]:
    who, what = asked.client, asked.question.decode()
    ports = {each.source_port for each in sent(run, who, "server") if each.data == asked.question}
    mine = {results[each.data.decode()] for each in sent(run, who, "server") if each.source_port in ports}
    came = [(time, each) for time, each in arrivals(run, who) if each.destination_port in ports]
    yield from (_wrong(who, what, each, results) for _, each in came if each.data not in mine)
    answers = [(time, each) for time, each in came if each.data == results[what]]
    if not answers:
        yield _missing(run, asked, results[what])
        return
    time, answer = answers[0]
    if answer.source_port != SERVER[1]:
        yield Finding(
            f"the answer to `{what}` came from port {answer.source_port} of the server, and {who} had asked port "
            f"{SERVER[1]}. What comes from another port comes from somebody else, as far as a client can know",
            answer.line,
            time,
        )
    if len(answers) > 1:
        yield Finding(f"{who} got more than one answer to `{what}`", answers[1][1].line, answers[1][0])
    if time - asked.time - asked.work > 2 * DELAY + PROMPT:
        yield Finding(
            f"{who} asked `{what}` at {asked.time:.3g} s, and was answered {time - asked.time:.3g} s later, though the "
            f"work takes {asked.work:.3g} s: {_why_late(run, asked)}",
            answer.line,
            asked.time,
        )


def _wrong(who: str, what: str, answer: Carried, results: dict[str, bytes]) -> Finding:
    if answer.data in results.values():
        words = f"{who} has asked `{what}`, and got the answer to another question"
    else:
        words = f"the answer to `{what}` is {answer.data!r}, which is not what work has returned"
    return Finding(words, answer.line, answer.time)


def _missing(run: Run, asked: Asked, result: bytes) -> Finding:
    """Why an answer has not come: the result went elsewhere, the work was not done, nobody heard the question."""
    what = f"the question `{asked.question.decode()}` of {asked.client} was never answered"
    for each in sent(run, "server"):
        if each.data == result:
            to = f"port {each.destination_port} of {each.destination}"
            return Finding(f"{what}: what work has returned for it was sent to {to}", each.line, each.time)
    for each in sent(run, asked.client, "server"):
        if each.data == asked.question and each.lost == "refused":
            words = f"nobody was listening at {SERVER[0]} port {SERVER[1]} when it came. A socket that is bound to"
            binds = run.notes["binds"][0]
            return Finding(
                f"{what}: {words} 127.0.0.1 hears its own host alone", binds[0] if binds else None, asked.time
            )
    begun = [line for question, line, _ in run.notes.get("begun", ()) if question == asked.question]
    if not begun:
        return Finding(f"{what}: `work` was not called with it", run.ending.line, asked.time)
    here = ", which was called in this line," if begun[0] else ""
    is_done = asked.question in run.notes.get("done", ())
    words = f"though its work{here} was done" if is_done else f"and its work{here} was not done"
    return Finding(f"{what}, {words}", begun[0] or run.ending.line, asked.time)


def _why_late(run: Run, asked: Asked) -> str:
    soon = asked.time + DELAY + PROMPT
    heard = [each.time for each in readings(run, "server", asked.question)]
    begun = [time for question, _, time in run.notes["begun"] if question == asked.question]
    if not heard or heard[0] > soon:
        return "your server was working for somebody else, and did not hear it"
    if begun and begun[0] > soon:
        return f"your server heard it at {heard[0]:.3g} s, and called `work` at {begun[0]:.3g} s only"
    return "the work was called at once, and its result not sent when it was there"


LESSON = Lesson(
    number=7,
    name="slow",
    title="the slow client for whom all others wait",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
