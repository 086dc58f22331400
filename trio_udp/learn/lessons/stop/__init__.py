"""Lesson 9: whoever stops a server by cancelling all of it cuts off those whose questions it has taken.

Two ways to stop are common, and both wrong: to cancel the nursery with everything in it, and to look at a flag between
two questions, so that one more has to come before it is seen.

It is played four times, with work of other lengths: who waits for a fixed time instead of for the work is right once.
In the last two nothing is asked after the stop, so that nothing wakes who waits for one more question; and at the last
stop all is answered, so that nothing hides how late somebody looks.
"""

from __future__ import annotations

from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._serving import connects_noted, note_lines
from ..._strays import Strays
from ..._working import work_of
from ._check import check
from ._rounds import CLIENTS, DELAY, PROMPT, ROUNDS, SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ._rounds import Asked, Round

QUESTION = """\
`serve(port, work, stop)` answers questions, each once, as soon as the work for
it is done, until the event `stop` is set, which happens at 3 seconds. Two
questions are being worked at then: the work for one ends a second later, that
for the other three seconds later.

Your server cancels all of it, and two clients never hear of their questions
again. To stop gracefully is to take no further question, to answer those that
have been taken, and to return as soon as that is done. It is played three times
more, at other ports, with work that takes other times. After the last two stops
nobody asks anything, and at the very last one no work is left. All your tasks
are in nurseries of your program, as ever.
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
    work = work_of(learner, lengths, results)

    async def serve(port: int, stop: trio.Event) -> None:
        await learner.call("serve", port, work, stop)
        learner.note("over", trio.current_time())

    trio.lowlevel.add_instrument(Strays(learner))
    note_lines(learner, ROUNDS[0].port, work, trio.Event())
    learner.note("starts stop", learner.lines_like(r"\bstart_soon\(\s*stop\.wait\b"))
    learner.note("shields", learner.lines_like(r"\bshield\b"))
    with _asks_noted(learner), connects_noted(learner):
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
                            nursery.start_soon(_ask, learner, trio.lowlevel.current_task(), asked, part)
                    await trio.sleep_until(part.stop)
                    stop.set()
                    await trio.sleep_until(part.done + PROMPT)
                    learner.note("stands", [part.port, *learner.waiting(trio.lowlevel.current_task())])
    learner.over(len(ROUNDS))


@contextmanager
def _asks_noted(learner: Learner) -> Iterator[None]:
    """Note in which lines of the learner's it is asked whether an event is set, when, and if it is."""
    really_asks = trio.Event.is_set

    def asks(event: trio.Event) -> bool:
        is_set = really_asks(event)
        if line := learner.line():
            learner.note("asks", [line, trio.current_time(), is_set])
        return is_set

    trio.Event.is_set = asks  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        trio.Event.is_set = really_asks  # type: ignore[method-assign]


async def _ask(learner: Learner, around: trio.lowlevel.Task, asked: Asked, part: Round) -> None:
    """Ask, and take whatever comes; and see where the server waits when it should have heard."""
    with trio.move_on_at(part.until), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await trio.sleep_until(asked.time)
        await sock.sendto(asked.question, (SERVER, part.port))
        with trio.move_on_at(asked.soon):
            await _hear(sock)
        learner.note("stands", [asked.question, *learner.waiting(around)])
        await _hear(sock)


async def _hear(sock: trio.socket.SocketType) -> None:
    while True:
        await sock.recvfrom(65535)


LESSON = Lesson(
    number=9,
    name="stop",
    title="the graceful stop",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
    longest=80.0,
)
