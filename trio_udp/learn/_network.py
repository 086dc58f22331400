"""`LessonNetwork`: a virtual network that tells a recording of every datagram, plain Trio sockets' as well.

A recording knows what this library's endpoints and clients do. The first lessons have no such thing: they begin with
``trio.socket``, whose sockets tell nothing. The network's own record has their datagrams, but not the line of the
program that sent one, nor when one was read. So the sockets of this network tell it themselves, unless it is the
library that calls them: that has its own words for it.

It counts as well. A loop that sends for ever would fill the memory before any deadline in virtual time comes, as that
stands still meanwhile. After `MOST_SENT` datagrams ``flooded`` is called, once.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
import sys
from typing import TYPE_CHECKING, Any

import trio

from .._events import DatagramReceived, DatagramSent, current_emit
from ..testing import VirtualNetwork
from ..testing._ip import parse_ip, shown
from ..testing._mailbox import Mailbox
from ..testing._socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from .._address import Address
    from ..faults import Link
    from ..testing._ancillary import AskedMessage
    from ..testing._host import Host
    from ..testing._ip import IP, Place
    from ..testing._mailbox import Arrived

# No lesson needs a tenth of them.
MOST_SENT = 10_000

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_HERE = os.path.join(_PACKAGE, "learn") + os.sep
_BETWEEN = (  # a socket's call, and its caller
    os.path.dirname(os.path.abspath(trio.__file__)) + os.sep,
    os.path.join(_PACKAGE, "testing") + os.sep,
    os.path.abspath(__file__),
)


class LessonNetwork(VirtualNetwork):
    """Made by `Learner.network`.

    Args:
      link: between all hosts.
      seed: the same seed, the same story.
      flooded: called when the program does nothing but send.
    """

    def __init__(self, link: Link, seed: int, flooded: Callable[[], None]) -> None:
        super().__init__(link, seed=seed)
        self._flooded = flooded
        self._sent = 0

    def socket(self, family: Any = stdlib_socket.AF_INET, type: Any = stdlib_socket.SOCK_STREAM, proto: int = 0) -> Any:
        """Make a socket that tells; Trio calls this."""
        return TellingSocket(super().socket(family, type, proto)._mailbox, self._count)

    def forge(self, host: Host, source: Place, destination: Place, data: bytes) -> None:
        """Send a datagram that says it comes from somewhere else; in pictures it comes from there.

        Whoever may use raw sockets can do that wherever nobody prevents it (RFC 2827 asks providers to).
        """
        mailbox = Mailbox(host, stdlib_socket.AF_INET, 0)
        mailbox.listen_at(parse_ip(source[0]), source[1])  # for pictures; nothing comes to it
        host.send(mailbox, source, parse_ip(destination[0]), destination[1], data)
        emit = current_emit()
        if emit is not None:
            emit(DatagramSent(trio.current_time(), source, destination, data))

    def _count(self) -> None:
        self._sent += 1
        if self._sent == MOST_SENT:
            self._flooded()


class TellingSocket(VirtualSocket):
    """One that tells what it sends and what is read from it."""

    def __init__(self, mailbox: Mailbox, count: Callable[[], None]) -> None:
        super().__init__(mailbox)
        self._count = count

    def _send(
        self, data: bytes, flags: int, place: tuple[IP, int] | None = None, messages: Sequence[AskedMessage] = ()
    ) -> int:
        size = super()._send(data, flags, place, messages)
        self._count()
        emit = None if _is_the_librarys(sys._getframe(1)) else current_emit()
        if emit is not None:
            peer = self._mailbox.peer if place is None else (place[0].text, place[1])
            assert peer is not None, "it was sent"
            emit(DatagramSent(trio.current_time(), *self._ends(peer), data))
        return size

    async def _receive(self, flags: int, check: Callable[..., None], *sizes: Any) -> Arrived:
        arrived = await super()._receive(flags, check, *sizes)
        is_peek = flags & int(getattr(stdlib_socket, "MSG_PEEK", 0))
        emit = None if is_peek or _is_the_librarys(sys._getframe(1)) else current_emit()
        if emit is not None:
            emit(DatagramReceived(trio.current_time(), *self._ends(arrived.source), arrived.data))
        return arrived

    def _ends(self, peer: Place) -> tuple[Address, Address]:
        """Both addresses. One that is bound to all of them is told by the one that its peer knows it by."""
        mailbox = self._mailbox
        local = mailbox.shown_local
        own = mailbox.host.address_towards(parse_ip(peer[0])) if parse_ip(local[0]).is_wildcard else None
        if own is not None:
            local = shown(mailbox.family, (own, local[1]))
        return local, shown(mailbox.family, peer)


def _is_the_librarys(frame: FrameType | None) -> bool:
    """Does a function of the library make this call, and not the program?"""
    while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    file = "" if frame is None else frame.f_code.co_filename
    return file.startswith(_PACKAGE) and not file.startswith(_HERE)
