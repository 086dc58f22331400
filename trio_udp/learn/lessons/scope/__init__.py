"""Lesson 2: a timeout ends what is inside of it, and a task is inside of its nursery.

Three questions that learners of Trio ask again and again are here: why a timeout around ``start_soon`` does nothing
(python-trio/trio #1650), where the nursery's own cancel scope is (#1831), and whether a scope can be used twice
(#1008). For the last one everything is asked twice, and every answer is another one.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ._check import DELAY, EXACT, PAUSE, ROUNDS, SECOND, SERVERS, check

if TYPE_CHECKING:
    from ..._learner import Learner

QUESTION = """\
Of the four servers one answers at once, one after 0.6 seconds, one after 1.5,
and one never. Your program asks them all, each in a task of its own, and is to
return after one second, with the two answers that have come.

There is a timeout of one second in it, and still it waits for ever: a timeout
that is in the wrong place, as many a program has it. Move it to where it does
what was meant. Everything is asked twice, which has to work as well.
"""

HINTS = (
    "Print `trio.current_time()` behind the `with trio.move_on_after(1)` block. When is it left?",
    "A scope cancels what is inside of its `with`. `start_soon` only starts a task; the waiting for it is done at the "
    "end of the nursery's `async with`. Which of the two is inside of the other?",
    "Put `with trio.move_on_after(1):` around `async with trio.open_nursery() as nursery:`. Or leave it out, and set "
    "the deadline of the scope that every nursery has: `nursery.cancel_scope.deadline = trio.current_time() + 1`.",
)


# A timeout, and its seconds.
TIMEOUT = r"((move_on|fail)_after\(\s*(seconds\s*=\s*)?|(deadline\s*=|_at\().*current_time\(\)\s*\+\s*)([\w.]+)"


async def stage(learner: Learner) -> None:
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        random = Random(2)
        addresses = []
        for name, wait in SERVERS.items():
            with network.host(name=name) as host:
                addresses.append((host.addresses[0], 7))
                await nursery.start(_answer, addresses[-1], wait, name, random)
        _note_lines(learner, addresses)
        calls, called = trio.open_memory_channel[float](ROUNDS)
        nursery.start_soon(_look_later, learner, trio.lowlevel.current_task(), called)
        with calls, network.host(name="you"):
            for _ in range(ROUNDS):
                began = trio.current_time()
                calls.send_nowait(began)
                result = await learner.call("ask_all", list(addresses))
                learner.note("rounds", [began, result, trio.current_time(), type(result).__name__])
                await trio.sleep(PAUSE)
        learner.over(ROUNDS)
        nursery.cancel_scope.cancel()


def _note_lines(learner: Learner, addresses: list[tuple[str, int]]) -> None:
    learner.note("stands in", learner.line_of(learner.function("ask_all", addresses)))
    learner.note("timeouts", [[line, _seconds(learner, word)] for line, word in learner.parts_like(TIMEOUT)])
    learner.note("returns", learner.lines_like(r"^\s+return\s"))
    learner.note("deadlines", learner.lines_like(r"deadline\s*=|_at\("))
    learner.note("cancels", learner.lines_like(r"\.cancel\("))
    learner.note("enters", learner.lines_like(r"\bwith\b.*\.cancel_scope\b"))


async def _look_later(learner: Learner, task: trio.lowlevel.Task, called: trio.MemoryReceiveChannel[float]) -> None:
    """Note where `ask_all` still waits when it should have returned."""
    with called:
        async for began in called:
            await trio.sleep_until(began + SECOND + 2 * EXACT)
            learner.note("late", [began, learner.stands(task)])


def _seconds(learner: Learner, word: str) -> float | None:
    """How many a timeout has: the number, or the name of one."""
    try:
        return float(word)
    except ValueError:
        value = getattr(learner.module, word, None)
        return float(value) if isinstance(value, (int, float)) else None


async def _answer(
    address: tuple[str, int], wait: float | None, name: str, random: Random, task_status: trio.TaskStatus[None]
) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(address)
        task_status.started()
        while True:
            _, client = await sock.recvfrom(65535)
            if wait is not None:
                await trio.sleep(wait)
                await sock.sendto(f"{name} {random.randrange(10**6):06}".encode(), client)


LESSON = Lesson(
    number=2,
    name="scope",
    title="the timeout in the wrong place",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
