"""What ``setsockopt`` is given for a group: structures of C, and what they ask for.

An ``ip_mreq`` names the interface by its address, an ``ipv6_mreq`` by its number, an ``ip_mreqn`` by either. A
``group_req`` has a number and room for the groups of both families. With a source they are an ``ip_mreq_source`` and a
``group_source_req`` (RFC 3678). What the bytes mean is here; whether that can be had is for `Groups` to say.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
import struct
import sys
from typing import NamedTuple

from ._ip import IP, parse_ip
from ._option_table import error

_IPV4_MREQ, _IPV4_MREQN, _IPV4_SOURCE = 8, 12, 12  # bytes: ip_mreq, ip_mreqn, ip_mreq_source (linux/in.h)
_IPV6_MREQ = struct.Struct("@16sI")  # ipv6_mreq (linux/in6.h)
_STORAGE = 128  # bytes of a sockaddr_storage; in front of it, in a group_req, an index that is aligned like a pointer
_INDEX = struct.calcsize("@I0P")

_SIZES = {
    "IP_MULTICAST_IF": 4,
    "IP_ADD_MEMBERSHIP": _IPV4_MREQ,
    "IP_DROP_MEMBERSHIP": _IPV4_MREQ,
    "IP_ADD_SOURCE_MEMBERSHIP": _IPV4_SOURCE,
    "IP_DROP_SOURCE_MEMBERSHIP": _IPV4_SOURCE,
    "IPV6_MULTICAST_IF": 4,
    "IPV6_JOIN_GROUP": _IPV6_MREQ.size,
    "IPV6_LEAVE_GROUP": _IPV6_MREQ.size,
    "MCAST_JOIN_GROUP": _INDEX + _STORAGE,
    "MCAST_LEAVE_GROUP": _INDEX + _STORAGE,
    "MCAST_JOIN_SOURCE_GROUP": _INDEX + 2 * _STORAGE,
    "MCAST_LEAVE_SOURCE_GROUP": _INDEX + 2 * _STORAGE,
}
"""The options whose values are structures, with the least size of each in bytes."""

# These may not be longer, either.
_EXACT = {
    *(("IP_ADD_SOURCE_MEMBERSHIP", False), ("IP_DROP_SOURCE_MEMBERSHIP", False)),
    *(("MCAST_JOIN_SOURCE_GROUP", False), ("MCAST_LEAVE_SOURCE_GROUP", False)),
}


class Asked(NamedTuple):
    """What such a structure asks for."""

    group: IP
    address: IP | None  # the interface, by its address ...
    number: int  # ... or by its number
    source: str | None = None


def is_for_groups(name: str) -> bool:
    """Is this one of the options that `Groups` has?"""
    return name in _SIZES


def has_wrong_size(name: str, is_ipv6: bool, size: int) -> bool:
    """Would Linux refuse a value of so many bytes for this option?"""
    return size < _SIZES[name] or (size > _SIZES[name] and (name, is_ipv6) in _EXACT)


def read_asked(name: str, is_ipv6: bool, data: bytes) -> Asked:
    """Read what is to be joined or left.

    Raises:
      OSError: as Linux has it: this is an address of another family.
    """
    return _by_index(data, name, is_ipv6) if name.startswith("MCAST_") else _by_address(data, name)


def read_interface(data: bytes) -> tuple[IP, int]:
    """Read what IP_MULTICAST_IF takes (an in_addr, an ip_mreq or an ip_mreqn): an interface's address and number."""
    return _ipv4(data[:4] if len(data) < _IPV4_MREQ else data[4:8]), _ipv4_index(data)


def _ipv4_index(data: bytes) -> int:
    """The number that an ip_mreqn has, and none of the shorter ones."""
    index: int = struct.unpack_from("=i", data, 8)[0] if len(data) >= _IPV4_MREQN else 0
    return index


def _ipv4(packed: bytes) -> IP:
    return parse_ip(stdlib_socket.inet_ntop(stdlib_socket.AF_INET, packed))


def _ipv6(packed: bytes) -> IP:
    """As it stands: one that is mapped is no group of IPv4 here, and none of IPv6."""
    ip = parse_ip(stdlib_socket.inet_ntop(stdlib_socket.AF_INET6, packed))
    return ip._replace(is_ipv4=False, is_multicast=False) if ip.is_ipv4 else ip


def _by_address(data: bytes, name: str) -> Asked:
    """An ip_mreq, ip_mreqn, ip_mreq_source or ipv6_mreq."""
    if name.startswith("IPV6_"):
        packed, index = _IPV6_MREQ.unpack_from(data)
        return Asked(_ipv6(packed), None, index)
    group, address = _ipv4(data[:4]), _ipv4(data[4:8])
    if "SOURCE" in name:
        source = _ipv4(data[8:12])
        if sys.platform != "linux":  # RFC 3678 section 4.1.3 has them in another order
            address, source = source, address
        return Asked(group, None if address.is_wildcard else address, 0, source.text)
    return Asked(group, None if address.is_wildcard else address, _ipv4_index(data))


def _by_index(data: bytes, name: str, is_ipv6: bool) -> Asked:
    """A group_req or a group_source_req."""
    (index,) = struct.unpack_from("@I", data)
    has_source = "SOURCE" in name
    # Of a group of another family each of the four has its own opinion.
    wrong = errno.EADDRNOTAVAIL if is_ipv6 or has_source else errno.EINVAL
    group = _address(data[_INDEX : _INDEX + _STORAGE], is_ipv6, wrong)
    if not has_source:
        return Asked(group, None, index)
    source = _address(data[_INDEX + _STORAGE :], is_ipv6, errno.EADDRNOTAVAIL)
    return Asked(group, None, index, source.text)


def _address(storage: bytes, is_ipv6: bool, wrong: int) -> IP:
    """The address in a sockaddr_storage."""
    (family,) = struct.unpack_from("@H", storage)
    if family != (stdlib_socket.AF_INET6 if is_ipv6 else stdlib_socket.AF_INET):
        raise error(wrong)
    return _ipv6(storage[8:24]) if is_ipv6 else _ipv4(storage[4:8])
