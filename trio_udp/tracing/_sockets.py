"""`Sockets`: which socket an address means.

Two sockets that talk do not see the same addresses. One that is bound to the wildcard address calls itself 0.0.0.0, and
its peers know it by whatever address they have sent to. A client that must not hear late replies exchanges its socket,
so that one client has several ports. To a picture these are one place each: what is said to an address that nobody is
bound to is for the socket with that port, and a socket from which a request goes out belongs to the client that has
just begun an attempt with the same bytes.

Nobody can tell two hosts apart that are both bound to the wildcard address, at the same port: they become one place,
``*:port``. Of those on a virtual network a recording tells their hosts' own addresses (`_wildcards`), but where there
are several, or a NAT.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, TypeAlias

from .._events import AttemptStarted, DatagramSent
from ._entries import Happened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._address import Address
    from ._entries import Entry

Place: TypeAlias = "tuple[str, int]"
"""A host, as text, and a port. ``*`` is a host that nobody knows."""

ANYWHERE = "*"
WILDCARDS = ("0.0.0.0", "::", "")
MAPPED = "::ffff:"  # an IPv4 address as an IPv6 socket has it, RFC 4291 section 2.5.5.2


class Sockets:
    """The places in what was recorded.

    Args:
      entries: of a trace.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        happened = [entry for entry in entries if isinstance(entry, Happened)]
        self._bound = {_plain(entry.event.local) for entry in happened}
        self._wild = {port for host, port in self._bound if host in WILDCARDS}
        self._known: dict[int, set[str]] = {}  # by which addresses its peers know a wildcard socket
        for entry in happened:
            host, port = _plain(entry.event.remote)
            if port in self._wild and (host, port) not in self._bound:
                self._known.setdefault(port, set()).add(host)
        self._places: dict[Address, Place] = {}
        self._homes = self._renewals(happened)

    def at(self, address: Address) -> Place:
        """The socket that an address means."""
        place = self._places.get(address)
        if place is None:
            place = self._places[address] = self._find(*_plain(address))
        return place

    def home(self, address: Address) -> Place:
        """The same, or the first socket of the client that this is a later one of."""
        place = self.at(address)
        return self._homes.get(place, place)

    def _find(self, host: str, port: int) -> Place:
        if port not in self._wild or (host not in WILDCARDS and (host, port) in self._bound):
            return host, port
        known = self._known.get(port, set())
        return (min(known), port) if len(known) == 1 else (ANYWHERE, port)

    def _renewals(self, happened: list[Happened]) -> dict[Place, Place]:
        """An attempt is told with the socket that the client has; then it may take another one to send it."""
        homes: dict[Place, Place] = {}
        seen: set[Place] = set()
        about_to_send: dict[tuple[Place, bytes, int | None], _Waiting] = {}
        for entry in happened:
            event = entry.event
            here = self.at(event.local)
            if isinstance(event, AttemptStarted):
                about_to_send.setdefault((self.at(event.remote), event.data, entry.task), _Waiting()).add(here)
            elif isinstance(event, DatagramSent):
                waiting = about_to_send.get((self.at(event.remote), event.data, entry.task))
                if waiting is not None and not waiting.remove(here) and here not in seen:
                    before = waiting.pop()
                    if before is not None:
                        homes[here] = homes.get(before, before)
            seen.add(here)
        return homes


class _Waiting:
    """Places in a row, some more than once. Who leaves from the middle is passed over later: nothing is searched."""

    def __init__(self) -> None:
        self._row: deque[Place] = deque()
        self._there: Counter[Place] = Counter()
        self._left: Counter[Place] = Counter()

    def add(self, place: Place) -> None:
        """It is the last."""
        self._row.append(place)
        self._there[place] += 1

    def remove(self, place: Place) -> bool:
        """The first that is equal leaves; False: there is none."""
        if not self._there[place]:
            return False
        self._there[place] -= 1
        self._left[place] += 1
        return True

    def pop(self) -> Place | None:
        """The first one leaves; None: nobody is there."""
        while self._row:
            place = self._row.popleft()
            if not self._left[place]:
                self._there[place] -= 1
                return place
            self._left[place] -= 1
        return None


def _plain(address: Address) -> Place:
    host, port = address[0], address[1]
    if host.startswith(MAPPED) and "." in host:
        host = host.removeprefix(MAPPED)
    return host, port
