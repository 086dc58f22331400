"""`Receiving`: what has come is decrypted, and waited for.

To a handler what Trio says when a peer has begun anew or has ended the conversation is the end of the channel, as is
that nothing has come for too long, or that the server is stopping.

Trio's `receive` gives the payloads of all records in a datagram as one. Here each that comes is a datagram of its own
(RFC 6347 section 4.1.1).
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from ._context import reason_of
from ._handshake import LARGEST

if TYPE_CHECKING:
    from ._conversation import Conversation

STOPPING = "the server is stopping"
NOTHING_NEW = "nothing new in it"


class Receiving:
    """What comes from the peer.

    Args:
      conversation: what is shared with who sends.
      idle_timeout: seconds; a receive that has waited that long is at the end of the channel.
    """

    def __init__(self, conversation: Conversation, idle_timeout: float) -> None:
        self._conversation = conversation
        self._idle_timeout = idle_timeout
        self._tally = conversation.tally
        self._ssl: SSL.Connection = conversation.channel._ssl
        self._records: deque[bytes] = deque()  # decrypted, and not given to anybody yet
        self._waiting: trio.CancelScope | None = None  # of whoever receives
        self._stopped = False  # we are at the end: nothing more is received, but the peer is there
        self.ended_by = ""  # which kind of end the latest receive has met, if it has, for `PeerClosed`

    async def receive_one(self, end: type[Exception]) -> bytes:
        """`DTLSLine.receive_one`."""
        try:
            [data] = await self.receive_data(1)
        except trio.EndOfChannel as error:
            raise end(*error.args) from None
        return data

    async def receive_data(self, limit: int) -> list[bytes]:
        """`DTLSLine.receive_data`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            if self._waiting is not None:
                raise trio.BusyResourceError("another task is already receiving from this channel")
            self._conversation.check_open()
            batch = self.take_arrived(limit)
            if not batch and self._conversation.ended:
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

    def take_arrived(self, limit: float) -> list[bytes]:
        """What is in the queue, possibly nothing."""
        batch: list[bytes] = []
        try:
            while len(batch) < limit:
                if self._records:
                    batch.append(self._records.popleft())
                elif self._conversation.ended is not None:
                    break
                else:
                    self._decrypt(self._conversation.channel._q.r.receive_nowait())
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
                    self._decrypt(await self._conversation.channel._q.r.receive())
            if not self._records:
                await self._let_trio_finish()
        except (trio.EndOfChannel, SSL.Error) as error:
            self._note_end(error)
        except trio.ClosedResourceError:
            pass  # by whom, is seen below
        finally:
            self._waiting = None
        self._conversation.check_open()
        if batch := self.take_arrived(limit):
            return batch
        raise self._end_of_channel()

    async def _let_trio_finish(self) -> None:
        """What came in time may be in the hands of Trio's task, and it may have been this one's turn first."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        if self._stopped:
            await self._conversation.between.read_all.wait()

    def _end_of_channel(self) -> trio.EndOfChannel:
        if self._conversation.ended is not None:
            self.ended_by, why = "ended by peer", self._conversation.ended
        elif self._stopped:
            self.ended_by, why = "server stopped", STOPPING
        else:
            self.ended_by, why = "idle", "nothing has come for too long"
        return trio.EndOfChannel(why)

    def _decrypt(self, packet: bytes) -> None:
        """What is no record, or one that came before, is nothing, and counted."""
        already = len(self._records)
        self._ssl.bio_write(packet)
        with suppress(SSL.WantReadError):
            while True:
                if record := self._ssl.read(LARGEST):
                    self._records.append(record)
        if len(self._records) == already:
            self._conversation.drop(packet, NOTHING_NEW, outgoing=False)

    def _note_end(self, error: Exception) -> None:
        if isinstance(error, SSL.ZeroReturnError):
            why = "the peer has closed its channel"
        elif isinstance(error, SSL.Error):
            why = f"the peer has broken the channel off: {reason_of(error)}"
        else:
            why = "the peer has begun another conversation"
        self._conversation.ended = why

    def stop(self) -> None:
        """What is in the queue may still be received, and then there is an end."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()
