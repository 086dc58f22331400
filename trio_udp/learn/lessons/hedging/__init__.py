"""Lesson 8: ask a second server when the first is slow, keep the first good answer, cancel the rest.

Dean and Barroso ("The Tail at Scale", 2013) call it a hedged request: nearly nothing is asked twice, and the few slow
answers, which everybody remembers, are gone. RFC 8305 does it for connections. Answers are numbers of no pattern.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ._check import check
from ._rounds import BUSY, DELAY, EXACT, PAUSE, ROUNDS, SERVERS, STAGGER

if TYPE_CHECKING:
    from ..._learner import Learner

QUESTION = """\
There are three servers for the same question, the best one first. Most of the
time it answers in 0.1 seconds. When there is no good answer after a quarter of
a second, the second one is to be asked as well, and after another quarter the
third, while your program still listens to those before.

`ask(servers)` returns the first good answer, at once, from whomever it is, and
however late: in one call it comes after a second and a half. b"busy" is none.
Who does not have to be asked is not asked; and as nothing gets lost here,
nobody is asked twice within a second. Your program gives a server up when it
asks the next one. It is called eight times.
"""

HINTS = (
    "What becomes of an answer that comes after 0.4 seconds? Who waits for it then?",
    "Several things are to be waited for at the same time, so each needs a task. One nursery has them all. When the "
    "first good answer is there, what ends the others?",
    "Ask one server in a function of its own, without a timeout. In the nursery: `for server in servers:` start "
    "it, and `await trio.sleep(0.25)`. Who has a good answer puts it into a list, and calls "
    "`nursery.cancel_scope.cancel()`.",
)


async def stage(learner: Learner) -> None:
    random = Random(8)
    answers = [[b"%06d" % random.randrange(10**6) for _ in SERVERS] for _ in ROUNDS]
    present = 0

    async def serve(place: int, address: tuple[str, int], task_status: trio.TaskStatus[None]) -> None:
        async def answer(client: tuple[str, int], number: int) -> None:
            wait = ROUNDS[number].waits[place]
            if wait is not None:
                await trio.sleep(wait)
                is_busy = SERVERS[place] in ROUNDS[number].busy
                await sock.sendto(BUSY if is_busy else answers[number][place], client)

        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(address)
            task_status.started()
            while True:
                _, client = await sock.recvfrom(65535)
                nursery.start_soon(answer, client, present)

    async def look(number: int, asking: trio.lowlevel.Task) -> None:
        """Note in which line `ask` stands when another server should just have been asked."""
        for place in range(1, len(SERVERS)):
            await trio.sleep(STAGGER + (EXACT if place == 1 else 0))
            if number == present and len(learner.notes.get("rounds", ())) == number:
                learner.note("stood", [number, place, learner.stands(asking)])

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        learner.note("stands in", learner.line_of(learner.function("ask", [])))
        learner.note("sockets", learner.lines_like(r"\b(socket|open_udp_endpoint)\("))
        learner.note("nurseries", learner.lines_like(r"\bopen_nursery\("))
        addresses = []
        for place, name in enumerate(SERVERS):
            with network.host(name=name) as host:
                addresses.append((host.addresses[0], 7))
                await nursery.start(serve, place, addresses[-1])
        with network.host(name="you"):
            for number in range(len(ROUNDS)):
                present = number
                began = trio.current_time()
                learner.note("began", began)
                nursery.start_soon(look, number, trio.lowlevel.current_task())
                learner.note("rounds", [began, await learner.call("ask", list(addresses)), trio.current_time()])
                await trio.sleep(PAUSE)
        learner.over(len(ROUNDS))
        nursery.cancel_scope.cancel()


LESSON = Lesson(
    number=8,
    name="hedging",
    title="ask a second server when the first is slow",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
