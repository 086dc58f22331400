"""Lesson 13: a test in which nothing gets lost is passed by programs that are wrong when something does.

Here the learner writes the tests. They are run, on a network each, with programs that are right and with others that
are wrong; they have to pass the former and fail the latter. All programs look alike from outside, and the right ones
come before the wrong ones and after them, so that nothing but what a program does tells which one it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import trio

from ....faults import Link
from ....tracing import scope
from ..._learner import NotAsAsked
from ..._lesson import Lesson
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from ..._learner import Learner
    from ..._played import Run

Address: TypeAlias = tuple[str, int]
Ask: TypeAlias = Callable[[Address], Awaitable[bytes]]

DELAY = 0.125  # seconds, each way; sums of it are exact
WAIT = 0.5  # seconds between two attempts
ATTEMPTS = 4

QUESTION = """\
`ask(server)` asks a server, 4 times at most, every half a second. It returns
the answer, or raises trio.TooSlowError 2 seconds after it has begun. You write
its tests: each function whose name begins with `test_` is called with an `ask`
and with a VirtualNetwork, on which every datagram takes 0.125 seconds.

The lesson runs your tests with programs that are right, and with six that are
wrong. A right one has to pass all of your tests; each wrong one has to fail at
least one of them, by an exception. Time is virtual: waiting costs nothing.
"""

HINTS = (
    "In your test the sun always shines. What makes a program wrong that asks over a network, and when does that show?",
    "`with network.rule(drop_first(1)):` loses a datagram, `from trio_udp.faults import drop_first`; and nobody "
    "answers at a host that has no server: `network.host('10.0.0.9')`. After how many seconds should `ask` be over, "
    "to a hair? `trio.current_time()` tells.",
    "A program that waits for ever fails no test, it stops it. `with trio.fail_after(60):` around it all makes that an "
    "exception, and costs no time.",
    "Two more tests do: one with `drop_first(2)`, in which the answer comes after 1.25 seconds, and one in which "
    "nobody answers, and TooSlowError comes after 2 seconds. And let the answer be one that nobody could guess.",
)


# -- the programs that are tested --------------------------------------------------------------------------------------


def _socket() -> trio.socket.SocketType:
    return trio.socket.socket(type=trio.socket.SOCK_DGRAM)


async def _right(server: Address, attempts: int = ATTEMPTS, wait: float = WAIT) -> bytes:
    with _socket() as sock:
        for _ in range(attempts):
            await sock.sendto(b"ask", server)
            with trio.move_on_after(wait):
                return (await sock.recvfrom(65535))[0]
    raise trio.TooSlowError


async def _right_in_another_way(server: Address) -> bytes:
    async def remind() -> None:
        for _ in range(ATTEMPTS):
            await sock.sendto(b"please", server)
            await trio.sleep(WAIT)

    with _socket() as sock, trio.fail_after(ATTEMPTS * WAIT):
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(remind)
            answer, _ = await sock.recvfrom(65535)
            nursery.cancel_scope.cancel()
    return answer


async def _waits(server: Address) -> bytes:
    with _socket() as sock:
        await sock.sendto(b"ask", server)
        return (await sock.recvfrom(65535))[0]


async def _gives_up(server: Address) -> bytes:
    return await _right(server, attempts=1)


async def _hurries(server: Address) -> bytes:
    return await _right(server, attempts=40, wait=0.05)


async def _never_gives_up(server: Address) -> bytes:
    return await _right(server, attempts=10**6)


async def _asks_nobody(server: Address) -> bytes:
    return b"pong"


async def _returns_too_much(server: Address) -> bytes:
    return await _right(server), server  # type: ignore[return-value]


class Program(NamedTuple):
    """One to be tested; ``fault`` is what is wrong with it, empty if nothing is.

    ``when`` is when that shows, and ``where`` what it shows in then. Whether it has come to that is seen by what a play
    has noted, ``lost`` or ``returned``; empty: by nothing but a failed test.
    """

    ask: Ask
    fault: str = ""
    when: str = ""
    where: str = ""
    noted: str = ""


LOST = "its question or the answer gets lost"

PROGRAMS = (
    Program(_right),
    Program(_waits, "asks once, and then waits for ever", LOST, "whether `ask` ends", "lost"),
    Program(_gives_up, "asks once, and gives up after half a second", LOST, "when `ask` ends", "lost"),
    Program(_right_in_another_way),
    Program(
        _hurries,
        "asks every 0.05 seconds, 40 times",
        "an answer is long in coming, or none comes",
        "when it has asked, and so in when a late answer comes",
        "lost",
    ),
    Program(_never_gives_up, "asks for ever", "nobody answers"),
    Program(_asks_nobody, "asks nobody, and returns b'pong'", "the server has something else to say"),
    Program(
        _returns_too_much,
        "returns what recvfrom gives, the answer and the address",
        "an answer comes",
        "what `ask` returns",
        "returned",
    ),
    Program(_right),
)


# -- the stage ---------------------------------------------------------------------------------------------------------


async def stage(learner: Learner) -> None:
    members = vars(learner.module).items()
    functions = [name for name, value in members if callable(value) and not isinstance(value, type)]
    tests = [name for name in functions if name.startswith("test_")] or ["test_ask"]
    for number, program in enumerate(PROGRAMS):
        if not program.fault:
            await _run(learner, tests, program, number)
            continue
        try:
            await _run(learner, tests, program, number)
        except (NotAsAsked, trio.Cancelled, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:  # a failed assertion of pytest is no Exception
            await trio.lowlevel.checkpoint_if_cancelled()
            learner.note("failed", [number, type(problem).__name__])
    learner.over()


async def _run(learner: Learner, tests: list[str], program: Program, number: int) -> None:
    line: int | None = None

    async def ask(server: Address) -> bytes:
        nonlocal line
        line = learner.line()
        learner.note("asked", [number, line])
        answer = await program.ask(server)
        learner.note("returned", [number, line, name])
        return answer

    for test in tests:
        name = _name(test, number)
        learner.note("runs", [number, name])
        with scope(name):
            async with learner.network(Link(delay=DELAY)) as network:
                await learner.call(test, ask, network)
                if any(each.dropped for each in network.datagrams):
                    learner.note("lost", [number, line, name])


def _name(test: str, number: int) -> str:
    return f"{test} with program {number}"


def check(run: Run) -> Iterator[Finding]:
    number, within = run.notes["runs"][-1] if "runs" in run.notes else (0, "")
    fault = PROGRAMS[number].fault
    if run.ending.kind == "waits":
        what = f"a program that {fault}" if fault else "a program that is right"
        waiting = run.ending.waiting  # last of all the test itself; before it what it has started, such as a server
        yield Finding(
            f"your test waits for ever in this line, with {what}. A test has to come to an end, whatever it tests",
            waiting[-1].line if waiting else None,
            within=within,
        )
    if run.ending.kind == "raised" and not fault:
        yield Finding(
            f"your test fails here with a program that is right: {run.ending.words}", run.ending.line, within=within
        )
    yield from went_wrong(run, "raised", "floods", "spins")
    yield from _judged(run)


def _judged(run: Run) -> Iterator[Finding]:
    failed, asked = [number for number, _ in run.notes.get("failed", ())], dict(run.notes.get("asked", ()))
    last = dict(run.notes.get("runs", ()))  # of each program
    for number, program in enumerate(PROGRAMS):
        if number not in asked:
            yield Finding("your tests have judged a program, and never called `ask`: they can know nothing of it")
        if program.fault and number not in failed:
            words = f"your tests are passed by a program that {program.fault}."
            happened = {which: (line, name) for which, line, name in run.notes.get(program.noted, ())}
            if number in happened:
                line, name = happened[number]
                what = "Something was lost" if program.noted == "lost" else "An answer has come"
                there = f"{what} in your tests, and then it shows in {program.where}: does a test look at that?"
                yield Finding(f"{words} {there}", line, within=name)
            there = f"That shows when {program.when}: is there a test in which this happens?"
            yield Finding(f"{words} {there}", asked[number], within=last[number])


LESSON = Lesson(
    number=13,
    name="virtual",
    title="test it in virtual time",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
