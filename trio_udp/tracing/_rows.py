"""What happens in a ladder, one thing after another: for pictures that are made of lines of text.

A datagram is one row, at the time when it was sent, and a second one if it was dropped or ignored where it arrived. So
is the beginning of an attempt, and its end, and the end of a handler that raised or was cancelled: what others did is
seen by their replies. A request that was sent again is a loop around its attempts: it has rows of its own at its
beginning and its end, which has the time of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ._show import plural, show_arrival, show_data, show_duration, show_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._ladder import Arrow, Asked, Ladder
    from ._requests import Attempt
    from ._travel import Travel


HANDLER_CANCELLED = "handler cancelled"  # why a server drops its datagram then
SHORT, SHORTER = 20, 8  # characters of a payload in a note


class Row(NamedTuple):
    """One of them, at a lifeline: a datagram, or else a ``note``.

    Where there is little room a note may be ``briefer``, more and more: words go, never a time. Of what was ``asked``
    an ``attempt`` begins or ends; none: the loop around them does. ``change`` is how many more brackets lie at the
    lifeline from here on: 1 where something begins, -1 where it ends, -2 where an attempt ends and the loop with it, as
    nobody knows what became of that.
    """

    time: float
    order: int
    lifeline: int
    arrow: Arrow | None
    note: str = ""
    change: int = 0
    asked: Asked | None = None
    attempt: Attempt | None = None
    briefer: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The same in fewer and fewer words."""
        every = (self.note, *self.briefer)
        return *every, every[-1].replace(" after ", " ")

    @property
    def is_loop(self) -> bool:
        """Does a loop begin?"""
        return self.asked is not None and self.attempt is None and self.change > 0


def rows(ladder: Ladder, *, ascii: bool = False) -> list[Row]:
    """All, in order of time, and at one instant in that of the trace; in ``ascii``, if payloads have to be."""
    every = [*_of_datagrams(ladder), *_of_attempts(ladder), *_of_handlers(ladder, ascii)]
    return sorted((row for row in every if row.time <= ladder.ended), key=lambda row: row[:2])


def _of_datagrams(ladder: Ladder) -> Iterator[Row]:
    told = {(one.lifeline, one.run.data) for one in ladder.work if one.run.outcome == "cancelled"}
    for arrow in ladder.arrows:
        travel = arrow.travel
        yield Row(travel.begun, travel.entry, arrow.source, arrow)
        is_told = travel.reason == HANDLER_CANCELLED and (arrow.destination, travel.arrived_as) in told
        if travel.put_away is not None and travel.put_away_entry is not None and not is_told:
            note = f"{travel.outcome}: {show_text(travel.reason)}"
            yield Row(travel.put_away, travel.put_away_entry, arrow.destination, None, note)


def _of_handlers(ladder: Ladder, ascii: bool) -> Iterator[Row]:
    for work in ladder.work:
        run = work.run
        if run.fate and run.ended is not None and run.ended_entry is not None:
            became = run.outcome if run.outcome == "cancelled" else f"raised {show_text(run.outcome)}"
            words = f"{became} after {show_duration(run.ended - run.started)}"
            note, less = (f"handler of {show_data(run.data, room, ascii=ascii)}: {words}" for room in (SHORT, SHORTER))
            yield Row(run.ended, run.ended_entry, work.lifeline, None, note, briefer=(less, f"handler {words}"))


def _of_attempts(ladder: Ladder) -> Iterator[Row]:
    for asked in ladder.asked:
        here, attempts = asked.lifeline, asked.request.attempts
        if len(attempts) > 1:
            note, brief = f"loop {words_of_loop(asked)}", f"loop {asked.request.number}: {len(attempts)} attempts"
            yield Row(attempts[0].started, attempts[0].entry, here, None, note, 1, asked, briefer=(brief,))
        for attempt in attempts:
            waits = show_duration(attempt.deadline - attempt.started)
            note = f"request {asked.request.number}, attempt {attempt.number}: waits {waits}"
            brief = f"{asked.request.number}.{attempt.number}: waits {waits}"
            yield Row(attempt.started, attempt.entry, here, None, note, 1, asked, attempt, (brief,))
            if attempt.ended is not None and attempt.ended_entry is not None:
                yield from _ends(asked, attempt, attempt.ended, attempt.ended_entry)


def _ends(asked: Asked, attempt: Attempt, ended: float, entry: int) -> Iterator[Row]:
    """That of an attempt, and, after the last one, that of the loop."""
    here, number, attempts = asked.lifeline, asked.request.number, asked.request.attempts
    is_loop, is_last = len(attempts) > 1, attempt is attempts[-1]
    in_all = _in_all(asked, ended) if is_loop and is_last else ""
    which = f", attempt {attempt.number}" if is_loop or attempt.number > 1 else ""
    words = _became(attempt, ended) + "; given up" * (is_last and asked.request.is_given_up and not in_all)
    note, brief = f"request {number}{which}: {words}", (f"{number}.{attempt.number}: {words}",)
    yield Row(ended, entry, here, None, note, -2 if is_loop and is_last and not in_all else -1, asked, attempt, brief)
    if in_all:
        yield Row(ended, entry, here, None, f"request {number}: {in_all}", -1, asked, briefer=(f"{number}: {in_all}",))


def _in_all(asked: Asked, ended: float) -> str:
    """What became of a request that was sent again, and after which time; nothing if that is not known."""
    request, first, last = asked.request, asked.request.attempts[0], asked.request.attempts[-1]
    if first.number > 1 or (last.is_timeout and not request.is_given_up):
        return ""
    outcome = "given up" if request.is_given_up else show_text(last.outcome)
    return f"{outcome} after {show_duration(ended - first.started)}"


def _became(attempt: Attempt, ended: float) -> str:
    """One that was refused waits until its deadline all the same, unless it is the last."""
    outcome, lasted = show_text(attempt.outcome), show_duration(ended - attempt.started)
    if attempt.is_refused and attempt.is_timeout:
        return f"{outcome}; waited {lasted}"
    return f"{outcome} after {lasted}"


def words_of_loop(asked: Asked) -> str:
    """What goes round in it, and how often."""
    return f"request {asked.request.number}: {plural(len(asked.request.attempts), 'attempt')}"


def fate(travel: Travel) -> str:
    """What became of a datagram, in a few words: that it was lost, or how long it took, or nothing if nobody knows."""
    words = ["copy"] * travel.is_copy
    if travel.outcome in ("lost", "not sent"):
        return ", ".join([*words, "lost" if travel.reason == "loss" else f"lost: {show_text(travel.reason)}"])
    if travel.sent is None or travel.ended is None:
        return ""
    return ", ".join([*words, *show_arrival(travel)])
