"""One UDP socket, read and written many datagrams per wake-up.

The obvious loop, ``await socket.recvfrom()`` and ``await socket.sendto()``, goes through Trio's scheduler twice for
each datagram, and that costs several times what the two system calls do. But when a socket becomes readable there is
often more than one datagram in it. So after each wake-up we drain it: non-blocking calls on the standard library's
socket inside Trio's, until the kernel says that there is no more. Sending works the same way: a UDP socket is nearly
always writable, so we send without waiting, and only when the kernel says "later" do we go through Trio.

Where neighbours go to one peer, or come from one, the system can take or give many in one call: `_offload` has that.
Reading is in `_reading`, sending is here.

All this needs Trio's own socket class over a real one. A socket that somebody else made (a virtual one, or one that
loses datagrams on purpose) has Trio's methods and nothing else, so there each primitive answers "it would block", and
everything takes the slow way, which uses Trio's methods alone.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

import trio

from . import _asked, _offload
from ._address import Address, format_address, not_a_name, payload_limit, payload_size
from ._errors import PEER_REFUSES, REFUSALS, DatagramTooLarge, errno_name
from ._events import DatagramSent, Emit
from ._reading import BATCH, Datagram, ReadSocket, would_block
from ._statistics import Tally
from ._told import told_by_caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    SendNow = Callable[[bytes, Address], int]

__all__ = ["BATCH", "BatchSocket", "Datagram"]

# A run of many takes as much time as so many that go alone; it counts for that much until the next visit to Trio's
# scheduler. (A run of 54 with 1200 bytes, or of 16 with 64: some 10 us. One alone: 3.)
RUN = 3


# Bytes of a run at most: what one datagram over IPv4 can carry, as an IPv6 socket may send by IPv4, too.
RUN_BYTES = payload_limit(stdlib_socket.AF_INET)


class Account(Protocol):
    """A peer of a server, which counts what is its own."""

    @property
    def peer(self) -> Address:
        """Its address."""

    def count_sent(self, run: Sequence[bytes]) -> None:
        """These were sent."""

    def count_dropped(self, reason: str) -> None:
        """One was not."""

    def check_open(self) -> None:
        """Raise ``trio.ClosedResourceError`` if nothing more is to be sent."""

    async def unless_closed(self, sending: Awaitable[OSError | None]) -> OSError | None:
        """Await this, and raise ``trio.ClosedResourceError`` if meanwhile nothing more is to be sent."""


class BatchSocket(ReadSocket):
    """A Trio datagram socket with a fast way and a portable way of reading and writing it.

    What is sent is reported at once; both ways return what the socket said instead of raising it, so that an OSError
    that comes out is never the socket's.

    Args: as `ReadSocket` has them.
    """

    def __init__(
        self,
        socket: trio.socket.SocketType,
        tally: Tally,
        emit: Emit | None,
        peer: Address | None = None,
        *,
        bulk: bool = False,
        reply_from_asked: bool = False,
    ) -> None:
        super().__init__(socket, tally, emit, peer, bulk=bulk, reply_from_asked=reply_from_asked)
        way_back = _asked.way_back if self._remembers_asked else None
        self.segments = _offload.segments_for(self._raw, peer, way_back) if self._raw else None
        self._write_now = self._writing_primitive()
        self._sending = 0  # how many tasks are in a call of the slow way ...
        self._writers = trio.lowlevel.ParkingLot()  # ... and who waits until one of them is done
        # Whether somebody watches is asked here, once, and not for each datagram.
        self.send_now = self._send_now if emit is None else self._send_now_and_report

    def _writing_primitive(self) -> SendNow:
        if (raw := self._raw) is None:
            return would_block
        if self.peer is not None:
            return lambda data, address: raw.send(data)
        return _asked.writing(raw) if self._remembers_asked else raw.sendto

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

    def send_run(self, run: list[bytes], address: Address) -> tuple[int, OSError | None]:
        """Send what `_offload.runs` gave without waiting; returns how many went, and what was said to the next one."""
        sent = 0
        if self.segments is not None and len(run) > 1:
            try:
                sent = self.segments.send(run, address)
            except OSError as error:
                self._note(error)
                return 0, error
            self._count_sent(run[:sent], address)
        for data in run[sent:]:
            if (problem := self.send_now(data, address)) is not None:
                return sent, problem
            sent += 1
        return sent, None

    def runs(self, items: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Neighbours that may go together, for `send_run`."""
        return _offload.runs(items, RUN_BYTES)

    def _count_sent(self, run: list[bytes], address: Address) -> None:
        self.tally.sent += len(run)
        self.tally.sent_bytes += sum(map(len, run))
        if self.emit is not None:
            for data in run:
                self.emit(DatagramSent(trio.current_time(), self.local, address, data))

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

    @trio.lowlevel.enable_ki_protection
    async def _send_in_turn(self, data: bytes, address: Address) -> int:
        """Send; while another task of ours waits for room in the socket's buffer, wait for that to be over first.

        A lock would be simpler, but the replies to one batch would then queue at it, where none of them has to wait.
        """
        while True:
            in_the_way = False
            self._sending += 1
            try:
                return await self._sendto(data, address)
            except trio.BusyResourceError:
                in_the_way = self._sending > 1
                if not in_the_way:
                    raise  # who waits is none of ours
            finally:
                self._sending -= 1
                if self._writers and not in_the_way:
                    self._writers.unpark()
            await self._writers.park()

    def _sendto(self, data: bytes, address: Address) -> Awaitable[int]:
        if self.peer is not None:
            return told_by_caller(self.emit, self.socket.send, data)
        if control := _asked.way_back(address) if self._remembers_asked else ():
            return told_by_caller(self.emit, self.socket.sendmsg, [data], control, 0, address)
        return told_by_caller(self.emit, self.socket.sendto, data, address)

    # -- sending all of them ------------------------------------------------------------------------------------------

    async def send_many(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        """Send datagrams in order; waits while the buffer is full. The first that cannot be sent ends it.

        Raises:
          DatagramTooLarge: this one was not sent, nor those after it.
          OSError: neither.
        """
        if self._remembers_asked:
            datagrams = _asked.told_apart(datagrams)
        await self._send_runs(_offload.runs_by_address(datagrams, RUN_BYTES))

    async def send_data(self, items: Iterable[bytes]) -> None:
        """The same to the peer that this socket is connected to."""
        assert self.peer is not None
        await self._send_runs(zip(self.runs(items), repeat(self.peer)))

    async def send_for(self, account: Account, items: Iterable[bytes]) -> None:
        """The same to a server's peer, which counts it, too. What the network refuses is lost, and no error."""
        await self._send_runs(zip(self.runs(items), repeat(account.peer)), account)

    async def _send_runs(self, runs: Iterable[tuple[list[bytes], Address]], account: Account | None = None) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            in_a_row = 0
            for run, address in runs:
                await self._send_all(run, address, account)
                in_a_row += min(len(run), RUN)
                if in_a_row >= BATCH:
                    in_a_row = 0
                    await trio.lowlevel.checkpoint()
        finally:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _send_all(self, run: list[bytes], address: Address, account: Account | None) -> None:
        # Only a numeric host may go straight to the kernel: sendto would look a name up, and block everybody.
        at_once = self.peer is not None or _is_numeric(self.socket.family, address[0])
        again = False
        while run:
            if account is not None:
                account.check_open()
            sent, problem = self.send_run(run, address) if at_once else (0, BlockingIOError())
            if account is not None:
                account.count_sent(run[:sent])  # now, as to wait for the rest may end in an exception
            if isinstance(problem, BlockingIOError):
                sending = self.send_waiting(run[sent], address)
                problem = await (sending if account is None else account.unless_closed(sending))
                if problem is None:
                    if account is not None:
                        account.count_sent(run[sent : sent + 1])
                    sent += 1
            run = run[sent:]
            again = again and not sent
            if problem is None:
                continue
            if self.peer is not None and problem.errno in REFUSALS and not again:
                again = True  # told about an earlier datagram, and this one was not sent
            elif self.peer is not None and isinstance(problem, PEER_REFUSES):
                self.drop(run[0], address, errno_name(problem), outgoing=True, counted=True)
                run, again = run[1:], False
            elif problem.errno == errno.EMSGSIZE:
                limit = payload_limit(self.socket.family, address[0])
                raise DatagramTooLarge(payload_size(run[0]), limit) from None
            elif account is not None:
                account.count_dropped(errno_name(problem))
                self.drop(run[0], address, errno_name(problem), outgoing=True, counted=True)
                run = run[1:]
            elif problem.errno == errno.EACCES and self.peer is None:
                said = f"{problem.strerror}; a broadcast address needs allow_broadcast() first"  # ip(7)
                raise PermissionError(errno.EACCES, f"cannot send to {format_address(address)}: {said}") from None
            else:
                raise problem


def _is_numeric(family: int, host: str) -> bool:
    try:
        stdlib_socket.inet_pton(family, host)
    except (OSError, ValueError):  # the second for what is no name either: it has a surrogate, or a null
        return False
    return True
