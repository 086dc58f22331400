"""What is wrong with a transfer: with the file that has come, with the end, and with how often things are sent.

It is the same with a window, so lesson 12 asks it too. What is in the datagrams is the learner's own affair, so what
can be known of them is only whether one with just these bytes has come. That is enough to tell what was lost from what
the receiver has thrown away: something is missing, and all that was sent had arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ..._look import arrivals, line_of, lost, readings, sent
from ..._verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run

# Bytes in a datagram.
LARGEST = 1000

# Of what was sent, for "nearly all". Where a window is sent once more from where it stands, it may be half.
NEARLY_ALL = 0.8

# Times that the same comes to a receiver which says nothing, until that is told.
MOST_UNANSWERED = 10

Span: TypeAlias = tuple[float, float, float]
"""When it began to send a file, when receive returned, and when the next file began."""


def transferred(run: Run, files: tuple[bytes, ...]) -> Iterator[Finding]:
    """What is wrong with the files that have come, and with the datagrams that brought them."""
    for each in sent(run):
        if len(each.data) > LARGEST:
            words = f"this sends a datagram of {len(each.data):,} bytes, and {LARGEST:,} are the most that it may have"
            yield Finding(words, each.line, each.time)
    begins = [*run.notes.get("began", ()), float("inf")]
    for number, (got, time) in enumerate(run.notes.get("received", ())):
        if got != files[number]:
            yield _another(run, number + 1, files[number], got, (begins[number], time, begins[number + 1]))
        if number == 0:
            yield from _by_other_ways(run, files[0], time)


def _another(run: Run, number: int, data: bytes, got: Any, span: Span) -> Finding:
    if not isinstance(got, bytes):
        words = f"receive has returned {got!r:.40} at {span[1]:.3g} s; it should return the file, as bytes"
        return Finding(words, time=span[1])
    shorter, same = min(len(data), len(got)), in_common(data, got)
    taken = [entry for entry in readings(run, "receiver", b"") if span[0] <= entry.time <= span[1]]
    line = line_of(run, taken[-1]) if taken else None
    words = f"file {number} has {len(data):,} bytes, and what has come has {len(got):,}"
    words += "" if same == shorter else f"; from byte {same:,} on it is another one"
    if len(got) < len(data):
        why, its_line = _is_missing(run, len(data), len(data) - len(got), span)
        return Finding(f"{words}. {why}", its_line or line, span[1])
    if len(got) == len(data):
        return Finding(f"{words}. Some of it is not in its place", line, span[1])
    why, time = _came_twice(run, span)
    return Finding(f"{words}{why}", line, time)


def _is_missing(run: Run, size: int, missing: int, span: Span) -> tuple[str, int | None]:
    """Why so many bytes of a file are missing, and the line that it is owed to, if it is not the receiver's."""
    began, returned, ended = span
    lacking, arrived = _lacking(run, began, returned, ended), _arrived(run, began, returned)
    is_all = sum(map(len, {each.data for each in lacking})) >= missing
    if (is_all or arrived < size) and any(not each.lost or each.time > returned for each in lacking):
        return f"Something is missing: receive has returned at {returned:.3g} s, before it had come", None
    if is_all:
        return "Something is missing: it was lost, and not sent again", lacking[0].line
    why = f"Something is missing, though {'a part of it' if lacking else 'all that was sent'} had arrived"
    return why + (": receive has not kept it" if arrived >= size else ""), None


def _lacking(run: Run, began: float, until: float, ended: float) -> list[Carried]:
    """What was sent to the receiver between two times, and had not come, nor anything like it, at one in between."""
    came = {each.data for time, each in arrivals(run, "receiver") if began <= time <= until}
    return [each for each in sent(run, to="receiver") if began <= each.time < ended and each.data not in came]


def _arrived(run: Run, began: float, until: float) -> int:
    """How many bytes had come to the receiver in that time, headers and doubles too."""
    return sum(len(each.data) for time, each in arrivals(run, "receiver") if began <= time <= until)


def in_common(one: bytes, other: bytes) -> int:
    """How many bytes they begin with in common."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _came_twice(run: Run, span: Span) -> tuple[str, float]:
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


def never_ends(run: Run, files: tuple[bytes, ...]) -> Iterator[Finding]:
    received, done = run.notes.get("received", []), run.notes.get("sent", [])
    if run.ending.kind in ("waits", "floods") and len(received) > len(done):
        when, last = received[-1][1], sent(run, "receiver")[-1:]
        goes_on = "waits for ever" if run.ending.kind == "waits" else "goes on for ever"
        gone = "; but its last answer was lost, and who" if last and last[0].lost else ". Who"
        yield Finding(
            f"send {goes_on} in this line, with {_named(files, len(done))}. At {when:.3g} s receive has returned, and "
            f"is gone{gone} asks again now asks nobody",
            run.ending.line,
            when,
        )
    if run.ending.kind != "waits":
        return
    if len(received) == len(done):
        yield from _unanswered(run)
    if len(done) > len(received):
        yield Finding(
            f"receive waits for ever in this line, for {_named(files, len(received))}; send has returned at "
            f"{done[-1]:.3g} s, {_done_with(run, files[len(received)], done[-1])}",
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


def _named(files: tuple[bytes, ...], number: int) -> str:
    return f"file {number + 1}" + ("" if files[number] else ", which is empty")


def _done_with(run: Run, data: bytes, time: float) -> str:
    """In which state a file was when `send` returned, and `receive` never did."""
    began, forever = run.notes["began"][-1], float("inf")
    if not any(began <= each.time <= time for each in sent(run, "sender")):
        return "and has sent nothing: how is receive to know that there is nothing?"
    if _lacking(run, began, forever, forever) or _arrived(run, began, forever) < len(data):
        return "before all had come"
    return "and all that it has sent had arrived: is there nothing that says where the end is, or was it thrown away?"


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
        mine = [each for each in sent(run, "sender") if began <= each.time <= time]
        what = f"only {sum(map(len, came)):,} bytes had arrived" if came else "nothing had arrived"
        if not mine:
            what = "nothing had been sent"
        elif came and not heard:
            what = "receiver had not answered anything"
        words = f"{_named(files, number)}: send has returned at {time:.3g} s, when {what}. So it cannot know that the "
        yield Finding(words + "file is there", mine[-1].line if mine else None, time)


def goes_twice(run: Run, there_and_back: float) -> Iterator[Finding]:
    """Nearly all was sent once more before anything could be known of it.

    Args:
      there_and_back: seconds that an answer takes.
    """
    last: dict[bytes, Carried] = {}
    again: dict[bytes, Carried] = {}
    gap = 0.0
    for each in sent(run, "sender"):
        if each.data in last and each.time < last[each.data].time + there_and_back - 1e-6:
            gap = gap or each.time - last[each.data].time
            again.setdefault(each.data, each)
        last[each.data] = each
    if len(again) >= NEARLY_ALL * max(len(last), 1):
        first = next(iter(again.values()))
        yield Finding(
            f"sender sends nearly all twice, {len(again)} of {len(last)} datagrams: this one after {gap:.3g} s. An "
            f"answer takes {there_and_back:.3g} s, so until then nobody can know whether it is needed",
            first.line,
            first.time,
        )
