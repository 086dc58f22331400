"""`Between`: what stands between Trio's DTLS and a UDP socket.

`trio.DTLSEndpoint` takes anything that acts as a Trio socket, and reads it in a system task. An exception that gets
loose in there is a bug of Trio's own, as far as Trio knows, and ends the program: a firewall's EPERM, a full queue's
ENOBUFS, a cable that was pulled. So this one raises nothing in that task but "closed", which ends it in peace. What the
network says is counted, as by all sockets of this library; anything else (a socket that is broken or closed, or that
somebody else is reading, an observer that raises) is kept in ``failure`` for whoever the socket belongs to.

Which errors are the network's to say is decided where plain UDP decides it. What a server's socket says to a datagram
is about one peer, whatever it is (`BatchSocket.send_for`); a client is told of what is not the network talking.

What is no DTLS is dropped here, and counted. That would be nothing but tidiness, if an empty datagram did not make
OpenSSL fail in the middle of a handshake. What is DTLS, and of no use to Trio all the same, is counted when Trio asks
for the next one (`_swallowed`).
"""

from __future__ import annotations

import socket as stdlib_socket
from typing import TYPE_CHECKING, Any

import trio

from .._errors import NETWORK_ERRORS, DatagramTooLarge, errno_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .._address import Address
    from .._batch import BatchSocket, Datagram
    from ._swallowed import Fate

RECORD_HEADER = 13  # bytes: RFC 6347 section 4.1


def ignore_refusal(_: OSError) -> None:
    """It is counted, and the peer may come back."""


class Between(trio.socket.SocketType):
    """A Trio socket around a socket of ours, which it owns.

    Args:
      io: of a server, or connected to one. What goes through it is counted and reported by it.
      on_failure: called once, after ``failure`` was set.
    """

    def __init__(self, io: BatchSocket, on_failure: Callable[[], None] = lambda: None) -> None:
        self.io = io
        self.failure: Exception | None = None
        self.on_failure = on_failure
        self.on_refusal: Callable[[OSError], None] = ignore_refusal  # of a connected socket's
        self.fate: Fate | None = None  # of what Trio is given; whoever makes Trio's endpoint sets it
        self.read_all = trio.Event()  # Trio has had whatever was taken off the socket
        self._ended = False
        self._waiting = trio.CancelScope()  # of Trio's task
        self._trios_task: trio.lowlevel.Task | None = None

    @property
    def family(self) -> stdlib_socket.AddressFamily:
        return self.io.socket.family

    @property
    def type(self) -> stdlib_socket.SocketKind:
        return self.io.socket.type

    def getsockname(self) -> Any:
        return self.io.local

    def close(self) -> None:
        self._ended = True  # by whom it belongs to, so that is no failure
        self.io.close()

    def stop_reading(self) -> None:
        """No more datagrams are taken off the socket; sending still works."""
        self._ended = True
        self._waiting.cancel()
        self._drop_leftover()

    # -- what Trio's task calls ---------------------------------------------------------------------------------------

    async def recvfrom(self, *_: object) -> Any:
        self._trios_task = trio.lowlevel.current_task()
        self._drop_swallowed()
        while not self._ended:
            datagram = None
            with trio.CancelScope() as self._waiting:
                datagram = await self._receive()
            if datagram is not None and self._is_dtls(datagram):
                # A connected socket has one peer, however its address may be written.
                data, address = datagram.data, self.io.peer or datagram.address
                if self.fate is not None:
                    self.fate.given(data, address)
                return data, address
        self._drop_leftover()
        self.read_all.set()
        raise trio.ClosedResourceError("no more is read from this socket")

    async def _receive(self) -> Datagram | None:
        """One at a time, as Trio's sockets do it: a peer's queue is short, and its handler has to come in between."""
        try:
            [datagram] = await self.io.receive(1)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NETWORK_ERRORS:
                self.on_refusal(error)
            else:
                self._fail(error)
            return None
        try:
            self.io.report_received([datagram])
        except Exception as error:
            self._fail(error)
            return None
        return datagram

    def _is_dtls(self, datagram: Datagram) -> bool:
        data, address = datagram
        if len(data) >= RECORD_HEADER and 20 <= data[0] <= 63:  # RFC 7983 section 7
            return True
        self._drop_received(data, address, "not DTLS")
        return False

    def _drop_swallowed(self) -> None:
        """What came of the datagram before this, if nothing did."""
        if self.fate is not None and (swallowed := self.fate.swallowed()) and not self.io.is_closed:
            self._drop_received(*swallowed)

    def _drop_leftover(self) -> None:
        """What was taken off the socket in one piece, and is not asked for any more."""
        for data, address in () if self.io.is_closed else self.io.leftover():
            self._drop_received(data, self.io.peer or address, "server stopped")

    def _drop_received(self, data: bytes, address: Address, reason: str) -> None:
        try:
            self.io.drop(data, address, reason, outgoing=False)
        except Exception as error:  # an observer's
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._ended:
            self.failure = error
            self.stop_reading()
            self.on_failure()

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send_one(self, data: bytes, address: Address) -> str:
        """Send, to whomever the socket is connected to if it is.

        Returns what the network has said to this datagram, if it was not sent; it is counted and reported already.

        Raises:
          DatagramTooLarge: for this socket.
          OSError: a client's socket would not send it.
        """
        if self.io.peer is not None:
            await self.io.send_data([data])
            return ""
        said = _Said(address)
        await self.io.send_for(said, [data])
        return said.what

    async def sendto(self, data: bytes, address: Address) -> int:  # type: ignore[override]
        """Send for Trio: it is part of a handshake and sent again, so what the network says is counted and no more.

        Raises, but never in Trio's task:
          OSError: it is something else that a client's socket says.
        """
        in_trios_task = trio.lowlevel.current_task() is self._trios_task
        with trio.CancelScope() as waiting:
            if in_trios_task:
                self._waiting = waiting
                if self.fate is not None:
                    self.fate.answered = True
            if in_trios_task and self._ended:
                waiting.cancel()
            try:
                await self.send_one(data, address)
            except trio.ClosedResourceError:
                if in_trios_task:
                    self.read_all.set()
                raise
            except Exception as error:
                if reason := _from_network(error):
                    self._drop_sent(data, address, reason)
                elif in_trios_task:
                    self._fail(error)
                else:
                    raise
        return len(data)

    def _drop_sent(self, data: bytes, address: Address, reason: str) -> None:
        try:
            self.io.drop(data, address, reason, outgoing=True, counted=True)
        except Exception as error:  # an observer's
            self._fail(error)


def _from_network(error: Exception) -> str:
    """What the network has said to a datagram; nothing, if this is something else."""
    if isinstance(error, DatagramTooLarge):
        return "EMSGSIZE"
    return errno_name(error) if isinstance(error, OSError) and error.errno in NETWORK_ERRORS else ""


class _Said:
    """The `Account` of one datagram: what the network has said to it."""

    def __init__(self, peer: Address) -> None:
        self.peer = peer
        self.what = ""

    def count_sent(self, run: Sequence[bytes]) -> None:
        pass

    def count_dropped(self, reason: str) -> None:
        self.what = reason

    def check_open(self) -> None:
        pass

    async def unless_closed(self, sending: Awaitable[OSError | None]) -> OSError | None:
        return await sending  # closing says goodbye, and this is before that
