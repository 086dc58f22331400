"""`with_damaged`: what was sent, and what arrived in its place.

Where a sending without an arrival and an arrival without a sending are left over between the same two sockets, and most
of their bytes are the same, or there is only one that it can be the beginning of, it is one datagram that was damaged
on its way, or cut off where it was read.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._sockets import Place
    from ._travel import Travel

# A bit, a few bytes or the end are what networks damage (`trio_udp.faults.Link`). What is wholly different may be the
# same datagram, but nobody can tell.
LIKE_ENOUGH = 0.5
MOST_LOOKED_AT = 16  # of those on one way that were not seen to arrive, the latest
MOST_COMPARED = 256  # bytes


def with_damaged(found: list[Travel]) -> list[Travel]:
    """What was sent and not seen to arrive, and something like it that arrived and was not seen to be sent, is one."""
    missing: dict[tuple[Place, Place], list[Travel]] = {}
    whole: set[int] = set()  # arrivals that are not datagrams of their own, by their entries
    for travel in sorted(found, key=lambda travel: travel.begun):
        way = travel.source, travel.destination
        if travel.outcome == "unseen":
            missing.setdefault(way, []).append(travel)
        elif travel.sent is None and travel.has_arrived:
            like = _most_like(travel.data, missing.get(way, [])[-MOST_LOOKED_AT:])
            if like is not None:
                assert travel.read is not None
                assert travel.ended_entry is not None
                like.arrive(travel.read, travel.ended_entry)
                like.damaged = travel.data
                if travel.put_away is not None and travel.put_away_entry is not None:
                    like.drop(travel.put_away, travel.put_away_entry, travel.outcome, travel.reason)
                missing[way].remove(like)
                whole.add(id(travel))
    return [travel for travel in found if id(travel) not in whole]


def _most_like(data: bytes, missing: list[Travel]) -> Travel | None:
    """Which of them has arrived as this: the one that is like it, or the only one that it can be the beginning of."""
    likeness = [_likeness(one.data, data) for one in missing]
    if max(likeness, default=0.0) >= LIKE_ENOUGH:
        return missing[likeness.index(max(likeness))]
    longer = [one for one in missing if one.data.startswith(data)]
    return longer[0] if len(longer) == 1 else None


def _likeness(one: bytes, other: bytes) -> float:
    """The share of the bytes that are where they were."""
    length = min(max(len(one), len(other)), MOST_COMPARED)
    return sum(map(operator.eq, one[:length], other[:length])) / length if length else 0.0
