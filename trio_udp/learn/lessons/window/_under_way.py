"""How many blocks of the long file are under way at a time.

A block is known by the part of the file that is in it, as what else is in a datagram is the learner's affair. If
nothing of the file is to be seen in any, since it is sent in another form, then it is known by its second half: what
changes when it is sent again stands in front. A datagram that is not half as long as the longest has then something
else to say.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from ..._look import sent
from ..._verdict import Finding
from ..transfer._check import too_early
from ..transfer._parts import part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run

SEED = 15
DELAY = 0.25  # seconds, each way
FILE = Random(SEED).randbytes(40_000)
WINDOW = 10  # datagrams


def too_many(run: Run) -> Iterator[Finding]:
    datagrams = sent_of_file(run)
    for first, last in zip(datagrams, datagrams[2 * WINDOW :], strict=False):
        if last.time < first.time + 2 * DELAY - 1e-6:
            yield from _same_again(datagrams, first.time, last.time)
            several = [each.time for each in datagrams if first.time <= each.time < first.time + 2 * DELAY - 1e-6]
            yield Finding(
                f"{len(several)} datagrams were sent in {several[-1] - first.time:.3g} s, and the first can be "
                f"acknowledged after {2 * DELAY:.3g} s at best: that is no window of {WINDOW}",
                last.line,
                last.time,
            )
    blocks = _blocks(datagrams)
    for first, last in zip(blocks, blocks[WINDOW:], strict=False):
        if last.time < first.time + 2 * DELAY - 1e-6:
            under_way = sum(first.time <= each.time < first.time + 2 * DELAY - 1e-6 for each in blocks)
            yield Finding(
                f"{under_way} blocks were sent within {2 * DELAY:.3g} s, and the first can be acknowledged after that "
                f"at best. So all of them were under way, and {WINDOW} are the most that may be",
                last.line,
                last.time,
            )


def too_many_with_those_again(run: Run) -> Iterator[Finding]:
    """More are under way than may be, as what was sent again is under way, too.

    A datagram is, until an answer can be there; if it is lost, for as long as that could have taken.
    """
    blocks = list(_with_blocks(sent_of_file(run)))
    known: dict[range | bytes, float] = {}
    since = {block: each.time for block, each in reversed(blocks)}
    for block, each in blocks:
        known[block] = min([known.get(block, float("inf")), *(time + DELAY for time in each.delivered)])
    under_way: list[tuple[range | bytes, Carried]] = []
    for block, each in blocks:
        now = each.time + 1e-6
        under_way = [(of, one) for of, one in under_way if now < _answered_by(one) and now < known[of]]
        if now < known[block]:
            under_way.append((block, each))
        several = len({of for of, _ in under_way})
        if several > WINDOW:
            words = f"{several} blocks were under way at {each.time:.3g} s: no answer to them can have been there yet. "
            again = any(one.time > since[of] for of, one in under_way)
            words += f"{'What is sent again is under way, too, and ' if again else ''}{WINDOW} are the most that may be"
            yield Finding(words, each.line, each.time)


def _answered_by(datagram: Carried) -> float:
    """When an answer to it can be there at best."""
    return (min(datagram.delivered) if datagram.delivered else datagram.time + DELAY) + DELAY


def _same_again(datagrams: list[Carried], began: float, ended: float) -> Iterator[Finding]:
    """So many in that time that were sent twice, and no more blocks than may be."""
    last: dict[range | bytes, Carried] = {}
    again: list[tuple[float, Carried]] = []
    new = several = 0
    for block, each in _with_blocks(datagrams):
        if began <= each.time <= ended:
            gap = each.time - last[block].time if block in last else None
            several += 1
            new += gap is None
            again += [(gap, each)] if gap is not None and gap < 2 * DELAY - 1e-6 else []
        last[block] = each
    if again and new <= WINDOW:
        gap, each = again[0]
        words = f"{several:,} blocks were sent in {ended - began:.3g} s, {len(again):,} of them again before an answer "
        yield Finding(f"{words}can be there: {too_early(gap, 2 * DELAY)}", each.line, each.time)


def _blocks(datagrams: list[Carried]) -> list[Carried]:
    """What was sent of the file, each part only the first time."""
    first: dict[range | bytes, Carried] = {}
    for block, each in _with_blocks(datagrams):
        first.setdefault(block, each)
    return list(first.values())


def number_of_blocks(run: Run) -> int:
    """In how many parts the long file was sent."""
    return len(_blocks(sent_of_file(run)))


def _with_blocks(datagrams: list[Carried]) -> Iterator[tuple[range | bytes, Carried]]:
    """Those that are of the file, each after what of it they are."""
    is_seen = any(part(each.data, FILE) for each in datagrams)
    largest = max((len(each.data) for each in datagrams), default=0)
    for each in datagrams:
        half = each.data[len(each.data) // 2 :] if 2 * len(each.data) > largest else b""
        if block := part(each.data, FILE) if is_seen else half:
            yield block, each


def most_under_way(run: Run) -> int:
    """How many datagrams were sent within one way there and back, at most."""
    times = [each.time for each in sent_of_file(run)]
    return max(sum(time <= other < time + 2 * DELAY - 1e-6 for other in times) for time in times)


def sent_of_file(run: Run) -> list[Carried]:
    """By the sender, of the long file."""
    begins = [*run.notes.get("began", ()), float("inf"), float("inf")]
    return [each for each in sent(run, "sender") if each.time < begins[1]]
