"""One UDP socket, read and written many datagrams per wake-up.

The obvious loop, ``await socket.recvfrom()`` and ``await socket.sendto()``, goes through Trio's scheduler twice for
each datagram, and that costs several times what the two system calls do. But when a socket becomes readable there is
often more than one datagram in it. So after each wake-up we drain it: non-blocking calls on the standard library's
socket inside Trio's, until the kernel says that there is no more. Sending works the same way: a UDP socket is nearly
always writable, so we send without waiting, and only when the kernel says "later" do we go through Trio.

That needs Trio's own socket class over a real one. A socket that somebody else made (a virtual one, or one that loses
datagrams on purpose) has Trio's methods and nothing else, so there each primitive answers "it would block", and
everything takes the slow way, which uses Trio's methods alone.

What goes through is counted here, in one `Tally`, and reported here: whether there is an observer is asked once, when
the socket is opened, and without one nothing is asked per datagram.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import trio

from ._address import Address, not_a_name
from ._errors import NETWORK_ERRORS, errno_name
from ._events import DatagramDropped, DatagramReceived, DatagramSent, Emit
from ._statistics import Tally, UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Callable

    ReadNow = Callable[[int], tuple[bytes, Address]]
    SendNow = Callable[[bytes, Address], int]

__all__ = ["Datagram"]

# Larger than any payload (65,507 bytes over IPv4, 65,527 over IPv6), so that no datagram is ever truncated.
READ_SIZE = 65535

# Datagrams between two visits to Trio's scheduler. At some 5 microseconds each, as with a handler that does little,
# other tasks wait a third of a millisecond, and the visit, about 15 microseconds, is shared by so many.
BATCH = 64

# What using a socket after closing it gives: the first on Unix, the second on Windows.
_CLOSED_ERRORS = {errno.EBADF, errno.ENOTSOCK}


class Datagram(NamedTuple):
    """What arrived, or is to be sent, and the peer: ``data, address = datagram`` works."""

    data: bytes
    address: Address


class BatchSocket:
    """A Trio datagram socket with a fast way and a portable way of reading and writing it.

    Args:
      socket: bound or connected; owned and closed by this object.
      tally: where to count; shared by the sockets that one client uses one after another.
      emit: told of each datagram; None: nobody watches.
      peer: where the socket is connected to. Then ICMP errors are news about that peer and are raised, as the kernel
        does it; on an unconnected socket they are about some earlier datagram of somebody: counted, and no more.
    """

    def __init__(
        self, socket: trio.socket.SocketType, tally: Tally, emit: Emit | None, peer: Address | None = None
    ) -> None:
        self.socket = socket
        self.tally = tally
        self.emit = emit
        self.peer = peer
        self._raw = raw_socket(socket)
        self._read_now, self._write_now = self._primitives()
        self._taken: list[Datagram] = []  # read the portable way, not handed out yet
        self._postponed: OSError | None = None  # met behind datagrams that had to be handed out first
        self._receiving = False
        self._sending = 0  # how many tasks are in a call of the slow way ...
        self._writers = trio.lowlevel.ParkingLot()  # ... and who waits until one of them is done
        self._at_close: tuple[Address, UDPStatistics] | None = None
        self.drain = self._drain_raw if self._raw else self._drain_taken
        # Whether somebody watches is asked here, once, and not for each datagram.
        self.send_now = self._send_now if emit is None else self._send_now_and_report

    # -- receiving ----------------------------------------------------------------------------------------------------
    #
    # No observer is called in here; who receives a batch hands it to `report_received` afterwards. So an OSError that
    # is raised here is the socket's, and never an observer's that looks like one.

    async def receive(self, limit: int = BATCH) -> list[Datagram]:
        """At least one datagram, at most ``limit``; waits only for the first. Cancelled, it has taken none."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._receiving:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise trio.BusyResourceError("another task is already receiving from this socket")
        self._receiving = True
        try:
            batch = await self._drain_at_once(limit)
            while not batch:
                await self._wait_for_more(limit)
                batch = self.drain(limit)
        finally:
            self._receiving = False
        return batch

    async def receive_arrived(self) -> list[Datagram]:
        """What has arrived by now, up to a batch, possibly nothing; waits for nothing."""
        if self._raw is None and not self._receiving and self._is_readable():
            await self._wait_for_more(BATCH)
        return self.drain(BATCH)

    async def _drain_at_once(self, limit: int) -> list[Datagram]:
        """What is there already, possibly nothing; a checkpoint if it was something."""
        try:
            batch = self.drain(limit)
        except BaseException:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise
        if batch:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return batch

    async def _wait_for_more(self, limit: int) -> None:
        if self._raw is not None:
            await trio.lowlevel.wait_readable(self._raw)
            return
        try:
            self._take(await self.socket.recvfrom(READ_SIZE))
            while len(self._taken) < limit and self._is_readable():
                self._take(await self.socket.recvfrom(READ_SIZE))
        except OSError as error:
            self._receive_failed(error)

    def _is_readable(self) -> bool:
        try:
            return self.socket.is_readable()
        except ValueError:  # what asking about a closed socket gives, inside Trio
            raise trio.ClosedResourceError("this socket was already closed") from None

    def _drain_raw(self, limit: int = BATCH) -> list[Datagram]:
        """What the kernel has, up to ``limit`` datagrams; never waits."""
        batch: list[Datagram] = []
        append, read_now, make = batch.append, self._read_now, tuple.__new__
        size = 0
        if self._postponed is not None:
            error, self._postponed = self._postponed, None
            raise error
        try:
            while len(batch) < limit:
                datagram = make(Datagram, read_now(READ_SIZE))  # half the time of Datagram(...)
                append(datagram)
                size += len(datagram[0])
        except BlockingIOError:
            pass
        except OSError as error:
            self._receive_failed(error, postpone=bool(batch))
        self.tally.received += len(batch)
        self.tally.received_bytes += size
        return batch

    def _drain_taken(self, limit: int = BATCH) -> list[Datagram]:
        """The same for the portable way: what `_wait_for_more` has taken off the socket."""
        batch, self._taken = self._taken[:limit], self._taken[limit:]
        return batch

    def _take(self, received: tuple[bytes, Address]) -> None:
        datagram = Datagram(*received)
        self._taken.append(datagram)
        self.tally.received += 1
        self.tally.received_bytes += len(datagram.data)

    def report_received(self, batch: list[Datagram]) -> None:
        """Tell who watches of datagrams that were received."""
        if self.emit is not None:
            for data, address in batch:
                self.emit(DatagramReceived(trio.current_time(), self.local, address, data))

    def leftover(self) -> list[Datagram]:
        """What was taken off the socket and never handed out, because a cancellation came in between."""
        return self.drain(BATCH) if self._taken else []

    def _receive_failed(self, error: OSError, *, postpone: bool = False) -> None:
        """Count it; raise it unless it is the network talking about somebody else's datagram."""
        self._note(error)
        if error.errno in NETWORK_ERRORS and self.peer is None:
            return
        if postpone:
            self._postponed = error
        else:
            raise error

    # -- sending ------------------------------------------------------------------------------------------------------
    #
    # Both ways return what the socket said instead of raising it, for the same reason.

    def _send_now(self, data: bytes, address: Address) -> OSError | None:
        """Send without waiting: None if that worked, a BlockingIOError if it cannot be done now."""
        try:
            size = self._write_now(data, address)
        except BlockingIOError as error:
            return error
        except OSError as error:
            self._note(error)
            return error
        tally = self.tally
        tally.sent += 1
        tally.sent_bytes += size
        return None

    def _send_now_and_report(self, data: bytes, address: Address) -> OSError | None:
        problem = self._send_now(data, address)
        if problem is None and self.emit is not None:
            self.emit(DatagramSent(trio.current_time(), self.local, address, bytes(data)))
        return problem

    async def send_waiting(self, data: bytes, address: Address) -> OSError | None:
        """Send through Trio: waits while the buffer is full, and resolves a host name; None if it worked."""
        try:
            size = await self._send_in_turn(data, address)
        except trio.socket.gaierror as error:
            return error  # no error of the socket's: the name was looked up, and not found
        except OSError as error:
            self._note(error)
            return error
        except UnicodeError as error:
            return not_a_name(address[0], error)
        self.tally.sent += 1
        self.tally.sent_bytes += size
        if self.emit is not None:
            self.emit(DatagramSent(trio.current_time(), self.local, address, bytes(data)))
        return None

    async def _send_in_turn(self, data: bytes, address: Address) -> int:
        """Send; while another task of ours waits for room in the socket's buffer, wait for that to be over first.

        A lock would be simpler, but the replies to one batch would then queue at it, where none of them has to wait.
        """
        while True:
            in_the_way = False
            self._sending += 1
            try:
                return await (self.socket.sendto(data, address) if self.peer is None else self.socket.send(data))
            except trio.BusyResourceError:
                in_the_way = self._sending > 1
                if not in_the_way:
                    raise  # who waits is none of ours
            finally:
                self._sending -= 1
                if self._writers and not in_the_way:
                    self._writers.unpark()
            await self._writers.park()

    # -- the rest -----------------------------------------------------------------------------------------------------

    def drop(self, data: bytes, address: Address, reason: str, *, outgoing: bool, counted: bool = False) -> None:
        """Count and report a datagram that ends here; ``counted``: as an error of the socket already."""
        if not counted:
            self.tally.dropped[reason] += 1
        if self.emit is not None:
            self.emit(DatagramDropped(trio.current_time(), self.local, address, bytes(data), reason, outgoing))

    def _note(self, error: OSError) -> None:
        """Count an error of the socket; one that was closed is not an error of it but of who uses it."""
        if error.errno in _CLOSED_ERRORS:
            raise trio.ClosedResourceError("this socket was already closed") from None
        self.tally.errors[errno_name(error)] += 1

    @property
    def local(self) -> Address:
        """This end's address."""
        if self._at_close:
            return self._at_close[0]
        address: Address = self.socket.getsockname()
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

    def _primitives(self) -> tuple[ReadNow, SendNow]:
        if (raw := self._raw) is None:
            return _would_block, _would_block
        return raw.recvfrom, raw.sendto if self.peer is None else (lambda data, address: raw.send(data))


def raw_socket(socket: trio.socket.SocketType) -> stdlib_socket.socket | None:
    """The standard library's socket inside one of Trio's own; None for anything else that acts as a Trio socket."""
    inner = getattr(socket, "_sock", None)
    trios_own = type(socket).__module__ == "trio._socket"
    return inner if trios_own and type(inner) is stdlib_socket.socket else None


def _would_block(*_: object) -> NoReturn:
    """What a non-blocking call does when it cannot be done now."""
    raise BlockingIOError
