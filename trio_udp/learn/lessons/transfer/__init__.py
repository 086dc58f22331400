"""Lesson 11: a file, block after block, over a network that loses and doubles.

Three mistakes are in nearly every first one. A block whose acknowledgement was lost is written twice. An
acknowledgement that says only "yes" is taken for that of another block: this network doubles some datagrams, and the
second copy of an answer comes when the next block has been sent (the Sorcerer's Apprentice of RFC 1123, section
4.2.3.1). And when the last acknowledgement is lost, the receiver is gone. Two more are made by those who would be done
with it: to send everything ten times and ask nobody, and to give up after the third attempt without a word.

Both ends are the learner's, so what is in the datagrams is the learner's own affair. The second file is all zeros, for
those who would know a block by what is in it; the third is empty.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from ....faults import Drop, Link
from ..._lesson import Lesson
from ..._look import arrivals, line_of, lost, readings, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....faults import InFlight, Rule
    from ....testing import VirtualNetwork
    from ..._learner import Learner
    from ..._played import Run

RECEIVER = ("10.0.0.1", 7)
SEED = 11
LINK = Link(delay=0.05, loss=0.3, duplicate=0.1)
FILES = (Random(SEED).randbytes(5000), bytes(3000), b"")

# Bytes in a datagram.
LARGEST = 1000

# Seconds between two files: nothing of one comes in the next.
PAUSE = 5.0

# Times that one block is lost, one after the other; where 3 of 10 datagrams are, that happens to 2 blocks of 1,000.
IN_A_ROW = 5

# Times that the same comes to a receiver which says nothing, until that is told.
MOST_UNANSWERED = 10

QUESTION = """\
`send(data, receiver)` sends a file, and returns when it has arrived, where
`receive(port)` returns it. Both run at the same time, on two hosts; 3 of 10
datagrams get lost between them, and some arrive twice. It is done with three
files, one of them empty. A datagram may have 1,000 bytes at most.

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
        with network.rule(_lose_the_third(network)), network.rule(lose_what_is_left(learner)):
            for data in FILES:
                learner.note("began", trio.current_time())
                async with trio.open_nursery() as nursery:
                    with receiver:
                        nursery.start_soon(receive, learner)
                    with sender:
                        nursery.start_soon(send, learner, data)
                await trio.sleep(PAUSE)
    learner.over(2 * len(FILES))


def _lose_the_third(network: VirtualNetwork) -> Rule:
    """The third that the sender has to say is lost the first five times, and the answer to the second comes twice.

    Who takes any answer for that to the last block then goes on without the third, and so does who gives up after a few
    attempts. Left to chance, some such programs would pass: with large blocks there are few of them.
    """
    told: list[bytes] = []
    left = IN_A_ROW

    def lose(flight: InFlight) -> Drop | None:
        nonlocal left
        if flight.source[0] == RECEIVER[0]:
            return None
        if flight.data not in told and len(told) < 4:
            told.append(flight.data)
            network.set_link("receiver", "sender", replace(LINK, duplicate=1.0) if len(told) == 2 else LINK)
        if flight.data not in told[2:3] or not left:
            return None
        left -= 1
        return Drop("loss")

    return lose


def lose_what_is_left(learner: Learner) -> Rule:
    """What a receiver says and then leaves at once is lost: whoever stays for a while can say it again.

    A datagram's fate is decided a moment of virtual time after it was sent, so by then `receive` has returned.
    """

    def lose(flight: InFlight) -> Drop | None:
        left = [time for _, time in learner.notes.get("received", ())][-1:]
        return Drop("loss") if flight.source[0] == RECEIVER[0] and left == [flight.time] else None

    return lose


async def send(learner: Learner, data: bytes) -> None:
    await learner.call("send", data, RECEIVER)
    learner.note("sent", trio.current_time())


async def receive(learner: Learner) -> None:
    data = await learner.call("receive", RECEIVER[1])
    learner.note("received", [data, trio.current_time()])


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "floods", "spins")
    yield from transferred(run, FILES)
    yield from never_ends(run)
    yield from returns_too_soon(run, FILES)


# -- the same for a transfer with a window -----------------------------------------------------------------------------


def transferred(run: Run, files: tuple[bytes, ...]) -> Iterator[Finding]:
    """What is wrong with the files that have come, and with the datagrams that brought them."""
    for each in sent(run):
        if len(each.data) > LARGEST:
            words = f"this sends a datagram of {len(each.data):,} bytes, and {LARGEST:,} are the most that it may have"
            yield Finding(words, each.line, each.time)
    begins = [*run.notes.get("began", ()), float("inf")]
    for number, (got, time) in enumerate(run.notes.get("received", ())):
        if got != files[number]:
            yield _another(run, number + 1, files[number], got, (begins[number], time))
        if number == 0:
            yield from _by_other_ways(run, files[0], time)


def _another(run: Run, number: int, data: bytes, got: Any, span: tuple[float, float]) -> Finding:
    if not isinstance(got, bytes):
        words = f"receive has returned {got!r:.40} at {span[1]:.3g} s; it should return the file, as bytes"
        return Finding(words, time=span[1])
    shorter, same = min(len(data), len(got)), in_common(data, got)
    taken = [entry for entry in readings(run, "receiver", b"") if span[0] <= entry.time <= span[1]]
    line = line_of(run, taken[-1]) if taken else None
    words = f"file {number} has {len(data):,} bytes, and what has come has {len(got):,}"
    words += "" if same == shorter else f"; from byte {same:,} on it is another one"
    if len(got) < len(data):
        return Finding(f"{words}. Something is missing: it was lost, and not sent again", line, span[1])
    if len(got) == len(data):
        return Finding(f"{words}. Some of it is not in its place", line, span[1])
    why, time = _came_twice(run, span)
    return Finding(f"{words}{why}", line, time)


def in_common(one: bytes, other: bytes) -> int:
    """How many bytes they begin with in common."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _came_twice(run: Run, span: tuple[float, float]) -> tuple[str, float]:
    """What the receiver may have taken twice, and when."""
    came: dict[bytes, float] = {}
    for time, each in arrivals(run, "receiver"):
        if not span[0] <= time <= span[1] or len(each.data) < 4:
            continue
        if each.data not in came:
            came[each.data] = time
            continue
        first = came[each.data]
        gone = [answer for answer in lost(run, "receiver", "sender") if first <= answer.time <= time]
        why = f", since the answer, sent at {gone[0].time:.3g} s, was lost" if gone else ""
        return f". The same {len(each.data)} bytes came at {first:.3g} s and at {time:.3g} s{why}", time
    return "", span[1]


def _by_other_ways(run: Run, data: bytes, time: float) -> Iterator[Finding]:
    came = sum(len(each.data) for when, each in arrivals(run, "receiver") if when <= time)
    if came < len(data):
        yield Finding(
            f"receive has returned {len(data):,} bytes, and datagrams have brought {came:,}: over a network there is "
            "no other way",
            time=time,
        )


# -- the end -----------------------------------------------------------------------------------------------------------


def never_ends(run: Run) -> Iterator[Finding]:
    if run.ending.kind != "waits":
        return
    received, done = run.notes.get("received", []), run.notes.get("sent", [])
    if len(received) > len(done):
        when = received[-1][1]
        yield Finding(
            f"send waits for ever in this line. At {when:.3g} s receive has returned, and is gone; but its last answer "
            "was lost, and who asks again now asks nobody",
            run.ending.line,
            when,
        )
    if len(received) == len(done):
        yield from _unanswered(run)
    if len(done) > len(received):
        yield Finding(
            f"receive waits for ever in this line; send has returned at {done[-1]:.3g} s, before all had come",
            run.ending.line,
            done[-1],
        )
    last = sent(run)[-1:]
    if last and last[0].lost:
        yield Finding(
            f"your program waits for ever in this line. What {last[0].source} sent at {last[0].time:.3g} s was lost, "
            "and nobody sends it again",
            run.ending.line,
            last[0].time,
        )


def _unanswered(run: Run) -> Iterator[Finding]:
    """The same comes again and again, and the receiver says nothing."""
    answers, came = sent(run, "receiver"), arrivals(run, "receiver")
    if not answers:
        return
    last = answers[-1]
    known = {each.data for time, each in came if time <= last.time}
    after = [(time, each) for time, each in came if time > last.time]
    if not last.delivered and after and after[-1][1].data in known:
        time, each = next(again for again in after if again[1].data in known)
        yield Finding(
            f"what receiver answered at {last.time:.3g} s was lost. So the same {len(each.data)} bytes came again, at "
            f"{time:.3g} s for the first time, and were not answered any more: sender cannot know that they are there "
            "already",
            last.line,
            time,
        )
    same = [(time, each) for time, each in after if each.data == after[-1][1].data]
    if len(same) >= MOST_UNANSWERED:
        time, each = same[0]
        yield Finding(
            f"from {time:.3g} s on the same {len(each.data)} bytes came {len(same):,} times, and receiver has answered "
            "none of them",
            each.line,
            time,
        )


def returns_too_soon(run: Run, files: tuple[bytes, ...]) -> Iterator[Finding]:
    """`send` returned when it could not know that the file is there."""
    begins = run.notes.get("began", ())
    for number, (began, time) in enumerate(zip(begins, run.notes.get("sent", ()), strict=False)):
        came = {each.data for when, each in arrivals(run, "receiver") if began <= when <= time}
        heard = [when for when, _ in arrivals(run, "sender") if began <= when <= time]
        if heard and (number or sum(map(len, came)) >= len(files[0])):
            continue
        what = f"only {sum(map(len, came)):,} bytes had arrived" if came else "nothing had arrived"
        if came and not heard:
            what = "receiver had not answered anything"
        mine = [each for each in sent(run, "sender") if began <= each.time <= time]
        words = f"send has returned at {time:.3g} s, when {what}: it cannot know that the file is there"
        yield Finding(words, mine[-1].line if mine else None, time)


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
