"""`Ports`: who listens where on one host.

Which of several sockets gets a datagram is Linux's choice (``compute_score`` in net/ipv4/udp.c): one that is connected
to the sender before one that is not, one bound to the very address before one bound to all of them. Among equals that
share the port by SO_REUSEPORT the sender's address decides; by SO_REUSEADDR, the last one takes all, which is why one
should not use it.
"""

from __future__ import annotations

import errno
import os
from socket import AF_INET6
from typing import TYPE_CHECKING
from zlib import crc32

from ._ip import ANY, IP, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._mailbox import Mailbox

# The ports that Linux hands out (ip(7), ip_local_port_range). Linux picks at random; here they come in sequence, so
# that each run of a program gets the same ones.
FIRST_EPHEMERAL, LAST_EPHEMERAL = 32768, 60999


class Ports:
    """The sockets of one host, by port."""

    def __init__(self) -> None:
        self._bound: dict[int, list[Mailbox]] = {}
        self._next = FIRST_EPHEMERAL

    def bind(self, mailbox: Mailbox, ip: IP, port: int) -> None:
        """Give an address to a socket that has none; port 0 is any that is free.

        Raises:
          OSError: EADDRINUSE.
        """
        if port:
            mailbox.listen_at(ip, port)
            if not self._is_free(mailbox, port):
                mailbox.forget_address()
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        else:
            self._bind_to_any(mailbox, ip)
            port = mailbox.local[1] if mailbox.local else 0
        self._bound.setdefault(port, []).append(mailbox)

    def _bind_to_any(self, mailbox: Mailbox, ip: IP) -> None:
        for _ in range(FIRST_EPHEMERAL, LAST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < LAST_EPHEMERAL else FIRST_EPHEMERAL
            if port not in self._bound:
                mailbox.listen_at(ip, port)
                return
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    def _is_free(self, mailbox: Mailbox, port: int) -> bool:
        return all(_may_share(mailbox, other) for other in self._bound.get(port, ()) if _overlap(mailbox, other))

    def release(self, mailbox: Mailbox) -> None:
        """A socket was closed."""
        if mailbox.local is not None:
            port = mailbox.local[1]
            if mailbox in (others := self._bound.get(port, [])):
                others.remove(mailbox)
                if not others:
                    del self._bound[port]

    def clear(self) -> None:
        """Forget all sockets."""
        self._bound.clear()

    def find(self, destination: Place, source: Place) -> Mailbox | None:
        """Who gets a datagram; None: nobody listens there."""
        ip, port = destination
        if not (candidates := self._bound.get(port)):
            return None
        ipv6 = ":" in ip
        best: list[Mailbox] = []
        best_score = 0
        for mailbox in candidates:
            score = _score(mailbox, mailbox.hears_ipv6 if ipv6 else mailbox.hears_ipv4, ip, source)
            if score > best_score:
                best, best_score = [mailbox], score
            elif score and score == best_score:
                best.append(mailbox)
        if len(best) > 1 and all(mailbox.options.reuse_port for mailbox in best):
            return best[crc32(repr(source).encode()) % len(best)]
        return best[-1] if best else None

    def find_all(self, destination: Place, interface: int, source: Place) -> list[Mailbox]:
        """Who gets a datagram for a group or for everybody: all who hear it, also where they share a port."""
        ip, port = destination
        return [each for each in self._bound.get(port, ()) if each.hears_many(ip, interface, source)]

    def __iter__(self) -> Iterator[Mailbox]:
        for port in sorted(self._bound):
            yield from self._bound[port]


def _score(mailbox: Mailbox, hears: str | None, ip: str, source: Place) -> int:
    """How well a socket suits a datagram; 0: not at all."""
    if hears is None or (hears != ip and hears != ANY):
        return 0
    if not mailbox.may_hear(source):
        return 0
    exact_family = (mailbox.family == AF_INET6) == (":" in ip)
    return 1 + exact_family + 2 * (hears == ip) + 4 * (mailbox.peer is not None)


def _overlap(one: Mailbox, other: Mailbox) -> bool:
    ipv4 = _same(one.hears_ipv4, other.hears_ipv4)
    return ipv4 or _same(one.hears_ipv6, other.hears_ipv6)


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and (one == other or ANY in (one, other))


def _may_share(one: Mailbox, other: Mailbox) -> bool:
    return (one.options.reuse_port and other.options.reuse_port) or (
        one.options.reuse_address and other.options.reuse_address
    )
