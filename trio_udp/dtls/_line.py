"""`DTLSLine`: what carries the datagrams of a channel once keys are agreed on.

To a handler it is to look like the line of a plain UDP peer. So what Trio says when a peer has begun anew or has ended
the conversation is the end of the channel, and sending after that is sending to nobody, as it is with UDP: counted. On
a server the network's objections to a datagram are counted as well; a client is told. An empty datagram is one to UDP,
and OpenSSL sends none. So at both ends it is dropped and counted: who sends one need not know what carries it.

Trio's channel joins what it should keep apart: a `send` that was cancelled leaves its record to the next one, which
sends both in one datagram, and `receive` gives the payloads of such a datagram as one. So here a record is encrypted
and taken from OpenSSL in one step, and each that comes is a datagram of its own (RFC 6347 section 4.1.1).

Closing says goodbye (close_notify), once and without waiting for an answer: so a server does not keep a peer that is
gone until it is idle, and a client does not wait for a handler that has returned. It may get lost like anything else,
and where the socket is not the operating system's own it is not said, as there nothing can be sent without waiting.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from .._address import payload_size
from .._errors import DatagramTooLarge
from .._statistics import Tally
from ._context import reason_of
from ._handshake import LARGEST, read_all
from ._swallowed import NO_CONVERSATION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._address import Address
    from .._batch import BatchSocket
    from .._statistics import UDPStatistics
    from ._between import Between

PEER_ENDED = "the peer has ended it"
STOPPING = "the server is stopping"
QUEUE_FULL = "peer's buffer full"
UNREAD = "channel closed"
EMPTY = "empty datagram"
NOTHING_NEW = "nothing new in it"


class RecordTooLarge(DatagramTooLarge):
    """DTLS has a limit of its own, and so a message of its own."""

    def __str__(self) -> str:
        if self.size > self.limit:
            return f"a datagram of {self.size} bytes: DTLS carries at most {self.limit}"
        return f"a datagram of {self.size} bytes: too large for this socket, though DTLS itself carries {self.limit}"


class DTLSLine:
    """A line over one of Trio's channels, whose handshake is done.

    Args:
      channel: Trio's, closed by this object.
      between: the socket that it goes through.
      idle_timeout: seconds; a receive that has waited that long is at the end of the channel.
      owns: the endpoint, where it is for this channel alone: closed with it, and then the network's errors are raised.
    """

    def __init__(
        self,
        channel: trio.DTLSChannel,
        between: Between,
        *,
        idle_timeout: float = math.inf,
        owns: trio.DTLSEndpoint | None = None,
    ) -> None:
        self._channel = channel
        self._between = between
        self._idle_timeout = idle_timeout
        self._owned = owns
        self._tally = Tally()
        self._records: deque[bytes] = deque()  # decrypted, and not given to anybody yet
        self._waiting: trio.CancelScope | None = None  # of whoever receives
        self._stopped = False  # we are at the end: nothing more is received, but the peer is there
        self._end: str | None = None  # why the peer is not
        self.ended_by = ""  # which kind of end the latest receive has met, if it has, for `PeerClosed`
        self._at_close: UDPStatistics | None = None

    @property
    def peer(self) -> Address:
        """Who is at the other end."""
        address: Address = self._channel.peer_address
        return address

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send_data(self, items: Iterable[bytes]) -> None:
        """Send datagrams in order; the first that cannot be sent ends it.

        Raises:
          DatagramTooLarge: this one was not sent, nor those after it.
          TypeError: the same for one that is not bytes.
          OSError: the same, of a client's socket.
          trio.ClosedResourceError: you have closed the channel.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            for item in items:
                await self._send(item)
        finally:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _send(self, item: bytes) -> None:
        self._check_open()
        size = payload_size(item)
        if size > LARGEST:
            raise RecordTooLarge(size, LARGEST)
        if not size:
            self._drop_sent(EMPTY)
            return
        try:
            if self._end is not None:
                raise trio.BrokenResourceError
            refusal = await self._between.send_one(self._encrypt(item), self.peer)
        except DatagramTooLarge:
            raise RecordTooLarge(size, LARGEST) from None
        except (trio.BrokenResourceError, SSL.Error):
            self._drop_sent(PEER_ENDED)
        else:
            self._count_sent(size, refusal)

    def _check_open(self) -> None:
        if self._at_close is not None:
            raise trio.ClosedResourceError("this channel was already closed")
        if self._owned and self._between.failure is not None:
            raise self._between.failure  # a server's is the server's to raise

    def _encrypt(self, item: bytes) -> bytes:
        self._channel._check_replaced()
        self._channel._ssl.write(item)
        return read_all(self._channel._ssl.bio_read)

    def _count_sent(self, size: int, refusal: str) -> None:
        if refusal:
            self._tally.dropped[refusal] += 1
        else:
            self._tally.sent += 1
            self._tally.sent_bytes += size

    def _drop_sent(self, reason: str) -> None:
        if not self._owned:  # else it is all one tally
            self._tally.dropped[reason] += 1
        self._between.io.drop(b"", self.peer, reason, outgoing=True)

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def receive_one(self, end: type[Exception]) -> bytes:
        """`receive_data` of one, raising ``end`` instead of ``trio.EndOfChannel``."""
        try:
            [data] = await self.receive_data(1)
        except trio.EndOfChannel as error:
            raise end(*error.args) from None
        return data

    async def receive_data(self, limit: int) -> list[bytes]:
        """At least one datagram; waits only for the first.

        Raises:
          trio.BusyResourceError: another task is receiving.
          trio.ClosedResourceError: you have closed the channel.
          trio.EndOfChannel: no more will come, or none has come for too long.
          Whatever has gone wrong with the socket, if that is this channel's own.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            if self._waiting is not None:
                raise trio.BusyResourceError("another task is already receiving from this channel")
            self._check_open()
            batch = self._take_arrived(limit)
            if not batch and self._end:
                raise self._end_of_channel()
        except BaseException:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise
        if batch:
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            batch = await self._wait(limit)
        self.ended_by = ""
        self._tally.received += len(batch)
        self._tally.received_bytes += sum(map(len, batch))
        return batch

    def _take_arrived(self, limit: float) -> list[bytes]:
        """What is in the queue, possibly nothing."""
        batch: list[bytes] = []
        try:
            while len(batch) < limit:
                if self._records:
                    batch.append(self._records.popleft())
                elif self._end is not None:
                    break
                else:
                    self._decrypt(self._channel._q.r.receive_nowait())
        except (trio.WouldBlock, trio.ClosedResourceError):  # the second: its socket has failed
            pass
        except (trio.EndOfChannel, SSL.Error) as error:
            self._note_end(error)
        return batch

    async def _wait(self, limit: int) -> list[bytes]:
        try:
            with trio.move_on_after(self._idle_timeout) as self._waiting:
                if self._stopped:
                    self._waiting.cancel()
                while not self._records:
                    self._decrypt(await self._channel._q.r.receive())
            if not self._records:
                await self._let_trio_finish()
        except (trio.EndOfChannel, SSL.Error) as error:
            self._note_end(error)
        except trio.ClosedResourceError:
            pass  # by whom, is seen below
        finally:
            self._waiting = None
        self._check_open()
        if batch := self._take_arrived(limit):
            return batch
        raise self._end_of_channel()

    async def _let_trio_finish(self) -> None:
        """What came in time may be in the hands of Trio's task, and it may have been this one's turn first."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        if self._stopped:
            await self._between.read_all.wait()

    def _end_of_channel(self) -> trio.EndOfChannel:
        if self._end is not None:
            self.ended_by, why = "ended by peer", self._end
        elif self._stopped:
            self.ended_by, why = "server stopped", STOPPING
        else:
            self.ended_by, why = "idle", "nothing has come for too long"
        return trio.EndOfChannel(why)

    def _decrypt(self, packet: bytes) -> None:
        """What is no record, or one that came before, is nothing, and counted."""
        already = len(self._records)
        self._channel._ssl.bio_write(packet)
        with suppress(SSL.WantReadError):
            while True:
                if record := self._channel._ssl.read(LARGEST):
                    self._records.append(record)
        if len(self._records) == already:
            self._drop_received(packet)

    def _drop_received(self, packet: bytes) -> None:
        if not self._owned:
            self._tally.dropped[NOTHING_NEW] += 1
        self._between.io.drop(packet, self.peer, NOTHING_NEW, outgoing=False)

    def _note_end(self, error: Exception) -> None:
        if isinstance(error, SSL.ZeroReturnError):
            self._end = "the peer has closed its channel"
        elif isinstance(error, SSL.Error):
            self._end = f"the peer has broken the channel off: {reason_of(error)}"
        else:
            self._end = "the peer has begun another conversation"

    def stop(self) -> None:
        """What is in the queue may still be received, and then there is an end; sending still works."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()

    # -- the end ------------------------------------------------------------------------------------------------------

    def statistics(self) -> UDPStatistics:
        """What has gone through, in datagrams as the user sees them; after `close`, as it was then."""
        return self._at_close or self._statistics(0)

    def _statistics(self, unread: int) -> UDPStatistics:
        tally, socket = Tally(), self._between.io.statistics()
        tally.add(self._tally)
        if self._owned:
            tally.dropped.update(socket.dropped)
            tally.errors.update(socket.errors)
        if full := self._channel.statistics().incoming_packets_dropped_in_trio:
            tally.dropped[QUEUE_FULL] += full
        if unread:
            tally.dropped[UNREAD] += unread
        return tally.with_kernels(socket.kernel_drops if self._owned else None, socket.receive_buffer)

    @trio.lowlevel.enable_ki_protection  # closed by half, it could not be closed again
    def close(self) -> None:
        """Say goodbye, and wake whoever waits with ``trio.ClosedResourceError``; closing again does nothing."""
        if self._at_close is not None:
            return
        unread = 0
        try:
            unread = len(self._take_arrived(math.inf))
            drop_queued(self._channel, self._between.io)  # behind the end
        finally:  # an observer may raise
            self._close(unread)

    def _close(self, unread: int) -> None:
        self._at_close = self._statistics(unread)
        self._say_goodbye()
        self._channel.close()
        if self._owned:
            self._owned.close()
        # What Trio has dropped, it tells of only by number; so they are told at the end, and without their bytes.
        drop_many(self._between.io, self.peer, QUEUE_FULL, self._at_close.dropped.get(QUEUE_FULL, 0))
        drop_many(self._between.io, self.peer, UNREAD, unread)

    def _say_goodbye(self) -> None:
        if self._end is not None or self._channel._replaced:
            return
        connection: SSL.Connection = self._channel._ssl
        with suppress(SSL.Error):
            connection.shutdown()
        if goodbye := read_all(connection.bio_read):
            with suppress(trio.ClosedResourceError):  # somebody has closed the socket itself
                self._between.io.send_now(goodbye, self.peer)  # what it returns, if it did not work, is counted


def drop_unheard(channel: trio.DTLSChannel, io: BatchSocket) -> None:
    """Count what has come for a channel that there will be no line for."""
    drop_queued(channel, io)
    drop_many(io, channel.peer_address, QUEUE_FULL, channel.statistics().incoming_packets_dropped_in_trio)


def drop_queued(channel: trio.DTLSChannel, io: BatchSocket) -> None:
    """Count what is in the queue of a channel that nobody can talk to."""
    with suppress(trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
        while True:
            io.drop(channel._q.r.receive_nowait(), channel.peer_address, NO_CONVERSATION, outgoing=False)


def drop_many(io: BatchSocket, peer: Address, reason: str, number: int) -> None:
    """Count so many of which nothing but their number is known."""
    if number and io.emit is None:
        io.tally.dropped[reason] += number
        return
    for _ in range(number):
        io.drop(b"", peer, reason, outgoing=False)
