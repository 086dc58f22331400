"""Reading one UDP socket, many datagrams per wake-up.

When a socket becomes readable there is often more than one datagram in it. So after each wake-up it is drained: by
non-blocking calls on the standard library's socket inside Trio's, until the kernel says that there is no more. There
are three ways of doing that. One call for each datagram is the usual one. Where long runs come from one peer, a call
may give many of them at once (`_offload`). And where there is no socket of Trio's own, they are taken off the socket by
Trio's methods, one by one, and draining hands out what was taken.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar, cast

import trio

from . import _asked, _offload
from ._address import Address
from ._counted import CountedSocket
from ._errors import NETWORK_ERRORS
from ._events import DatagramReceived, Emit
from ._statistics import Tally
from ._told import told_by_caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ReadNow = Callable[[int], tuple[bytes, Address]]

__all__ = ["Datagram"]

# Larger than any payload (65,507 bytes over IPv4, 65,527 over IPv6), so that no datagram is ever truncated, nor several
# of them that the kernel has merged: together they are an IP packet, with its 16 bits of length.
READ_SIZE = 65535

# Datagrams between two visits to Trio's scheduler. At some 5 microseconds each, as with a handler that does little,
# other tasks wait a third of a millisecond, and the visit, about 15 microseconds, is shared by so many.
BATCH = 64

T = TypeVar("T")


class Datagram(NamedTuple):
    """What arrived, or is to be sent, and the peer: ``data, address = datagram`` works."""

    data: bytes
    address: Address


class ReadSocket(CountedSocket):
    """A socket that is read many datagrams per wake-up.

    No observer is called while it is read; who receives a batch hands it to `report_received` afterwards. So an OSError
    that is raised here is the socket's, and never an observer's that looks like one.

    Args:
      socket, tally, emit: as in `CountedSocket`.
      peer: where the socket is connected to. Then ICMP errors are news about that peer and are raised, as the kernel
        does it; on an unconnected socket they are about some earlier datagram of somebody: counted, and no more.
      bulk: long runs from one peer are expected: read them in one call, where the system can do that.
      reply_from_asked: if the socket has several addresses, peers' addresses remember which was asked (`_asked`).
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
        super().__init__(socket, tally, emit, peer)
        self._remembers_asked = reply_from_asked and _asked.turn_on(socket)
        self._read_now = self._reading_primitive()
        self._taken: list[Datagram] = []  # off the socket, not handed out yet
        self._postponed: OSError | None = None  # met behind datagrams that had to be handed out first
        self._receiving = False
        self._merges = self._raw is not None and bulk and _offload.merge_received(self._raw)
        if self._raw is not None and not self._merges:  # it may be a socket with a past
            _offload.keep_received_apart(self._raw)
        if self._raw is None:
            self.drain = self._drain_taken
        else:
            self.drain = self._drain_merged if self._merges else self._drain_raw

    def _reading_primitive(self) -> ReadNow:
        if self._raw is None:
            return would_block
        return _asked.reading(self._raw, _offload.CONTROL_ROOM) if self._remembers_asked else self._raw.recvfrom

    async def receive(self, limit: int = BATCH) -> list[Datagram]:
        """At least one datagram, at most ``limit``; waits only for the first. Cancelled, it has taken none."""
        return await self._receive(self.drain, limit)

    async def receive_data(self, limit: int = BATCH) -> list[bytes]:
        """The same without the addresses, where it is clear whose datagrams these are.

        They are reported, and that the peer refuses is counted and not raised: it may come back.
        """
        while True:
            try:
                batch = await self._receive(self.drain_data, limit)
            except OSError as error:
                if error.errno not in NETWORK_ERRORS:
                    raise
            else:
                if self.emit is not None:
                    assert self.peer is not None
                    self.report_received([Datagram(data, self.peer) for data in batch])
                return batch

    @trio.lowlevel.enable_ki_protection  # Ctrl-C ends the waiting; what was taken off the socket is handed out
    async def _receive(self, drain: Callable[[int], list[T]], limit: int) -> list[T]:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._receiving:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise trio.BusyResourceError("another task is already receiving from this socket")
        self._receiving = True
        try:
            batch = await self._drain_at_once(drain, limit)
            while not batch:
                await self._wait_for_more(limit)
                batch = drain(limit)
        finally:
            self._receiving = False
        return batch

    async def receive_arrived(self) -> list[Datagram]:
        """What has arrived by now, up to a batch, possibly nothing; waits for nothing."""
        if self._raw is None and not self._receiving and self._is_readable():
            await self._wait_for_more(BATCH)
        return self.drain(BATCH)

    async def _drain_at_once(self, drain: Callable[[int], list[T]], limit: int) -> list[T]:
        """What is there already, possibly nothing; a checkpoint if it was something."""
        try:
            if self._at_close is not None:  # though there may be more that was read before
                raise trio.ClosedResourceError("this socket was already closed")
            batch = drain(limit)
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
            self._take(await self._recvfrom())
            while len(self._taken) < limit and self._is_readable():
                self._take(await self._recvfrom())
        except OSError as error:
            self._receive_failed(error)

    async def _recvfrom(self) -> tuple[bytes, Address]:
        if not self._remembers_asked:
            return await told_by_caller(self.emit, self.socket.recvfrom, READ_SIZE)
        receiving = told_by_caller(self.emit, self.socket.recvmsg, READ_SIZE, _offload.CONTROL_ROOM)
        data, control, _, address = await receiving
        return data, _asked.return_address(cast("Address", address), control)

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
        self._raise_postponed()
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

    def _drain_merged(self, limit: int = BATCH) -> list[Datagram]:
        """What the kernel has, where one call may give many; what is too much is kept for the next time."""
        make, batch = tuple.__new__, self._drain_taken(limit)
        for pieces, address in self._read_merged(limit, len(batch)):
            batch += map(make, repeat(Datagram), zip(pieces, repeat(address)))
        self._taken += batch[limit:]
        return batch[:limit]

    async def receive_one(self, _: object) -> bytes:
        """`receive_data` of one; a socket has no end that it could tell of."""
        return (await self.receive_data(1))[0]

    def drain_data(self, limit: int = BATCH) -> list[bytes]:
        """What has arrived, as `receive_data` gives it; never waits, raises refusals and reports nothing."""
        if not self._merges:
            return [data for data, _ in self.drain(limit)]
        assert self.peer is not None
        batch = [data for data, _ in self._drain_taken(limit)]
        for pieces, _ in self._read_merged(limit, len(batch)):
            batch += pieces
        self._taken += [Datagram(data, self.peer) for data in batch[limit:]]
        return batch[:limit]

    def _read_merged(self, limit: int, count: int) -> Iterator[tuple[list[bytes], Address]]:
        """What came together, until there are ``limit`` datagrams, or the next lot would probably be too many."""
        assert self._raw is not None
        read_now, tally = self._raw.recvmsg, self.tally
        if not count:
            self._raise_postponed()
        pieces: list[bytes] = [b""]
        try:
            while count + len(pieces) <= limit:
                data, control, _, address = read_now(READ_SIZE, _offload.CONTROL_ROOM)
                pieces = _offload.split(data, control)
                count += len(pieces)
                tally.received += len(pieces)
                tally.received_bytes += len(data)
                yield pieces, _asked.return_address(address, control) if self._remembers_asked else address
        except BlockingIOError:
            pass
        except OSError as error:
            self._receive_failed(error, postpone=count > 0)

    def _drain_taken(self, limit: int = BATCH) -> list[Datagram]:
        """What was taken off the socket before: by `_wait_for_more`, or with what was asked for."""
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

    @property
    def holds_more(self) -> bool:
        """Has more been taken off the socket than was handed out? The kernel will not tell of that again."""
        return bool(self._taken)

    @property
    def is_troubled(self) -> bool:
        """Has an error been met behind what was handed out? The next to read gets it."""
        return self._postponed is not None

    def leftover(self) -> list[Datagram]:
        """What was taken off the socket and not handed out: a cancellation came in between, or it was too much."""
        taken, self._taken = self._taken, []
        return taken

    def _raise_postponed(self) -> None:
        if self._postponed is not None:
            error, self._postponed = self._postponed, None
            raise error

    def _receive_failed(self, error: OSError, *, postpone: bool = False) -> None:
        """Count it; raise it unless it is the network talking about somebody else's datagram."""
        self._note(error)
        if error.errno in NETWORK_ERRORS and self.peer is None:
            return
        if postpone:
            self._postponed = error
        else:
            raise error


def would_block(*_: object) -> NoReturn:
    """What a non-blocking call does when it cannot be done now."""
    raise BlockingIOError
