"""`Mailbox`: a socket as the network sees it, with what has arrived and nobody has read.

A program's socket is a handle to one of these; ``dup`` makes a second handle. Arrivals never wait for the program: a
full mailbox drops the newest and counts it, as the kernel does.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, cast

import trio

from .._address import SharedAddress
from ._ip import ANY, IP, LOOPBACK, Place, parse_ip, shown
from ._options import Options

if TYPE_CHECKING:
    from .._address import Address
    from ._host import Host

# Bytes that a datagram takes beside its payload in a receive buffer. Measured: Linux keeps 256 small datagrams in its
# default of 212,992 bytes, with some dependence on the kernel's version.
BOOKKEEPING = 832

# Bytes: what the MTU of a link without one is said to be; the length of an IP packet is a field of 16 bits (RFC 791).
LARGEST_PACKET = 65535


class Arrived(NamedTuple):
    """A datagram in a mailbox.

    From whom, to which of the host's addresses or to which group, how many had been dropped before, and by which of the
    host's interfaces it came.
    """

    data: bytes
    source: Place
    destination: str
    drops: int
    interface: int = LOOPBACK


class Mailbox:
    """What all handles to one socket share.

    Args:
      host: where it lives.
      family: ``AF_INET`` or ``AF_INET6``.
      proto: what the program asked for: ``IPPROTO_UDP``, or 0.
    """

    def __init__(self, host: Host, family: int, proto: int) -> None:
        self.host = host
        self.family = family
        self.proto = proto
        self.options = Options(family, lambda: self.dropped, self.take_error, self._path_mtu, host.interface_of)
        self.handles = 1
        self.local: Place | None = None
        self.peer: Place | None = None
        self._shared: Address = ("", 0)  # what is not this host's alone, as it was shown last
        self.hears_ipv4: str | None = None  # which of the host's addresses it is bound to, ANY for all of them
        self.hears_ipv6: str | None = None
        self.unplugged = False  # its host has crashed: nothing comes, and what it sends goes nowhere
        self.closed_at: float | None = None  # seconds on Trio's clock
        self.received = self.sent = self.dropped = 0
        self._waiting = trio.lowlevel.ParkingLot()
        self._arrived: deque[Arrived] = deque()
        self._used = 0
        self._error = 0

    # -- its address --------------------------------------------------------------------------------------------------

    def listen_at(self, ip: IP, port: int) -> None:
        """Take an address; whether that is free, `Ports` has seen to."""
        ipv6_socket = self.family == trio.socket.AF_INET6
        if not ip.is_wildcard:
            self.hears_ipv4, self.hears_ipv6 = (ip.text, None) if ip.is_ipv4 else (None, ip.text)
        elif not ipv6_socket:
            self.hears_ipv4 = ANY
        elif not ip.is_ipv4:
            self.hears_ipv6 = ANY
            self.hears_ipv4 = None if self.options.v6only else ANY
        else:  # bound to ::ffff:0.0.0.0
            self.hears_ipv4 = ANY
        self.local = (ip.text, port)
        self.options.bound = True

    def forget_address(self) -> None:
        """It could not be had after all."""
        self.local = self.hears_ipv4 = self.hears_ipv6 = None
        self.options.bound = False

    def may_hear(self, source: Place) -> bool:
        """A connected socket hears its peer alone; port 0 of the peer stands for all of them, as on Linux."""
        peer = self.peer
        return peer is None or peer == source or peer == (source[0], 0)

    def hears_many(self, ip: str, interface: int, source: Place) -> bool:
        """Does it hear what is sent to this group or broadcast address, at its port?"""
        if (self.hears_ipv6 if ":" in ip else self.hears_ipv4) not in (ip, ANY) or not self.may_hear(source):
            return False
        otherwise = self.options.multicast_all(is_ipv4=":" not in ip)
        return parse_ip(ip).is_broadcast or self.options.groups.hears(ip, interface, source[0], otherwise)

    @property
    def is_open(self) -> bool:
        """Has the program a handle to it?"""
        return self.handles > 0

    def _path_mtu(self) -> int | None:
        if self.peer is None:
            return None
        mtu = self.host.way_to(parse_ip(self.peer[0])).link.mtu
        return LARGEST_PACKET if mtu is None else mtu

    @property
    def shown_local(self) -> Address:
        """As ``getsockname`` has it."""
        return self.shown_here(self.local or ("::" if self.family == trio.socket.AF_INET6 else "0.0.0.0", 0))

    def shown_here(self, place: Place) -> Address:
        """An address of the host; one that all hosts have remembers which are this one's own."""
        address = shown(self.family, place)
        ip = parse_ip(place[0])
        if not (ip.is_wildcard or ip.is_loopback or ip.is_for_many) or self.host.nat is not None:
            return address
        if self._shared != address:  # each event of an endpoint asks
            remembering = SharedAddress(address)
            remembering.own = self.host.own_addresses
            self._shared = cast("Address", remembering)
        return self._shared

    def shown_asked(self, arrived: Arrived) -> Address:
        """Where a datagram came to: one to many, to the address that its sender knows the host by."""
        assert self.local is not None, "else nothing comes"
        ip = parse_ip(arrived.destination)
        own = self.host.address_towards(parse_ip(arrived.source[0])) if ip.is_for_many else ip.text
        return self.shown_local if own is None else self.shown_here((own, self.local[1]))

    # -- what arrives -------------------------------------------------------------------------------------------------

    def put(self, data: bytes, source: Place, destination: str, interface: int = LOOPBACK) -> bool:
        """A datagram has come; False: there is no room for it."""
        size = len(data) + BOOKKEEPING
        if self._arrived and self._used + size > self.options.receive_buffer:
            self.dropped += 1
            return False
        self._arrived.append(Arrived(data, source, destination, self.dropped, interface))
        self._used += size
        self.received += 1
        self.wake()
        return True

    def refuse(self, place: Place) -> None:
        """The news has come that nobody listens there. If that is the peer, the next call of the program learns it."""
        if self.peer is not None and self.may_hear(place) and self.is_open and not self.unplugged:
            self._error = errno.ECONNREFUSED
            self.wake()

    def take(self, *, peek: bool = False) -> Arrived | None:
        """The next datagram; None if there is none.

        Raises:
          OSError: the network has an error to report; it does so once, and before anything that has arrived.
        """
        self.raise_error()
        if not self._arrived:
            return None
        if peek:
            return self._arrived[0]
        arrived = self._arrived.popleft()
        self._used -= len(arrived.data) + BOOKKEEPING
        return arrived

    def raise_error(self) -> None:
        """Raise what the network has to report, if it has anything to report."""
        if error := self.take_error():
            raise OSError(error, os.strerror(error))

    def take_error(self) -> int:
        """The errno that the network has to report, 0 if there is none; it is told once."""
        error, self._error = self._error, 0
        return error

    def __len__(self) -> int:
        return len(self._arrived)

    @property
    def readable(self) -> bool:
        """Would a read return, be it with an error?"""
        return bool(self._arrived or self._error)

    # -- who waits ----------------------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Until `wake`; whoever waited has to look again."""
        await self._waiting.park()

    def wake(self) -> None:
        """Let all who wait look again."""
        if self._waiting:
            self._waiting.unpark_all()
