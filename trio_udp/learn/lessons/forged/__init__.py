"""Lesson 4: anybody may send to a port, and write any address on it.

There are three who forge. Eve sees the questions, as somebody on the same wireless network does, and knows their
numbers; but her provider lets nothing out that has another's address (RFC 2827 asks providers for that). Mallory's
provider does, so she sends as the server; but she sees nothing, and tries the number of the question before. Both need
the port of the program: Eve sees it, and Mallory is taken to have guessed it, since there are few. The third, a
neighbour, is on the server's own machine: her host is the server's, and her port is not.

Most numbers are letters, since pictures are for people. The last one is what such numbers are in fact, any four bytes,
and its answer has the same bytes in it once more: who takes them for text, or takes them off as often as they come,
finds out.
"""

from __future__ import annotations

from random import Random
from string import ascii_letters
from typing import TYPE_CHECKING, NamedTuple

import trio

from ....faults import Link
from ....testing._ip import parse_ip
from ....testing._mailbox import Mailbox
from ..._lesson import Lesson
from ..._look import arrivals, line_of, readings, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....testing import Host
    from ..._learner import Learner
    from ..._played import Run

SERVER = ("10.0.0.1", 7)

PATIENCE = 2.0  # seconds that the program is to wait
EXACT = 0.05  # seconds: what it may be early or late
DELAY = 0.01  # seconds, each way
WORK = 0.5  # seconds that the server takes: whoever forges is faster
EVERY = 0.25  # seconds between two that are forged


class Round(NamedTuple):
    """Who forges, how often, and whether the server answers."""

    eve: int = 0
    mallory: int = 0
    neighbour: int = 0
    answers: bool = True


ROUNDS = (
    Round(),
    Round(eve=1),
    Round(mallory=1),
    Round(eve=4, mallory=3),
    Round(eve=30, mallory=30, answers=False),
    Round(neighbour=1),
    Round(),
)

BINARY = b"\xe9\x00 \xff"  # the number of the last round

# Seconds between two rounds: nothing that is forged in one comes in the next.
PAUSE = 10.0

REASONS = {
    "eve": "That came from somebody else, to whom your program has sent nothing. Anybody may send to its port, and "
    "one who has seen the question knows its number",
    "neighbour": "That came from the server's host, but from another port: another program there has sent it. An "
    "address is both, the host and the port",
    "mallory": "That has the server's address on it, but not the number of this question. Who sends a datagram can "
    "write any address on it; the number is known only to who has seen the question",
}

QUESTION = f"""\
The server needs half a second for its answer. Meanwhile others answer, to the
port that your program has. Some have seen your question, but have to send from
addresses of their own; one of them is on the server's host, at another port.
One has not seen it, but sends with the address of the server.

`ask(server, number)` sends four bytes that nobody can guess, and its question.
It is to return what the server has answered, without these bytes, or None when
the server has said nothing for {PATIENCE:.0f} seconds, whatever else has come.
It is called {len(ROUNDS)} times, with another number each time.
"""

HINTS = (
    "How does your program know that the server has sent what it returns?",
    "`recvfrom` gives two things. Compare the address with the server's, and the first four bytes of the answer with "
    "the number. And then? What is wrong says nothing about what may still come.",
    "Receive in a loop, `while True:`, inside of the `move_on_after`; return only if `address == server and "
    "answer[:4] == number`.",
)


async def stage(learner: Learner) -> None:
    random = Random(4)
    numbers = ["".join(random.choices(ascii_letters, k=4)).encode() for _ in ROUNDS[:-1]] + [BINARY]
    answers, eves, mallorys, neighbours = ([b"%06d" % random.randrange(10**6) for _ in ROUNDS] for _ in range(4))
    answers[-1] = BINARY + answers[-1]
    learner.note("numbers", numbers)
    learner.note("answers", answers)
    learner.note("forged", {"eve": eves, "mallory": mallorys, "neighbour": neighbours})

    async def answer(question: bytes, client: tuple[str, int]) -> None:
        if question[:4] not in numbers:
            return
        place = numbers.index(question[:4])
        with eve:
            nursery.start_soon(_from_herself, client, question[:4] + eves[place], ROUNDS[place].eve)
        with server:
            nursery.start_soon(_from_herself, client, question[:4] + neighbours[place], ROUNDS[place].neighbour)
        with mallory:
            nursery.start_soon(
                _as_the_server, mallory, client, numbers[place - 1] + mallorys[place], ROUNDS[place].mallory
            )
        await trio.sleep(WORK)
        if ROUNDS[place].answers:
            await sock.sendto(question[:4] + answers[place], client)

    async def serve() -> None:
        while True:
            nursery.start_soon(answer, *await sock.recvfrom(65535))

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        eve, mallory = network.host("10.0.0.66", name="eve"), network.host("10.0.0.99", name="mallory")
        with network.host(SERVER[0], name="server") as server, trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(SERVER)
            nursery.start_soon(serve)
            with network.host("10.0.0.2", name="you"):
                for number in numbers:
                    began = trio.current_time()
                    learner.note("rounds", [began, await learner.call("ask", SERVER, number), trio.current_time()])
                    await trio.sleep(PAUSE)
            learner.over(len(ROUNDS))
            nursery.cancel_scope.cancel()


async def _from_herself(client: tuple[str, int], data: bytes, times: int) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as own:
        for _ in range(times):
            await trio.sleep(EVERY)
            await own.sendto(data, client)


async def _as_the_server(host: Host, client: tuple[str, int], data: bytes, times: int) -> None:
    await trio.sleep(EVERY / 2)
    for _ in range(times):
        await trio.sleep(EVERY)
        forge(host, SERVER, client, data)


def forge(host: Host, source: tuple[str, int], destination: tuple[str, int], data: bytes) -> None:
    """Send a datagram that says it comes from somewhere else; in pictures it comes from there.

    Whoever may use raw sockets can do that wherever nobody prevents it (RFC 2827 asks providers to). A plain socket
    cannot, so the host is handed a datagram of one that is none of its own.
    """
    mailbox = Mailbox(host, trio.socket.AF_INET, 0)
    mailbox.listen_at(parse_ip(source[0]), source[1])
    host.send(mailbox, source, parse_ip(destination[0]), destination[1], data)


def check(run: Run) -> Iterator[Finding]:
    if not sent(run, "you", "server"):
        yield from went_wrong(run, "raised", "spins")
        yield Finding("your program has sent nothing to the server", run.ending.line)
        return
    yield from _asks_again(run)
    for place, (began, result, ended) in enumerate(run.notes.get("rounds", ())):
        yield from _asked(run, place, began, ended)
        yield from _forged(run, place, result, ended)
        yield from _answered(run, place, began, result, ended)
    yield from _waits(run)
    yield from went_wrong(run, "raised", "waits", "floods", "spins")


def _asks_again(run: Run) -> Iterator[Finding]:
    (forged,) = run.notes["forged"]
    lies = {data for each in forged.values() for data in each}
    times = {time for time, each in arrivals(run, "you") if each.data[4:] in lies}
    questions = sent(run, "you", "server")
    prompted = [each for each in questions if each.time in times]
    if run.ending.kind == "floods" and 2 * len(prompted) > len(questions):
        yield Finding(
            f"your program asks again in this line whenever something forged has come, here at {prompted[0].time:.3g} "
            f"s: {len(prompted):,} times, until the lesson has ended it. So it is others who decide how much it sends; "
            "and what is forged says nothing of the question, which may be answered yet",
            prompted[0].line,
            prompted[0].time,
        )


def _waits(run: Run) -> Iterator[Finding]:
    place = len(run.notes.get("rounds", ()))  # those that are over
    if run.ending.kind == "waits" and place < len(ROUNDS) and not ROUNDS[place].answers:
        yield Finding(
            f"your program waits for ever in this line. Question {place + 1} is one that the server does not answer: "
            f"after {PATIENCE:.0f} s `ask` was to return None",
            run.ending.line,
        )


def _last_read(run: Run, began: float, ended: float) -> tuple[int | None, float]:
    """The line that has read something last in a round, and when; if none has, the one that asked."""
    read = [each for each in readings(run, "you", b"") if began <= each.time <= ended]
    if read:
        return line_of(run, read[-1]), read[-1].time
    asked = [each for each in sent(run, "you", "server") if began <= each.time <= ended]
    return (asked[-1].line, asked[-1].time) if asked else (None, began)


def _asked(run: Run, place: int, began: float, ended: float) -> Iterator[Finding]:
    (numbers,) = run.notes["numbers"]
    questions = [each for each in sent(run, "you", "server") if began <= each.time <= ended]
    if questions and not any(each.data.startswith(numbers[place]) for each in questions):
        question = questions[0]
        yield Finding(
            f"question {place + 1} begins with {question.data[:4]!r}, and was to begin with `number`, which is "
            f"{numbers[place]!r}. The server answers nothing else",
            question.line,
            question.time,
        )


def _forged(run: Run, place: int, result: object, ended: float) -> Iterator[Finding]:
    (forged,) = run.notes["forged"]
    for name, reason in REASONS.items():
        data = forged[name][place]
        if isinstance(result, bytes) and data in result:
            taken = readings(run, "you", data)
            line, time = (line_of(run, taken[-1]), taken[-1].time) if taken else (None, ended)
            yield Finding(f"question {place + 1}: ask has returned {data!r}. {reason}", line, time)


def _answered(run: Run, place: int, began: float, result: object, ended: float) -> Iterator[Finding]:
    answer = run.notes["answers"][0][place] if ROUNDS[place].answers else None
    what, took = f"question {place + 1}", ended - began
    line, read = _last_read(run, began, ended)
    if answer is not None and result is None:
        yield Finding(
            f"{what}: ask has returned None after {took:.3g} s, and the server has answered after {WORK} s. What is "
            "wrong says nothing about what is still to come, so the wait should go on",
            line,
            ended,
        )
    elif result != answer:
        yield Finding(f"{what}: ask has returned {result!r}, but the server has answered {answer!r}", line, ended)
    if answer is None and took < PATIENCE - EXACT:
        yield Finding(
            f"{what}: ask has returned after {took:.3g} s. For {PATIENCE:.0f} s the server may still answer",
            line,
            ended,
        )
    if took > PATIENCE + EXACT:
        anew = (
            f". The last datagram was read {PATIENCE:.0f} s before that: each one that is forged begins the wait "
            "anew, so who forges decides how long your program waits"
        )
        yield Finding(
            f"{what}: ask has returned after {took:.3g} s, and it was to wait for {PATIENCE:.0f} s"
            + (anew if abs(ended - read - PATIENCE) < EXACT else ""),
            line,
            ended,
        )


LESSON = Lesson(
    number=4,
    name="forged",
    title="the forged reply",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
