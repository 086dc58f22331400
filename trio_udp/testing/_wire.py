"""`Wire`: how datagrams get from one host to another, in an order that is the same in every run.

The obvious way decides what becomes of a datagram when it is sent. But Trio steps the tasks that can run in random
order, so of two clients that send at the same moment sometimes the one and sometimes the other would be first: another
number, another chance, another story.

So sending only puts a datagram into an outbox, with the link and the rules of that moment. Its fate is decided later,
when the clock has moved on: then every task has done what it wanted to do at that moment, and what is in the outbox can
be put in order. The clock of a test moves only when all tasks wait, which is what makes this right. Later means: when
the first datagram in the outbox could arrive at the earliest. That is never the same moment, so two hosts that answer
each other at once still let time pass.

One that goes to a group, or to everybody, becomes a copy for each host that takes it when its fate is decided, which is
then a tick after it was sent: whoever joins at that moment is in. Each copy has its own way, number and record.

Whoever observes what a task does (`trio_udp.observe`) is told what it sends, by its endpoint or else here, and what the
network then loses or brings. A datagram that a rule or a link takes is lost when it is sent, one that nobody can take
at its destination when it arrives there. That is the time in the event; it may come later, since nothing is decided at
once.

What happens where a datagram arrives is in `_arrivals`. One task, `run`, sleeps until the next one can. It is an
ordinary task in the network's nursery.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from .._address import SharedAddress
from .._events import DatagramArrived, DatagramLost, DatagramSent
from .._told import emit_of_socket
from ..faults import Drop, Held, InFlight, Rule, Verdict, first_verdict
from ..faults._link import headers
from ._arrivals import Arrivals
from ._ip import Place, parse_ip, shown
from ._record import Record, RecordedDatagram
from ._way import IN_ORDER, TICK, Sent, Told, later

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._address import Address
    from .._events import Event
    from ._host import Host
    from ._mailbox import Mailbox
    from ._map import Map
    from ._way import Way

# So many datagrams may be sent in one moment of virtual time, some 360 MB: far more than any program means to.
MOST_AT_ONCE = 1_000_000


class Wire:
    """Everything between the hosts.

    Args:
      hosts: the map of them.
      record_limit: how many datagrams the record keeps.
    """

    def __init__(self, hosts: Map, record_limit: int) -> None:
        self.map = hosts
        self.rules: tuple[Rule, ...] = ()
        self.is_over = False
        self.record = Record(record_limit)
        self._counts: dict[tuple[Host, Host | None], int] = {}
        self._outbox: list[Sent] = []
        self._number = 0
        self._arrivals = Arrivals(hosts, self.record, self._lose, self._arrived, self._verdict)
        self._life = trio.CancelScope(shield=True)
        self._sleep = trio.CancelScope()
        self._due = math.inf  # until when `run` sleeps
        self.failure: BaseException | None = None  # the first that a rule has raised, or an observer

    # -- sending ------------------------------------------------------------------------------------------------------

    def send(
        self,
        mailbox: Mailbox,
        way: Way,
        source: Place,
        destination: Place,
        data: bytes,
        interface: int = 0,
        ways: tuple[Way, ...] = (),
    ) -> None:
        """Put a datagram into the outbox; ``ways``: if it is for many, all that it might go."""
        time = trio.current_time()
        if len(self._outbox) >= MOST_AT_ONCE:
            raise RuntimeError(
                f"{MOST_AT_ONCE:,} datagrams were sent before anybody waited: the clock of a test moves only when all "
                "tasks wait, so a loop that sends for ever must sleep at times"
            )
        self._number += 1
        order = time, source, destination, mailbox.host.name, self._number
        emit, is_ours_to_tell = emit_of_socket()
        told = None
        if emit is not None:
            local = mailbox.shown_here(source) if is_ours_to_tell else mailbox.shown_local
            told = Told(emit, local, shown(mailbox.family, destination))
        self._outbox.append(Sent(*order, way, self.rules, mailbox, data, interface, ways, told=told))
        mailbox.sent += 1
        self._wake_by(later(time, TICK if self.rules or ways else way.earliest))
        if told is not None and is_ours_to_tell:
            told.emit(DatagramSent(time, told.local, told.remote, data))

    def _wake_by(self, time: float) -> None:
        if time < self._due:
            self._due = self._sleep.deadline = time

    async def run(self, give_up: Callable[[], None]) -> None:
        """Deliver, until `stop`; call ``give_up`` when a rule or an observer has raised.

        Neither that nor a cancellation from outside ends it: as long as the program cleans up, the network is there.
        """
        with self._life:
            while True:
                self._due = self._next_deadline()
                self._sleep = trio.CancelScope(deadline=self._due)
                with self._sleep:
                    await trio.sleep_forever()
                self.settle()
                if self.failure is not None:
                    give_up()

    def stop(self) -> None:
        """The program has ended: `run` ends."""
        self._life.cancel()

    def catch_up(self) -> None:
        """What should have arrived by now, has: before a program looks at the network, or does something to it.

        Else it would be chance whether `run` has its turn before or after the other tasks that wake at that moment.
        """
        if self._due < math.inf and self._due <= trio.current_time():
            self.settle()

    def settle(self) -> None:
        """The same, and all that was sent before now is in the record."""
        self._settle_all(trio.current_time())

    def _settle_all(self, sent_before: float) -> None:
        self._guarded(self.decide, sent_before)
        self._guarded(self._arrivals.let_arrive, trio.current_time())

    def _guarded(self, step: Callable[[float], None], until: float) -> None:
        """What a rule raises must not come out of whatever the program does just now. No rule is asked after that."""
        while True:
            try:
                step(until)
                return
            except BaseException as failure:
                self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        if self.failure is None:
            self.failure = failure
        self._sleep.cancel()

    def finish(self) -> None:
        """Nothing more is sent: decide what becomes of the last datagrams, which belong into the record, too."""
        self._settle_all(math.inf)

    def end(self) -> None:
        """From now on nothing is sent and nothing arrives."""
        self.is_over = True
        self._due = math.inf

    def _next_deadline(self) -> float:
        return min([self._arrivals.first, *(later(sent.time, sent.decided_after) for sent in self._outbox)])

    # -- deciding -----------------------------------------------------------------------------------------------------

    def decide(self, now: float) -> None:
        """Decide what becomes of everything that was sent before ``now``, in order."""
        outbox = self._outbox
        if not outbox:
            return
        if outbox[-1].time < now:
            self._outbox = []
        else:
            self._outbox = [sent for sent in outbox if sent.time >= now]
            outbox = [sent for sent in outbox if sent.time < now]
        outbox.sort(key=IN_ORDER, reverse=True)
        try:
            while outbox:
                sent = outbox.pop()
                if sent.ways:
                    outbox += reversed(self._copies(sent))
                else:
                    self._decide(sent)
        finally:
            self._outbox += outbox  # those behind one at which Ctrl-C came

    def _copies(self, sent: Sent) -> list[Sent]:
        """What goes to many, once for each host that takes it; to nobody if none does."""
        ip = sent.destination[0]
        ways = [way for way in sent.ways if way.target is not None and way.target.takes(ip, sent.interface)]
        return [sent._replace(way=way, ways=()) for way in ways or [sent.way]]

    def _decide(self, sent: Sent) -> None:
        if sent.held is not None:
            self._put_on_link(sent, sent.held)
            return
        host, way = sent.mailbox.host, sent.way
        number = self._counts[host, way.target] = self._counts.get((host, way.target), 0) + 1
        source = sent.source if way.is_local else host.outside(sent.source)
        recorded = RecordedDatagram(sent.time, source, sent.destination, number, sent.data)
        if sent.interface and way.target is not None:
            recorded.receiver = way.target.address_towards(parse_ip(source[0]))
        self.record.add(recorded)
        try:
            if way.target is None:
                self._lose(sent.time, sent, recorded, "no listener" if sent.interface else "no such host")
            elif not sent.rules or self.failure is not None or self._obey(sent, recorded):
                self._put_on_link(sent, recorded)
        except BaseException as failure:
            self._fail(failure)
            self._lose(sent.time, sent, recorded, "rule failed")

    def _obey(self, sent: Sent, recorded: RecordedDatagram) -> bool:
        """Do what the rules say; True: they say nothing."""
        of = (recorded.source, recorded.destination, recorded.n, sent.data)
        flight = InFlight(sent.time, *of, receiver=recorded.receiver)
        verdict = first_verdict(sent.rules, flight)
        if verdict is None:
            return True
        if isinstance(verdict, Drop):
            self._lose(sent.time, sent, recorded, verdict.reason)
        elif isinstance(verdict, Held):
            if not verdict.keep(lambda: self._go_on(sent, recorded)):
                self._lose(sent.time, sent, recorded, "hold full")
        else:
            self._arrivals.add(sent.time + verdict.delay, sent, recorded, sent.data)
        return False

    def _verdict(self, flight: InFlight) -> Verdict | None:
        """What the rules of this moment say, unless one has raised."""
        return first_verdict(self.rules, flight) if self.rules and self.failure is None else None

    def _go_on(self, sent: Sent, recorded: RecordedDatagram) -> None:
        """A datagram that was held is sent, now."""
        if self.is_over:
            return
        self._number += 1
        now = trio.current_time()
        way = self.map.way(sent.mailbox.host, sent.way.target)  # as it is by now
        self._outbox.append(sent._replace(time=now, number=self._number, way=way, rules=(), held=recorded))
        self._wake_by(later(now, TICK))

    def _put_on_link(self, sent: Sent, recorded: RecordedDatagram) -> None:
        fate = sent.way.passage.fate(sent.time, recorded.n, sent.data, headers(recorded.destination[0]))
        if fate.dropped is not None:
            self._lose(sent.time, sent, recorded, fate.dropped)
        for time, data in fate.copies:
            self._arrivals.add(time, sent, recorded, data)

    # -- telling ------------------------------------------------------------------------------------------------------

    def _lose(self, time: float, sent: Sent, recorded: RecordedDatagram, reason: str) -> None:
        """A datagram, or one of two copies, ends here: into the record, and to those who were told that it was sent."""
        self.record.drop(recorded, reason)
        if sent.told is not None:
            _, local, remote = sent.told
            at = None
            if (host := recorded.receiver) is not None:
                host = parse_ip(local[0]).text if sent.way.is_local else host
                at = _known_as(sent.mailbox.shown_here((host, recorded.destination[1])))
            self._tell(sent.told, DatagramLost(time, local, remote, sent.data, reason, recorded.time, at))

    def _arrived(
        self, time: float, sent: Sent, recorded: RecordedDatagram, data: bytes, mailbox: Mailbox | None
    ) -> None:
        """A datagram, or one of two copies, is where it was to go; of one to many, at this socket."""
        if sent.told is not None:
            _, local, remote = sent.told
            damaged = None if data == sent.data else data
            at = None
            if mailbox is not None and recorded.receiver is not None:
                at = mailbox.shown_local
                if isinstance(at, SharedAddress):
                    at = _known_as(mailbox.shown_here((recorded.receiver, at[1])))
            self._tell(sent.told, DatagramArrived(time, local, remote, sent.data, recorded.time, damaged, at))

    def _tell(self, told: Told, event: Event) -> None:
        try:
            told.emit(event)
        except BaseException as failure:  # it must not come out of whatever the program does just now
            self._fail(failure)


def _known_as(address: Address) -> Address:
    """What others call it: on each of many hosts it may be the wildcard."""
    return address.of_host(address) if isinstance(address, SharedAddress) else address
