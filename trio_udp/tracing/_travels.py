"""Which sending belongs to which arrival or loss: `travels`.

A datagram has no number. All that a recording has is that some bytes left one socket for another, and that some bytes
arrived there. Equal bytes between the same two sockets are told apart by their order: the first sent is the first
received. A network that reorders equal datagrams thereby seems not to, which nobody could see either.

What is left over says something, too: an arrival without a sending is the second copy of the latest equal one, or, if
there is none, came from outside the recording; a sending without an arrival went there, or nobody knows. But where the
one and the other are left over between the same two sockets, and most of their bytes are the same, or there is only one
that it can be the beginning of, it is one datagram that was damaged on its way.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from .._events import DatagramDropped, DatagramLost, DatagramReceived, DatagramSent, ReplyIgnored
from ._entries import Happened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._entries import Entry
    from ._sockets import Place, Sockets

# A bit, a few bytes or the end are what networks damage (`trio_udp.faults.Link`). What is wholly different may be the
# same datagram, but nobody can tell.
LIKE_ENOUGH = 0.5
MOST_LOOKED_AT = 16  # of those on one way that were not seen to arrive, the latest
MOST_COMPARED = 256  # bytes

Outcome: TypeAlias = Literal["arrived", "lost", "not sent", "dropped", "ignored", "unseen"]
"""What became of a datagram: it was lost on its way; or not even sent; or it arrived, and then it was dropped or
ignored; or nobody has seen it arrive."""


@dataclass
class Travel:
    """A datagram on its way.

    ``entry`` is the index of the entry that tells of its sending, or of its end where nobody has seen that;
    ``ended_entry`` of the one that tells of its end. Times are seconds on Trio's clock, None if nobody knows: ``sent``,
    and ``ended``, when it arrived or was lost.
    """

    entry: int
    source: Place
    destination: Place
    data: bytes
    sent: float | None
    ended: float | None = None
    ended_entry: int | None = None
    outcome: Outcome = "unseen"
    reason: str = ""
    is_copy: bool = False
    damaged: bytes | None = None  # what has arrived instead of ``data``

    def end(self, time: float, entry: int, outcome: Outcome, reason: str = "") -> None:
        """It has arrived, or it was lost."""
        self.ended, self.ended_entry, self.outcome, self.reason = time, entry, outcome, reason

    @property
    def has_arrived(self) -> bool:
        """At its socket, whatever was done with it there."""
        return self.outcome in ("arrived", "dropped", "ignored")

    @property
    def begun(self) -> float:
        """When it was sent, or else the first that is known of it."""
        time = self.ended if self.sent is None else self.sent
        assert time is not None, "it was sent or has ended"
        return time


@dataclass
class _Equals:
    """Datagrams with the same bytes between the same two sockets."""

    latest: Travel | None = None
    times: list[float] = field(default_factory=list)  # at which any was sent
    sent: dict[float, deque[Travel]] = field(default_factory=dict)  # at each of them
    on_the_way: deque[Travel] = field(default_factory=deque)
    arrived: list[Travel] = field(default_factory=list)  # of which nothing else has been told

    def add(self, travel: Travel, time: float) -> None:
        """One more was sent."""
        if not self.times or self.times[-1] < time:
            self.times.append(time)
        self.sent.setdefault(time, deque()).append(travel)
        self.on_the_way.append(travel)
        self.latest = travel

    def sent_at(self, time: float) -> deque[Travel]:
        """Those sent then, or next: on a clock that goes on by itself an event is a little later than the thing."""
        number = bisect_left(self.times, time)
        return self.sent[self.times[number]] if number < len(self.times) else deque()

    def next_on_the_way(self) -> Travel | None:
        while self.on_the_way and self.on_the_way[0].outcome != "unseen":
            self.on_the_way.popleft()  # it was lost
        return self.on_the_way.popleft() if self.on_the_way else None


def travels(entries: Iterable[Entry], sockets: Sockets) -> list[Travel]:
    """All datagrams that a trace tells of, in the order in which it does."""
    matcher = _Matcher(sockets)
    for index, entry in enumerate(entries):
        if isinstance(entry, Happened):
            matcher.note(index, entry)
    return _with_damaged(matcher.travels)


def _with_damaged(found: list[Travel]) -> list[Travel]:
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
                assert travel.ended is not None
                assert travel.ended_entry is not None
                like.end(travel.ended, travel.ended_entry, travel.outcome, travel.reason)
                like.damaged = travel.data
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


class _Matcher:
    def __init__(self, sockets: Sockets) -> None:
        self.travels: list[Travel] = []
        self._sockets = sockets
        self._equals: dict[tuple[Place, Place, bytes], _Equals] = {}

    def note(self, index: int, entry: Happened) -> None:
        """One more thing has happened."""
        event = entry.event
        if isinstance(event, DatagramSent):
            self._sent(index, event)
        elif isinstance(event, DatagramReceived):
            self._arrived(index, event)
        elif isinstance(event, DatagramLost):
            self._lost(index, event)
        elif isinstance(event, DatagramDropped) and event.outgoing:
            self._add(self._leaving(index, event)).end(event.time, index, "not sent", event.reason)
        elif isinstance(event, (DatagramDropped, ReplyIgnored)):
            self._put_away(index, event)

    def _sent(self, index: int, event: DatagramSent) -> None:
        travel = self._add(self._leaving(index, event))
        self._equal_to(travel).add(travel, event.time)

    def _arrived(self, index: int, event: DatagramReceived | DatagramDropped | ReplyIgnored) -> Travel:
        here, there = self._sockets.at(event.local), self._sockets.at(event.remote)
        travel = Travel(index, there, here, event.data, None)
        equals = self._equal_to(travel)
        if (on_the_way := equals.next_on_the_way()) is not None:
            travel = on_the_way
        else:
            self._add_copy(travel, equals.latest)
        travel.end(event.time, index, "arrived")
        equals.arrived.append(travel)
        return travel

    def _lost(self, index: int, event: DatagramLost) -> None:
        travel = self._leaving(index, event, event.sent_at)
        equals = self._equal_to(travel)
        at_once = equals.sent_at(event.sent_at)
        while at_once and at_once[0].outcome != "unseen" and len(at_once) > 1:
            at_once.popleft()
        if at_once and at_once[0].outcome == "unseen":
            travel = at_once[0]
        else:
            self._add_copy(travel, at_once[0] if at_once else None)
        travel.end(event.time, index, "lost", event.reason)

    def _put_away(self, index: int, event: DatagramDropped | ReplyIgnored) -> None:
        """It has arrived, and that is all."""
        here, there = self._sockets.at(event.local), self._sockets.at(event.remote)
        key = (there, here, event.data)
        if key not in self._equals or not self._equals[key].arrived:
            self._arrived(index, event)  # nobody has read it
        travel = self._equals[key].arrived.pop()
        travel.outcome = "ignored" if isinstance(event, ReplyIgnored) else "dropped"
        travel.reason = event.reason

    def _leaving(
        self, index: int, event: DatagramSent | DatagramDropped | DatagramLost, sent: float | None = None
    ) -> Travel:
        here, there = self._sockets.at(event.local), self._sockets.at(event.remote)
        return Travel(index, here, there, event.data, event.time if sent is None else sent)

    def _add(self, travel: Travel) -> Travel:
        self.travels.append(travel)
        return travel

    def _add_copy(self, travel: Travel, of: Travel | None) -> None:
        """Of something that was sent earlier, if there is such a thing."""
        if of is not None:
            travel.entry, travel.sent, travel.is_copy = of.entry, of.sent, True
        self._add(travel)

    def _equal_to(self, travel: Travel) -> _Equals:
        return self._equals.setdefault((travel.source, travel.destination, travel.data), _Equals())
