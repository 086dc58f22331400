"""Lesson 5: two tasks read one socket, and each gets the other's reply.

Trio refuses that with a BusyResourceError, for exactly this reason. The exercise has taken the way that many take then:
a lock, with which Trio is content, and nothing is better. The servers answer in the order opposite to that in which
they are asked, so it is never chance who gets whose answer. They are asked a second time, and answer in another order:
it is no use to know the first.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ...._events import DatagramSent
from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals, happened, line_of, readings, sent, taken_for
from ..._verdict import SURROUNDINGS, Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....tracing import Happened
    from ..._learner import Learner
    from ..._played import Carried, Run

DELAY = 0.05  # seconds, each way

# Seconds that each needs for an answer, in the order in which they are asked: the first time, and the second.
TIMES = ({"roof": 1.5, "garden": 1.0, "cellar": 0.0}, {"roof": 0.0, "garden": 1.5, "cellar": 0.5})
SERVERS = tuple(TIMES[0])

# Seconds between the two: what comes late comes in no other.
PAUSE = 10.0

BEHIND = 0.1  # seconds that one may be asked after the one before
EXACT = 0.05  # seconds: what a program may be late

QUESTION = """\
The thermometer on the roof needs 1.5 seconds for its answer, the one in the
garden 1 second, and the one in the cellar answers at once. Each is asked 0.1
seconds after the one before at the latest, and waits for no other's answer.

Your program has a task for each of them, and one socket for all. Each task
takes what it receives for the answer of its own server, and it is not. Make
`ask_all(servers)` return a dict of the right answers, address to answer, as
soon as the last one has come. It is called twice, and the second time others
are slow.
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
    now: dict[str, tuple[float, bytes]] = {}  # what each needs for its answer, and that
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        addresses = {}
        for name in SERVERS:
            with network.host(name=name) as host:
                addresses[name] = host.addresses[0], 7
                await nursery.start(_answer, addresses[name], name, now)
        learner.note("addresses", addresses)
        learner.note("stands in", learner.line_of(learner.function("ask_all", [])))
        you = network.host(name="you")
        for waits in TIMES:
            now |= {name: (wait, b"%.1f degrees" % (random.randrange(1000) / 10)) for name, wait in waits.items()}
            learner.note("answers", {name: answer for name, (_, answer) in now.items()})
            with you:
                await _ask(learner, addresses)
            await trio.sleep(PAUSE)
        learner.over(len(TIMES))
        nursery.cancel_scope.cancel()


async def _ask(learner: Learner, addresses: dict[str, tuple[str, int]]) -> None:
    learner.note("began", trio.current_time())
    learner.note("result", await learner.call("ask_all", list(addresses.values())))
    learner.note("ended", trio.current_time())


async def _answer(
    address: tuple[str, int], name: str, now: dict[str, tuple[float, bytes]], task_status: trio.TaskStatus[None]
) -> None:
    async def later(client: tuple[str, int], wait: float, answer: bytes) -> None:
        await trio.sleep(wait)
        await sock.sendto(answer, client)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(address)
        task_status.started()
        async with trio.open_nursery() as nursery:
            while True:
                _, client = await sock.recvfrom(65535)
                nursery.start_soon(later, client, *now[name])


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised")
    for number in range(len(run.notes.get("began", ()))):
        yield from _asked(run, number)
        if number < len(run.notes.get("result", ())):
            yield from _answers(run, number)
            yield from _in_time(run, number)
        else:
            yield from _waits(run, number)
    yield from went_wrong(run, "waits", "floods", "spins")


def _again(number: int) -> str:
    return "the second time, " if number else ""


def _asked(run: Run, number: int) -> Iterator[Finding]:
    first = {name: questions[0] for name in SERVERS if (questions := _questions(run, number, name))}
    for name in SERVERS:
        if name not in first:
            yield _not_asked(run, number, name)
            return
    for place, (name, question) in enumerate(_in_order(first)):
        late = question.time - run.notes["began"][number]
        if late > (place + 1) * BEHIND + EXACT:  # it may wait before the first as well
            yield Finding(
                f"{_again(number)}`{name}` was asked after {late:.3g} s only. {_why_late(run, number, question)}",
                question.line,
                question.time,
            )


def _not_asked(run: Run, number: int, name: str) -> Finding:
    """And whom it has asked instead; at once more than once, if a loop has come to its end before its tasks began."""
    words = f"{_again(number)}your program has not asked the thermometer `{name}`"
    asked = _questions(run, number)
    if not asked:
        return Finding(words, run.ending.line or run.notes["stands in"][0])
    last = asked[-1]
    same = [each for each in asked if (each.time, each.destination) == (last.time, last.destination)]
    words += f": what this line has asked last, at {last.time:.3g} s, is `{last.destination}`"
    if len(same) > 1:
        is_shared = len({each.source_port for each in same}) == 1
        words += f", {len(same)} times at once. {SURROUNDINGS}"
        words += ". Nor is a socket its own that all tasks use: its `connect` holds for all" if is_shared else ""
    return Finding(words, last.line, last.time)


def _in_order(first: dict[str, Carried]) -> list[tuple[str, Carried]]:
    return sorted(first.items(), key=lambda asked: asked[1].time)


def _why_late(run: Run, number: int, question: Carried) -> str:
    read = [
        each
        for answer in run.notes["answers"][number].values()
        for each in readings(run, "you", answer)
        if each.time <= question.time
    ]
    if read:
        return "It should not have to wait until others have answered: an answer takes long, and asking takes no time"
    return f"Each is to be asked {BEHIND} s after the one before at the latest, whatever your program does besides"


def _questions(run: Run, number: int, name: str | None = None) -> list[Carried]:
    began = [*run.notes["began"], float("inf")]
    return [each for each in sent(run, "you", name) if began[number] <= each.time < began[number + 1]]


# -- what it says ------------------------------------------------------------------------------------------------------


def _answers(run: Run, number: int) -> Iterator[Finding]:
    again, result, answers = _again(number), run.notes["result"][number], run.notes["answers"][number]
    if not isinstance(result, dict):
        words = f"{again}ask_all has returned {result!r}; it should return a dict, of addresses and answers"
        yield Finding(words, run.notes["stands in"][0])
        return
    whose = {answer: name for name, answer in answers.items()}
    for name, answer in answers.items():
        told = result.get(run.notes["addresses"][0][name])
        if told == answer:
            continue
        line, time = _read(run, answer)
        if isinstance(told, bytes) and told in whose:
            yield _mixed_up(run, f"{again}ask_all says that `{name}` has answered {told!r}", whose[told], told)
        elif told is None:
            yield _missing(run, number, name)
        else:
            words = f"{again}ask_all says that `{name}` has answered {told!r}, and it has answered {answer!r}"
            yield Finding(words + taken_for(told, answer), line, time)


def _read(run: Run, data: bytes) -> tuple[int | None, float | None]:
    """The line that has read this first, and when."""
    taken = readings(run, "you", data)
    return (line_of(run, taken[0]), taken[0].time) if taken else (None, None)


def _mixed_up(run: Run, what: str, other: str, data: bytes) -> Finding:
    line, time = _read(run, data)
    when = "" if time is None else f", at {time:.3g} s"
    words = "What comes to a socket is taken by the task that reads first, whether it has asked for that or not"
    return Finding(f"{what}, but `{other}` has{when}. {words}", line, time)


def _missing(run: Run, number: int, name: str) -> Finding:
    answer = run.notes["answers"][number][name]
    words = (
        f"{_again(number)}the answer of `{name}` is missing in what ask_all has returned, which is "
        f"{run.notes['result'][number]!r}; it belongs there under {run.notes['addresses'][0][name]!r}"
    )
    line, time = _read(run, answer)
    if time is not None:
        return Finding(f"{words}. It was read in this line, at {time:.3g} s", line, time)
    question = _questions(run, number, name)[0]
    came = [time for time, each in arrivals(run, "you", name) if each.data == answer]
    gone = [each.time + DELAY for each in sent(run, name, "you") if each.data == answer and each.lost]
    if came:
        words += f". It came at {came[0]:.3g} s, and nobody has read it"
    elif gone:
        words += f". It came at {gone[0]:.3g} s, when the socket that had asked in this line was closed"
    return Finding(words, question.line)


def _in_time(run: Run, number: int) -> Iterator[Finding]:
    began, ended = run.notes["began"][number], run.notes["ended"][number]
    first = _in_order({name: _questions(run, number, name)[0] for name in SERVERS})
    asked = {name: max(place * BEHIND, question.time - began) for place, (name, question) in enumerate(first)}
    last = max(asked[name] + wait for name, wait in TIMES[number].items()) + 2 * DELAY
    if ended - began > last + EXACT:
        line = next((line_of(run, each) for each in reversed(readings(run, "you", b"")) if each.time <= ended), None)
        words = f"{_again(number)}ask_all has returned after {ended - began:.3g} s, and is to return as soon as the "
        words += f"last answer has come, which can be after {last:.3g} s" + (
            ". The last datagram was read in this line" if line else ""
        )
        yield Finding(words, line, ended)


# -- if it has no end --------------------------------------------------------------------------------------------------


def _waits(run: Run, number: int) -> Iterator[Finding]:
    """Who has taken what another task waits for; or that there is nothing left to wait for."""
    found = [(name, readings(run, "you", answer)) for name, answer in run.notes["answers"][number].items()]
    if not all(taken for _, taken in found):
        return
    reads = sorted(((name, taken[0]) for name, taken in found), key=lambda read: read[1].time)
    asked = {name: _asking(run, name)[-1].task for name in SERVERS}
    words = f"All answers had been read by {reads[-1][1].time:.3g} s, and nothing more will come"
    for name, read in reads:
        others = [other for other, task in asked.items() if task == read.task]
        if others and name not in others:
            words = (
                f"The answer of `{name}` was read at {read.time:.3g} s, in line {line_of(run, read)}, by the task that "
                f"has asked `{others[0]}`: whoever reads an answer takes it away from all others"
            )
            break
    for general in went_wrong(run, "waits"):
        yield Finding(f"{general.message}. {words}", general.line)


def _asking(run: Run, name: str) -> list[Happened]:
    address = tuple(run.notes["addresses"][0][name])
    return [each for each in happened(run, DatagramSent, at="you") if each.event.remote[:2] == address]


LESSON = Lesson(
    number=5,
    name="two",
    title="two clients, one socket",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
