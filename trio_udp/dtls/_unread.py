"""What has come for a channel and will not be read: it is counted, too.

Some of it lies in the queue of Trio's channel, and some was dropped by Trio where that was full. Of the latter Trio
tells only the number; so an observer hears of each of them at the end, and without its bytes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from ._swallowed import NO_CONVERSATION

if TYPE_CHECKING:
    from .._address import Address
    from .._batch import BatchSocket

QUEUE_FULL = "peer's buffer full"
UNREAD = "channel closed"


def drop_unheard(channel: trio.DTLSChannel, io: BatchSocket) -> None:
    """Count what has come for a channel that there will be no line for."""
    drop_queued(channel, io)
    drop_many(io, channel.peer_address, QUEUE_FULL, dropped_by_trio(channel))


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


def dropped_by_trio(channel: trio.DTLSChannel) -> int:
    """How many came when its queue was full."""
    return channel.statistics().incoming_packets_dropped_in_trio
