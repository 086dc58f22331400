"""`Travel`: a datagram on its way, from one socket to another, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from ._sockets import Place

Outcome: TypeAlias = Literal["arrived", "lost", "not sent", "dropped", "ignored", "unseen"]
"""What became of a datagram: it was lost on its way; or not even sent; or it arrived, and then it was dropped or
ignored; or nobody has read it, and maybe nobody has seen it arrive."""


WAITED = 1e-3  # seconds: what takes longer has waited, and not only for its turn


@dataclass
class Travel:
    """A datagram on its way.

    ``entry`` is the index of the entry that tells of its sending, or of its end where nobody has seen that;
    ``ended_entry`` of the one that tells of its end. Times are seconds on Trio's clock, None if nobody knows: ``sent``;
    ``ended``, when it arrived or was lost; and ``read``, when it was taken off its socket. Only a virtual network tells
    of an arrival before that: the datagram ``was_brought``; else both are the same. What was dropped or ignored has
    been put away then, maybe later: ``put_away``, and ``put_away_entry``.

    What was sent to a group or to everybody, ``to_many``, is one for each socket that it came to, or was lost for. All
    of them have the entry of that sending.
    """

    entry: int
    source: Place
    destination: Place
    data: bytes
    sent: float | None
    ended: float | None = None
    read: float | None = None
    ended_entry: int | None = None
    outcome: Outcome = "unseen"
    reason: str = ""
    is_copy: bool = False
    was_brought: bool = False
    damaged: bytes | None = None  # what has arrived instead of ``data``
    put_away: float | None = None
    put_away_entry: int | None = None
    to_many: Place | None = None
    is_told: bool = field(default=False, compare=False)  # an entry of the trace has told of it

    def lose(self, time: float, entry: int, outcome: Outcome, reason: str) -> None:
        """It does not arrive."""
        self.ended, self.ended_entry, self.outcome, self.reason = time, entry, outcome, reason

    def arrive(self, time: float, entry: int) -> None:
        """It is taken off its socket."""
        self.read, self.ended_entry, self.outcome = time, entry, "arrived"
        if self.ended is None:
            self.ended = time

    def drop(self, time: float, entry: int, outcome: Outcome, reason: str) -> None:
        """It has arrived, and that is all."""
        self.put_away, self.put_away_entry, self.outcome, self.reason = time, entry, outcome, reason

    def be_copy(self, of: Travel) -> None:
        """Of something that was sent earlier."""
        self.entry, self.sent, self.is_copy = of.entry, of.sent, True

    def part(self, place: Place) -> Travel:
        """One that went to many, on its way to this socket."""
        return Travel(self.entry, self.source, place, self.data, self.sent, to_many=self.destination)

    @property
    def is_open(self) -> bool:
        """Nothing is known but that it was sent."""
        return self.outcome == "unseen" and self.ended is None

    @property
    def has_arrived(self) -> bool:
        """At its socket, whatever was done with it there."""
        return self.outcome in ("arrived", "dropped", "ignored")

    @property
    def arrived_as(self) -> bytes:
        """What somebody had in hand at its end."""
        return self.data if self.damaged is None else self.damaged

    @property
    def waited(self) -> float | None:
        """How long it lay at its socket until it was read, seconds; None if that was not long, or nobody knows."""
        if self.read is None or self.ended is None or self.read - self.ended <= WAITED:
            return None
        return self.read - self.ended

    @property
    def was_only_read(self) -> bool:
        """How long it has waited for its reader nobody has told."""
        return self.has_arrived and not self.was_brought

    @property
    def was_kept(self) -> bool:
        """Somebody had it, a handler, say, and dropped it a while after it was read."""
        return self.put_away is not None and self.read is not None and self.put_away - self.read > WAITED

    @property
    def begun(self) -> float:
        """When it was sent, or else the first that is known of it."""
        time = self.ended if self.sent is None else self.sent
        assert time is not None, "it was sent or has ended"
        return time
