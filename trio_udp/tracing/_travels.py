"""Which sending belongs to which arrival or loss: `travels`.

A datagram has no number. All that a recording has is that some bytes left one socket for another, and that some bytes
arrived there. A virtual network knows more, and tells when it brought what was sent when: then it is known which of two
equal datagrams has overtaken the other, and which is a second copy. Of a real network nobody tells: equal bytes between
the same two sockets are told apart by their order, the first sent is the first received, and one that reorders them
seems not to.

What is left over says something, too: an arrival without a sending is the second copy of the latest equal one, or, if
there is none, came from outside the recording; a sending without an arrival went there, or nobody knows; and what is
like one another may be one that was damaged (`_damaged`).

What is sent to a group, or to everybody, arrives at many: that is no copy, but the same at another place. A virtual
network tells for whom it was lost and where it has arrived. On a real one it has arrived wherever somebody has read the
same bytes from that sender, at that port; how many sockets there are at one place nobody knows, so none is a copy.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from .._events import DatagramArrived, DatagramDropped, DatagramLost, DatagramReceived, DatagramSent, ReplyIgnored
from ._damaged import with_damaged
from ._entries import Happened
from ._sockets import ANYWHERE, is_for_many
from ._travel import Travel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._events import Event
    from ._entries import Entry
    from ._sockets import Place, Sockets
    from ._travel import Outcome


@dataclass
class _Equals:
    """Datagrams with the same bytes between the same two sockets."""

    latest: Travel | None = None
    times: list[float] = field(default_factory=list)  # at which any is sent, now or later
    sent: dict[float, deque[Travel]] = field(default_factory=dict)  # at each of them
    on_the_way: deque[Travel] = field(default_factory=deque)  # of those sent until now
    arrived: list[Travel] = field(default_factory=list)  # of which nothing else has been told
    parts: dict[Place, _Equals] = field(default_factory=dict)  # of those to many, for each of these

    def expect(self, travel: Travel, time: float) -> None:
        """One more is sent in this trace."""
        if not self.times or self.times[-1] < time:
            self.times.append(time)
        self.sent.setdefault(time, deque()).append(travel)

    def send(self, travel: Travel) -> None:
        """It is on its way."""
        self.on_the_way.append(travel)
        self.latest = travel

    def part(self, place: Place) -> _Equals:
        """The same, as it goes to one of many."""
        if place not in self.parts:
            part = self.parts[place] = _Equals()
            for time, at_once in self.sent.items():
                for whole in at_once:
                    part.expect(whole.part(place), time)
        return self.parts[place]

    def sent_at(self, time: float) -> Travel | None:
        """One that was sent then, if possible one of which nothing else is known.

        Then, or next: on a clock that goes on by itself an event is a little later than the thing.
        """
        number = bisect_left(self.times, time)
        if number == len(self.times):
            return None
        at_once = self.sent[self.times[number]]
        while len(at_once) > 1 and not at_once[0].is_open:
            at_once.popleft()
        return at_once[0]

    def next_on_the_way(self) -> Travel | None:
        """The first of which no network has told what becomes of it."""
        while self.on_the_way:
            travel = self.on_the_way.popleft()
            if travel.is_open:
                return travel
        return None


def travels(entries: Iterable[Entry], sockets: Sockets) -> list[Travel]:
    """All datagrams that a trace tells of, in the order in which it does."""
    matcher = _Matcher(sockets)
    happened = [(index, entry.event) for index, entry in enumerate(entries) if isinstance(entry, Happened)]
    for index, event in happened:
        if isinstance(event, DatagramSent):
            matcher.expect(index, event)
    for index, event in happened:
        matcher.note(index, event)
    return with_damaged(matcher.found())


NO_LISTENER = "no listener"  # why something to many is lost at a host where nobody hears it

_Leaving: TypeAlias = "DatagramSent | DatagramDropped | DatagramLost | DatagramArrived"
_Here: TypeAlias = "DatagramReceived | DatagramDropped | ReplyIgnored"


class _Matcher:
    """Goes through a trace twice: a network may tell what becomes of a datagram before its sender has told of it."""

    def __init__(self, sockets: Sockets) -> None:
        self.travels: list[Travel] = []
        self._sockets = sockets
        self._equals: dict[tuple[Place, Place, bytes], _Equals] = {}
        self._sendings: dict[int, Travel] = {}  # by their entries
        self._brought: dict[tuple[Place, Place, bytes], deque[Travel]] = {}  # as they arrived; nobody has read them
        self._spread: dict[tuple[Place, int, bytes], list[Travel]] = {}  # to many at a port, of those sent until now
        self._heard: Counter[tuple[Place, Place, bytes]] = Counter()  # how many of these have arrived at a place
        self._unheard: list[Travel] = []  # on the host of their own sender, where nobody listens

    def expect(self, index: int, event: DatagramSent) -> None:
        """This will be sent."""
        travel = self._sendings[index] = self._leaving(index, event, event.time)
        self._equal_to(travel).expect(travel, event.time)

    def note(self, index: int, event: Event) -> None:
        """One more thing has happened."""
        if isinstance(event, DatagramSent):
            travel = self._add(self._sendings[index])
            self._equal_to(travel).send(travel)
            if is_for_many(travel.destination):
                self._spread.setdefault((travel.source, travel.destination[1], travel.data), []).append(travel)
        elif isinstance(event, DatagramArrived):
            travel, damaged = self._decided(index, event), event.damaged
            travel.ended, travel.was_brought = event.time, True
            if travel.to_many is not None:
                self._add(travel)
            key = travel.source, travel.destination, event.data if damaged is None else damaged
            self._brought.setdefault(key, deque()).append(travel)
        elif isinstance(event, DatagramReceived):
            self._arrived(index, event)
        elif isinstance(event, DatagramLost):
            self._lost(index, event)
        elif isinstance(event, DatagramDropped) and event.outgoing:
            unsent = self._leaving(index, event, event.time)
            self._add(unsent).lose(event.time, index, "not sent", event.reason)
        elif isinstance(event, (DatagramDropped, ReplyIgnored)):
            self._put_away(index, event)

    def found(self) -> list[Travel]:
        """All; those that went to many are the parts that somebody has told of, if anybody has."""
        split = {travel.entry for travel in self.travels if travel.to_many is not None}
        for travel in self._unheard:
            assert travel.ended is not None
            assert travel.ended_entry is not None
            if travel.entry not in split:
                whole = self._add(self._sendings.get(travel.entry, travel))
                whole.lose(travel.ended, travel.ended_entry, travel.outcome, travel.reason)
        return [
            travel
            for travel in self.travels
            if travel.entry not in split or travel.to_many is not None or travel.outcome != "unseen"
        ]

    def _lost(self, index: int, event: DatagramLost) -> None:
        travel = self._decided(index, event)
        travel.lose(event.time, index, "lost", event.reason)
        if event.at is not None and event.at[0] == event.local[0] and event.reason == NO_LISTENER:
            self._unheard.append(travel)
        else:
            self._add(travel)

    def _decided(self, index: int, event: DatagramLost | DatagramArrived) -> Travel:
        """Which datagram a network tells of: one that was sent then, or else a copy of it."""
        travel = self._leaving(index, event, event.sent_at)
        equals = self._equal_to(travel)
        if event.at is not None:
            place = self._sockets.at(event.at)
            travel, equals = travel.part(place), equals.part(place)
        sent = equals.sent_at(event.sent_at)
        if sent is not None and sent.is_open:
            travel = sent
            travel.sent = event.sent_at
        elif sent is not None:
            travel.be_copy(sent)
            if travel.to_many is not None and (sent.ended == event.time or travel.destination[0] == ANYWHERE):
                travel.is_copy = False  # two sockets at one address have got it, or nobody knows which hosts
        return travel

    def _arrived(self, index: int, event: _Here) -> Travel:
        here, there = self._sockets.at(event.local), self._sockets.at(event.remote)
        brought = self._brought.get((there, here, event.data))
        if brought:
            travel = brought.popleft()
            if travel.data != event.data:
                travel.damaged = event.data
        else:
            travel = self._next_equal(Travel(index, there, here, event.data, None))
        self._add(travel).arrive(event.time, index)
        self._equals_of(there, here, event.data).arrived.append(travel)
        return travel

    def _next_equal(self, travel: Travel) -> Travel:
        """What nobody tells of: the first sent is the first received."""
        equals = self._equal_to(travel)
        if (on_the_way := equals.next_on_the_way()) is not None:
            return on_the_way
        if not self._is_part(travel) and equals.latest is not None:
            travel.be_copy(equals.latest)
        return travel

    def _is_part(self, travel: Travel) -> bool:
        """Is it of something that went to many?"""
        those = self._spread.get((travel.source, travel.destination[1], travel.data))
        if those is None:
            return False
        way = travel.source, travel.destination, travel.data
        whole = those[min(self._heard[way], len(those) - 1)]
        self._heard[way] += 1
        travel.entry, travel.sent, travel.to_many = whole.entry, whole.sent, whole.destination
        return True

    def _put_away(self, index: int, event: DatagramDropped | ReplyIgnored) -> None:
        """It has arrived, and that is all."""
        here, there = self._sockets.at(event.local), self._sockets.at(event.remote)
        arrived = self._equals_of(there, here, event.data).arrived
        if not arrived:
            self._arrived(index, event)  # nobody has read it
        outcome: Outcome = "ignored" if isinstance(event, ReplyIgnored) else "dropped"
        arrived.pop().drop(event.time, index, outcome, event.reason)

    def _leaving(self, index: int, event: _Leaving, sent: float) -> Travel:
        return Travel(index, self._sockets.at(event.local), self._sockets.at(event.remote), event.data, sent)

    def _add(self, travel: Travel) -> Travel:
        """An entry tells of it, maybe the first one."""
        if not travel.is_told:
            travel.is_told = True
            self.travels.append(travel)
        return travel

    def _equal_to(self, travel: Travel) -> _Equals:
        return self._equals_of(travel.source, travel.destination, travel.data)

    def _equals_of(self, source: Place, destination: Place, data: bytes) -> _Equals:
        return self._equals.setdefault((source, destination, data), _Equals())
