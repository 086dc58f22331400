"""IP addresses as the virtual network looks at them: canonical text, and what kind of address it is.

Inside the network an IPv4 address is always written as one; that a socket of IPv6 shows it as ``::ffff:10.0.0.1`` is a
matter between that socket and its owner (RFC 4291 section 2.5.5.2).
"""

from __future__ import annotations

import ipaddress
import socket as stdlib_socket
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from .._address import Address

Place: TypeAlias = tuple[str, int]
"""An IP address and a port, inside the network."""

ANY = "*"  # what a socket is bound to that is bound to no address in particular

LOOPBACK, NETWORK = 1, 2
"""The interfaces of a host: by the one only it can be reached, by the other everybody."""

_MAPPED = "::ffff:"
_BROADCAST = {"255.255.255.255", "127.255.255.255"}  # of the network, and of each host's loopback


class IP(NamedTuple):
    """An address and its kind."""

    text: str
    is_ipv4: bool
    is_loopback: bool
    is_wildcard: bool
    is_multicast: bool
    is_broadcast: bool

    @property
    def is_for_many(self) -> bool:
        """Does what is sent there go to everybody who wants it?"""
        return self.is_multicast or self.is_broadcast

    @property
    def is_of_one_host(self) -> bool:
        """Is it a group whose scope is one host (interface-local: RFC 4291 section 2.7)?"""
        return self.is_multicast and self.text[3:4] == "1" and not self.is_ipv4

    @property
    def is_of_one_link(self) -> bool:
        """Is it a group of which there is one on each link, so that a scope has to say which is meant?"""
        return self.is_multicast and self.text[3:4] in ("1", "2") and not self.is_ipv4


@lru_cache(maxsize=65536)
def parse_ip(text: str) -> IP:
    """Read an address; one that is mapped into IPv6 becomes the IPv4 address that it stands for.

    Raises:
      ValueError: it is none.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    canonical = str(address).partition("%")[0]
    broadcast = canonical in _BROADCAST
    ipv4 = address.version == 4
    return IP(canonical, ipv4, address.is_loopback, address.is_unspecified, address.is_multicast, broadcast)


@lru_cache(maxsize=65536)
def is_numeric(family: int, host: str) -> bool:
    """Is this an address that a socket of the family takes as it is?"""
    try:
        stdlib_socket.inet_pton(family, host)
    except (OSError, ValueError, TypeError):
        return False
    return True


def parse_unicast(address: str) -> IP:
    """Read an address that a host may have.

    Raises:
      ValueError: it is none.
    """
    try:
        ip = parse_ip(address)
    except ValueError:
        raise ValueError(f"{address!r} is no IPv4 or IPv6 address; a host's name is given with name=") from None
    if "%" in address:
        raise ValueError(f"the virtual network has no scopes: {address!r}")
    if ip.is_loopback or ip.is_wildcard or ip.is_multicast or ip.is_broadcast:
        raise ValueError(f"a host cannot have the address {ip.text}")
    return ip


def shown(family: int, place: Place) -> Address:
    """A place as a socket of this family shows it to its owner."""
    ip, port = place
    if family == stdlib_socket.AF_INET:
        return place
    return (ip if ":" in ip else _MAPPED + ip, port, 0, 0)
