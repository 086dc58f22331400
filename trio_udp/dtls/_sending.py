"""`Sending`: datagrams become records, and leave.

Sending to a peer that has begun anew or has ended the conversation is sending to nobody, as it is with UDP: counted. An
empty datagram is one to UDP, and OpenSSL sends none. So at both ends it is dropped and counted: who sends one need not
know what carries it.

Trio's channel joins what it should keep apart: a `send` that was cancelled leaves its record to the next one, which
sends both in one datagram. So here a record is encrypted and taken from OpenSSL in one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from .._address import payload_size
from .._errors import DatagramTooLarge
from ._handshake import LARGEST, read_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._conversation import Conversation

PEER_ENDED = "the peer has ended it"
EMPTY = "empty datagram"


class RecordTooLarge(DatagramTooLarge):
    """DTLS has a limit of its own, and so a message of its own."""

    def __str__(self) -> str:
        if self.size > self.limit:
            return f"a datagram of {self.size} bytes: DTLS carries at most {self.limit}"
        return f"a datagram of {self.size} bytes: too large for this socket, though DTLS itself carries {self.limit}"


class Sending:
    """What goes to the peer."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._tally = conversation.tally

    async def send_data(self, items: Iterable[bytes]) -> None:
        """`DTLSLine.send_data`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            for item in items:
                await self._send(item)
        finally:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _send(self, item: bytes) -> None:
        conversation = self._conversation
        conversation.check_open()
        size = payload_size(item)
        if size > LARGEST:
            raise RecordTooLarge(size, LARGEST)
        if not size:
            conversation.drop(b"", EMPTY, outgoing=True)
            return
        try:
            if conversation.ended is not None:
                raise trio.BrokenResourceError
            refusal = await conversation.between.send_one(self.encrypt(item), conversation.peer)
        except DatagramTooLarge:
            raise RecordTooLarge(size, LARGEST) from None
        except (trio.BrokenResourceError, SSL.Error):
            conversation.drop(b"", PEER_ENDED, outgoing=True)
        else:
            self._count_sent(size, refusal)

    def encrypt(self, item: bytes) -> bytes:
        """The record to send."""
        channel = self._conversation.channel
        channel._check_replaced()
        channel._ssl.write(item)
        return read_all(channel._ssl.bio_read)

    def _count_sent(self, size: int, refusal: str) -> None:
        if refusal:
            self._tally.dropped[refusal] += 1
        else:
            self._tally.sent += 1
            self._tally.sent_bytes += size
