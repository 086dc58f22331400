"""Replying from the address that was asked.

A socket bound to every address of a machine does not know from which of them to send: the kernel takes the one that its
route to the peer prefers. Whoever has asked at another one gets the reply from a stranger, and a client that believes
only its server, as a connected socket does, never sees it. The obvious answer is a socket for each address; but
addresses come and go, and somebody would have to watch for that.

So the system is asked to tell, with each datagram, to which address it came (IP_PKTINFO, ip(7); IPV6_RECVPKTINFO, RFC
3542 section 6), and the peer's address remembers it: it is a `ReturnAddress`, a tuple like any other for who looks at
it. Who sends to it through such an endpoint, be it a server, a peer's channel or the program itself, sends from there.
Nobody in between needs to know.

Two system calls with control messages take longer than two without: an echo of `serve_udp` takes 8.6 us where it takes
6.6 (256 clients with one in flight), or 4.9 instead of 3.5 (16 with 16). That is too much for all those who have one
address: hence it is opt-in. (Linux 6.18, CPython 3.11; the page "Performance" tells more.)

An interface is not asked for, except where the address means nothing without one (link-local): it would pin the way
back, which the routes of a machine with several may have elsewhere. A datagram to many, by multicast or broadcast, is
answered from an address that the system chooses. If the address has gone meanwhile, the reply cannot be sent (EINVAL,
or ENETUNREACH): it is counted like any other refusal.
"""

from __future__ import annotations

import struct
import sys
from functools import lru_cache
from socket import IPPROTO_IP, IPPROTO_IPV6
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from ._address import IPV4_MAPPED

if TYPE_CHECKING:
    import socket as stdlib_socket
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ._address import Address

    ControlMessage = tuple[int, int, bytes]


class _Numbers(NamedTuple):
    ip_pktinfo: int  # asks for it, and is the message
    ipv6_recvpktinfo: int
    ipv6_pktinfo: int


# Python has not all of the names on all systems. Linux: include/uapi/linux/in.h and in6.h. macOS: bsd/netinet/in.h and
# bsd/netinet6/in6.h of XNU, with __APPLE_USE_RFC_3542. Windows has no recvmsg in Python.
_NUMBERS = {"linux": _Numbers(8, 49, 50), "darwin": _Numbers(26, 61, 46)}
_HERE = _NUMBERS.get(sys.platform, _Numbers(0, 0, 0))

_IPV4 = struct.Struct("=I4s4s")  # in_pktinfo: interface, the address to answer from, the one in the header
_IPV6 = struct.Struct("=16sI")  # in6_pktinfo: address, interface
_ANY_IPV4 = bytes(4)


class ReturnAddress(tuple[Any, ...]):
    """A peer's address that remembers which of ours was asked.

    It equals the plain address, and hashes and prints like it. Two of them are the same only if the same address of
    ours was asked, too: whoever sends together, or keeps in a table, what has one address, does not mix them up; and
    ``repr`` tells both addresses, so that one can see why two differ. Copied, or pickled for another process of this
    machine, it still remembers.
    """

    control: Sequence[ControlMessage] = ()  # sends from there; empty: from where the system chooses

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self, other) is True and (type(other) is not ReturnAddress or other.control == self.control)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self}, asked={_asked_host(self.control)!r})"

    __str__ = tuple.__repr__


def is_available() -> bool:
    """Can this platform do it?"""
    return sys.platform in _NUMBERS and hasattr(trio.socket.SocketType, "recvmsg")


def turn_on(socket: trio.socket.SocketType) -> bool:
    """Have the system tell which address was asked; False where there is only one, which the socket is bound to.

    Raises:
      ValueError: it cannot tell.
    """
    if socket.getsockname()[0] not in ("0.0.0.0", "::"):
        return False
    if not is_available():
        raise ValueError(
            f"reply_from_asked: Python on {sys.platform} cannot tell which address was asked; open an endpoint for "
            "each address instead"
        )
    if type(socket).recvmsg is trio.socket.SocketType.recvmsg:
        raise ValueError(f"reply_from_asked needs a socket with recvmsg and sendmsg, not {socket!r}")
    socket.setsockopt(*_option(socket.family), 1)
    return True


def is_on(raw: stdlib_socket.socket) -> bool:
    """Has it been turned on at this socket, by another process perhaps?"""
    return is_available() and bool(raw.getsockopt(*_option(raw.family)))


def _option(family: int) -> tuple[int, int]:
    if family == trio.socket.AF_INET6:
        return IPPROTO_IPV6, _HERE.ipv6_recvpktinfo
    return IPPROTO_IP, _HERE.ip_pktinfo


def return_address(address: Address, control: Iterable[ControlMessage]) -> Address:
    """The address of a datagram, with what ``recvmsg`` told beside it."""
    back = ReturnAddress(address)
    for message in control:
        if found := _way_back(message):
            back.control = found
    return back


@lru_cache(maxsize=1024)  # a machine has so many addresses at most, usually
def _way_back(message: ControlMessage) -> Sequence[ControlMessage]:
    """What to ask for to send from where this says, if it does."""
    level, kind, value = message
    if (level, kind, len(value)) == (IPPROTO_IP, _HERE.ip_pktinfo, _IPV4.size):
        _, source, asked = _IPV4.unpack(value)
        if source == _ANY_IPV4:  # macOS tells the other one only (ip_savecontrol in XNU) ...
            source = asked  # ... and not whether it is a network's broadcast address: such a reply is refused, counted
        return () if _is_for_many(source) else ((level, kind, _IPV4.pack(0, source, _ANY_IPV4)),)
    if (level, kind, len(value)) == (IPPROTO_IPV6, _HERE.ipv6_pktinfo, _IPV6.size):
        asked, interface = _IPV6.unpack(value)
        if asked[0] == 0xFF or (asked.startswith(IPV4_MAPPED) and _is_for_many(asked[12:])):
            return ()
        is_link_local = asked[0] == 0xFE and asked[1] & 0xC0 == 0x80
        return ((level, kind, _IPV6.pack(asked, interface if is_link_local else 0)),)
    return ()


def _asked_host(control: Sequence[ControlMessage]) -> str | None:
    """The address of ours that is in what `_way_back` found; None: the system chooses."""
    for level, _, value in control:
        if level == IPPROTO_IP:
            return trio.socket.inet_ntop(trio.socket.AF_INET, _IPV4.unpack(value)[1])
        return trio.socket.inet_ntop(trio.socket.AF_INET6, _IPV6.unpack(value)[0])
    return None


def _is_for_many(ipv4: bytes) -> bool:
    """Multicast (224.0.0.0/4), or what nobody sends from (240.0.0.0/4, with 255.255.255.255)."""
    return ipv4[0] >= 224


def way_back(address: object) -> Sequence[ControlMessage]:
    """What to send with a datagram to an address."""
    return address.control if type(address) is ReturnAddress else ()


def told_apart(datagrams: Iterable[tuple[bytes, Address]]) -> Iterator[tuple[bytes, Address]]:
    """Of neighbours, what is to leave from different addresses has addresses that differ."""
    for data, address in datagrams:
        is_plain = isinstance(address, tuple) and type(address) is not ReturnAddress
        yield data, return_address(address, ()) if is_plain else address


# -- the two primitives, at a socket of the system's -------------------------------------------------------------------


def reading(raw: stdlib_socket.socket, control_room: int) -> Callable[[int], tuple[bytes, Address]]:
    """A ``recvfrom`` that gives return addresses."""
    recvmsg = raw.recvmsg

    def recvfrom(size: int) -> tuple[bytes, Address]:
        data, control, _, address = recvmsg(size, control_room)
        return data, return_address(address, control)

    return recvfrom


def writing(raw: stdlib_socket.socket) -> Callable[[bytes, Address], int]:
    """A ``sendto`` that heeds return addresses."""
    sendto, sendmsg = raw.sendto, raw.sendmsg

    def write(data: bytes, address: Address) -> int:
        if type(address) is ReturnAddress:
            return sendmsg((data,), address.control, 0, address)
        return sendto(data, address)

    return write
