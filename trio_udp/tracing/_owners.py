"""Whose each datagram is, also behind a relay; and the ladder of one client alone.

What a client sends to a relay is its own. What the relay then sends to the server has the relay's address, and says
nothing of the client. But a relay has a socket for each client, towards the server; whose it is shows when it first
sends something, which a client has just sent to the relay. From then on all of that socket is this client's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ._ladder import without_idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._ladder import Arrow, Ladder
    from ._sockets import Place

__all__ = ["ladders_of_clients"]


@dataclass
class _Part:
    """What one client has of a ladder: its arrows, and the sockets that these go between."""

    arrows: list[Arrow] = field(default_factory=list)
    places: set[Place] = field(default_factory=set)


def ladders_of_clients(ladder: Ladder) -> Iterator[tuple[str, Ladder]]:
    """For each that asks, by its name, in the order in which they stand; no others are in its ladder."""
    parts = _parts(ladder)
    for number, part in sorted(parts.items()):
        lifeline = ladder.lifelines[number]
        if lifeline.role in ("client", ""):
            own = replace(
                ladder,
                arrows=tuple(part.arrows),
                asked=tuple(one for one in ladder.asked if one.lifeline == number),
                work=tuple(one for one in ladder.work if one.asker in part.places),
            )
            yield lifeline.name, without_idle(own)


def _parts(ladder: Ladder) -> dict[int, _Part]:
    parts: dict[int, _Part] = {}
    told: dict[tuple[int, bytes], list[int]] = {}  # to whom, what: by which clients, the latest last
    owners: dict[tuple[int, Place], int] = {}  # of a relay's sockets
    for arrow in ladder.arrows:
        owner = arrow.client
        if not arrow.client_asks:
            owner = _owner(ladder, arrow, told, owners)
        elif arrow.source == owner:
            told.setdefault((arrow.destination, arrow.travel.data), []).append(owner)
        part = parts.setdefault(owner, _Part())
        part.arrows.append(arrow)
        part.places |= {arrow.travel.source, arrow.travel.destination}
    for one in ladder.asked:
        parts.setdefault(one.lifeline, _Part())
    return parts


def _owner(
    ladder: Ladder, arrow: Arrow, told: dict[tuple[int, bytes], list[int]], owners: dict[tuple[int, Place], int]
) -> int:
    """Of what no client sends or gets."""
    ends = ((arrow.source, arrow.travel.source), (arrow.destination, arrow.travel.destination))
    for end in ends:
        if ladder.lifelines[end[0]].role == "relay":
            asking = told.get((end[0], arrow.travel.data), [])
            if end not in owners and asking and end == ends[0]:
                others = set(owners.values())
                owners[end] = next((one for one in reversed(asking) if one not in others), asking[-1])
            return owners.get(end, arrow.client)
    return arrow.client
