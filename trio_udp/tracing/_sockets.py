"""`Sockets`: which socket an address means.

Two sockets that talk do not see the same addresses. One that is bound to the wildcard address calls itself 0.0.0.0, and
its peers know it by whatever address they have sent to. A client that must not hear late replies exchanges its socket,
so that one client has several ports. To a picture these are one place each: what is said to an address that nobody is
bound to is for the socket with that port, unless it is a group's or everybody's; and what a client has exchanged its
socket for is that client, too.

Nobody can tell two hosts apart that are both bound to the wildcard address, at the same port: they become one place,
``*:port``. Of those on a virtual network a recording tells their hosts' own addresses (`_wildcards`), but not where a
host has several, or there is a NAT.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

from .._events import SocketExchanged
from ._entries import Happened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._address import Address
    from ._entries import Entry

Place: TypeAlias = "tuple[str, int]"
"""A host, as text, and a port. ``*`` is a host that nobody knows."""

BROADCAST = ("255.255.255.255", "127.255.255.255")  # of a network, and of loopback
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
            if port in self._wild and (host, port) not in self._bound and not is_for_many((host, port)):
                self._known.setdefault(port, set()).add(host)
        self._places: dict[Address, Place] = {}
        self._homes = self._exchanges(happened)

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
        is_own = host not in WILDCARDS and ((host, port) in self._bound or is_for_many((host, port)))
        if port not in self._wild or is_own:
            return host, port
        known = self._known.get(port, set())
        return (min(known), port) if len(known) == 1 else (ANYWHERE, port)

    def _exchanges(self, happened: list[Happened]) -> dict[Place, Place]:
        """The first socket of its client, of each later one."""
        homes: dict[Place, Place] = {}
        for entry in happened:
            if isinstance(entry.event, SocketExchanged):
                before = self.at(entry.event.former)
                homes.setdefault(self.at(entry.event.local), homes.get(before, before))
        return homes


def is_for_many(address: Address) -> bool:
    """A group, or a broadcast address; those of networks cannot be told from others'."""
    return _is_for_many(address[0])


@lru_cache(maxsize=4096)
def _is_for_many(host: str) -> bool:
    host = host.partition("%")[0].removeprefix(MAPPED)
    try:
        return host in BROADCAST or ip_address(host).is_multicast
    except ValueError:
        return False


def _plain(address: Address) -> Place:
    host, port = address[0], address[1]
    if host.startswith(MAPPED) and "." in host:
        host = host.removeprefix(MAPPED)
    return host, port
