"""A lane: where one client's datagrams are between it, the relay and the server.

Nobody can see a datagram on a wire. What is known are moments: the client has handed it to the kernel; the relay has it
and has decided what becomes of it, and when; the reply has come to the relay. Between them a lane draws what is known,
no more: a request that has not come to the relay is on its way there, and one that the relay delays moves on as the
delay passes. Over loopback all of that takes less than a millisecond, and no eye is that quick. So what a lane shows
stays there until the client sends again: the cross is why it waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from ._common import printable_text
from ._live_look import DAMAGED, DIM, LOST, REPLY, REQUEST, Look
from ._live_look import line as line_of

if TYPE_CHECKING:
    from rich.text import Text

# Flights that a lane remembers: as many as an attempt can have, and a late reply to the one before.
REMEMBERED = 8


class Flight(NamedTuple):
    """A datagram on its way.

    Args:
      forward: to the server, or to the client?
      at_relay: when the relay had it, seconds; None: not yet.
      arrives: when it is at the other end; None: it is not known to, or was dropped.
      dropped: why, if it was.
      damaged: does it go on with other bytes?
      ignored: why the client did not believe it, if it did not.
    """

    forward: bool
    at_relay: float | None = None
    arrives: float | None = None
    dropped: str | None = None
    damaged: bool = False
    ignored: str | None = None

    def head(self, now: float) -> float:
        """How far it has come: 0 is where it was sent, 1 the other end, the relay is in the middle."""
        if self.at_relay is None:
            return 0.25
        if self.dropped is not None or self.arrives is None:
            return 0.5
        if now >= self.arrives:
            return 1.0
        return 0.5 + 0.5 * max(0.0, now - self.at_relay) / (self.arrives - self.at_relay)

    def is_under_way(self, now: float) -> bool:
        """Will it be somewhere else later?"""
        return self.dropped is None and self.arrives is not None and now < self.arrives


@dataclass
class Lane:
    """The flights of one client, in the order in which they began."""

    flights: list[Flight] = field(default_factory=list)

    def send(self, now: float) -> None:
        """The client sends."""
        self.clear(now)
        self._add(Flight(forward=True))

    def clear(self, now: float) -> None:
        """A new picture begins, but for what is still on its way."""
        self.flights = [flight for flight in self.flights if flight.is_under_way(now)]

    def relay(self, flight: Flight) -> None:
        """The relay has a datagram."""
        for number, known in enumerate(self.flights):
            if known.forward and flight.forward and known.at_relay is None:
                self.flights[number] = flight
                return
        self._add(flight)

    def ignore(self, reason: str) -> None:
        """The client does not believe the reply that it got last."""
        for number, flight in reversed(list(enumerate(self.flights))):
            if not flight.forward and flight.dropped is None and flight.ignored is None:
                self.flights[number] = flight._replace(ignored=reason)
                return

    def _add(self, flight: Flight) -> None:
        self.flights = [*self.flights, flight][-REMEMBERED:]


class Cell(NamedTuple):
    """One place on the screen."""

    character: str
    style: str


def draw_lane(lane: Lane, now: float, width: int, look: Look) -> Text:
    """The lane as a line of so many cells: the client is at its left end, the server at its right end."""
    cells = [Cell(look.empty, DIM)] * width
    if width:
        cells[_column(0.5, width)] = Cell(look.relay, DIM)
        for flight in lane.flights:
            _draw(cells, flight, now, look)
    return _joined(cells)


def _joined(cells: list[Cell]) -> Text:
    """As one line; neighbours of one style together, or a screen with 20 clients takes 29 ms in the place of 7."""
    runs = groupby(cells, lambda cell: cell.style)
    return line_of(*(("".join(cell.character for cell in run), style) for style, run in runs))


def _draw(cells: list[Cell], flight: Flight, now: float, look: Look) -> None:
    """Later flights are drawn over earlier ones."""
    head = flight.head(now)
    step, at = (1, _column(head, len(cells))) if flight.forward else (-1, _column(1 - head, len(cells)))
    start = 0 if flight.forward else len(cells) - 1
    style = REQUEST if flight.forward else REPLY
    if flight.damaged:
        style = DAMAGED
    for column in range(start, at, step):
        cells[column] = Cell(look.damaged if flight.damaged else look.path, style)
    if flight.dropped is not None:
        cells[at] = Cell(look.cross, LOST)
        _label(cells, printable_text(flight.dropped), at, step)  # where the datagram did not get to
    elif flight.ignored is not None:
        cells[at] = Cell(look.cross, LOST)
        _label(cells, printable_text(flight.ignored), at, -step)  # there is nothing behind the client
    else:
        cells[at] = Cell(look.right if flight.forward else look.left, f"bold {style}")


def _label(cells: list[Cell], text: str, at: int, step: int) -> None:
    """Beside the cross, as much as there is room for."""
    room = len(cells) - at - 1 if step > 0 else at
    text = f" {text} "[:room] if step > 0 else f" {text} "[-room:] if room else ""
    begin = at + 1 if step > 0 else at - len(text)
    for number, character in enumerate(text):
        cells[begin + number] = Cell(character, LOST)


def _column(place: float, width: int) -> int:
    return round(place * (width - 1))


def draw_places(width: int, look: Look) -> Text:
    """Who is where, above the lanes: ``client ───── relay ───── server``."""
    cells = [Cell(look.rule, DIM)] * width
    middle = _column(0.5, width)
    if width >= len("client relay server") + 2:
        for name, begin in (("client ", 0), (" relay ", middle - 3), (" server", width - 7)):
            for number, character in enumerate(name):
                cells[begin + number] = Cell(character, "")
    return _joined(cells)
