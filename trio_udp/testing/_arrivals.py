"""`Arrivals`: what is on its way, and what becomes of it where it arrives.

Many things can have happened to a host since a datagram was sent to it: it has crashed, its socket was closed, its NAT
has forgotten the address, its buffer is full. So who gets a datagram is found out when it arrives, and not before. If
nobody does, the sender may hear of it, as from a real host (ICMP, port unreachable), and that news goes back over the
network like anything else.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from ..faults import Drop, Held, InFlight
from ..faults._link import headers
from ._ip import LOOPBACK, NETWORK
from ._way import TICK, later

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..faults import Rule
    from ._host import Host
    from ._mailbox import Mailbox
    from ._map import Map
    from ._record import Record, RecordedDatagram
    from ._way import Sent

Lose: TypeAlias = "Callable[[float, Sent, RecordedDatagram, str], None]"
Tell: TypeAlias = "Callable[[float, Sent, RecordedDatagram, bytes, Mailbox | None], None]"


class Arrivals:
    """Datagrams and refusals on their way, by the time at which they arrive.

    Args:
      hosts: the map of them.
      record: what has arrived is in there.
      lose: called with a datagram that ends here, its time and the reason.
      tell: called with a datagram that a socket has got, its time, what has arrived, and which socket it is if the
        datagram was sent to many.
      verdict: what the network's rules say about a refusal; None: nothing.
    """

    def __init__(self, hosts: Map, record: Record, lose: Lose, tell: Tell, verdict: Rule) -> None:
        self._map = hosts
        self._record = record
        self._lose = lose
        self._tell = tell
        self._verdict = verdict
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0  # what arrives at one time arrives in the order in which that was decided

    @property
    def first(self) -> float:
        """When the next one arrives; infinity if there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def let_arrive(self, now: float) -> None:
        """What arrives until now."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            time, _, arrive = heappop(heap)
            arrive(time)

    def add(self, time: float, sent: Sent, recorded: RecordedDatagram, data: bytes) -> None:
        """A datagram, or a copy of it, with this data arrives then, and never at the moment at which it was sent."""
        self._schedule(max(time, later(sent.time, TICK)), lambda when: self._arrive(when, sent, recorded, data))

    def _schedule(self, time: float, arrive: Callable[[float], None]) -> None:
        self._number += 1
        heappush(self._heap, (time, self._number, arrive))

    def _arrive(self, time: float, sent: Sent, recorded: RecordedDatagram, data: bytes) -> None:
        host = sent.way.target
        assert host is not None  # what goes to nobody was dropped when its fate was decided
        is_here = sent.way.is_local or sent.interface  # what is sent to many no NAT translates
        place = recorded.destination if is_here else host.inside(recorded.destination)
        if not host.is_up:
            self._lose(time, sent, recorded, "host down")
        elif sent.interface:
            self._arrive_at_many(time, sent, recorded, data, host)
        elif place is None:
            self._lose(time, sent, recorded, "rebound")
        elif (mailbox := host.ports.find(place, recorded.source)) is None:
            self._lose(time, sent, recorded, "refused")
            self._refuse(time, sent, recorded, host)
        elif mailbox.put(data, recorded.source, place[0], LOOPBACK if sent.way.is_local else NETWORK):
            self._record.deliver(recorded, time)
            self._tell(time, sent, recorded, data, None)
        else:
            self._lose(time, sent, recorded, "buffer full")

    def _arrive_at_many(self, time: float, sent: Sent, recorded: RecordedDatagram, data: bytes, host: Host) -> None:
        """At all sockets of a host that hear it. Nobody refuses what was sent to many (RFC 1122 section 3.2.2)."""
        group, interface = recorded.destination, sent.interface
        is_taken = host.takes(group[0], interface, recorded.source[0])
        mailboxes = host.ports.find_all(group, interface, recorded.source) if is_taken else []
        taken = [mailbox.put(data, recorded.source, group[0], interface) for mailbox in mailboxes]
        if any(taken):
            self._record.deliver(recorded, time)
        for mailbox, has_room in zip(mailboxes, taken, strict=True):
            if has_room:
                self._tell(time, sent, recorded, data, mailbox)
        if not all(taken):
            self._lose(time, sent, recorded, "buffer full")
        elif not taken:
            self._lose(time, sent, recorded, "no listener")

    def _refuse(self, time: float, sent: Sent, recorded: RecordedDatagram, host: Host) -> None:
        """The news that nobody listens goes back, by the rules and the link of the other direction."""
        flight = InFlight(time, recorded.destination, recorded.source, recorded.n, recorded.data, refusal=True)
        verdict = self._verdict(flight)
        if isinstance(verdict, (Drop, Held)):
            return
        if verdict is not None:
            arrivals = [time + verdict.delay]
        else:
            passage = self._map.way(host, sent.mailbox.host).refusals
            fate = passage.fate(time, recorded.n, b"", headers(recorded.source[0]))
            arrivals = [copy.time for copy in fate.copies[:1]]
        for arrival in arrivals:
            self._schedule(max(arrival, later(time, TICK)), lambda _: self._refused(sent, recorded))

    def _refused(self, sent: Sent, recorded: RecordedDatagram) -> None:
        mailbox = sent.mailbox.host.ports.find(sent.source, recorded.destination)
        if mailbox is not None:
            mailbox.refuse(recorded.destination)
