"""Lesson 6: a late reply to the first question is taken for the reply to the second.

The library's client leaves its socket behind when a question of its was sent more often than it was answered. So it
takes a reply that comes twice to show what is missing: nothing in it would tell a client without ``correlate`` that it
is not the one it waits for. Meanings are numbers of no pattern.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ..._lesson import Lesson
from ..._look import line_of, readings, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner
    from ..._played import Run

SERVER = ("10.0.0.1", 7)
DELAY = 0.0625  # seconds, each way
WORK = 0.25  # seconds that each answer takes

# When an answer is sent again, in seconds after the first time; None: it is not. One answer takes a bit more than the
# time to the next, so these come during the wait for the next one, and for the one after that.
WORDS: dict[str, float | None] = {
    "rain": 0.25,
    "snow": 0.625,
    "wind": None,
    "hail": 0.25,
    "mist": None,
    "dew": 0.25,
}

# Seconds for all words. An answer takes 0.375, so who asks for the next one at once is done after 2.25; who sleeps
# instead of looking at the two bytes, until no copy can come any more, needs 5.
QUICK = 3.5

QUESTION = """\
The server says what words mean. Each answer takes 0.25 seconds, and some are
sent twice, the second time up to 0.625 seconds later.

Your program uses a client of trio_udp, which sends again what gets lost, and
believes its server only. But it takes the next answer that comes for the
answer to its question. Who has asked for `rain`, and then for `snow`, gets the
meaning of `rain` twice. `look_up(server, words)` is to return the meanings of
all words, in their order, and without waiting in between: after 3.5 seconds at
most, of which the answers need 2.25.
"""

HINTS = (
    "How could one see in an answer which question it belongs to?",
    "The first two bytes of a question and of its answer are the same. `open_udp_client` takes an argument, "
    "`correlate`, which is a function: what does it get, and what should it return?",
    "Give `correlate=lambda data: data[:2]` to `open_udp_client`. It gets the bytes of each question and each answer; "
    "they belong together if it returns the same for both.",
)


async def stage(learner: Learner) -> None:
    random = Random(6)
    words = [word.encode() for word in WORDS]
    meanings = {word: b"%06d" % random.randrange(10**6) for word in words}
    learner.note("meanings", {word.decode(): meaning for word, meaning in meanings.items()})

    async def answer(question: bytes, client: tuple[str, int]) -> None:
        word = question[2:]
        if word not in meanings:
            return
        await trio.sleep(WORK)
        await sock.sendto(question[:2] + meanings[word], client)
        again = WORDS[word.decode()]
        if again is not None:
            await trio.sleep(again)
            await sock.sendto(question[:2] + meanings[word], client)

    async def serve() -> None:
        while True:
            nursery.start_soon(answer, *await sock.recvfrom(65535))

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(SERVER)
            nursery.start_soon(serve)
            with network.host("10.0.0.2", name="you"):
                began = trio.current_time()
                learner.note("result", await learner.call("look_up", SERVER, list(words)))
                learner.note("took", trio.current_time() - began)
            learner.over(1)
            nursery.cancel_scope.cancel()


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "spins")
    questions = sent(run, "you", "server")
    for word in WORDS:
        if not any(each.data[2:] == word.encode() for each in questions):
            yield from went_wrong(run, "waits", "floods")
            yield Finding(f"your program has not asked for `{word}`, with two bytes in front", run.ending.line)
    yield from went_wrong(run, "waits", "floods")
    for result in run.notes.get("result", ()):
        yield from _meanings(run, result)
    for took in run.notes.get("took", ()):
        if took > QUICK:
            yield Finding(
                f"look_up has taken {took:.3g} s, and the answers need 2.25. Who waits until no copy can be on its way "
                "any more never knows how long that is; who looks whose answer it is need not wait"
            )


def _meanings(run: Run, result: object) -> Iterator[Finding]:
    if not isinstance(result, (list, tuple)) or len(result) != len(WORDS):
        yield Finding(f"look_up has returned {result!r}; it should return a list of {len(WORDS)} meanings, in order")
        return
    (meanings,) = run.notes["meanings"]
    whose = {meaning: word for word, meaning in meanings.items()}
    for (word, meaning), told in zip(meanings.items(), result, strict=True):
        if told == meaning:
            continue
        if isinstance(told, bytes) and told in whose:
            yield _mixed_up(run, word, whose[told], told)
        else:
            yield Finding(f"look_up says that `{word}` means {told!r}, and the server has answered {meaning!r}")


def _mixed_up(run: Run, word: str, other: str, meaning: bytes) -> Finding:
    words = f"look_up says that `{word}` means {meaning!r}, but that is the answer to `{other}`"
    taken = readings(run, "you", meaning)
    if len(taken) < 2:
        return Finding(words)
    first, again = taken[0].time, taken[-1].time
    return Finding(
        f"{words}. It came at {first:.3g} s, and once more at {again:.3g} s, when your program waited for another one. "
        "Nobody has looked whose answer it is",
        line_of(run, taken[-1]),
        again,
    )


LESSON = Lesson(
    number=6,
    name="correlation",
    title="the late reply",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
