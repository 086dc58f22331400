"""What the live view of ``serve`` knows: who has sent lately, what, and what became of it.

Anybody may send to a server, from as many addresses as there are. So only the latest few are remembered; how many
datagrams there have been in all, the endpoint counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .._events import DatagramDropped, DatagramSent, HandlerFinished, HandlerStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .._address import Address
    from .._events import Event

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

# More than there are lines on any screen.
REMEMBERED = 300

# Bytes of a datagram that are remembered: more than fit on a line.
BYTES = 200


class Latest(Generic[K, V]):
    """The values of those keys that were asked for last.

    Args:
      make: makes a new value.
    """

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._values: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        value = self._values.pop(key, None)
        if value is None:
            value = self._make(key)
        self._values[key] = value
        if len(self._values) > REMEMBERED:
            del self._values[next(iter(self._values))]
        return value

    def __len__(self) -> int:
        return len(self._values)

    def latest(self, most: int) -> list[tuple[K, V]]:
        """So many of them at most, those asked for last; in the order in which they were."""
        return list(self._values.items())[-most:] if most else []


@dataclass
class Visitor:
    """Whoever sends from one address.

    Args:
      address: from which.
      number: how many there were before, and one.
    """

    address: Address
    number: int
    datagrams: int = 0
    busy: int = 0  # handlers at work for it
    at: float = 0.0  # when it was heard last, seconds
    request: bytes = b""
    request_size: int = 0
    reply: bytes | None = None
    reply_size: int = 0
    outcome: str = ""


class Visitors:
    """A server's clients, as its events tell of them.

    Args:
      started: when it began, on the clock of the events.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.ports: set[int] = set()  # the server's own; a handler may have sockets, too
        self.in_all = 0
        self.latest: Latest[Address, Visitor] = Latest(self._visitor)

    def _visitor(self, address: Address) -> Visitor:
        self.in_all += 1
        return Visitor(address, self.in_all)

    def event(self, event: Event) -> None:
        """This has happened."""
        if event.local[1] not in self.ports:
            return
        if isinstance(event, HandlerStarted):
            self._heard(event)
        elif isinstance(event, HandlerFinished):
            visitor = self.latest[event.remote]
            visitor.busy = max(0, visitor.busy - 1)
            if event.outcome != "silent" or not visitor.outcome:
                visitor.outcome = event.outcome
        elif isinstance(event, DatagramSent):
            visitor = self.latest[event.remote]
            visitor.reply, visitor.reply_size = event.data[:BYTES], len(event.data)
        elif isinstance(event, DatagramDropped):
            self.latest[event.remote].outcome = f"dropped: {event.reason}"

    def failed(self, address: Address, error: Exception) -> None:
        """The handler has raised; to the server it will be silent."""
        self.latest[address].outcome = type(error).__name__

    def _heard(self, event: HandlerStarted) -> None:
        visitor = self.latest[event.remote]
        visitor.datagrams += 1
        visitor.busy += 1
        visitor.at = event.time
        visitor.request, visitor.request_size = event.data[:BYTES], len(event.data)
        visitor.reply, visitor.outcome = None, ""
