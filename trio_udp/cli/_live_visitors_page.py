"""How the live view of ``serve`` looks: a row for each client, its latest datagram, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._address import format_address
from ._common import plural, printable
from ._live_look import BOLD, DIM, LOST, REPLY, REQUEST, WAITING, Look, fitted, heading, joined, line, with_number
from ._live_page import draw_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from .._address import Address
    from ._live_tree import Node
    from ._live_visitors import Visitor, Visitors

# Cells.
ADDRESS = 22
COUNT = 7

NOBODY = "nobody has sent anything yet"

IN_WORDS = {"silent": "no reply", "cancelled": "cancelled", "replied": "replied"}


def draw_visitors(
    visitors: Visitors,
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
    rows = max(1, len(visitors.latest))

    def draw_rows(height: int, width: int) -> list[Text]:
        return visitor_lines(visitors, now, height, width, look)

    return draw_server(title, now - visitors.started, tree, totals, said, rows, draw_rows, width, height, look)


def visitor_lines(visitors: Visitors, now: float, height: int, width: int, look: Look) -> list[Text]:
    """Their heading, and as many of the latest as there is room for, in the order in which they came."""
    shown = sorted((visitor for _, visitor in visitors.latest.latest(height)), key=lambda visitor: visitor.number)
    lines = [heading(clients_title(len(shown), visitors.in_all), width, look)]
    if not shown and height:
        lines.append(line((NOBODY, DIM)))
    digits = max((len(f"{visitor.datagrams}") for visitor in shown), default=0)
    lines += (visitor_line(visitor, now, width, digits, look) for visitor in shown)
    return lines


def clients_title(shown: int, in_all: int) -> str:
    """How many there are."""
    return f"clients: {in_all}" if shown == in_all else f"the latest of {in_all} clients"


def visitor_line(visitor: Visitor, now: float, width: int, digits: int, look: Look) -> Text:
    """Who, how many datagrams, the latest, and what came of it; the longest of such numbers has so many digits."""
    address, count = min(ADDRESS, width // 3), max(COUNT, digits + 1) if width >= ADDRESS * 3 else 0
    room = max(0, width - address - count)
    who = fitted(address_line(visitor.address, BOLD, address - 1, look), address, look)
    many = fitted(line((f"{visitor.datagrams} ".rjust(count), DIM)), count, look)
    return joined(who, many, _request(visitor, room // 2, look), _answer(visitor, now, room - room // 2, look))


def _request(visitor: Visitor, width: int, look: Look) -> Text:
    arrow = (f"{look.path * 2}{look.right} ", f"bold {REQUEST}")
    return fitted(line(arrow, _bytes(visitor.request, visitor.request_size)), width, look)


def _answer(visitor: Visitor, now: float, width: int, look: Look) -> Text:
    if visitor.reply is not None:
        arrow = (f" {look.left}{look.path * 2} ", f"bold {REPLY}")
        return fitted(line(arrow, _bytes(visitor.reply, visitor.reply_size)), width, look)
    if visitor.outcome in IN_WORDS:
        return fitted(line((f" {look.empty * 3} {IN_WORDS[visitor.outcome]}", DIM)), width, look)
    if visitor.outcome:
        return fitted(line((f" {look.cross}   {visitor.outcome}", LOST)), width, look)
    dots, time = f" {look.empty * 3}", line((f" {now - visitor.at:.1f} s", WAITING))
    words = f"{dots} handled for"
    words = words if len(words) + time.cell_len <= width else dots
    return fitted(with_number(line((words, WAITING)), time, width, look), width, look)


def address_line(address: Address, style: str, width: int, look: Look) -> Text:
    """A host and its port, of which the host is cut if there is not room for both."""
    host, colon, port = format_address(address).rpartition(":")
    return with_number(line((host, style)), line((colon + port, style)), width, look)


def _bytes(data: bytes, size: int) -> str:
    return f"{plural(size, 'byte')}  {printable(data)}"
