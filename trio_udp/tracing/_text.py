"""`ladder_text`: a ladder for a terminal.

Letters cannot slant. So a datagram is one line, at the time when it was sent, which says how long it took; what becomes
of an attempt is a line of its own, and while a request waits its client's lifeline is thick. An arrow is dotted towards
an end that nobody has seen, so that nobody takes it for one that arrived. A payload that has no room in its arrow
stands beside it, and of what is said of an attempt, words give way to times. Where columns would be too narrow to read,
because there are many of them or the terminal is small, or where they would leave out times, or cut payloads so that
one looks like another, each line is a sentence instead.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from ._ladder import make_ladder
from ._rows import fate, rows
from ._show import NOTHING, shortened
from ._text_label import Labels
from ._trace import what_is_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._ladder import Arrow, Ladder
    from ._rows import Row
    from ._trace import Trace
    from ._travel import Travel

MOST_DATAGRAMS = 10_000  # some 1 MB
MARGIN = 11  # for a time: up to 9999.999999
NARROW = 9  # between two lifelines of one kind, or what their names take
READABLE = 18  # where payloads stand
WIDEST = 40
TO_ASCII = str.maketrans(dict(zip("│┃┏┗┐─┄✕·µ…", "||+++-.x.u~", strict=True)))


def ladder_text(trace: Trace, *, width: int = 80, ascii: bool = False) -> str:
    """The ladder diagram of a trace, as lines of text.

    Lifelines are columns, datagrams arrows between them: ``✕`` where one was lost, ``?`` where nobody has read it,
    and ``┄`` towards an end of which nothing was recorded, as of a server in another process: it may have arrived or
    not. On the left are the seconds since the recording began, when it was sent; beside a payload how long it took: on
    real sockets, where nobody tells of its arrival, until it was read. A client's lifeline is thick while a request
    waits; one that was sent again is a ``loop``, whose last line has the time of the whole. If there is no room for
    columns, or for what tells one datagram from another, each line is a sentence. Of a very long run the first 10,000
    datagrams are shown, and it says so.

    Args:
      trace: what was recorded.
      width: of a line, in characters, at most; where that is too little for sentences, they are cut.
      ascii: with letters and lines of ASCII only.

    Returns:
      lines, each with a newline at its end. Control characters in payloads and names are escaped.

    Raises:
      ValueError: a width below 20.
    """
    if width < 20:
        raise ValueError(f"a ladder needs a width of at least 20 characters, not {width!r}")
    ladder = make_ladder(trace, MOST_DATAGRAMS)
    lines = rows(ladder, ascii=ascii)
    draw = _drawn(ladder, lines, width, ascii)
    drawn = (_in_ascii(row) if ascii else row for row in draw)
    return "".join(f"{_fitted(row.rstrip(), width, ascii)}\n" for row in (*drawn, *_remarks(ladder, trace)))


def _in_ascii(row: str) -> str:
    return row.translate(TO_ASCII).encode("ascii", "backslashreplace").decode()


def _fitted(row: str, width: int, ascii: bool) -> str:
    """As much of it as there is room for, and a sign where that is not all."""
    short = shortened(row, width)
    return short.translate(TO_ASCII) if ascii else short


def _drawn(ladder: Ladder, lines: list[Row], width: int, ascii: bool) -> list[str]:
    """In columns, if they fit and say at least as much as sentences do."""
    in_columns, in_sentences = Labels(ascii=ascii), Labels(ascii=ascii)
    places = _places(ladder, width)
    columns = list(_columns(ladder, lines, places, width, in_columns)) if places else []
    if columns and not (unclear := in_columns.count_unclear()):
        return columns
    sentences = list(_sentences(ladder, lines, width, in_sentences))
    return columns if columns and unclear <= in_sentences.count_unclear() else sentences


def _remarks(ladder: Ladder, trace: Trace) -> Iterator[str]:
    if not ladder.lifelines:
        yield NOTHING
    if ladder.left_out:
        yield f"... {ladder.left_out:,} more (datagrams and attempts)"
    if trace.forgotten:
        yield what_is_forgotten(trace)


# -- in columns --------------------------------------------------------------------------------------------------------


def _places(ladder: Ladder, width: int) -> list[int]:
    """Where in a row each lifeline is; none if they do not fit."""
    names = [len(lifeline.name) for lifeline in ladder.lifelines]
    if not names or max(names) > WIDEST:
        return []
    gaps = [max(NARROW, one - one // 2 + other // 2 + 1) for one, other in pairwise(names)]
    wide = ladder.wide_gaps()
    first = MARGIN + 2 + names[0] // 2
    room = width - first - max(1, names[-1] - names[-1] // 2) - sum(gaps)
    for number in wide:
        gaps[number] += min(max(0, room // len(wide)), max(0, WIDEST - gaps[number]))
    if room < 0 or any(gaps[number] < READABLE for number in wide):
        return []
    return list(accumulate(gaps, initial=first))


def _columns(ladder: Ladder, lines: list[Row], places: list[int], width: int, labels: Labels) -> Iterator[str]:
    waiting = [0] * len(places)
    names = " " * width
    for place, lifeline in zip(places, ladder.lifelines, strict=True):
        name = lifeline.name
        names = _over(names, place - len(name) // 2, name)
    yield names
    for line in lines:
        row = f"{line.time - ladder.started:{MARGIN}.6f}".ljust(width)
        for place, attempts in zip(places, waiting, strict=True):
            row = _over(row, place, "┃" if attempts else "│")
        place = places[line.lifeline]
        if line.arrow is not None:
            row = _arrow(row, line.arrow, places, labels)
        else:
            before = waiting[line.lifeline]
            waiting[line.lifeline] = now = before + line.change
            corner = "·" if now == before else "┏" if not before else "┗" if not now else "┃"
            row = _note(_over(row, place, corner), place, line, width, labels)
        yield row


def _note(row: str, place: int, line: Row, width: int, labels: Labels) -> str:
    """Beside its lifeline, on the side that has room."""
    right, left = width - place - 3, place - MARGIN - 3
    note = labels.add_note(line, max(right, left))
    if len(note) <= right:
        return _over(row, place + 1, f" {note} ")
    return _over(row, place - len(note) - 2, f" {note} ")


def _arrow(row: str, arrow: Arrow, places: list[int], labels: Labels) -> str:
    here, there = places[arrow.source], places[arrow.destination]
    travel = arrow.travel
    begin, end = _lines(travel)
    if arrow.source == arrow.destination:
        room = len(row) - here - 1
        return _over(row, here + 1, shortened(f"{end}┐  {labels.add(travel, min(28, room - 4)).text}  ", room))
    left, right = min(here, there), max(here, there)
    room = right - left - 1
    tip = {"✕": "✕  ", "?": "? "}.get(_tip(arrow), ">")
    space = room - (4 if travel.outcome == "not sent" else len(tip) + 5)
    label = labels.add(travel, space)
    text = label.text
    if not label.is_complete:
        place = _beside(left, right, f" {label.whole} ", places, len(row))
        if place is not None and len(fate(travel)) <= space:
            labels.complete()
            text = fate(travel)
            row = _over(row, place, f" {label.whole} ")
    if travel.outcome == "not sent":
        text = f"─✕ {text}" if here < there else f"{text} ✕─"
        return _over(row, left + 1 if here < there else right - len(text), text)
    text = f" {text} " if text else end
    before, _, after = text.center(space + 2, "\0").partition(text)
    if here < there:
        return _over(row, left + 1, f"{begin * 2}{begin * len(before)}{text}{end * len(after)}{end}{tip}")
    tip = tip[::-1].replace(">", "<")
    return _over(row, left + 1, f"{tip}{end}{end * len(before)}{text}{begin * len(after)}{begin * 2}")


def _tip(arrow: Arrow) -> str:
    """What became of it, in one sign."""
    if arrow.travel.outcome == "unseen":
        return ">" if arrow.leaves else "?"
    return "✕" if arrow.travel.outcome in ("lost", "not sent") else ">"


def _lines(travel: Travel) -> tuple[str, str]:
    """What its beginning and its end are drawn with."""
    came = travel.sent is None and travel.outcome != "not sent"
    return "┄" if came else "─", "┄" if travel.outcome == "unseen" else "─"


def _beside(left: int, right: int, text: str, places: list[int], width: int) -> int | None:
    """Where a text has room next to an arrow, over as few lifelines as possible."""
    ways = [(right + 1, right + 1 + len(text)), (left - len(text), left)]
    fits = [(start, end) for start, end in ways if start > MARGIN and end <= width]
    free = [(sum(start <= place < end for place in places), -start) for start, end in fits]
    return -min(free)[1] if free else None


def _over(row: str, place: int, text: str) -> str:
    """The row, with this text from this place on."""
    return f"{row[:place]}{text}{row[place + len(text) :]}"


# -- in sentences ------------------------------------------------------------------------------------------------------


def _sentences(ladder: Ladder, lines: list[Row], width: int, labels: Labels) -> Iterator[str]:
    names = [lifeline.name for lifeline in ladder.lifelines]
    longest = min(max(map(len, names), default=0), 22)
    for line in lines:
        if line.arrow is None:
            note = labels.add_note(line, width - MARGIN - 4 - longest)
            words = f"{shortened(names[line.lifeline], longest):{longest}}  {note}"
        else:
            travel = line.arrow.travel
            sign = f"{'┄' if '┄' in _lines(travel) else '─'}{_tip(line.arrow)}"
            here, there = (shortened(names[end], longest) for end in (line.arrow.source, line.arrow.destination))
            way = f"{here:{longest}} {sign} {there:{longest}}"
            words = f"{way}  {labels.add(travel, max(6, width - MARGIN - 4 - len(way))).text}"
        yield f"{line.time - ladder.started:{MARGIN}.6f}  {words}"
