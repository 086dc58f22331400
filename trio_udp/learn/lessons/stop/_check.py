"""What is wrong with what a server did with the questions that it had taken, and with when it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._look import arrivals, line_of, readings, sent
from ..._serving import not_listening, not_read, returned, stood
from ..._strays import strayed
from ..._verdict import SURROUNDINGS, Finding, went_wrong
from ..._working import given_to_asyncio, not_asked
from ._rounds import DELAY, PROMPT, ROUNDS, SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run
    from ._rounds import Asked, Round


def check(run: Run) -> Iterator[Finding]:
    yield from strayed(run, "serve")
    yield from went_wrong(run, "raised", "floods", "spins")
    yield from not_asked(run, [each.question for part in ROUNDS for each in part.accepted + part.too_late])
    ends = [*run.notes.get("over", ()), None]
    for part, _, over in zip(ROUNDS, run.notes.get("port", ()), ends, strict=False):  # what has begun
        if over is not None and over < part.stop:
            yield _too_soon(run, over)
        for asked in part.accepted:
            yield from _answered(run, part, asked)
        yield from _nothing_new(run, part)
        yield from _ended(run, part, over)


def _too_soon(run: Run, over: float) -> Finding:
    words, (starts,) = f"serve has returned at {over:.3g} s, but nobody had told it to stop", run.notes["starts stop"]
    if not starts:
        return returned(run, over, words)
    return Finding(f"this line waits for nothing: it starts a task that waits for `stop`. So {words}", starts[0], over)


# -- the answers -------------------------------------------------------------------------------------------------------


def _answered(run: Run, part: Round, asked: Asked) -> Iterator[Finding]:
    (results,) = run.notes["results"]
    who, what = asked.client, asked.question.decode()
    came = [
        (time, each) for time, each in arrivals(run, who, "server") if asked.time < time and each.data == results[what]
    ]
    answers = [(time, each) for time, each in came if each.source_port == part.port]
    if len(answers) > 1:
        yield Finding(f"{who} got more than one answer to `{what}`", answers[1][1].line, answers[1][0])
    if answers:
        yield from _held_back(run, asked, *answers[0])
        yield from _something_else(run, asked, results[what], is_answered=True)
        return
    if came:
        time, each = came[0]
        yield Finding(
            f"{who} had asked port {part.port}, and the answer to `{what}` came from port {each.source_port}: from "
            "another address. Who asks a server can believe only what comes from where the question went",
            each.line,
            time,
        )
    yield from _something_else(run, asked, results[what])
    yield from _to_another(run, asked, results[what])
    yield from _cut(run, part, asked)
    yield from _done(run, part, asked)
    yield from _not_taken(run, part, asked)


def _held_back(run: Run, asked: Asked, came: float, answer: Carried) -> Iterator[Finding]:
    done = [time for question, time, _ in run.notes.get("done", ()) if question == asked.question]
    if done and answer.time > done[0] + PROMPT:
        yield Finding(
            f"the work for `{asked.question.decode()}` was done at {done[0]:.3g} s, and this line has sent its result "
            f"at {answer.time:.3g} s: what is done can be answered at once",
            answer.line,
            came,
        )


def _something_else(run: Run, asked: Asked, result: bytes, is_answered: bool = False) -> Iterator[Finding]:
    """What came to the port from which it was asked, and is not its answer."""
    why = f". That is not what `work` returns for it, {result!r}"
    if is_answered:
        why = f", besides what `work` returns for it, {result!r}. A question is answered once"
    elif not _begun(run, asked):
        why = ", and `work` was not called for it"
    ports = {each.source_port for each in sent(run, asked.client, "server") if each.data == asked.question}
    for time, each in arrivals(run, asked.client, "server"):
        if each.destination_port in ports and each.data != result:
            yield Finding(
                f"{asked.client} had asked `{asked.question.decode()}`, and what came for it is {each.data!r:.40}{why}",
                each.line,
                time,
            )


def _to_another(run: Run, asked: Asked, result: bytes) -> Iterator[Finding]:
    for each in sent(run, "server"):
        if each.data == result and each.destination != asked.client:
            yield Finding(
                f"this line sent {asked.client}'s answer, that to `{asked.question.decode()}`, to {each.destination}. "
                f"{SURROUNDINGS}",
                each.line,
                each.time,
            )


def _cut(run: Run, part: Round, asked: Asked) -> Iterator[Finding]:
    for question, time, line in run.notes.get("cut", ()):
        if question == asked.question:
            when = f"after the stop at {part.stop:.3g} s"
            if time == part.stop:
                when = "when the server was told to stop"
            elif time < part.stop:
                when = "before anybody had told the server to stop"
            yield Finding(
                f"{asked.client} had asked `{asked.question.decode()}` at {asked.time:.3g} s, and the work for it was "
                f"cancelled at {time:.3g} s, {when}. It had been taken, so {asked.client} still waits for the answer",
                line,
                time,
            )


def _done(run: Run, part: Round, asked: Asked) -> Iterator[Finding]:
    """The work was done, and nobody has sent its result to anybody."""
    for question, time, line in run.notes.get("done", ()):
        if question != asked.question:
            continue
        words = f"{asked.client} never got an answer to `{asked.question.decode()}`, though the work for it ended at "
        if line is None:
            read, (starts,) = readings(run, "server", asked.question), run.notes["starts work"]
            words += f"{time:.3g} s: `work` had a task to itself, and what the function of a task returns goes to "
            words += "nobody. The task that works has to send the answer, too"
            line = starts[0] if starts else line_of(run, read[0]) if read else None
        elif time >= part.stop:
            words += f"{time:.3g} s, after the stop"
            line, why = _not_sent(run, part, time, line)
            words += why
        else:
            words += f"{time:.3g} s. It was called in this line, and its result never came to {asked.client}"
        yield Finding(words, line, time)


def _not_sent(run: Run, part: Round, done: float, line: int | None) -> tuple[int | None, str]:
    """In which line it is why a result that was there after the stop was not sent, as far as that is known, and why."""
    for asks, time in _told_to_stop(run, part, done):
        return asks, (
            f", and nobody has sent its result. At {time:.3g} s this line has asked whether `stop` is set, and it was. "
            "That is for who takes questions; those that have been taken are answered after the stop as well"
        )
    if run.notes["shields"][0]:
        return line, (
            ". If that has cancelled its task, the next `await` in it raises trio.Cancelled, that of `sendto` too"
        )
    return line, (
        ", and nobody has sent its result. What has been taken before the stop is answered after it as well: is what "
        "sends it cancelled then, or does it send nothing once it was told to stop?"
    )


def _told_to_stop(run: Run, part: Round, done: float) -> list[tuple[int, float]]:
    """The lines that have asked after some work, at this or before it, and heard that `stop` is set; and when."""
    ends = {time for _, time, _ in run.notes.get("done", ())}
    asks = run.notes.get("asks", ())
    lines = {line for line, time, _ in asks if time in ends}
    told = [(line, time) for line, time, is_set in asks if line in lines and is_set and part.stop <= time <= done]
    return sorted(told, key=lambda each: -each[1])


def _not_taken(run: Run, part: Round, asked: Asked) -> Iterator[Finding]:
    """The work was not done, and not cancelled."""
    words = (
        f"{asked.client} asked `{asked.question.decode()}` at {asked.time:.3g} s, before the server was told to stop "
        f"at {part.stop:.3g} s, and was never answered"
    )
    if any(each.data == asked.question and each.lost == "refused" for each in sent(run, asked.client, "server")):
        yield not_listening(run, words, (SERVER, part.port), asked.time)
    if _begun(run, asked):
        yield Finding(f"{words}, though the work for it was begun", run.ending.line, asked.time)
    yield from given_to_asyncio(run, words, asked.time)
    if read := readings(run, "server", asked.question):
        yield Finding(
            f"{words}: it was read in this line, and `work` was not called for it", line_of(run, read[0]), asked.time
        )
    came = f"{words}. When it came, what receives in your server "
    line = stood(run, asked.question)
    working = next((each for each in _at_work(run, asked.time + DELAY) if each[1] == line), None) if line else None
    if working:
        yield Finding(
            f"{came}waited in this line for the work for `{working[0].decode()}`, and so did not hear it. Who awaits "
            "the work hears nobody meanwhile; each work can have a task of its own",
            line,
            asked.time,
        )
    if line:
        yield Finding(f"{came}was in this line, and did not read it", line, asked.time)
    yield not_read(run, words, asked.time)


def _begun(run: Run, asked: Asked) -> bool:
    return any(question == asked.question for question, _, _ in run.notes.get("begun", ()))


def _at_work(run: Run, time: float) -> list[tuple[bytes, int | None]]:
    """The questions that are worked at then, and the lines that have called `work` for them."""
    ended = {question: end for word in ("done", "cut") for question, end, _ in run.notes.get(word, ())}
    return [
        (question, line)
        for question, begun, line in run.notes.get("begun", ())
        if begun <= time < ended.get(question, float("inf"))
    ]


def _nothing_new(run: Run, part: Round) -> Iterator[Finding]:
    for asked in part.too_late:
        for question, time, line in run.notes.get("begun", ()):
            if question == asked.question:
                yield Finding(
                    f"{asked.client} asked `{question.decode()}` at {asked.time:.3g} s, and your server has begun to "
                    f"work at it. It was told to stop at {part.stop:.3g} s; if it takes what comes later, it need "
                    "never end",
                    line,
                    time,
                )


# -- the end -----------------------------------------------------------------------------------------------------------


def _ended(run: Run, part: Round, over: float | None) -> Iterator[Finding]:
    last = _last_answer(run, part)
    if over is None and run.ending.kind == "waits":
        yield Finding(
            f"your server waits for ever in this line. It was told to stop at {part.stop:.3g} s, and had answered all "
            f"that it had taken at {last:.3g} s: nothing is left to wait for",
            run.ending.line,
            last,
        )
    if over is not None and over > part.done + PROMPT:
        yield from _one_by_one(run, part, over)
        line = next((line for port, *waiting in run.notes["stands"] if port == part.port for _, line in waiting), None)
        here = f". At {part.done + PROMPT:.3g} s it waited in this line" if line else ""
        if part.done == part.stop:
            words = (
                f"serve has returned at {over:.3g} s. It was told to stop at {part.stop:.3g} s, and had answered all "
            )
            yield Finding(
                f"{words}that it had taken at {last:.3g} s{here}. Is anything to be waited for then?", line, over
            )
        yield Finding(
            f"serve has returned at {over:.3g} s. The last answer was sent at {last:.3g} s, and nothing was left to "
            f"do{here}. How long work takes nobody knows before; a nursery ends when its last task does",
            line,
            time=over,
        )


def _last_answer(run: Run, part: Round) -> float:
    results = [run.notes["results"][0][asked.question.decode()] for asked in part.accepted]
    return max((each.time for each in sent(run, "server") if each.data in results), default=part.done)


def _begun_again(question: str, first: float, time: float, line: int | None) -> Finding:
    return Finding(
        f"the work for `{question}` was begun at {first:.3g} s, and in this line again at {time:.3g} s: what was done "
        "of it until then is lost, and takes its time once more. What is begun is finished, and not cancelled",
        line,
        time,
    )


def _one_by_one(run: Run, part: Round, over: float) -> Iterator[Finding]:
    done = {time: question for question, time, _ in run.notes["done"]}
    for asked in part.accepted:
        for question, time, line in run.notes["begun"]:
            if question == asked.question and time > asked.soon:
                if (first := next(at for each, at, _ in run.notes["begun"] if each == question)) < time:
                    yield _begun_again(question.decode(), first, time, line)
                    return
                when = f", when that for `{done[time].decode()}` was done" if time in done else ""
                yield Finding(
                    f"`{question.decode()}` came at {asked.time + DELAY:.3g} s, and the work for it was begun in this "
                    f"line at {time:.3g} s{when}. One after the other they take longer: serve has returned at "
                    f"{over:.3g} s, and working at all of them at the same time it could at {part.done:.3g} s",
                    line,
                    time,
                )
