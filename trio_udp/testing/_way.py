"""`Way` and `Sent`: from one host to another, and a datagram that has to go there; `Told`: who knows.

One that is for many hosts is `Sent` once, with the ways to all of them, and becomes one for each that takes it.
"""

from __future__ import annotations

import math
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from ..faults import Passage

if TYPE_CHECKING:
    from .._address import Address
    from .._events import Emit
    from ..faults import Link, Rule
    from ._host import Host
    from ._ip import Place
    from ._mailbox import Mailbox
    from ._record import RecordedDatagram

# Seconds: the shortest time in which a datagram arrives, and the time on a host's own loopback. Small beside any delay
# that matters, and large beside what a float can tell apart after a year (4e-9 s).
TICK = 1e-6


class Way:
    """The way from one host to another, or to an address that no host has."""

    def __init__(self, link: Link, seed: int, source: Host, target: Host | None) -> None:
        names = source.name, target.name if target else None
        self.link = link
        self.target = target
        self.is_local = source is target
        self.passage = Passage(link, seed, names)
        self.refusals = Passage(link, seed, ("refusal", *names))
        self.earliest = max(link.delay, TICK)


class Told(NamedTuple):
    """Who was told that a datagram was sent, and as sent from where, to where."""

    emit: Emit
    local: Address
    remote: Address


class Sent(NamedTuple):
    """A datagram in the outbox. The first fields are the order in which fates are decided (`IN_ORDER`)."""

    time: float
    source: Place
    destination: Place
    sender: str  # on their loopbacks several hosts have the same addresses
    number: int  # of all that were sent: what a socket sends from one address to another stays in order
    way: Way
    rules: tuple[Rule, ...]
    mailbox: Mailbox
    data: bytes
    interface: int = 0  # of the sender, for what goes to many; for one to one host, 0
    ways: tuple[Way, ...] = ()  # to all hosts that a datagram to many might go to; each copy has its own
    held: RecordedDatagram | None = None  # it was in the outbox before, and a rule has held it
    told: Told | None = None  # None: nobody was told that it was sent

    @property
    def decided_after(self) -> float:
        """Seconds: rules, and who has joined a group, are to be asked as they were at its time, and not later."""
        return TICK if self.rules or self.ways else self.way.earliest


# Not all of it: copies for several hosts are alike up to their ways, and those have no order.
IN_ORDER = itemgetter(slice(0, 5))


def later(time: float, delay: float) -> float:
    """So much later, and later in any case: beyond 1e10 seconds a float cannot tell a microsecond."""
    return then if (then := time + delay) > time else math.nextafter(time, math.inf)
