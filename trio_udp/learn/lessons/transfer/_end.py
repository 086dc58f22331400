"""What is wrong with a transfer that never ends: `send` waits for ever, or `receive` does, or both.

Most of those who wait for ever stand in a `recvfrom`, and it is seldom that line which is wrong: something should have
come there, and has not. So what is told is what became of that, at the line which sent it, or read it and made nothing
of it. Where nothing is under way and nothing was lost, it is a line that waits for something else than a datagram.

What is said of a datagram has to be true of all protocols. A block may look otherwise when it is sent again, with the
number of the attempt in front; so it has come if its second half has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._events import DatagramReceived
from ..._learner import MODULE
from ..._look import arrivals, happened, line_of, readings, sent
from ..._verdict import Finding
from ..._where import in_lines
from ._check import bytes_arrived, defined, missing, named, stays_too_long
from ._kept import answered_early, not_answered_again
from ._parts import never_sent
from ._taken import taken_for_another

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run

# What one task waits for, by how the line looks in which it does, and what another one has to call then.
CALLS = {"release()": r"\.acquire\(", "set()": r"\.wait\("}

# Times that the same is sent to somebody who says nothing, or says something that is not heard, until that is told.
MOST_REPEATED = 10

# Seconds without an answer, where a program sends without end: that is not only because it sends so much at once.
LONG = 2.0

# Seconds without a datagram after which none is to come: no lesson has such a pause.
QUIET = 60.0


def never_ends(run: Run, files: tuple[bytes, ...]) -> Iterator[Finding]:
    """What is wrong, if a function has not returned."""
    received, done = run.notes.get("received", []), run.notes.get("sent", [])
    is_waiting = run.ending.kind == "waits"
    if not is_waiting and run.ending.kind != "floods":
        return
    if len(received) > len(done):
        yield from _send_is_left(run, named(files, len(done)), received[-1][1])
    elif len(received) == len(done):
        yield from _refused(run)
        yield from _taken(run, is_waiting)
        yield from _unanswered(run) if is_waiting else _silent(run)
        yield from _unheard(run)
    elif is_waiting:
        yield from stays_too_long(run, named(files, len(received)))
        yield _receive_is_left(run, named(files, len(received)), files[len(received)], done[-1])
    if is_waiting:
        yield from _nothing_comes(run)


# -- send does not return ----------------------------------------------------------------------------------------------


def _send_is_left(run: Run, name: str, when: float) -> Iterator[Finding]:
    """`receive` has returned, and `send` has not."""
    ending, everything = run.ending, sent(run)
    words = f"send {'waits' if ending.kind == 'waits' else 'goes on'} for ever in this line, with {name}"
    if any(each.time > when for each in sent(run, "sender")):
        if not any(_began(run) <= each.time <= when for each in sent(run, "sender")):
            words += f". receive has returned at {when:.3g} s, when nothing of it had been sent, and is gone"
            yield Finding(words, ending.line, when)
        yield from not_answered_again(run, when)
        gone = "; but its last answer was lost, and who" if _is_last_lost(sent(run, "receiver")) else ". Who"
        words += f". At {when:.3g} s receive has returned, and is gone{gone} asks again now asks nobody"
        yield Finding(words, ending.line, when)
    elif everything and not _is_last_lost(everything):
        last = everything[-1].time
        words += f", which receive has returned. Nothing was sent after {last:.3g} s, so nothing comes any more"
        yield Finding(words + _child(run), ending.line, last)


def _is_last_lost(datagrams: list[Carried]) -> bool:
    return bool(datagrams and datagrams[-1].lost)


def _child(run: Run) -> str:
    """That it is a task in a nursery which waits; nothing, if it is the function itself."""
    task = run.ending.waiting[0].task if run.ending.waiting else ""
    if not task.startswith(f"{MODULE}."):
        return ""
    return f". It is the task `{task.rpartition('.')[2]}` that waits, and a nursery ends when all its tasks have ended"


# -- receive does not return -------------------------------------------------------------------------------------------


def _receive_is_left(run: Run, name: str, data: bytes, time: float) -> Finding:
    """`send` has returned, and `receive` has not."""
    began, forever = _began(run), float("inf")
    waits, returned = f"receive waits for ever, for {name}", f"send has returned at {time:.3g} s"
    here = f"receive waits for ever in this line, for {name}; {returned}"
    if not any(began <= each.time <= time for each in sent(run, "sender")):
        words = f"{here}, and has sent nothing: how is receive to know that there is nothing?"
        return Finding(words, run.ending.line, time)
    under_way = [each for each in missing(run, began, time) if not each.lost]
    if under_way:
        last = under_way[-1]
        words = f"{returned}, when {_what_was_sent(last)} was still on its way: nobody can have said that it is there"
        return Finding(f"{words}. Now {waits}", last.line, last.time)
    gone = [each for each in missing(run, began, forever) if each.lost]
    if gone:
        last, times = gone[-1], sum(each.data == gone[-1].data for each in gone)
        words = f"{waits}: {_what_was_sent(last, times)} was lost, and not sent again; {returned}"
        if any(last.time < entry.time <= time for entry in readings(run, "sender", b"")):
            words += ". It has never come, and no answer that send has read since then can have said so: it has to be "
            words += "sent until one does"
        taken = taken_for_another(run, gone, began, waits=f". Now {waits}")
        return taken or Finding(words, last.line, last.time)
    if never := never_sent(run, data, began, forever):
        why, line = never
        return Finding(f"{waits}. {why}; {returned}", line, time)
    if bytes_arrived(run, began, forever) < len(data):
        return Finding(f"{here}, before all had come", run.ending.line, time)
    if early := answered_early(run, began):
        came, answer = early
        words = f"{waits}; {returned}. What came at {came:.3g} s was answered{_here(answer.line)}, when something that "
        words += "was sent before it was still missing, and it was not sent again. Was it kept, "
        words += "and does receive know where the end is?"
        return Finding(words, answer.line, came)
    words = "and all that it has sent has come, once at least: is there nothing that says where the end is, or was it "
    return Finding(f"{here}, {words}thrown away, or does receive stay for so long?", run.ending.line, time)


def _began(run: Run) -> float:
    """When it began to send the file that it has come to."""
    return float(run.notes.get("began", [0.0])[-1])


# -- both do not return ------------------------------------------------------------------------------------------------


def _refused(run: Run) -> Iterator[Finding]:
    """What was sent to one of them has come to a port where nobody is, if it was not lost."""
    mine = [each for each in sent(run) if each.time >= _began(run)]
    for end in ("receiver", "sender"):
        to = [each for each in mine if each.destination == end and each.lost == "refused"]
        if not to or any(each.delivered for each in mine if each.destination == end):
            continue
        where = f"port {to[0].destination_port} of {end}"
        if end == "receiver":
            words = f"nobody listens at {where}, which receive was called with: {len(to):,} datagrams have come there"
            yield Finding(f"{words}, and were refused", defined(run, "receive"), to[0].time)
            continue
        words = (
            f"the answers that were sent{_here(to[0].line)} went to {where}, where nobody listens, {len(to):,} times"
        )
        asked = next((each.source_port for each in mine if each.source == end), None)
        yield Finding(f"{words}. What they are the answers to came from port {asked}", to[0].line, to[0].time)


def _taken(run: Run, is_waiting: bool) -> Iterator[Finding]:
    """The sender is beyond something that has never come, and that was not sent again."""
    gone = [each for each in missing(run, _began(run), float("inf")) if each.lost]
    waits = ". Now both wait for ever" if is_waiting else ". Now both go on for ever"
    if finding := taken_for_another(run, gone, _began(run), waits=waits):
        yield finding


def _unanswered(run: Run) -> Iterator[Finding]:
    """The same comes again and again, and the receiver says nothing."""
    answers, came = sent(run, "receiver"), arrivals(run, "receiver")
    if not answers:
        yield from _silent(run)
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
    if len(same) >= MOST_REPEATED:
        time, each = same[0]
        yield Finding(
            f"from {time:.3g} s on the same {len(each.data)} bytes came {len(same):,} times, and receiver has answered "
            "none of them",
            each.line,
            time,
        )


def _silent(run: Run) -> Iterator[Finding]:
    """The receiver has never said anything, for long."""
    read, came = readings(run, "receiver", b""), arrivals(run, "receiver")
    if sent(run, "receiver") or not came or came[-1][0] < came[0][0] + (LONG if run.ending.kind == "floods" else 0):
        return
    words = f"{len(came):,} datagrams have come to receiver, from {came[0][0]:.3g} s on, and it has "
    if read:
        words += "answered none of them. What comes is read in this line"
        yield Finding(f"{words}: sender cannot know that it is there", line_of(run, read[0]), came[0][0])
    else:
        yield Finding(f"{words}read none of them", defined(run, "receive"), came[0][0])


def _unheard(run: Run) -> Iterator[Finding]:
    """The same is sent again and again, though there are answers."""
    mine = [each for each in sent(run, "sender") if each.time >= _began(run)]
    same = [each for each in mine if each.data == mine[-1].data]
    came = [time for time, each in arrivals(run, "receiver") if each.data == mine[-1].data]
    answers = [time for time, each in arrivals(run, "sender", "receiver") if came and each.time >= came[0]]
    if len(same) < MOST_REPEATED or len(answers) < MOST_REPEATED:
        return
    words = f"the same {len(same[0].data)} bytes were sent {len(same):,} times, from {same[0].time:.3g} s on"
    words += f". Meanwhile {len(answers):,} answers came, and"
    heard = [entry for entry in readings(run, "sender", b"") if entry.time >= answers[0]]
    if not heard:
        yield Finding(f"{words} nobody has read one", same[-1].line, answers[0])
        return
    line, data, time = line_of(run, heard[0]), getattr(heard[0].event, "data", b""), heard[0].time
    yield Finding(
        f"{words} one was read{_here(line)} at {time:.3g} s: {data!r:.40}. But send went on as if none had come",
        line,
        time,
    )


# -- nothing is under way ----------------------------------------------------------------------------------------------


def _nothing_comes(run: Run) -> Iterator[Finding]:
    """All is quiet: something was lost, or a line waits for something else than a datagram."""
    everything, ending = sent(run), run.ending
    if not everything or everything[-1].time + QUIET > run.trace.ended - run.trace.started:
        return
    gone = [each for each in missing(run, _began(run), float("inf")) if each.lost]
    if not gone and _is_last_lost(everything):
        yield _answer_is_lost(run, everything[-1]) or _nobody_sends_it(run, everything[-1])
    if gone:
        same = [each for each in gone if each.data == gone[0].data]
        yield _nobody_sends_it(run, same[-1], len(same))
    reads = {line_of(run, entry) for entry in happened(run, DatagramReceived)}
    line = next((each.line for each in ending.waiting if each.line not in reads), None)
    last = max((time for time, _ in arrivals(run, "sender")), default=None)
    if line and last is not None:
        yield Finding(
            f"your program waits for ever{_in_lines(run, line)}. Nothing was sent after {everything[-1].time:.3g} s, "
            f"and the last answer came at {last:.3g} s. {_what_it_waits_for(run, line)}",
            line,
            last,
        )


def _nobody_sends_it(run: Run, gone: Carried, times: int = 1) -> Finding:
    again = "once more" if times > 1 else "again"
    words = f"{_what_was_sent(gone, times)} was lost, and nobody sends it {again}. So your program waits for ever"
    return Finding(f"{words}{_in_lines(run, None)}", gone.line or run.ending.line, gone.time)


def _answer_is_lost(run: Run, answer: Carried) -> Finding | None:
    """What was lost was answered to something: who hears nothing has to send that again."""
    asked = [each for time, each in arrivals(run, "receiver", "sender") if abs(time - answer.time) < 1e-6]
    if answer.source != "receiver" or not asked:
        return None
    last, times = asked[-1], sum(each.data == asked[-1].data for each in sent(run, "sender"))
    words = f"{_what_was_sent(last, times)} has come, and the answer of {answer.time:.3g} s was lost. But it was not "
    words += f"sent again after that, so your program waits for ever{_in_lines(run, None)}"
    return Finding(words, last.line, last.time)


def _what_it_waits_for(run: Run, line: int) -> str:
    call = next((call for call in CALLS if line in run.notes.get(call, [[]])[0]), None)
    if call:
        return f"This line waits for no datagram, but for another task: until that calls `{call}`, and none does"
    return "No datagram was ever read in this line, and what it waits for does not happen"


# -- words -------------------------------------------------------------------------------------------------------------


def _in_lines(run: Run, without: int | None) -> str:
    lines = {each.line for each in run.ending.waiting} - {without}
    return f", {in_lines(lines)}" if lines else ""


def _what_was_sent(datagram: Carried, times: int = 1) -> str:
    when = "at" if times == 1 else f"{times} times until"
    return f"what {datagram.source} sent{_here(datagram.line)}, {when} {datagram.time:.3g} s,"


def _here(line: int | None) -> str:
    return " in this line" if line else ""
