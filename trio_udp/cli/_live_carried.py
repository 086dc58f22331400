"""The live view of ``relay``: a lane for each of the latest clients, with what the relay did to its datagrams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._live_lane import Flight, Lane, draw_lane, draw_places
from ._live_look import BOLD, DIM, LOST, Look, fitted, heading, heading_fits, joined, line
from ._live_page import NARROW, draw_server
from ._live_visitors import Latest
from ._live_visitors_page import NOBODY, address_line, clients_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from .._address import Address
    from ..relay import Relayed
    from ._live_tree import Node

# Cells.
CLIENT = 30
CLIENT_IN_SHORT = 12
DIGITS = 5  # of how many were carried, or dropped, at least


@dataclass
class Carried:
    """One client of the relay, by its number: its datagrams."""

    number: int
    address: Address | None = None
    lane: Lane = field(default_factory=Lane)
    carried: int = 0
    dropped: int = 0


class AllCarried:
    """What a relay has told of the datagrams that came to it.

    Args:
      started: when it began, on Trio's clock.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.in_all = 0
        self.latest: Latest[int, Carried] = Latest(Carried)

    def relayed(self, relayed: Relayed) -> None:
        """What becomes of a datagram."""
        carried = self.latest[relayed.client]
        carried.address = relayed.address
        self.in_all = max(self.in_all, relayed.client)
        if relayed.dropped is None:
            carried.carried += 1
        else:
            carried.dropped += 1
        if relayed.forward:
            carried.lane.clear(relayed.time)
        arrives = min((copy.time for copy in relayed.copies), default=None)
        carried.lane.relay(Flight(relayed.forward, relayed.time, arrives, relayed.dropped, relayed.damaged))


def draw_carried(
    carried: AllCarried,
    tree: Sequence[Node],
    totals: Sequence[str],
    said: Sequence[str],
    now: float,
    width: int,
    height: int,
    look: Look,
    title: str,
) -> Text:
    """The whole screen; ``totals`` and ``said`` are lines."""
    rows = max(1, len(carried.latest))

    def draw_rows(height: int, width: int) -> list[Text]:
        return carried_lines(carried, now, height, width, look)

    return draw_server(title, now - carried.started, tree, totals, said, rows, draw_rows, width, height, look)


def carried_lines(carried: AllCarried, now: float, height: int, width: int, look: Look) -> list[Text]:
    """Their heading, and as many of the latest as there is room for, in the order of their numbers."""
    shown = sorted((each for _, each in carried.latest.latest(height)), key=lambda each: each.number)
    who = CLIENT_IN_SHORT if width < NARROW else CLIENT
    digits = max((len(f"{max(each.carried, each.dropped)}") for each in shown), default=0)
    digits = max(DIGITS, digits)
    left = who + len("  ") + len(look.cross) + 2 * digits
    lane = max(0, width - left)
    title = _title(len(shown), carried.in_all, left - 1, look)
    lines = [joined(heading(title, left - 1, look), line(" "), draw_places(lane, look))]
    if not shown and height:
        lines.append(line((NOBODY, DIM)))
    for each in shown:
        beside = _who(each, who, look), _counts(each, digits, look)
        lines.append(joined(*beside, draw_lane(each.lane, now, lane, look)))
    return lines


def _title(shown: int, in_all: int, width: int, look: Look) -> str:
    """How many clients there are, and what their numbers are: if need be only that."""
    numbers = f"carried {look.cross}dropped"
    titles = f"{clients_title(shown, in_all)}, {numbers}", f"{shown} of {in_all} clients, {numbers}", numbers
    return next((title for title in titles if heading_fits(title, width)), numbers)


def _who(carried: Carried, width: int, look: Look) -> Text:
    number = line((f"{carried.number}", BOLD))
    if carried.address is None or width < CLIENT:
        return fitted(number, width, look)
    address = address_line(carried.address, "", width - number.cell_len - 2, look)
    return fitted(joined(number, line(" "), address), width, look)


def _counts(carried: Carried, digits: int, look: Look) -> Text:
    dropped = f"{look.cross}{carried.dropped:<{digits}} ", LOST if carried.dropped else DIM
    return line(f"{carried.carried:>{digits}} ", dropped)
