"""Lesson 6: a late reply to the first question is taken for the reply to the second.

The library's client leaves its socket behind when a question of its was sent more often than it was answered. So it
takes a reply that comes twice to show what is missing: nothing in it would tell a client without ``correlate`` that it
is not the one it waits for. Meanings are numbers of no pattern, and two words have the same: who throws away what was
there before waits for the second one for ever. There are more than ten words, and a copy comes ten words late, so that
one of two figures is not enough.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import trio

from ...._events import ReplyIgnored
from ....faults import Link
from ..._lesson import Lesson
from ..._look import arrivals, happened, line_of, readings, sent, taken_for
from ..._refused import closed
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....tracing import Happened
    from ..._learner import Learner
    from ..._played import Carried, Run

SERVER = ("10.0.0.1", 7)
DELAY = 0.0625  # seconds, each way
WORK = 0.25  # seconds that each answer takes

# When an answer is sent again, in seconds after the first time; None: it is not. One answer takes a bit more than the
# time to the next, so these come during the wait for the next one, for the one after that, and for the one ten later.
LATEST = 3.5
WORDS: dict[str, float | None] = {
    "rain": 0.25,
    "snow": LATEST,
    "wind": None,
    "hail": 0.25,
    "mist": None,
    "dew": 0.25,
    "fog": 0.625,
    "sleet": None,
    "frost": 0.25,
    "thaw": None,
    "cloud": 0.25,
    "storm": None,
}

SAME = ("wind", "mist")  # these have one meaning

# Seconds, which no picture shows: so much later come answers that are worked at when those to other words are, too.
# Their order is then neither that of the words nor by chance that of the program's tasks.
A_BIT = {word: place * 1e-5 for word, place in zip(WORDS, (3, 0, 4, 1, 5, 2, 7, 6, 9, 8, 11, 10), strict=True)}

# Seconds: from a question to its answer, and of who asks for the next word at once for all of them.
ANSWER = WORK + 2 * DELAY
NEEDED = len(WORDS) * ANSWER

# Seconds for all words. Who sleeps instead of looking at the two bytes, until no copy can come any more, needs 40.
QUICK = 6.0

QUESTION = f"""\
The server says what words mean. An answer comes {ANSWER} seconds after its
question, and some come twice, the second time up to {LATEST} seconds later.

Your program uses a client of trio_udp, which sends again what gets lost, and
believes its server only. But it takes the next answer that comes for the
answer to its question. Who has asked for `rain`, and then for `snow`, gets the
meaning of `rain` twice. `look_up(server, words)` is to return the meanings of
all {len(WORDS)} words, in their order, after {QUICK:.0f} seconds at most. It asks once for each:
all at once, or one after another, when the answers need {NEEDED} seconds. Some
words mean the same.
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
    first, second = (word.encode() for word in SAME)
    meanings[second] = meanings[first]
    learner.note("meanings", {word.decode(): meaning for word, meaning in meanings.items()})

    at_work: set[bytes] = set()

    async def answer(question: bytes, client: tuple[str, int]) -> None:
        word = question[2:]
        if word not in meanings:
            return
        at_work.add(word)
        await trio.sleep(WORK)
        if len(at_work) > 1:
            await trio.sleep(A_BIT[word.decode()])
        at_work.discard(word)
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
                learner.note("line", learner.line_of(learner.function("look_up", SERVER, list(words))))
                learner.note("result", await learner.call("look_up", SERVER, list(words)))
                learner.note("took", trio.current_time() - began)
            learner.over(1)
            nursery.cancel_scope.cancel()


def check(run: Run) -> Iterator[Finding]:
    yield from _not_believed(run)
    questions = sent(run, "you", "server")
    for word in WORDS:
        if not any(each.data[2:] == word.encode() for each in questions):
            yield from _not_asked(run, word)
    yield from went_wrong(run, "raised", "spins", "waits", "floods")
    for result in run.notes.get("result", ()):
        yield from _meanings(run, result)
    for word in WORDS:
        yield from _asked_again(run, [each for each in questions if each.data[2:] == word.encode()], word)
    for took in run.notes.get("took", ()):
        if took > QUICK:
            yield _too_long(questions, took)


def _too_long(questions: list[Carried], took: float) -> Finding:
    before, after = max(pairwise(questions), key=lambda pair: pair[1].time - pair[0].time)
    return Finding(
        f"look_up has taken {took:.3g} s, and the answers need {NEEDED}. Here it asked at {before.time:.3g} s and then "
        f"at {after.time:.3g} s. Who waits until no copy can be on its way any more never knows how long that is; who "
        "looks whose answer it is need not wait",
        after.line,
        after.time,
    )


def _not_asked(run: Run, word: str) -> Iterator[Finding]:
    last = sent(run, "you", "server")[-1:]
    if run.ending.exception != "NoReply" or (last and last[0].data[2:].decode("latin-1") in WORDS):
        yield from went_wrong(run, "raised", "spins", "waits", "floods")
    words = f"your program has not asked for `{word}`, with two bytes in front"
    for result in run.notes.get("result", ())[:1]:
        words += f": look_up has returned {result!r} before"
    if run.ending.kind != "returned" and last:
        words += f": the last that it has asked is {last[0].data!r}"
    yield Finding(words, run.ending.line or run.notes["line"][0])


def _not_believed(run: Run) -> Iterator[Finding]:
    """The client has got the answers to its last question, and taken none of them for one."""
    if run.ending.exception != "NoReply" or "not believed" not in run.ending.words:
        return
    question = sent(run, "you", "server")[-1].data
    for time, answer in arrivals(run, "you", "server"):
        if answer.data[:2] == question[:2]:
            words = f"your program raised NoReply here, but the answer to {question!r} came, at {time:.3g} s: "
            why = _raised_by_accept(run, answer.data) or (
                "It was not taken for one. Only their first two bytes are the same, so only by those can anybody see "
                "that they belong together"
            )
            yield Finding(f"{words}{answer.data!r}. {why}", run.ending.line, time)


def _raised_by_accept(run: Run, answer: bytes) -> str:
    """What `accept` has raised about it; nothing, if it has not."""
    for entry in happened(run, ReplyIgnored, at="you"):
        event, raised = entry.event, "accept raised "
        if isinstance(event, ReplyIgnored) and event.data == answer and event.reason.startswith(raised):
            what = event.reason.removeprefix(raised)
            return (
                f"It was not taken for one, since `accept` raised {what}. It is called with one thing only, the bytes "
                "of an answer"
            )
    return ""


def _asked_again(run: Run, questions: list[Carried], word: str) -> Iterator[Finding]:
    """For the same word, while its answer is under way."""
    for again in questions[1:]:
        if again.time < questions[0].time + ANSWER - 1e-6:
            late = (
                ", when a late answer to another word has come" if _has_prompted(run, word, questions[0], again) else ""
            )
            yield Finding(
                f"this asks for `{word}` at {questions[0].time:.3g} s, and again at {again.time:.3g} s{late}. The "
                f"answer to `{word}` is still under way then: it takes {ANSWER} s, and nothing is lost "
                "here. Each question more brings one answer more, which comes late: "
                f"{len(sent(run, 'you', 'server'))} questions for {len(WORDS)} words",
                again.line,
                again.time,
            )


def _has_prompted(run: Run, word: str, first: Carried, again: Carried) -> bool:
    """Has an answer to another word, which was read just then, made it ask?"""
    (meanings,) = run.notes["meanings"]
    others = [meaning for other, meaning in meanings.items() if other != word]
    reads = [each.time for meaning in others for each in readings(run, "you", meaning)]
    return first.time < again.time and again.time in reads


def _meanings(run: Run, result: object) -> Iterator[Finding]:
    if not isinstance(result, (list, tuple)) or len(result) != len(WORDS):
        what = "a dict" if isinstance(result, dict) else f"{result!r}"
        words = f"look_up has returned {what}; it should return a list of {len(WORDS)} meanings, in order"
        if to_nobody := closed(run):
            words += f". {to_nobody}"
        yield Finding(words, *run.notes["line"])
        return
    (meanings,) = run.notes["meanings"]
    whose: dict[bytes, list[str]] = {}
    for word, meaning in meanings.items():
        whose.setdefault(meaning, []).append(word)
    for (word, meaning), told in zip(meanings.items(), result, strict=True):
        if told == meaning:
            continue
        if isinstance(told, bytes) and told in whose:
            yield _mixed_up(run, word, whose[told], told)
        elif isinstance(told, bytes) and told[2:] == meaning:
            yield _whole(run, word, told)
        else:
            words = f"look_up says that `{word}` means {told!r}, and the server has answered {meaning!r}"
            yield Finding(words + taken_for(told, meaning), *run.notes["line"])


def _whole(run: Run, word: str, answer: bytes) -> Finding:
    taken = readings(run, "you", answer)
    return Finding(
        f"look_up says that `{word}` means {answer!r}. That is the whole answer; its first two bytes are those of the "
        "question, and what comes after them is the meaning",
        line_of(run, taken[0]) if taken else None,
        taken[0].time if taken else None,
    )


def _mixed_up(run: Run, word: str, others: list[str], meaning: bytes) -> Finding:
    other = " and to ".join(f"`{each}`" for each in others)
    words = f"look_up says that `{word}` means {meaning!r}, but that is the answer to {other}"
    taken = readings(run, "you", meaning)
    taken = [each for each in taken if _data(each) == _data(taken[-1])]  # two words may mean the same
    if len(taken) < 2:  # it was taken for what it is, and put in a wrong place
        words += (
            ". Answers may come in another order than the words have, and the meanings are to be in that of the words"
        )
        return Finding(words, run.notes["line"][0], taken[0].time if taken else None)
    first, again = taken[0].time, taken[-1].time
    return Finding(
        f"{words}. It came at {first:.3g} s, and once more at {again:.3g} s, when your program waited for another one. "
        "Nobody has looked whose answer it is",
        line_of(run, taken[-1]),
        again,
    )


def _data(entry: Happened) -> object:
    return getattr(entry.event, "data", None)


LESSON = Lesson(
    number=6,
    name="correlation",
    title="the late reply",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
