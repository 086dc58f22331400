"""A socket, what has gone through it, and who is told: what reading and writing have in common.

Everything is counted in one `Tally`, and reported to one observer. What is common to reading and writing is here: what
was dropped, what the socket failed with, and how it stood when it was closed.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from ._errors import errno_name
from ._events import DatagramDropped, Emit
from ._statistics import Tally, UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Collection

    from ._address import Address

# What using a socket after closing it gives: the first on Unix, the second on Windows.
CLOSED_ERRORS = {errno.EBADF, errno.ENOTSOCK}


class CountedSocket:
    """A Trio datagram socket, and the standard library's inside it.

    Args:
      socket: bound or connected; owned and closed by this object.
      tally: where to count; shared by the sockets that one client uses one after another.
      emit: told of each datagram; None: nobody watches.
      peer: where the socket is connected to.
    """

    def __init__(
        self, socket: trio.socket.SocketType, tally: Tally, emit: Emit | None, peer: Address | None = None
    ) -> None:
        self.socket = socket
        self.tally = tally
        self.emit = emit
        self.peer = peer
        self._raw = raw_socket(socket)
        self._local: Address | None = None
        self._at_close: tuple[Address, UDPStatistics] | None = None

    @property
    def is_closed(self) -> bool:
        """Has `close` been called?"""
        return self._at_close is not None

    @property
    def is_systems_own(self) -> bool:
        """Is it one of the operating system's, which can be waited for by its descriptor?"""
        return self._raw is not None

    def drop(self, data: bytes, address: Address, reason: str, *, outgoing: bool, counted: bool = False) -> None:
        """Count and report a datagram that ends here; ``counted``: it has been, by its reason or as an error."""
        if not counted:
            self.tally.dropped[reason] += 1
        if self.emit is not None:
            self.emit(DatagramDropped(trio.current_time(), self.local, address, bytes(data), reason, outgoing))

    def drop_all(self, datagrams: Collection[tuple[bytes, Address]], reason: str) -> None:
        """The same for what was received and goes nowhere: all of it is counted, even if an observer raises."""
        if datagrams:
            self.tally.dropped[reason] += len(datagrams)
        for data, address in datagrams:
            self.drop(data, address, reason, outgoing=False, counted=True)

    def _note(self, error: OSError) -> None:
        """Count an error of the socket; one that was closed is not an error of it but of who uses it."""
        if error.errno in CLOSED_ERRORS:
            raise trio.ClosedResourceError("this socket was already closed") from None
        self.tally.errors[errno_name(error)] += 1

    @property
    def local(self) -> Address:
        """This end's address.

        Each event names it, and to ask the kernel takes 0.6 us. So it is asked until it can change no more: a socket
        gets its port with its first datagram, if not before, and a host in place of the wildcard when it is connected.
        """
        if self._local is not None:
            return self._local
        address: Address = self._at_close[0] if self._at_close else self.socket.getsockname()
        if address[1] != 0 and address[0] not in ("0.0.0.0", "::"):
            self._local = address
        return address

    def statistics(self) -> UDPStatistics:
        """The counters and what the kernel says; after `close`, what it said then."""
        return self._at_close[1] if self._at_close else self.tally.statistics(self.socket)

    def close(self) -> None:
        """Wake whoever waits on the socket with ``trio.ClosedResourceError``; closing again does nothing."""
        if self._at_close is None:
            with suppress(OSError):  # somebody has closed the Trio socket itself
                self._at_close = (self.local, self.statistics())
        self.socket.close()


def raw_socket(socket: trio.socket.SocketType) -> stdlib_socket.socket | None:
    """The standard library's socket inside one of Trio's own; None for anything else that acts as a Trio socket."""
    inner = getattr(socket, "_sock", None)
    trios_own = type(socket).__module__ == "trio._socket"
    return inner if trios_own and type(inner) is stdlib_socket.socket else None
