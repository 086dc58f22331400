"""What is wrong with a transfer: with the file that has come, and with how often things are sent.

It is the same with a window, so lesson 12 asks it too. Transfers without an end are in `_end`.

What is in the datagrams is the learner's own affair, so what can be known of them is only whether one with just these
bytes has come. That is enough to tell what was lost from what the receiver has thrown away: something is missing, and
all that was sent had arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ..._look import arrivals, line_of, lost, readings, sent
from ..._verdict import Finding
from ._parts import SOME, each_has_more, in_common, is_twice, never_sent, was_sent
from ._taken import taken_for_another

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run

# Bytes in a datagram.
LARGEST = 1000

# Of what was sent, for "nearly all". Where a window is sent once more from where it stands, it may be half.
NEARLY_ALL = 0.8

# Seconds for which nobody stays after the end who wants to come to one with all files.
TOO_LONG = 100.0

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
        return Finding(words, defined(run, "receive"), span[1])
    shorter, same = min(len(data), len(got)), in_common(data, got)
    taken = [entry for entry in readings(run, "receiver", b"") if span[0] <= entry.time <= span[1]]
    line = line_of(run, taken[-1]) if taken else None
    words = f"file {number} has {len(data):,} bytes, and what has come has {len(got):,}"
    words += "" if same == shorter else f"; from byte {same:,} on it is another one"
    if len(got) <= len(data) and (owed := _taken(run, data[same:][:SOME], f"{words}. ", span)):
        return owed
    if len(got) < len(data):
        is_sent = len(run.notes.get("sent", ())) >= number
        why, its_line = _is_missing(run, data, len(data) - len(got), same, span)
        never = never_sent(run, data, span[0], span[2], same) if is_sent and its_line is None else None
        why, its_line = never or (why, its_line)
        return Finding(f"{words}. {why}", its_line or line, span[1])
    if len(got) == len(data):
        return Finding(f"{words}. Some of it is not in its place", line, span[1])
    why, time = _came_twice(run, data, got, span)
    if not why and data and same == len(data):
        why = f". It is all there, and at its end stands {got[same:]!r:.40}"
    more = None if why else each_has_more(run, data, got, words, line, time)
    return more or Finding(f"{words}{why}", line, time)


def _taken(run: Run, first: bytes, words: str, span: Span) -> Finding | None:
    """That the first bytes which are missing were lost, and sender has taken another acknowledgement for theirs."""
    began, _, ended = span
    gone = [each for each in _lacking(run, began, ended, ended) if each.lost and first in each.data]
    return taken_for_another(run, gone, began, words, until=ended)


def _is_missing(run: Run, data: bytes, missing: int, first: int, span: Span) -> tuple[str, int | None]:
    """Why so many bytes of a file are missing, the first of them here; and the line, if it is not the receiver's."""
    began, returned, ended = span
    lacking, arrived = _lacking(run, began, returned, ended), bytes_arrived(run, began, returned)
    is_all = sum(map(len, {each.data for each in lacking})) >= missing
    if (is_all or arrived < len(data)) and any(not each.lost or each.time > returned for each in lacking):
        return f"Something is missing: receive has returned at {returned:.3g} s, before it had come", None
    if is_all:
        return "Something is missing: it was lost, and not sent again", lacking[0].line
    why = f"Something is missing, though {'a part of it' if lacking else 'all that was sent'} had arrived"
    if arrived < len(data):
        return why, None
    is_sent = was_sent(run, data, began, ended, first)
    return f"{why}: {'receive has not kept it' if is_sent else 'was it sent, and has receive kept it?'}", None


def _lacking(run: Run, began: float, until: float, ended: float) -> list[Carried]:
    """What was sent to the receiver between two times, and had not come, nor anything like it, at one in between."""
    came = {each.data for time, each in arrivals(run, "receiver") if began <= time <= until}
    return [each for each in sent(run, to="receiver") if began <= each.time < ended and each.data not in came]


def missing(run: Run, began: float, until: float) -> list[Carried]:
    """What was sent to the receiver between two times, and had not come by the second one, nor has its second half."""
    came = {half(each) for time, each in arrivals(run, "receiver") if began <= time <= until}
    return [each for each in sent(run, "sender") if began <= each.time <= until and half(each) not in came]


def half(datagram: Carried) -> tuple[int, bytes]:
    return len(datagram.data), datagram.data[len(datagram.data) // 2 :]


def bytes_arrived(run: Run, began: float, until: float) -> int:
    """How many bytes had come to the receiver in that time, headers and doubles too."""
    return sum(len(each.data) for time, each in arrivals(run, "receiver") if began <= time <= until)


def _came_twice(run: Run, data: bytes, got: bytes, span: Span) -> tuple[str, float]:
    """What the receiver may have taken twice, and when."""
    came: dict[bytes, float] = {}
    for time, each in arrivals(run, "receiver"):
        if not span[0] <= time <= span[1] or len(each.data) < 4:
            continue
        if each.data not in came:
            came[each.data] = time
            continue
        if not is_twice(each.data, data, got):
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
            defined(run, "receive"),
            time,
        )


def defined(run: Run, name: str) -> int | None:
    """In which line the function of this name begins."""
    return next(iter(run.notes.get(f"{name} stands in", ())), None)


def named(files: tuple[bytes, ...], number: int) -> str:
    """Which file that is, counted from 0."""
    return f"file {number + 1}" + ("" if files[number] else ", which is empty")


def returns_too_soon(run: Run, files: tuple[bytes, ...]) -> Iterator[Finding]:
    """`send` returned when it could not know that the file is there."""
    begins = run.notes.get("began", ())
    for number, (began, time) in enumerate(zip(begins, run.notes.get("sent", ()), strict=False)):
        came = {each.data for when, each in arrivals(run, "receiver") if began <= when <= time}
        heard = [when for when, _ in arrivals(run, "sender") if began <= when <= time]
        is_read = any(began <= entry.time <= time for entry in readings(run, "sender", b""))
        if heard and is_read and (number or sum(map(len, came)) >= len(files[0])):
            continue
        mine = [each for each in sent(run, "sender") if began <= each.time <= time]
        what = f"only {sum(map(len, came)):,} bytes had arrived" if came else "nothing had arrived"
        if not mine:
            what = "nothing had been sent"
        elif came and not heard:
            what = "no answer had arrived"
        elif sum(map(len, came)) >= len(files[number]) and not is_read:
            what = f"it had read none of the {len(heard):,} answers that had come"
        words = f"{named(files, number)}: send has returned at {time:.3g} s, when {what}. So it cannot know that the "
        yield Finding(words + "file is there", mine[-1].line if mine else defined(run, "send"), time)


def stays_too_long(run: Run, name: str) -> Iterator[Finding]:
    """`receive` goes on after `send` has returned, for longer than there is time for all files."""
    for sent_at, (_, received) in zip(run.notes.get("sent", ()), run.notes.get("received", ()), strict=False):
        if received - sent_at > TOO_LONG:
            words = (
                f"receive stays for too long: it returned {received - sent_at:.3g} s after send, with another file, "
            )
            words += f"and with {name}, it still waits at {run.trace.ended - run.trace.started:.3g} s, when the lesson "
            yield Finding(f"{words}ends. Some seconds are enough for who asks again", run.ending.line)


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
        many = "all of its" if len(again) == len(last) else f"{len(again)} of its"
        words = f"sender sends {many} {len(last)} datagrams again before an answer can be there: "
        yield Finding(words + too_early(gap, there_and_back), first.line, first.time)


def too_early(gap: float, there_and_back: float) -> str:
    return (
        f"this one after {gap:.3g} s. An answer takes {there_and_back:.3g} s, so until then nobody can know whether it "
        "is needed: who sends again waits for longer than that"
    )
