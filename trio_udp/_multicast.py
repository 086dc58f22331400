"""Groups and broadcast: the socket options behind `UDPEndpoint.join_group` and its neighbours.

One datagram to many is a matter of socket options, and those are the part of the socket interface that systems agree on
least. The same option has another number, the same structure another order of fields, a wrong argument is "Invalid
argument" whatever was wrong with it, and a right one may do nothing: who is bound to 127.0.0.1 joins a group without
complaint and hears nothing of it. So here is one way to say it, and one error for each thing that can be wrong.

Two ways lead to a group. The old one names the interface by an IPv4 address (RFC 3678 section 4.1), the new one by its
index (section 5.1). The first is for whoever gives an address or nothing, the second for names, and for sources over
IPv6, which the old way does not have.

Where the system has a switch for it (Linux: IP_MULTICAST_ALL, ip(7)), a socket that joins a group hears only what it
has joined itself. Otherwise a socket that is bound to all addresses hears every group that any program on the machine
has joined, at its port. Sockets that share a group's port do it by SO_REUSEPORT, never by SO_REUSEADDR.

What goes through here is ``setsockopt`` and ``getsockname`` alone, so other people's sockets serve, too.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
import struct
import sys
from contextlib import contextmanager, suppress
from socket import AF_INET, AF_INET6, IPPROTO_IP, IPPROTO_IPV6
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.socket import SocketType

    Option = tuple[int, int, bytes]

# Options that not every Python knows by name. Linux: include/uapi/linux/in.h and in6.h. macOS: bsd/netinet/in.h of XNU.
# Windows: ws2ipdef.h. Join and leave.
_SOURCE_BY_ADDRESS = {"linux": (39, 40), "darwin": (70, 71), "win32": (15, 16)}  # IP_ADD_ and _DROP_SOURCE_MEMBERSHIP
_BY_INDEX = {"linux": (42, 45), "darwin": (80, 81), "win32": (41, 42)}  # MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP
_SOURCE_BY_INDEX = {"linux": (46, 47), "darwin": (82, 83), "win32": (45, 46)}  # MCAST_JOIN_ and _LEAVE_SOURCE_GROUP
_ONLY_OWN = {"linux": ((IPPROTO_IP, 49), (IPPROTO_IPV6, 29))}  # IP_MULTICAST_ALL, and IPV6_ since Linux 4.20

_SOCKADDR_STORAGE = 128  # bytes, RFC 3493 section 3.10 and everywhere

JOIN, LEAVE = 0, 1

PLATFORM = sys.platform


class Group:
    """A group as one socket is to join or leave it.

    Args:
      socket: the socket.
      group: the address of the group.
      interface: where; None: the system chooses.
      source: the one sender that is meant; None: all of them.

    Raises:
      ValueError: something makes no sense, whatever the system.
      OSError: there is no such interface, or this platform cannot do it.
    """

    def __init__(self, socket: SocketType, group: str, interface: str | int | None, source: str | None) -> None:
        self._socket = socket
        self._is_ipv6 = socket.family == AF_INET6
        self._text = group
        self._group = _group(group, self._is_ipv6)
        self._source = None if source is None else _source(source, self._is_ipv6)
        self._address, self._index = _interface(interface, self._is_ipv6)
        self._name = group if source is None else f"{group} from {source}"
        if interface is not None:
            self._name += f" on {interface}"

    def join(self) -> None:
        """Hear what is sent to it from now on."""
        _check_binding(self._socket, self._group, self._text)
        if PLATFORM in _ONLY_OWN:
            level, option = _ONLY_OWN[PLATFORM][self._is_ipv6]
            with suppress(OSError):  # a kernel from before it, which then tells more than was asked for
                self._socket.setsockopt(level, option, 0)
        with self._explained("join"):
            self._socket.setsockopt(*self._option(JOIN))

    def leave(self) -> None:
        """Hear no more of it."""
        with self._explained("leave"):
            self._socket.setsockopt(*self._option(LEAVE))

    def _option(self, what: int) -> Option:
        """The option that joins or leaves, and its value."""
        group = self._group
        level = IPPROTO_IPV6 if self._is_ipv6 else IPPROTO_IP
        if self._is_ipv6 and self._source is None:
            names = stdlib_socket.IPV6_JOIN_GROUP, stdlib_socket.IPV6_LEAVE_GROUP
            return level, names[what], group + struct.pack("@I", self._index)  # RFC 3493 section 5.2
        if self._is_ipv6 or self._index:
            numbers = _BY_INDEX if self._source is None else _SOURCE_BY_INDEX
            return level, _number(numbers, what, "groups by the name of an interface"), self._by_index()
        if self._source is None:
            names = stdlib_socket.IP_ADD_MEMBERSHIP, stdlib_socket.IP_DROP_MEMBERSHIP
            return level, names[what], group + self._address
        # The order of RFC 3678 is that of BSD and Windows; Linux has the interface before the source.
        fields = (self._address, self._source)
        value = group + b"".join(fields if PLATFORM == "linux" else reversed(fields))
        return level, _number(_SOURCE_BY_ADDRESS, what, "groups with a source"), value

    def _by_index(self) -> bytes:
        """A group_req or group_source_req of RFC 3678 section 5.1."""
        # A sockaddr_storage is aligned like a pointer; XNU packs these two structures (#pragma pack(4)).
        index = struct.pack("@I" if PLATFORM == "darwin" else "@I0P", self._index)
        addresses = [self._group] if self._source is None else [self._group, self._source]
        return index + b"".join(map(_sockaddr_storage, addresses))

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Say what an errno means here, where the system's word for it does not."""
        try:
            yield
        except OSError as error:
            number = error.errno
            if number in (errno.EADDRNOTAVAIL, errno.EINVAL) and what == "leave":
                said = "this endpoint is no member"
            elif number == errno.EADDRNOTAVAIL and self._source is None:
                said = "this machine has no such interface"  # where Linux says ENODEV
            elif number in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                said = "this endpoint is a member already"
            elif number == errno.ENOBUFS:
                said = "too many for one endpoint (on Linux net.ipv4.igmp_max_memberships groups, "
                said += "and net.ipv4.igmp_max_msf or net.ipv6.mld_max_msf sources of one)"
            elif number == errno.ENODEV and not self._index and not any(self._address):
                said = "no route leads to it, so name the interface"
            elif number == errno.ENODEV:
                said = "this machine has no such interface"
            else:
                said = error.strerror or str(error)
            raise OSError(number, f"cannot {what} {self._name}: {said}") from None


def set_sending(socket: SocketType, interface: str | int | None, ttl: int | None, loopback: bool | None) -> None:
    """How a socket sends to groups; what is None stays as it is.

    Raises:
      ValueError: something makes no sense, whatever the system.
      OSError: there is no such interface, or this platform cannot do it.
    """
    is_ipv6 = socket.family == AF_INET6
    if ttl is not None and (not isinstance(ttl, int) or not 0 <= ttl <= 255):
        raise ValueError(f"ttl is a number of hops from 0 to 255, not {ttl!r}")
    level = IPPROTO_IPV6 if is_ipv6 else IPPROTO_IP
    if interface is not None:
        try:
            socket.setsockopt(*_sending_interface(*_interface(interface, is_ipv6), is_ipv6))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise
            raise _no_interface(interface) from None
    if ttl is not None:
        hops = stdlib_socket.IPV6_MULTICAST_HOPS if is_ipv6 else stdlib_socket.IP_MULTICAST_TTL
        socket.setsockopt(level, hops, ttl)
    if loopback is not None:
        loop = stdlib_socket.IPV6_MULTICAST_LOOP if is_ipv6 else stdlib_socket.IP_MULTICAST_LOOP
        socket.setsockopt(level, loop, int(bool(loopback)))


def _sending_interface(address: bytes, index: int, is_ipv6: bool) -> Option:
    if is_ipv6:
        return IPPROTO_IPV6, stdlib_socket.IPV6_MULTICAST_IF, struct.pack("@I", index)
    if not index:
        return IPPROTO_IP, stdlib_socket.IP_MULTICAST_IF, address
    if PLATFORM == "win32":  # "any address in 0.0.0.0/8 is an index": IPPROTO_IP Socket Options, in its manual
        return IPPROTO_IP, stdlib_socket.IP_MULTICAST_IF, struct.pack("!I", index)
    return IPPROTO_IP, stdlib_socket.IP_MULTICAST_IF, struct.pack("@4s4si", b"", b"", index)  # ip_mreqn: ip(7)


def allow_broadcast(socket: SocketType, allow: bool) -> None:
    """Let a socket send to broadcast addresses, or not any more.

    Raises:
      ValueError: IPv6 has none.
    """
    if socket.family == AF_INET6:
        raise ValueError("IPv6 has no broadcast; its group of all hosts on a link is ff02::1")
    socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, int(bool(allow)))


# -- what a user has written -------------------------------------------------------------------------------------------


def _packed(text: object, is_ipv6: bool) -> bytes | None:
    """An address as it stands in a datagram; None: this is none of that family."""
    try:
        return stdlib_socket.inet_pton(AF_INET6 if is_ipv6 else AF_INET, text)  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return None


def _address(what: str, text: str, is_ipv6: bool) -> bytes:
    packed = _packed(text, is_ipv6)
    if packed is None and _packed(text, not is_ipv6) is not None:
        raise ValueError(f"this endpoint is of IPv{6 if is_ipv6 else 4}, and {what} is {text}")
    if packed is None:
        raise ValueError(f"{what} is an IP address, not {text!r}")
    return packed


def _is_group(packed: bytes) -> bool:
    """RFC 5771 section 3, RFC 4291 section 2.7."""
    return packed[0] == 0xFF if len(packed) == 16 else packed[0] >> 4 == 0xE


def _group(text: str, is_ipv6: bool) -> bytes:
    packed = _address("a group", text, is_ipv6)
    if not _is_group(packed):
        right = "IPv6 begin with ff" if is_ipv6 else "IPv4 lie between 224.0.0.0 and 239.255.255.255"
        raise ValueError(f"{text} is the address of no group: those of {right}")
    return packed


def _source(text: str, is_ipv6: bool) -> bytes:
    packed = _address("a source", text, is_ipv6)
    if _is_group(packed) or not any(packed):
        raise ValueError(f"{text} is no address that datagrams could come from")
    return packed


def _interface(interface: str | int | None, is_ipv6: bool) -> tuple[bytes, int]:
    """As an IPv4 address, if that is what was given, or as an index; neither means that the system chooses."""
    any_address = bytes(4)
    if interface is None:
        return any_address, 0
    if isinstance(interface, int):
        if not 1 <= interface < 2**31:
            raise ValueError(f"the index of an interface is a number from 1, not {interface!r}")
        return any_address, interface
    address = _packed(interface, is_ipv6=False)
    if (address and is_ipv6) or _packed(interface, is_ipv6=True):
        right = "name or index" if is_ipv6 else "name, index or IPv4 address"
        raise ValueError(f"an interface is given by its {right}, not as {interface}")
    if address:
        return address, 0
    try:
        return any_address, stdlib_socket.if_nametoindex(interface)
    except OSError:
        raise _no_interface(interface) from None


def _no_interface(interface: str | int) -> OSError:
    return OSError(errno.ENODEV, f"this machine has no interface {interface!r}")


def _check_binding(socket: SocketType, group: bytes, text: str) -> None:
    """Windows hears a group also on a socket that is bound to one of its addresses; other systems do not."""
    is_ipv6 = socket.family == AF_INET6
    host = socket.getsockname()[0].partition("%")[0]
    bound = _packed(host, is_ipv6)
    if bound != group and any(bound or b"") and PLATFORM != "win32":
        right = "::" if is_ipv6 else "0.0.0.0"
        raise ValueError(f"bound to {host}, an endpoint hears no group: open it on {right!r}, or on {text!r}")


# -- what this platform has --------------------------------------------------------------------------------------------


def _number(numbers: dict[str, tuple[int, int]], what: int, name: str) -> int:
    if PLATFORM not in numbers:
        raise OSError(errno.ENOPROTOOPT, f"trio_udp does not know how to join {name} on {PLATFORM}")
    return numbers[PLATFORM][what]


def _sockaddr_storage(packed: bytes) -> bytes:
    """An address without a port, as RFC 3493 section 3 has it; BSD has its length in front, and a short family."""
    is_ipv6 = len(packed) == 16
    family = AF_INET6 if is_ipv6 else AF_INET
    size = 28 if is_ipv6 else 16
    head = struct.pack("@BB", size, family) if PLATFORM == "darwin" else struct.pack("@H", family)
    before = bytes(6) if is_ipv6 else bytes(2)  # the port, and what IPv6 has of a flow
    return (head + before + packed).ljust(_SOCKADDR_STORAGE, b"\0")
