"""`Groups`: which groups one virtual socket has joined, and how it sends to groups, as Linux has it.

Membership belongs to an interface, and a program that names the wrong one hears nothing. So a virtual host has two,
with the numbers that they have on most machines: 1 is its loopback, on which only it is, and 2 leads to the network. A
program names them so, or by their addresses. They have no names: ``socket.if_nametoindex`` asks the real system.

The checks and their order are those of net/ipv4/igmp.c and net/ipv6/mcast.c, quirks included: a source that is added to
a membership without sources replaces it, and one that is taken away from it leaves a membership that hears nothing. A
test makes the same calls on real sockets. What is not here is to block sources (IP_BLOCK_SOURCE).
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ._group_requests import Asked, has_wrong_size, read_asked, read_interface
from ._ip import IP, LOOPBACK, NETWORK, parse_ip
from ._option_table import error

# The most memberships of a socket, and the most sources of one: net.ipv4.igmp_max_memberships and igmp_max_msf (ip(7)
# has the first), net.ipv6.mld_max_msf. Of memberships over IPv6 there may be as many as memory allows.
_MOST_IPV4, _MOST_SOURCES_IPV4, _MOST_SOURCES_IPV6 = 20, 10, 64

# What every host is a member of (RFC 1112 section 4; RFC 4291 section 2.8).
EVERYBODY = frozenset({"224.0.0.1", "ff01::1", "ff02::1"})

Sources: TypeAlias = set[str]


class Groups:
    """The memberships of one socket, and the interfaces by which it sends to groups.

    Args:
      interface_of: which interface of the host an IP address belongs to, 0 if it is none of the host's; for the
        wildcard address, which one leads to groups.
    """

    def __init__(self, interface_of: Callable[[IP], int]) -> None:
        self._interface_of = interface_of
        self._members: dict[tuple[str, int], Sources | None] = {}  # the sources that are heard; None: all
        self._ways_out: dict[bool, tuple[int, IP | None]] = {}  # True: for IPv4

    # -- what the network asks -----------------------------------------------------------------------------------------

    def takes(self, group: str, interface: int, source: str | None) -> bool:
        """Does the host take what this source sends to the group there, because of this socket? None: any source."""
        if (group, interface) not in self._members:
            return False
        sources = self._members[group, interface]
        return source is None or sources is None or source in sources

    def hears(self, group: str, interface: int, source: str, otherwise: bool) -> bool:
        """Does it want this datagram? ``otherwise``: what comes to a group that it has not joined."""
        for (joined, where), sources in self._members.items():
            if joined == group and (where == interface or ":" in group):  # inet6_mc_check looks at no interface
                return sources is None or source in sources
        return otherwise

    def way_out(self, *, is_ipv4: bool) -> tuple[int, IP | None]:
        """By which interface this socket sends to groups, and from which address; 0 and None: that was not said."""
        return self._ways_out.get(is_ipv4, (0, None))

    def __iter__(self) -> Iterator[str]:
        """The groups, as text."""
        return iter(sorted({group for group, _ in self._members}))

    # -- setsockopt and getsockopt -------------------------------------------------------------------------------------

    def set(self, name: str, level: int, data: bytes | None, length: int) -> None:
        """Set one of the options that `is_for_groups` knows.

        Raises:
          OSError: as Linux has it.
        """
        is_ipv6 = level == stdlib_socket.IPPROTO_IPV6
        if has_wrong_size(name, is_ipv6, length):
            raise error(errno.EINVAL)
        if name == "IPV6_MULTICAST_IF":
            self._send_ipv6_by(0 if data is None else struct.unpack_from("=i", data)[0])
        elif data is None:
            raise error(errno.EFAULT)
        elif name == "IP_MULTICAST_IF":
            self._send_by(data)
        else:
            self._obey(read_asked(name, is_ipv6, data), joins="JOIN" in name or "ADD" in name)

    def _obey(self, asked: Asked, *, joins: bool) -> None:
        if asked.source is None:
            (self._join if joins else self._leave)(asked)
        else:
            (self._join_source if joins else self._leave_source)(asked)

    def get(self, name: str) -> bytes:
        """What ``getsockopt`` reads.

        Raises:
          OSError: ENOPROTOOPT: memberships cannot be read.
        """
        if name == "IPV6_MULTICAST_IF":
            return struct.pack("=i", self.way_out(is_ipv4=False)[0])
        if name != "IP_MULTICAST_IF":
            raise error(errno.ENOPROTOOPT)
        ip = self.way_out(is_ipv4=True)[1]  # the address that was given, if one was
        return bytes(4) if ip is None else stdlib_socket.inet_aton(ip.text)

    def _send_by(self, data: bytes) -> None:
        ip, index = read_interface(data)
        interface = _known(index) if index else 0 if ip.is_wildcard else self._interface_of(ip)
        if not interface and (index or not ip.is_wildcard):
            raise error(errno.EADDRNOTAVAIL)
        self._ways_out[True] = interface, None if ip.is_wildcard else ip

    def _send_ipv6_by(self, index: int) -> None:
        if index and not _known(index):
            raise error(errno.ENODEV)
        self._ways_out[False] = index, None

    # -- joining and leaving -------------------------------------------------------------------------------------------

    def _interface(self, asked: Asked) -> int:
        """The interface that is meant; 0: there is none such."""
        if asked.number:
            return _known(asked.number)
        return self._interface_of(asked.address or parse_ip("0.0.0.0" if asked.group.is_ipv4 else "::"))

    def _join(self, asked: Asked) -> None:
        group = asked.group
        if not group.is_multicast:
            raise error(errno.EINVAL)
        if not (interface := self._interface(asked)):
            raise error(errno.ENODEV)
        if (group.text, interface) in self._members:
            raise error(errno.EADDRINUSE)
        if group.is_ipv4 and sum(":" not in joined for joined, _ in self._members) >= _MOST_IPV4:
            raise error(errno.ENOBUFS)
        self._members[group.text, interface] = None

    def _leave(self, asked: Asked) -> None:
        group = asked.group
        if not group.is_ipv4 and not group.is_multicast:
            raise error(errno.EINVAL)
        interface = self._interface(asked)
        if group.is_ipv4 and not interface and not asked.number and asked.address is None:
            raise error(errno.ENODEV)
        if not group.is_ipv4 and not asked.number:  # any will do
            interface = next((where for joined, where in self._members if joined == group.text), 0)
        if (group.text, interface) not in self._members:
            raise error(errno.EADDRNOTAVAIL)
        del self._members[group.text, interface]

    def _join_source(self, asked: Asked) -> None:
        assert asked.source is not None
        try:
            self._join(asked)
            self._members[asked.group.text, self._interface(asked)] = set()
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE:
                raise
        sources = self._sources(asked)
        if asked.source in sources:
            raise error(errno.EADDRNOTAVAIL)
        if len(sources) >= (_MOST_SOURCES_IPV4 if asked.group.is_ipv4 else _MOST_SOURCES_IPV6):
            raise error(errno.ENOBUFS)
        sources.add(asked.source)

    def _leave_source(self, asked: Asked) -> None:
        if not asked.group.is_multicast:
            raise error(errno.EINVAL)
        if not self._interface(asked):
            raise error(errno.ENODEV)
        sources = self._sources(asked)
        if asked.source not in sources:
            raise error(errno.EADDRNOTAVAIL)
        sources.discard(asked.source)
        if not sources:
            del self._members[asked.group.text, self._interface(asked)]

    def _sources(self, asked: Asked) -> Sources:
        """The sources of a membership; one without becomes one with."""
        key = asked.group.text, self._interface(asked)
        if key not in self._members:
            raise error(errno.EINVAL)
        sources = self._members[key]
        if sources is None:
            sources = self._members[key] = set()
        return sources


def _known(index: int) -> int:
    """The number of an interface, if there is such a one; else 0."""
    return index if index in (LOOPBACK, NETWORK) else 0
