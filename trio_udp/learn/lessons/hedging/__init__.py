"""Lesson 8: ask a second server when the first is slow, keep the first good answer, cancel the rest.

Dean and Barroso ("The Tail at Scale", 2013) call it a hedged request: nearly nothing is asked twice, and the few slow
answers, which everybody remembers, are gone. RFC 8305 does it for connections. Answers are numbers of no pattern.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Carried, Run

STAGGER = 0.25  # seconds after which the next server is asked
DELAY = 0.01  # seconds, each way
EXACT = 0.05  # seconds: what a program may be late
PAUSE = 5.0  # seconds between two rounds
BUSY = b"busy"
SERVERS = ("best", "second", "third")


class Round(NamedTuple):
    """After how many seconds each server answers, in their order, None: never; and who answers that it is busy."""

    story: str
    waits: tuple[float | None, ...]
    busy: str = ""


ROUNDS = (
    Round("all are well", (0.1, 0.1, 0.1)),
    Round("the best server is very slow", (3.0, 0.1, 0.1)),
    Round("the best server is a bit slow, and the second one more so", (0.4, 0.9, 0.9)),
    Round("the best server is busy", (0.1, 0.1, 0.1), busy="best"),
    Round("two servers are down", (None, None, 0.1)),
)

QUESTION = """\
There are three servers for the same question, the best one first. Most of the
time it answers in 0.1 seconds. When there is no good answer after a quarter of
a second, the second one is to be asked as well, and after another quarter the
third, while your program still listens to those before.

`ask(servers)` returns the first good answer, at once, from whomever it is:
b"busy" is none. Who does not have to be asked is not asked; and as nothing gets
lost here, nobody is asked twice. Your program gives a server up when it asks
the next one. It is called five times.
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
                is_busy = ROUNDS[number].busy == SERVERS[place]
                await sock.sendto(BUSY if is_busy else answers[number][place], client)

        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(address)
            task_status.started()
            while True:
                _, client = await sock.recvfrom(65535)
                nursery.start_soon(answer, client, present)

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        addresses = []
        for place, name in enumerate(SERVERS):
            with network.host(name=name) as host:
                addresses.append((host.addresses[0], 7))
                await nursery.start(serve, place, addresses[-1])
        with network.host(name="you"):
            for number in range(len(ROUNDS)):
                present = number
                began = trio.current_time()
                learner.note("rounds", [began, await learner.call("ask", list(addresses)), trio.current_time()])
                await trio.sleep(PAUSE)
        learner.over(len(ROUNDS))
        nursery.cancel_scope.cancel()


def check(run: Run) -> Iterator[Finding]:
    if not sent(run, "you", "best"):
        yield from went_wrong(run, "raised", "spins")
        yield Finding("your program has not asked the best server", run.ending.line)
        return
    for number, (began, result, ended) in enumerate(run.notes.get("rounds", ())):
        story = f"call {number + 1} of {len(ROUNDS)}, at {began:.4g} s ({ROUNDS[number].story})"
        plan = ROUNDS[number]._replace(story=story)
        asked = _asked(run, began, ended)
        yield from _too_early(run, plan, began, asked)
        yield from _answer(run, plan, began, result, ended, asked)
        yield from _too_late(run, plan, began, ended, asked)
        yield from _twice(run, plan, began, ended, asked)
    yield from went_wrong(run, "raised", "waits", "floods", "spins")


def _asked(run: Run, began: float, ended: float) -> dict[str, Carried]:
    """The first question to each server in a round."""
    asked: dict[str, Carried] = {}
    for each in sent(run, "you"):
        if began <= each.time <= ended:
            asked.setdefault(each.destination, each)
    return asked


def _good(run: Run, began: float, until: float) -> list[tuple[float, Carried]]:
    """The good answers that have arrived."""
    return [(time, each) for time, each in arrivals(run, "you") if began <= time <= until and each.data != BUSY]


def _too_early(run: Run, plan: Round, began: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    for place, name in enumerate(SERVERS[1:], 1):
        question = asked.get(name)
        if question is None:
            continue
        late = question.time - began
        earlier = SERVERS[place - 1]
        if earlier not in asked or asked[earlier].time > question.time:
            yield Finding(
                f"{plan.story}: the {name} server was asked before the {earlier} one. The best server comes first, as "
                "in the list that `ask` gets",
                question.line,
                question.time,
            )
        came = _good(run, began, question.time - EXACT)
        if came:
            yield Finding(
                f"{plan.story}: the {name} server was asked {late:.3g} s after `ask` was called, and a good answer had "
                f"come {came[0][0] - began:.3g} s after it. Then nobody else has to be asked",
                question.line,
                question.time,
            )
        refused = {each.source for time, each in arrivals(run, "you") if began <= time <= question.time}
        if late < place * STAGGER - 1e-6 and SERVERS[place - 1] not in refused:
            yield Finding(
                f"{plan.story}: the {name} server was asked {late:.3g} s after `ask` was called. Those before it have "
                f"{STAGGER} s each; if everybody asks all at once, all servers have three times the work",
                question.line,
                question.time,
            )


def _answer(
    run: Run, plan: Round, began: float, result: object, ended: float, asked: dict[str, Carried]
) -> Iterator[Finding]:
    came = _good(run, began, ended)
    if result in [each.data for _, each in came]:
        return
    if result == BUSY:
        yield Finding(
            f"{plan.story}: ask has returned {BUSY!r}, which is no answer: another server has one", time=ended
        )
    elif result is None:
        yield _gave_up(run, plan, began, ended, asked)
    else:
        right = f"the server has answered {came[0][1].data!r}" if came else "no good answer had come"
        yield Finding(f"{plan.story}: ask has returned {result!r}, and {right}", time=ended)


def _gave_up(run: Run, plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Finding:
    words = f"{plan.story}: ask has returned None, after {ended - began:.3g} s"
    for each in sent(run, to="you"):
        if each.time >= began and each.data != BUSY:
            came = each.time + DELAY
            missed = (
                f"The {each.source} server's answer came at {came:.4g} s, {came - began:.3g} s after `ask` was called, "
                "and nobody listened"
            )
            return Finding(f"{words}. {missed}", asked[each.source].line if each.source in asked else None, each.time)
    return Finding(words, time=ended)


def _too_late(run: Run, plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    came = _good(run, began, ended)
    first = came[0][0] if came else ended
    for place, name in enumerate(SERVERS):
        due = began + place * STAGGER
        if due + EXACT < first and (name not in asked or asked[name].time > due + EXACT):
            when = f"{asked[name].time - began:.3g} s after `ask` was called" if name in asked else "never"
            yield Finding(
                f"{plan.story}: the {name} server was asked {when}, and it was to be asked after {place * STAGGER:.3g} "
                "s, as no good answer had come",
                asked[name].line if name in asked else None,
                due,
            )
    if ended > first + EXACT:
        yield Finding(
            f"{plan.story}: ask has returned {ended - first:.3g} s after the first good answer had come. With that "
            "there is nothing left to wait for",
            time=ended,
        )


def _twice(run: Run, plan: Round, began: float, ended: float, asked: dict[str, Carried]) -> Iterator[Finding]:
    for name, first in asked.items():
        questions = [each for each in sent(run, "you", name) if began <= each.time <= ended]
        if len(questions) > 1:
            again = questions[1]
            yield Finding(
                f"{plan.story}: the {name} server was asked again after {again.time - first.time:.3g} s, and "
                f"{len(questions)} times in all. It has the question: to ask once more is to give it more work, and "
                "brings its answer no sooner",
                again.line,
                again.time,
            )


LESSON = Lesson(
    number=8,
    name="hedging",
    title="ask a second server when the first is slow",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
