"""Lesson 12: who waits for each block uses a long way for a small part of the time.

The same two functions as in lesson 11, and any protocol between them. What is measured is virtual time, until one end
is done: the receiver may stay longer.

How many blocks are under way is what was sent for the first time within one way there and back, in which nothing of it
can have been acknowledged.

A second file, of one block, takes its time: for those who give up after three attempts, or are gone before an answer
that was lost can be asked for again. In the first file it is chance whether they are found out, and waiting for the
same block again and again would be most of its ten seconds. And a third one, without any luck in it, is empty: a task
for each block is no task at all then.

What the receiver says in the moment in which the file is complete is lost: else a receiver that leaves with that would
be wrong once in twenty times, and right in this lesson. And who only counts answers, or takes one for those of all
blocks before it, is right as long as it is the last block of a window that gets lost. So of the first blocks two are
lost that are in the middle of any window, later an answer is, and one of the last blocks twice, but not the very last.
With what is lost by chance that is 1 datagram in 20.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Drop, Link
from ..._lesson import Lesson
from ..._verdict import Finding, went_wrong
from ..transfer import PAUSE, RECEIVER, lose_first_answers, transfer
from ..transfer._check import goes_twice, returns_too_soon, transferred
from ..transfer._end import never_ends
from ..transfer._kept import came_again
from ..transfer._parts import part
from ._under_way import (
    DELAY,
    FILE,
    SEED,
    WINDOW,
    most_under_way,
    number_of_blocks,
    sent_of_file,
    too_many,
    too_many_with_those_again,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....faults import InFlight, Rule
    from ....testing import VirtualNetwork
    from ..._learner import Learner
    from ..._played import Run

LINK = Link(delay=DELAY, rate=1e6, loss=0.02, reorder=0.05, reorder_delay=0.02)
SMALL = Random(SEED + 1).randbytes(500)
FILES = (FILE, SMALL, b"")
ATTEMPTS = (3, 2)  # that are lost of what the sender says first about the small one, and of what it says then

# Which datagrams are lost, from 1. No window larger than one ends with both of the sender's, nor one of ten with any.
EARLY = (5, 13)
ANSWER = 23

# Times that one of the last blocks is lost.
LATE = 2

# Seconds after the file is complete, in which what the receiver says is lost.
MOMENT = 0.1
MOST_ANSWERS = 1000  # that are looked at for it; a program that answers without end has another fault

# Seconds. A block at a time takes 29, windows of ten in the tests from 3 to 8, and of five at most 11.
QUICK = 12.0

QUESTION = """\
The same task as in lesson 11: `send(data, receiver)` and `receive(port)`, and
datagrams of 1,000 bytes at most. Of this network 1 datagram in 20 gets lost,
the last answer too, and some overtake others; but it is far: 0.25 seconds, each
way. After the long file come a small one, of which more gets lost, and an empty
one.

Your program does all right, but takes half a minute for 40,000 bytes: a block,
and half a second of waiting. Let it take less than 12 seconds, with a window:
up to 10 blocks are under way at a time. More would be too much for the network.
"""

HINTS = (
    "How long does one block take? And how many could be under way in that time?",
    "The receiver keeps each block by its number, in a dictionary, in whatever order they come, and puts them together "
    "at the end. For that it has to know how many there are: the sender can tell it in each datagram.",
    "In `send` start a task for each block, which sends it until a `trio.Event` of its own is set, and one more task "
    "that reads the acknowledgements and sets the events. Only that one calls `recvfrom`. It never ends by itself, and "
    "a nursery waits for all its tasks: cancel its nursery when all blocks have been acknowledged.",
    "A window is `window = trio.Semaphore(10)`: `await window.acquire()` before you start a block's task, and "
    "`window.release()` when that block has been acknowledged.",
)


async def stage(learner: Learner) -> None:
    async with learner.network(LINK, seed=SEED) as network:
        receiver, sender = network.host(RECEIVER[0], name="receiver"), network.host(name="sender")
        with network.rule(_lose_in_the_middle()), network.rule(_lose_the_last_answer(network)):
            await transfer(learner, FILE, sender, receiver)
        await trio.sleep(PAUSE)
        network.set_link(sender, receiver, replace(LINK, loss=0))
        network.set_link(receiver, sender, replace(LINK, loss=0))
        with network.rule(_lose_the_first()), network.rule(lose_first_answers()):
            await transfer(learner, SMALL, sender, receiver, RECEIVER[1] + 1)
        await trio.sleep(PAUSE)
        await transfer(learner, FILES[-1], sender, receiver, RECEIVER[1] + 2)
    learner.over(2 * len(FILES))


def _lose_the_first() -> Rule:
    """What the sender says first is lost some times, and what it says then, too."""
    left: dict[bytes, int] = {}

    def lose(flight: InFlight) -> Drop | None:
        if flight.source[0] == RECEIVER[0] or (flight.data not in left and len(left) == len(ATTEMPTS)):
            return None
        left.setdefault(flight.data, ATTEMPTS[min(len(left), 1)])
        left[flight.data] -= 1
        return Drop("loss") if left[flight.data] >= 0 else None

    return lose


def _lose_in_the_middle() -> Rule:
    """What is lost that is not the last of a window."""
    left = LATE

    def lose(flight: InFlight) -> Drop | None:
        nonlocal left
        if flight.source[0] == RECEIVER[0]:
            return Drop("loss") if flight.n == ANSWER else None
        block = part(flight.data, FILE)
        is_late = 2 * len(block) <= len(FILE) - block.stop < 3 * len(block)
        left -= is_late
        return Drop("loss") if flight.n in EARLY or (is_late and left >= 0) else None

    return lose


def _lose_the_last_answer(network: VirtualNetwork) -> Rule:
    complete: float | None = None

    def lose(flight: InFlight) -> Drop | None:
        nonlocal complete
        if flight.source[0] != RECEIVER[0] or flight.n > MOST_ANSWERS:
            return None
        came = [each.data for each in network.datagrams if each.delivered and each.destination[0] == RECEIVER[0]]
        if complete is None and _is_whole(came):
            complete = flight.time
        return Drop("loss") if complete is not None and flight.time < complete + MOMENT else None

    return lose


def _is_whole(datagrams: list[bytes]) -> bool:
    """Is all of the file in these?"""
    missing = set(range(len(FILE)))
    missing.difference_update(*(part(data, FILE) for data in set(datagrams)))
    return not missing


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "spins")
    yield from too_many(run)
    yield from transferred(run, FILES)
    yield from never_ends(run, FILES)
    yield from went_wrong(run, "floods")
    yield from returns_too_soon(run, FILES)
    yield from too_many_with_those_again(run)
    yield from _too_slow(run)
    yield from goes_twice(run, 2 * DELAY)


def _too_slow(run: Run) -> Iterator[Finding]:
    ends = [*run.notes.get("sent", ())[:1], *(time for _, time in run.notes.get("received", ())[:1])]
    if len(ends) < 2 or min(ends) <= QUICK:
        return
    words = f"the file took {min(ends):.3g} s, and should take less than {QUICK:.3g} s. "
    most = most_under_way(run)
    at_best = 2 * DELAY * number_of_blocks(run) / WINDOW
    if again := came_again(run, min(ends), words):
        yield again
    elif at_best > QUICK:
        words += f"It was sent in {number_of_blocks(run):,} blocks: at most {WINDOW} at a time, and {2 * DELAY:.3g} s "
        words += f"there and back, that is {at_best:.3g} s at best. A datagram may have 1,000 bytes"
        yield Finding(words, sent_of_file(run)[0].line, 0.0)
    elif most < WINDOW:
        few = "only one datagram was" if most == 1 else f"at most {most} datagrams were"
        words += f"There and back takes {2 * DELAY:.3g} s, and in that time {few} sent: for the rest of it the sender "
        yield Finding(f"{words}was waiting", sent_of_file(run)[0].line, 0.0)
    else:
        until_then = [each for each in sent_of_file(run) if each.time <= min(ends)]
        before, after = max(pairwise(until_then), key=lambda pair: pair[1].time - pair[0].time)
        words += f"The longest wait was from {before.time:.3g} s to {after.time:.3g} s: sender sent nothing, and then "
        yield Finding(f"{words}went on in this line", after.line, after.time)


LESSON = Lesson(
    number=12,
    name="window",
    title="the same file with a window, and sooner",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
    longest=600.01,
)
