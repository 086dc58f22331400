"""What Linux does in ``bind``, ``connect`` and ``send``: its checks in its order, and what it chooses by itself.

A test that has met another error than the one that users will meet has tested nothing. So what is here follows Linux
call by call (net/ipv4/udp.c, net/ipv4/datagram.c and their siblings in net/ipv6), and a test makes the same calls on
real sockets.
"""

from __future__ import annotations

import errno
import os
from socket import AF_INET6
from typing import TYPE_CHECKING

from ..faults._link import headers
from ._ancillary import asked_source
from ._ip import IP, LOOPBACK, NETWORK, Place, parse_ip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._ancillary import AskedMessage
    from ._mailbox import Mailbox

# Bytes: 65,535, less the headers that count (RFC 768 and 791; RFC 8200 does not count its own).
_LARGEST_IPV4, _LARGEST_IPV6 = 65507, 65527

_ANY_IPV4, _ANY_IPV6 = parse_ip("0.0.0.0"), parse_ip("::")
_LOOPBACK_IPV4, _LOOPBACK_IPV6 = parse_ip("127.0.0.1"), parse_ip("::1")


def error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def bind(mailbox: Mailbox, ip: IP, port: int) -> None:
    """Give a socket the address that it asks for; port 0 is any that is free."""
    host = mailbox.host
    if ip.is_of_one_link:
        raise error(errno.EINVAL)
    # IPv6 asks first whether the socket has an address already, IPv4 whether the host has that one.
    if mailbox.local is not None and (mailbox.family == AF_INET6 or ip.is_wildcard or host.can_bind(ip)):
        raise error(errno.EINVAL)
    if mailbox.family == AF_INET6 and ip.is_ipv4 and mailbox.options.v6only:
        raise error(errno.EINVAL)
    host.bind(mailbox, ip, port)
    if not ip.is_ipv4 and not ip.is_wildcard:
        mailbox.options.become_v6only()


def connect(mailbox: Mailbox, ip: IP, port: int) -> None:
    """Talk to this peer only, from the address that is chosen now, unless the socket is bound to one already."""
    own, own_port = _local(mailbox)
    bound = _as_source(own)
    ip = _meant(ip, bound) if ip.is_wildcard else ip
    _check_family(mailbox, ip)
    source, _ = _source(mailbox, ip, bound)
    if parse_ip(own).is_wildcard:
        mailbox.listen_at(source, own_port)
    mailbox.peer = (ip.text, port)


def send(mailbox: Mailbox, data: bytes, place: tuple[IP, int] | None, messages: Sequence[AskedMessage] = ()) -> None:
    """Send a datagram.

    Args:
      mailbox: the socket.
      data: the payload.
      place: where to; None: to the peer.
      messages: control messages; one may ask for a source address.
    """
    own, own_port = _local(mailbox)
    bound = _as_source(own)
    ip, port = _destination(mailbox, place, bound)
    if messages:
        bound = asked_source(mailbox, ip, messages) or bound
        ip, port = _destination(mailbox, place, bound)
    source, interface = _source(mailbox, ip, bound)
    _check_size(mailbox, len(data), ip)
    mailbox.raise_error()
    if ip.is_for_many:
        mailbox.host.spread(mailbox, interface, (source.text, own_port), ip, port, data)
    else:
        mailbox.host.send(mailbox, (source.text, own_port), ip, port, data)


def _local(mailbox: Mailbox) -> Place:
    """What the socket is bound to; one that is not gets a port now."""
    if mailbox.local is None:
        try:
            mailbox.host.bind(mailbox, _ANY_IPV6 if mailbox.family == AF_INET6 else _ANY_IPV4, 0)
        except OSError as problem:  # inet_autobind and inet_dgram_connect have their own word for "all are taken"
            raise error(errno.EAGAIN) if problem.errno == errno.EADDRINUSE else problem from None
    assert mailbox.local is not None
    return mailbox.local


def _as_source(own: str) -> IP:
    """What a socket is bound to, as far as it sends from there: from a group nothing is sent."""
    bound = parse_ip(own)
    if not bound.is_for_many:
        return bound
    return _ANY_IPV4 if bound.is_ipv4 else _ANY_IPV6


def _destination(mailbox: Mailbox, place: tuple[IP, int] | None, bound: IP) -> tuple[IP, int]:
    """Where a datagram is to go: to that place, or to the peer."""
    if place is not None:
        ip, port = place
        if ip.is_wildcard:
            ip = _meant(ip, bound)
        _check_family(mailbox, ip)
    elif mailbox.peer is not None:
        ip, port = parse_ip(mailbox.peer[0]), mailbox.peer[1]
    else:
        raise error(errno.EDESTADDRREQ)
    if port == 0 and (place is not None or (ip.is_ipv4 and mailbox.family == AF_INET6)):
        raise error(errno.EINVAL)
    return ip, port


def _meant(ip: IP, bound: IP) -> IP:
    """What Linux takes "any address" for, as a destination: the socket's own address, or the loopback."""
    if not bound.is_ipv4:
        return _LOOPBACK_IPV4 if ip.is_ipv4 else _LOOPBACK_IPV6
    return _LOOPBACK_IPV4 if bound.is_wildcard or not ip.is_ipv4 else bound


def _check_family(mailbox: Mailbox, ip: IP) -> None:
    if ip.is_ipv4 and mailbox.family == AF_INET6 and mailbox.options.v6only:
        raise error(errno.ENETUNREACH)


def _source(mailbox: Mailbox, ip: IP, bound: IP) -> tuple[IP, int]:
    """Which of the host's addresses a datagram for ``ip`` comes from, if the socket is bound to ``bound``.

    And by which of its interfaces it goes, which matters if it is for many.

    Raises:
      OSError: there is no way from this socket to there.
    """
    if ip.is_broadcast and not mailbox.options.broadcast:
        raise error(errno.EACCES)
    if bound.is_ipv4 and not ip.is_ipv4:
        raise error(errno.EAFNOSUPPORT)
    if ip.is_for_many:
        return _source_for_many(mailbox, ip, bound)
    if bound.is_wildcard or bound.is_ipv4 != ip.is_ipv4:
        own = mailbox.host.address_towards(ip)
        if own is None:
            raise error(errno.ENETUNREACH)
        return parse_ip(own), NETWORK
    if bound.is_loopback and not mailbox.host.has(ip):
        raise error(errno.EINVAL)
    return bound, NETWORK


def _source_for_many(mailbox: Mailbox, ip: IP, bound: IP) -> tuple[IP, int]:
    """The same for a group or broadcast: an interface that was set wins over what the socket is bound to.

    (ip_route_output_key in net/ipv4/route.c, ip6_dst_lookup_tail in net/ipv6/ip6_output.c.)
    """
    interface, source = mailbox.options.groups.way_out(is_ipv4=ip.is_ipv4) if ip.is_multicast else (0, None)
    if not bound.is_wildcard and bound.is_ipv4 == ip.is_ipv4:
        source = bound
    if not interface:
        interface = LOOPBACK if (source or ip).is_loopback else NETWORK
    elif interface == LOOPBACK and not ip.is_ipv4:
        raise error(errno.ENETUNREACH)  # Linux has no route for groups of IPv6 there
    if source is None:
        own = mailbox.host.address_towards(ip)
        if own is None:
            raise error(errno.ENETUNREACH)
        source = parse_ip(own)
    elif source.is_loopback and interface != LOOPBACK and ip.is_ipv4:
        raise error(errno.EINVAL)
    return source, interface


def _check_size(mailbox: Mailbox, size: int, ip: IP) -> None:
    if size > (_LARGEST_IPV4 if ip.is_ipv4 else _LARGEST_IPV6):
        raise error(errno.EMSGSIZE)
    options = mailbox.options
    if options.dont_fragment_ipv4 if ip.is_ipv4 else options.dont_fragment:
        mtu = mailbox.host.way_to(ip).link.mtu
        if mtu is not None and size + headers(ip.text) > mtu:
            raise error(errno.EMSGSIZE)
