"""What is wrong with how questions were answered: by whom each was heard, when its work began, and where it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..._look import arrivals, line_of, readings, sent
from ..._serving import has_ended, not_listening, stood
from ..._strays import strayed
from ..._verdict import SURROUNDINGS, Finding, went_wrong
from ..._working import given_to_asyncio, not_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....tracing import Happened
    from ..._played import Carried, Run

SERVER = ("10.0.0.1", 7)
DELAY = 0.01  # seconds, each way
SLOW = 5.0  # seconds of work


class Asked(NamedTuple):
    """A question: who asks it when, in seconds, how long the work takes, and if from the port of the last."""

    client: str
    time: float
    question: bytes
    work: float
    again: bool = False


QUESTIONS = (
    Asked("anna", 1.0, b"quick 1", 0.0),
    Asked("ben", 2.0, b"slow 1", SLOW),
    Asked("carla", 3.0, b"quick 2", 0.0),
    Asked("dora", 3.5, b"slow 2", SLOW),
    Asked("anna", 4.0, b"quick 3", 0.0),
    Asked("anna", 4.25, b"slow 3", SLOW),
    Asked("carla", 4.5, b"slow 4", SLOW),
    Asked("dora", 5.0, b"quick 4", 0.0, again=True),
    Asked("dora", 9.0, b"quick 5", 0.0, again=True),  # when all that she has asked before is answered
    Asked("anna", 12.0, b"slow 5", SLOW),
    Asked("ben", 12.25, b"slow 5", SLOW),  # the same question, while the work at the first is going on
    Asked("carla", 18.0, b"slow 5", SLOW),  # and when it is done
)  # of four clients, so that a terminal has room for all of them

# Seconds: what an answer may take beside its work and the way.
PROMPT = 0.1
SOON = DELAY + PROMPT  # after it was asked: by then it should have been heard, and `work` called

# Seconds, in which one task at a time would have done everything.
UNTIL = 40.0


def check(run: Run) -> Iterator[Finding]:
    yield from strayed(run, "serve")
    yield from went_wrong(run, "raised", "floods", "spins")
    yield from has_ended(run)
    yield from not_asked(run, [each.question for each in QUESTIONS])
    (results,) = run.notes["results"]
    for asked in QUESTIONS:
        yield from _answered(run, asked, results)


def _answered(run: Run, asked: Asked, results: dict[str, bytes]) -> Iterator[Finding]:
    who, what = asked.client, asked.question.decode()
    ports = {each.source_port for each in sent(run, who, "server") if each.data == asked.question}
    mine = {results[each.data.decode()] for each in sent(run, who, "server") if each.source_port in ports}
    came = [(time, each) for time, each in arrivals(run, who) if each.destination_port in ports]
    yield from (_wrong(who, what, each, results) for _, each in came if each.data not in mine)
    answers = [(time, each) for time, each in came if each.data == results[what]]
    if not answers:
        yield _missing(run, asked, results[what])
        return
    time, answer = answers[0]
    if answer.source_port != SERVER[1]:
        yield Finding(
            f"the answer to `{what}` came from port {answer.source_port} of the server, and {who} had asked port "
            f"{SERVER[1]}. What comes from another port comes from somebody else, as far as a client can know",
            answer.line,
            time,
        )
    if len(answers) > 1:
        yield Finding(_more_than_one(run, asked, answers[1][0]), answers[1][1].line, answers[1][0])
    if time - asked.time - asked.work > 2 * DELAY + PROMPT:
        why, line = _why_late(run, asked)
        yield Finding(
            f"{who} asked `{what}` at {asked.time:.3g} s, and was answered {time - asked.time:.3g} s later, though the "
            f"work takes {asked.work:.3g} s: {why}",
            line or answer.line,
            asked.time,
        )


def _wrong(who: str, what: str, answer: Carried, results: dict[str, bytes]) -> Finding:
    if answer.data in results.values():
        words = f"{who} has asked `{what}`, and got the answer to another question"
    else:
        words = f"the answer to `{what}` is {answer.data!r}, which is not what work has returned"
    return Finding(words, answer.line, answer.time)


def _more_than_one(run: Run, asked: Asked, time: float) -> str:
    """And what it has come for, if that is another question from the same port."""
    words = f"{asked.client} got more than one answer to `{asked.question.decode()}`"
    for later in QUESTIONS:
        heard = [each.time for each in _heard(run, later)] if later.again and later.client == asked.client else []
        if later.question != asked.question and any(abs(each + DELAY - time) < 1e-6 for each in heard):
            words += (
                f", the second one when `{later.question.decode()}` had come from the same port. Each question has an "
                "answer of its own, whoever asks it: `work` is to be called with it"
            )
    return words


def _missing(run: Run, asked: Asked, result: bytes) -> Finding:
    """Why an answer has not come: the result went elsewhere, the work was not done, nobody heard the question."""
    what = f"the question `{asked.question.decode()}` of {asked.client} was never answered"
    if elsewhere := _elsewhere(run, asked, result):
        to = f"port {elsewhere.destination_port} of {elsewhere.destination}"
        is_twin = elsewhere.destination in [each.client for each in _twins(asked)]
        why = f". {elsewhere.destination} has asked the same. {SURROUNDINGS}" if is_twin else ""
        return Finding(f"{what}: what work has returned for it was sent to {to}{why}", elsewhere.line, elsewhere.time)
    for each in sent(run, asked.client, "server"):
        if each.data == asked.question and each.lost == "refused":
            return not_listening(run, what, SERVER, asked.time)
    begun = _begun(run, asked)
    if begun is None:
        return _not_begun(run, what, asked)
    line, time = begun
    here = ", which was called in this line," if line else ""
    if any(abs(done - time - asked.work) < 1e-6 for done in _times(run, "done", asked)):
        if not line:
            return _alone(run, what, asked)
        return Finding(f"{what}, though its work{here} was done", line, asked.time)
    words = f"{what}, and its work{here} was not done"
    cut = [each for each in _times(run, "cut", asked) if time <= each < UNTIL]
    words += f": it was cancelled at {cut[0]:.3g} s" if cut else ""
    return Finding(words, line or run.ending.line, asked.time)


def _times(run: Run, word: str, asked: Asked) -> list[float]:
    return [time for question, time, _ in run.notes.get(word, ()) if question == asked.question]


def _twins(asked: Asked) -> list[Asked]:
    """Those that ask the same, somebody else's."""
    return [each for each in QUESTIONS if each.question == asked.question and each != asked]


def _begun(run: Run, asked: Asked) -> tuple[int | None, float] | None:
    """The line that has called `work` for it, and when; of calls for who was not answered, the first one."""
    if _answered_at(run, asked) is not None:
        return _call_of(run, asked)
    others = [_call_of(run, each) for each in _twins(asked)]
    return next((each for each in _calls(run, asked) if each[1] > asked.time and each not in others), None)


def _call_of(run: Run, asked: Asked) -> tuple[int | None, float] | None:
    """That from which its answer is: the last one that was done by then."""
    time = _answered_at(run, asked)
    done = [each for each in _calls(run, asked) if time is not None and each[1] + asked.work < time + 1e-6]
    return done[-1] if done else None


def _calls(run: Run, asked: Asked) -> list[tuple[int | None, float]]:
    return [(line, time) for question, time, line in run.notes.get("begun", ()) if question == asked.question]


def _answered_at(run: Run, asked: Asked) -> float | None:
    """When what `work` returns for it was sent to who has asked, after that."""
    result = run.notes["results"][0][asked.question.decode()]
    answers = (
        each for time, each in arrivals(run, asked.client, "server") if each.data == result and time > asked.time
    )
    return next((each.time for each in answers), None)


def _heard(run: Run, asked: Asked) -> list[Happened]:
    """When it was read, from this client."""
    names = run.trace.names
    return [
        each
        for each in readings(run, "server", asked.question)
        if names.get(each.event.remote[0], each.event.remote[0]) == asked.client
    ]


def _elsewhere(run: Run, asked: Asked, result: bytes) -> Carried | None:
    """A sending of its result to somebody who is owed none, or has had his."""
    owed = [each.client for each in _twins(asked)]
    for each in sent(run, "server"):
        if each.data == result and each.destination in owed:
            owed.remove(each.destination)
        elif each.data == result:
            return each
    return None


def _not_begun(run: Run, what: str, asked: Asked) -> Finding:
    read = _heard(run, asked)
    for finding in given_to_asyncio(run, what, asked.time):
        return finding
    if read:
        words = f"{what}: it was read in this line, and `work` was not called with it"
        earlier = [each.client for each in _twins(asked) if each.time < asked.time]
        words += f". {earlier[0]} had asked the same before, and each is to be answered" if earlier else ""
        return Finding(words, line_of(run, read[0]), asked.time)
    line = stood(run, (asked.client, asked.question)) or run.ending.line
    here = "; meanwhile your server stood in this line" if line else ""
    return Finding(f"{what}: it was not read, and `work` not called with it{here}", line, asked.time)


def _alone(run: Run, what: str, asked: Asked) -> Finding:
    """No line has called it: it is itself what a task was started with."""
    read, starts = _heard(run, asked), run.notes["starts work"][0]
    line = starts[0] if starts else line_of(run, read[0]) if read else None
    return Finding(
        f"{what}, though its work was done: `work` had a task to itself, and what the function of a task returns goes "
        "to nobody. The task that works has to send the answer, too",
        line,
        asked.time,
    )


def _why_late(run: Run, asked: Asked) -> tuple[str, int | None]:
    """And the line that it is owed to, if it is another one than what has sent the answer."""
    soon = asked.time + SOON
    heard = [each.time for each in _heard(run, asked)]
    begun = _begun(run, asked)
    if not heard or heard[0] > soon:
        return _why_not_heard(run, asked)
    if begun and begun[1] > soon:
        return f"your server heard it at {heard[0]:.3g} s, and called `work` at {begun[1]:.3g} s only", begun[0]
    return "the work was called at once, and its result not sent when it was there", None


def _why_not_heard(run: Run, asked: Asked) -> tuple[str, int | None]:
    line = stood(run, (asked.client, asked.question))
    if not line:
        return "your server was working for somebody else, and did not hear it", None
    words = "what receives in your server stood in this line then"
    if line in run.notes["nurseries"][0]:
        return f"{words}, and did not hear it: a nursery ends when all its tasks have ended", line
    return f"{words}, and did not hear it: it must wait for nothing but the next question", line
