"""What happened to every datagram: the record of a virtual network."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._ip import Place


@dataclass(slots=True)
class RecordedDatagram:
    """One datagram that was sent, and what became of it.

    Args:
      time: when it was sent, seconds on Trio's clock.
      source: address and port that it comes from, as the network sees them.
      destination: where it goes.
      n: its number, from 1, among all from the one host to the other.
      data: its payload, as it was sent.
      delivered: when it arrived; twice for one that the network doubled, empty as long as it is on its way.
      dropped: why it, or its second copy, was lost; the name of a fault or of a rule, or ``"refused"`` (nobody listens
        there), ``"buffer full"``, ``"no such host"``, ``"host down"``, ``"rebound"`` (a NAT has forgotten that
        address), ``"hold full"``, ``"rule failed"`` (one has raised), ``"no listener"`` (of what goes to many, nobody
        there hears it). None if it was not.
      receiver: of a datagram to a group or to everybody, the host that this copy of it goes to, by its address: there
        is a record for each host that had joined when it was sent, and one with None if none had. None for all others.
    """

    time: float
    source: Place
    destination: Place
    n: int
    data: bytes
    delivered: list[float] = field(default_factory=list)
    dropped: str | None = None
    receiver: str | None = None


class Record:
    """The latest datagrams, as many as it may keep, and the numbers of all.

    What a failing test needs is what happened last; so at the limit the oldest is forgotten.
    """

    def __init__(self, limit: int) -> None:
        if not isinstance(limit, int) or limit < 0:
            raise ValueError(f"record_limit must be a whole number, at least 0, not {limit!r}")
        self.datagrams: deque[RecordedDatagram] = deque(maxlen=limit)
        self.sent = 0
        self.delivered = 0
        self.dropped: Counter[str] = Counter()

    def add(self, datagram: RecordedDatagram) -> None:
        """A datagram was sent."""
        self.sent += 1
        self.datagrams.append(datagram)

    def deliver(self, datagram: RecordedDatagram, time: float) -> None:
        """It has arrived."""
        self.delivered += 1
        datagram.delivered.append(time)

    def drop(self, datagram: RecordedDatagram, reason: str) -> None:
        """It will not arrive, or its second copy will not."""
        self.dropped[reason] += 1
        datagram.dropped = reason

    @property
    def forgotten(self) -> int:
        """How many datagrams are not in the record any more."""
        return self.sent - len(self.datagrams)
