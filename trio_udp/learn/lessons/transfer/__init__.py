"""Lesson 11: a file, block after block, over a network that loses and doubles.

Three mistakes are in nearly every first one. A block whose acknowledgement was lost is written twice. An
acknowledgement that says only "yes" is taken for that of another block: this network doubles some datagrams, and the
second copy of an answer comes when the next block has been sent (the Sorcerer's Apprentice of RFC 1123, section
4.2.3.1). And when the last acknowledgement is lost, the receiver is gone. Two more are made by those who would be done
with it: to send everything ten times and ask nobody, and to give up after the third attempt without a word.

Both ends are the learner's, so what is in the datagrams is the learner's own affair. The second file is all zeros, for
those who would know a block by what is in it; the third is empty. With that the end is all that there is to say, so
there is no luck in it: nothing gets lost but what the receiver says first.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from ....faults import Drop, Link
from ..._lesson import Lesson
from ..._verdict import went_wrong
from ._check import goes_twice, returns_too_soon, transferred
from ._end import CALLS, never_ends
from ._parts import part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....faults import InFlight, Rule
    from ....testing import Host, VirtualNetwork
    from ..._learner import Learner
    from ..._played import Run
    from ..._verdict import Finding

RECEIVER = ("10.0.0.1", 7)
SEED = 12
LINK = Link(delay=0.05, loss=0.3, duplicate=0.1)
FAIR = replace(LINK, loss=0)

# No block fits into the first without a rest: it is prime. With blocks of 500 bytes it has twelve, for those who would
# sort numbers as text. The second has none that is shorter, for those who would take that for the end.
FILES = (Random(SEED).randbytes(5711), bytes(3000), b"")

# Seconds between two files: nothing of one comes in the next.
PAUSE = 5.0

# Times that one block is lost, one after the other. Of 100 attempts 49 come there and back here, so who gives up after
# six gives up one block in 57: one file in six, if it has 5,000 bytes.
IN_A_ROW = 7

# Of the last things that the sender has to say, those that are lost once: a block, and that it was the last.
LAST = 2

# Seconds in which all that a receiver says about the last file is lost: whoever asks twice a second is heard the fourth
# time, and who stays for a second after the end is gone by then.
STAY = 1.4

# Seconds for which `receive` waits for the last file: whoever takes a silence for the end is gone by then.
LATE = 20.0

QUESTION = """\
`send(data, receiver)` sends a file, and returns when it has arrived, where
`receive(port)` returns it, and may have to wait for its first block for long.
They run on two hosts; 3 of 10 datagrams get lost between them, at times seven
in a row, or all for more than a second, and some arrive twice. There and back
takes 0.1 seconds. It is done with three files of any length, one of them empty.
A datagram may have 1,000 bytes at most.

Your program sends a block, waits for an `ok`, and sends the block again if none
comes. But what arrives is another file, and then the sender waits for ever.
Make it the same file, and make both ends come to an end.
"""

HINTS = (
    "The receiver gets a block, and its `ok` is lost. What comes next, and what does the receiver do with it? And what "
    "is an `ok` for, when it arrives twice?",
    "Give each block a number, in front of its data, and let the answer say that number. The receiver keeps only what "
    "is next in line, but answers everything; the sender believes only the answer to the block that it has sent.",
    "When the last answer is lost, the sender asks again. So the receiver has to stay for a while after the end, 5 "
    "seconds say, and answer: put it all into `with trio.CancelScope() as scope:`, and then set `scope.deadline`.",
)


async def stage(learner: Learner) -> None:
    async with learner.network(LINK, seed=SEED) as network:
        receiver, sender = network.host(RECEIVER[0], name="receiver"), network.host(name="sender")
        with network.rule(lose_what_is_left(learner)):
            with network.rule(_lose_the_third(network)), network.rule(_lose_the_last(network)):
                await transfer(learner, FILES[0], sender, receiver)
            network.set_link(receiver, sender, LINK)
            await trio.sleep(PAUSE)
            await transfer(learner, FILES[1], sender, receiver)
            await trio.sleep(PAUSE)
        network.set_link(sender, receiver, FAIR)
        network.set_link(receiver, sender, FAIR)
        with network.rule(lose_first_answers()), network.rule(lose_what_is_left(learner)):
            await transfer(learner, FILES[-1], sender, receiver, late=LATE)
    learner.over(2 * len(FILES))


def _lose_the_third(network: VirtualNetwork) -> Rule:
    """The third that the sender has to say is lost the first times, and the answer to the second comes twice.

    Who takes any answer for that to the last block then goes on without the third, and so does who gives up after a few
    attempts. Left to chance, some such programs would pass: with large blocks there are few of them.
    """
    told: list[bytes] = []
    left = IN_A_ROW

    def lose(flight: InFlight) -> Drop | None:
        nonlocal left
        if flight.source[0] == RECEIVER[0]:
            return None
        if flight.data not in told and len(told) < 3:
            told.append(flight.data)
            network.set_link("receiver", "sender", replace(LINK, duplicate=1.0) if len(told) == 2 else LINK)
        if flight.data not in told[2:3] or not left:
            return None
        left -= 1
        return Drop("loss")

    return lose


def _lose_the_last(network: VirtualNetwork) -> Rule:
    """The last block is lost the first time, so is what says that it was the last, and all answers come twice then.

    So who takes any answer for that to one of these is found out as well.
    """
    told: list[bytes] | None = None
    left = LAST

    def lose(flight: InFlight) -> Drop | None:
        nonlocal told, left
        block = part(flight.data, FILES[0])
        if flight.source[0] == RECEIVER[0]:
            return None
        if told is None:
            if block and block.stop + len(block) >= len(FILES[0]):
                told = [flight.data]
                network.set_link("receiver", "sender", replace(LINK, duplicate=1.0))
            return None
        if flight.data in told or not left:
            return None
        told.append(flight.data)
        left -= 1
        return Drop("loss")

    return lose


def lose_first_answers() -> Rule:
    """What the receiver says is lost for a while, from the first time on."""
    first: float | None = None

    def lose(flight: InFlight) -> Drop | None:
        nonlocal first
        if flight.source[0] != RECEIVER[0]:
            return None
        first = flight.time if first is None else first
        return Drop("loss") if flight.time < first + STAY else None

    return lose


def lose_what_is_left(learner: Learner) -> Rule:
    """What a receiver says and then leaves at once is lost: whoever stays for a while can say it again.

    A datagram's fate is decided a moment of virtual time after it was sent, so by then `receive` has returned.
    """

    def lose(flight: InFlight) -> Drop | None:
        left = [time for _, time in learner.notes.get("received", ())][-1:]
        return Drop("loss") if flight.source[0] == RECEIVER[0] and left == [flight.time] else None

    return lose


async def transfer(
    learner: Learner, data: bytes, sender: Host, receiver: Host, port: int = RECEIVER[1], late: float = 0.0
) -> None:
    """One file, from its beginning until both ends have returned; `send` is called so many seconds later."""
    learner.note("began", trio.current_time())
    for call, pattern in CALLS.items():
        learner.note(call, learner.lines_like(pattern))
    async with trio.open_nursery() as nursery:
        with receiver:
            nursery.start_soon(_receive, learner, port)
        with sender:
            nursery.start_soon(_send, learner, data, port, late)


async def _send(learner: Learner, data: bytes, port: int, late: float) -> None:
    if late:
        await trio.sleep(late)
    await _call(learner, "send", data, (RECEIVER[0], port))
    learner.note("sent", trio.current_time())


async def _receive(learner: Learner, port: int) -> None:
    data = await _call(learner, "receive", port)
    learner.note("received", [data, trio.current_time()])


async def _call(learner: Learner, name: str, *args: object) -> Any:
    learner.note(f"{name} stands in", learner.line_of(learner.function(name, *args)))
    return await learner.call(name, *args)


def check(run: Run) -> Iterator[Finding]:
    yield from _still_open(run)
    yield from went_wrong(run, "raised", "spins")
    yield from transferred(run, FILES)
    yield from never_ends(run, FILES)
    yield from went_wrong(run, "floods")
    yield from returns_too_soon(run, FILES)
    yield from goes_twice(run, 2 * LINK.delay)


def _still_open(run: Run) -> Iterator[Finding]:
    """The port is taken by what received the file before."""
    if run.notes.get("received") and os.strerror(errno.EADDRINUSE) in run.ending.words:
        for finding in went_wrong(run, "raised"):
            words = "the socket that received the file before was bound to this port, and is still open. A socket is "
            yield replace(
                finding, message=f"{finding.message}: {words}closed where the `with` ends that it is opened in"
            )


LESSON = Lesson(
    number=11,
    name="transfer",
    title="a file over a network that loses",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
    longest=600.01,  # in the middle of a wait, for whoever asks again every half second
)
