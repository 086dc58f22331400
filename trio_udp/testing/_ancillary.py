"""Control messages: what ``recvmsg`` tells beside the data, and what ``sendmsg`` may ask for.

Two kinds are understood: to which address a datagram came, and from which address it is to be sent (IP_PKTINFO, ip(7);
IPV6_PKTINFO, RFC 3542); and how many datagrams were dropped before it (SO_RXQ_OVFL, socket(7)).
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from ._ip import IP, LOOPBACK, parse_ip, shown

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._mailbox import Arrived, Mailbox

ControlMessage: TypeAlias = tuple[int, int, bytes]
AskedMessage: TypeAlias = "tuple[int, int, Buffer]"

# Linux's numbers (linux/in.h, linux/in6.h, asm-generic/socket.h) where Python does not know the names.
_IP_PKTINFO = getattr(stdlib_socket, "IP_PKTINFO", 8)
_IPV6_PKTINFO = getattr(stdlib_socket, "IPV6_PKTINFO", 50)
_SO_RXQ_OVFL = 40

_IPV4 = struct.Struct("=i4s4s")  # in_pktinfo: interface, the address that answers, the address in the header
_IPV6 = struct.Struct("=16si")  # in6_pktinfo: address, interface

_HEADER = struct.calcsize("@Nii")  # cmsghdr
_ALIGNMENT = struct.calcsize("@N")


def told(mailbox: Mailbox, arrived: Arrived, room: int) -> tuple[list[ControlMessage], bool]:
    """What is told with a datagram, as far as there is room for it (bytes); True: not all of it had room.

    As on Linux the last message may be cut, even to nothing.
    """
    messages: list[ControlMessage] = []
    for level, kind, data in _all(mailbox, arrived):
        if room < _HEADER:
            return messages, True
        messages.append((level, kind, data[: room - _HEADER]))
        size = _HEADER + len(data)
        if size > room:
            return messages, True
        room -= size + -size % _ALIGNMENT
    return messages, False


def _all(mailbox: Mailbox, arrived: Arrived) -> Iterable[ControlMessage]:
    if mailbox.options.rxq_ovfl and arrived.drops:
        yield stdlib_socket.SOL_SOCKET, _SO_RXQ_OVFL, struct.pack("=I", arrived.drops)
    if mailbox.options.pktinfo:
        host = shown(mailbox.family, (arrived.destination, 0))[0]
        address = stdlib_socket.inet_pton(mailbox.family, host)
        if mailbox.family == stdlib_socket.AF_INET:
            answering = stdlib_socket.inet_aton(_answering(mailbox, arrived))
            yield stdlib_socket.IPPROTO_IP, _IP_PKTINFO, _IPV4.pack(arrived.interface, answering, address)
        else:
            yield stdlib_socket.IPPROTO_IPV6, _IPV6_PKTINFO, _IPV6.pack(address, arrived.interface)


def _answering(mailbox: Mailbox, arrived: Arrived) -> str:
    """Which address answers: the one that was asked, or for what went to many the interface's first (ip(7))."""
    ip = parse_ip(arrived.destination)
    if not ip.is_for_many:
        return ip.text
    return "127.0.0.1" if arrived.interface == LOOPBACK else mailbox.host.address_towards(ip) or "0.0.0.0"


def asked_source(mailbox: Mailbox, towards: IP, messages: Iterable[AskedMessage]) -> IP | None:
    """From which address a datagram is to be sent; None: nothing is asked for. The wildcard: from the one that fits.

    As on Linux, what asks for a source of the wrong family is passed over, except that IPV6_PKTINFO for IPv4 is refused
    unless the address is a mapped one.

    Raises:
      OSError: EINVAL, it cannot be that address.
      NotImplementedError: something else is asked for.
    """
    source: IP | None = None
    for level, kind, value in messages:
        data = bytes(value)
        if (level, kind) == (stdlib_socket.IPPROTO_IP, _IP_PKTINFO):
            _check(len(data) == _IPV4.size)
            asked = parse_ip(stdlib_socket.inet_ntop(stdlib_socket.AF_INET, _IPV4.unpack(data)[1]))
            is_meant = towards.is_ipv4
        elif (level, kind) == (stdlib_socket.IPPROTO_IPV6, _IPV6_PKTINFO):
            _check(len(data) >= _IPV6.size)
            asked = parse_ip(stdlib_socket.inet_ntop(stdlib_socket.AF_INET6, _IPV6.unpack_from(data)[0]))
            is_meant = mailbox.family == stdlib_socket.AF_INET6
            _check(not is_meant or asked.is_ipv4 == towards.is_ipv4)
        else:
            raise NotImplementedError(f"the virtual network has no control message of level {level}, type {kind}")
        if is_meant and (towards.is_ipv4 or not asked.is_wildcard):
            _check(asked.is_wildcard or mailbox.host.has(asked))
            source = asked
    return source


def _check(is_valid: bool) -> None:
    if not is_valid:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
