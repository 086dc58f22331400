"""Lesson 7: a loop that awaits the work makes everybody wait for the slowest.

Most questions come from a port of their own; one client asks two from the same, a slow one and then a quick one, since
a server that has a queue for each client makes this one wait for itself, and a third one when both are answered, since
a server may think that it is done with this address. And two clients ask the same: a question does not say whose it is.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._serving import connects_noted, note_lines
from ..._strays import Strays
from ..._working import work_of
from ._check import DELAY, QUESTIONS, SERVER, SOON, UNTIL, Asked, check

if TYPE_CHECKING:
    from ..._learner import Learner

QUESTION = """\
`work(question)` is an async function that the lesson gives to your server. For
`quick 1` and its like it returns at once; at `slow 1` it works for 5 seconds.

Your server awaits it in its loop, and hears nothing meanwhile: a client with a
quick question waits until the work for the slow one is done. Each question is
to be answered as soon as its own work is done, to the client that has asked it.
`serve(port, work)` goes on for ever; the lesson cancels it, and all its tasks
with it: they are in nurseries of your program.
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

    work = work_of(learner, lengths, results)

    async def serve(task_status: trio.TaskStatus[trio.lowlevel.Task]) -> None:
        task_status.started(trio.lowlevel.current_task())
        with connects_noted(learner):
            await learner.call("serve", SERVER[1], work)
        learner.note("over", trio.current_time())

    note_lines(learner, SERVER[1], work)
    trio.lowlevel.add_instrument(Strays(learner))
    learner.note("nurseries", learner.lines_like(r"\bopen_nursery\("))
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"):
            server = await nursery.start(serve)
        hosts = {name: network.host(name=name) for name in dict.fromkeys(each.client for each in QUESTIONS)}
        async with trio.open_nursery() as clients:
            for asked in QUESTIONS:
                if not asked.again:
                    with hosts[asked.client]:
                        questions = [asked, *(each for each in QUESTIONS if _follows(each, asked))]
                        clients.start_soon(_ask, learner, server, questions)
        learner.over()
        nursery.cancel_scope.cancel()


def _follows(later: Asked, first: Asked) -> bool:
    return later.again and later.client == first.client


async def _ask(learner: Learner, server: trio.lowlevel.Task, questions: list[Asked]) -> None:
    """Ask them from one port, and take whatever comes; and see where the server stands when it should have heard."""
    await trio.sleep_until(questions[0].time)  # so that ports have the order of the questions
    with trio.move_on_at(UNTIL), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        for asked in questions:
            with trio.move_on_at(asked.time):
                await _hear(sock)
            await sock.sendto(asked.question, SERVER)
            with trio.move_on_after(SOON):
                await _hear(sock)
            waiting = [] if "over" in learner.notes else learner.waiting(server)
            learner.note("stands", [(asked.client, asked.question), *waiting])
        await _hear(sock)


async def _hear(sock: trio.socket.SocketType) -> None:
    while True:
        await sock.recvfrom(65535)


LESSON = Lesson(
    number=7,
    name="slow",
    title="the slow client for whom all others wait",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
