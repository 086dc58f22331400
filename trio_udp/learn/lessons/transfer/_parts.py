"""Which bytes of a file are in what was sent, and what has come that is none of them.

What else is in a datagram is the learner's own affair. A part of the file is known again if it is there as it is, and
nowhere else in the file: so nothing is said of a file that is all zeros, or of one that is sent in another form.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..._look import sent
from ..._verdict import Finding

if TYPE_CHECKING:
    from ..._played import Carried, Run

# Bytes of a file by which one knows again which datagram they were in; and half as many, in the middle of a datagram.
SOME = 16
FEW = SOME // 2


def in_common(one: bytes, other: bytes) -> int:
    """How many bytes they begin with in common."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


@cache
def part(data: bytes, file: bytes) -> range:
    """Which bytes of the file are in a datagram: as far as they are the same around what is in its middle."""
    middle = len(data) // 2
    known = data[middle : middle + FEW]
    place = file.find(known) if len(known) == FEW else -1
    if place < 0 or file.find(known, place + 1) >= 0:
        return range(0)
    before = in_common(data[:middle][::-1], file[:place][::-1])
    return range(place - before, place + in_common(data[middle:], file[place:]))


# -- too little --------------------------------------------------------------------------------------------------------


def never_sent(run: Run, file: bytes, began: float, ended: float, place: int | None = None) -> tuple[str, int] | None:
    """That a part of the file was not sent in that time, in words, and in which line the others were.

    Args:
      place: a byte of that part; None: any part.
    """
    mine = [each for each in sent(run, "sender") if began <= each.time < ended]
    known = [each for each in mine if part(each.data, file)]
    left = set(range(len(file))).difference(*(part(each.data, file) for each in known))
    first = min(left, default=0) if place is None else place
    while first - 1 in left:
        first -= 1
    last = first
    while last in left:
        last += 1
    # Of a block that is smaller than what stands in front of it the middle is none of the file's.
    small = [each.data for each in mine if not part(each.data, file)]
    if first == last or not known or not known[0].line or any(file[first:last][:2] in each for each in small):
        return None
    which = f"Byte {first:,} of it was" if last == first + 1 else f"Bytes {first:,} to {last - 1:,} of it were"
    words = f"{which} never sent: in this line send has sent {len(file) - len(left):,} of {len(file):,} bytes"
    return words, known[0].line


def was_sent(run: Run, file: bytes, began: float, ended: float, place: int) -> bool:
    """Was this byte of the file in something that was sent in that time, for certain?"""
    mine = [each.data for each in sent(run, "sender") if began <= each.time < ended]
    return any(place in part(data, file) or file[place : place + FEW] in data for data in mine)


# -- too much ----------------------------------------------------------------------------------------------------------


def is_twice(data: bytes, file: bytes, got: bytes) -> bool:
    """Is something in what has come oftener than in the file? What is in this datagram, if that can be known again."""
    half = data[len(data) // 2 :]
    if len(half) >= SOME and (half in file or half in got):
        return got.count(half) > max(1, file.count(half))
    pieces = (file[place : place + SOME] for place in range(0, len(file) - SOME + 1, SOME))
    return any(got.count(piece) > file.count(piece) for piece in pieces)


def each_has_more(run: Run, file: bytes, got: bytes, words: str, line: int | None, time: float) -> Finding | None:
    """That what has come has something else between the blocks, and whether that was in the datagrams.

    Args:
      words: what is told before it.
      line: in which receive reads.
      time: when it returned.
    """
    more = [(place, extra) for place, extra in _surplus(file, got) if place < len(file)]
    found = [_that_has(run, extra + file[place : place + FEW]) for place, extra in more]
    sizes = sorted({len(extra) for _, extra in more})
    is_known = None not in found
    is_file = any(len(extra) >= FEW and extra in file for _, extra in more)
    if len(more) < 2 or not (is_known or (len(sizes) == 1 and not is_file)):
        return None
    many = f"{sizes[0]} byte{'s' if sizes[0] > 1 else ''}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} bytes"
    (place, extra), (other, another) = more[:2]
    if found[0] and all(extra == file[place - len(extra) : place] for place, extra in more):
        which = f"byte {place - 1:,} is" if len(extra) == 1 else f"bytes {place - len(extra):,} to {place - 1:,} are"
        words += f". Each block has {many} more: the blocks that are sent in this line overlap, and {which} "
        return Finding(f"{words}at the end of one and at the beginning of the next", found[0].line or line, time)
    words += f". Each block has {many} more: {extra!r:.40} stands before byte {place:,}, {another!r:.40} before byte "
    why = ". That was in front of them in the datagrams: receive has kept it" if is_known else ""
    return Finding(f"{words}{other:,}{why}", line, time)


def _surplus(file: bytes, got: bytes) -> list[tuple[int, bytes]]:
    """What stands before which byte of the file; nothing, if that is not all that is wrong."""
    found: list[tuple[int, bytes]] = []
    place = there = 0
    while place < len(file):
        same = in_common(file[place:], got[there:])
        place, there = place + same, there + same
        next_one = got.find(file[place : place + FEW], there)
        if next_one < 0:
            return []
        found += [(place, got[there:next_one])] if next_one > there else []
        there = next_one
    return found


def _that_has(run: Run, piece: bytes) -> Carried | None:
    return next((each for each in sent(run, "sender") if piece in each.data), None)
