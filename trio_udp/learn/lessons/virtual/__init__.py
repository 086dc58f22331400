"""Lesson 13: a test in which nothing gets lost is passed by programs that are wrong when something does.

Here the learner writes the tests. They are run, on a network each, with programs that are right and with others that
are wrong; they have to pass the former and fail the latter. All programs look alike from outside, and the right ones
come before the wrong ones and after them, so that nothing but what a program does tells which one it is.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._learner import NotAsAsked
from ..._lesson import Lesson
from ..._strays import Strays, strayed
from ..._verdict import Finding, went_wrong
from ._deadline import deadline_around
from ._programs import LIFE, PROGRAMS, SEEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Run
    from ._programs import Address, Program

DELAY = 0.125  # seconds, each way; sums of it are exact

# What the network says of a host that is made a second time, and what is to be said of it.
TAKEN = "'s already"
KEEP = (
    "An address is one host's, and a host is made once: keep what `network.host(...)` returns, and enter that again, "
    "`with server:`"
)

LOOKS_ALIKE = "its TooSlowError looks like that of `ask`: who catches it inside of the test cannot tell them apart"

QUESTION = """\
`ask(server)` asks a server, 4 times at most, every half a second. It returns
the answer, or raises trio.TooSlowError 2 seconds after it has begun; what does
not come from `server` is no answer. What it sends is its own business, and so
is from which ports it does. You write its tests: each function whose name
begins with `test_` is called with an `ask` and with a VirtualNetwork, on which
every datagram takes 0.125 seconds.

The lesson runs your tests with programs that are right, and with eleven that
are wrong. A right one has to pass all of your tests; each wrong one has to fail
at least one of them, by an exception. Time is virtual: it begins at 0 in each
test, and waiting costs nothing. Your file is loaded anew for each program.
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


# -- the stage ---------------------------------------------------------------------------------------------------------


async def stage(learner: Learner) -> None:
    members = vars(learner.module).items()
    functions = [name for name, value in members if callable(value) and not isinstance(value, type)]
    tests = [name for name in functions if name.startswith("test_")]
    if not tests:
        raise NotAsAsked(
            "no function in this file has a name that begins with `test_`: the lesson calls those that have"
        )
    strays = Strays(learner)
    trio.lowlevel.add_instrument(strays)
    for number, program in enumerate(PROGRAMS):
        if number:
            learner.load()  # what a test has kept in it is not the next program's
        if not program.fault:
            await _run(learner, strays, tests, program, number)
            continue
        try:
            await _run(learner, strays, tests, program, number)
        except (NotAsAsked, trio.Cancelled, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:  # a failed assertion of pytest is no Exception
            await trio.lowlevel.checkpoint_if_cancelled()
            learner.note("failed", [number, type(problem).__name__])
    learner.over()


async def _run(learner: Learner, strays: Strays, tests: list[str], program: Program, number: int) -> None:
    line: int | None = None

    async def ask(server: Address) -> object:
        nonlocal line
        if trio.lowlevel.current_task() in strays.tasks:  # what it raises would be the end of Trio
            await trio.sleep_forever()
        line = learner.line()
        learner.note("asked", [number, line])
        began, deadline = trio.current_time(), trio.current_effective_deadline()
        try:
            answer = await program.ask(server)
        except trio.Cancelled:
            if began + LIFE <= deadline <= trio.current_time():
                learner.note("ended", [number, deadline_around(learner), name])
            raise
        except (trio.TooSlowError, TimeoutError):
            learner.note("gave up", [number, line, name])
            raise
        learner.note("gave up" if answer is None else "returned", [number, line, name])
        return answer

    for test in tests:
        name = _name(test, number)
        learner.note("runs", [number, name])
        with learner.anew(name):
            async with learner.network(Link(delay=DELAY)) as network:
                _look_at_arguments(learner, test, ask, network)
                await learner.call(test, ask, network)
                if any(each.dropped for each in network.datagrams):
                    learner.note("lost", [number, line, name])


def _look_at_arguments(learner: Learner, test: str, *args: object) -> None:
    """Can it be called with these? And does it take them for one another, by their names?"""
    function = getattr(learner.module, test, None)
    line = learner.line_of(function)
    try:
        names = list(inspect.signature(function).bind(*args).arguments)  # type: ignore[arg-type]
    except TypeError as problem:
        if callable(function):
            words = f"the lesson calls each test with 2 arguments, an `ask` and a network, and so {test}: {problem}"
            raise NotAsAsked(words, line) from None
    except ValueError:  # something built in
        pass
    else:
        if "network" in names[0] or names[1:] == ["ask"]:
            learner.note("other order", [test, names, line])


def _name(test: str, number: int) -> str:
    return f"{test} with program {number}"


def check(run: Run) -> Iterator[Finding]:
    for finding in _check(run):
        yield from strayed(run, "ask")
        yield finding


def _check(run: Run) -> Iterator[Finding]:
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
        yield from _in_another_order(run, within)
        words, way = f"your test fails here with a program that is right: {run.ending.words}", PROGRAMS[number].way
        if TAKEN in run.ending.words:
            yield Finding(f"{words}. {KEEP}", run.ending.line, within=within)
        if way and number in dict(run.notes.get("asked", ())):
            words += f". It differs from others that are right, as it {way}. It may: that is its own business"
        yield Finding(words, run.ending.line, within=within)
    yield from went_wrong(run, "raised", "floods", "spins")
    yield from _judged(run)


def _in_another_order(run: Run, within: str) -> Iterator[Finding]:
    """A test that fails as it takes one argument for the other."""
    for test, names, line in run.notes.get("other order", ())[-1:]:
        if within.startswith(f"{test} with"):
            words = f"{test} is called with an `ask` and a network, in this order, whatever it calls them, and here "
            yield Finding(f"{words}`{names[0]}` comes first. So it fails: {run.ending.words}", line, within=within)


def _judged(run: Run) -> Iterator[Finding]:
    failed, asked = [number for number, _ in run.notes.get("failed", ())], dict(run.notes.get("asked", ()))
    last = dict(run.notes.get("runs", ()))  # of each program
    for number, program in enumerate(PROGRAMS):
        if number not in asked:
            yield Finding("your tests have judged a program, and never called `ask`: they can know nothing of it")
        if program.fault and number not in failed:
            words = f"your tests are passed by a program that {program.fault}."
            yield from _ended_by_the_test(run, number, words)
            happened = {which: (line, name) for which, line, name in run.notes.get(program.noted, ())}
            if number in happened:
                line, name = happened[number]
                there = f"{SEEN[program.noted]} in your tests, and then it shows in {program.where}"
                yield Finding(f"{words} {there}: does a test look at that?", line, within=name)
            there = f"That shows when {program.when}: is there a test in which this happens?"
            yield Finding(f"{words} {there}", asked[number], within=last[number])


def _ended_by_the_test(run: Run, number: int, words: str) -> Iterator[Finding]:
    """A deadline of the test's own has ended what a right program would have ended before, and the test went on."""
    for which, deadline, name in run.notes.get("ended", ()):
        if which == number:
            line, raises = deadline or (dict(run.notes["asked"])[number], True)
            look = LOOKS_ALIKE if raises else "nothing of that makes the test fail"
            yield Finding(f"{words} Your own deadline ended it here, and {look}", line, within=name)


LESSON = Lesson(
    number=13,
    name="virtual",
    title="test it in virtual time",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
