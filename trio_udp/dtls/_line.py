"""`DTLSLine`: what carries the datagrams of a channel once keys are agreed on.

To a handler it is to look like the line of a plain UDP peer, and Trio's channel does not: it raises where UDP counts,
joins datagrams, and knows no empty ones. What becomes of a datagram is told where it is sent (`_sending`) and received
(`_receiving`); here the two are put together, and what has gone through is told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from .._statistics import Tally
from ._conversation import Conversation
from ._receiving import Receiving
from ._sending import Sending
from ._unread import QUEUE_FULL, UNREAD, drop_many, drop_queued, dropped_by_trio

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any

    from .._address import Address
    from .._statistics import UDPStatistics
    from ._between import Between


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
        self._conversation = Conversation(channel, between, owns)
        self._sending = Sending(self._conversation)
        self._receiving = Receiving(self._conversation, idle_timeout)

    @property
    def peer(self) -> Address:
        """Who is at the other end."""
        return self._conversation.peer

    @property
    def ended_by(self) -> str:
        """Which kind of end the latest receive has met, if it has, for `PeerClosed`."""
        return self._receiving.ended_by

    def send_data(self, items: Iterable[bytes]) -> Coroutine[Any, Any, None]:
        """Send datagrams in order; the first that cannot be sent ends it.

        Raises:
          DatagramTooLarge: this one was not sent, nor those after it.
          TypeError: the same for one that is not bytes.
          OSError: the same, of a client's socket.
          trio.ClosedResourceError: you have closed the channel.
        """
        return self._sending.send_data(items)

    def receive_one(self, end: type[Exception]) -> Coroutine[Any, Any, bytes]:
        """`receive_data` of one, raising ``end`` instead of ``trio.EndOfChannel``."""
        return self._receiving.receive_one(end)

    def receive_data(self, limit: int) -> Coroutine[Any, Any, list[bytes]]:
        """At least one datagram; waits only for the first.

        Raises:
          trio.BusyResourceError: another task is receiving.
          trio.ClosedResourceError: you have closed the channel.
          trio.EndOfChannel: no more will come, or none has come for too long.
          Whatever has gone wrong with the socket, if that is this channel's own.
        """
        return self._receiving.receive_data(limit)

    def stop(self) -> None:
        """What is in the queue may still be received, and then there is an end; sending still works."""
        self._receiving.stop()

    def statistics(self) -> UDPStatistics:
        """What has gone through, in datagrams as the user sees them; after `close`, as it was then."""
        return self._conversation.at_close or self._statistics(0)

    def _statistics(self, unread: int) -> UDPStatistics:
        conversation = self._conversation
        tally, socket = Tally(), conversation.between.io.statistics()
        tally.add(conversation.tally)
        if conversation.owns_socket:
            tally.dropped.update(socket.dropped)
            tally.errors.update(socket.errors)
        if full := dropped_by_trio(conversation.channel):
            tally.dropped[QUEUE_FULL] += full
        if unread:
            tally.dropped[UNREAD] += unread
        return tally.with_kernels(socket.kernel_drops if conversation.owns_socket else None, socket.receive_buffer)

    @trio.lowlevel.enable_ki_protection  # closed by half, it could not be closed again
    def close(self) -> None:
        """Say goodbye, and wake whoever waits with ``trio.ClosedResourceError``; closing again does nothing."""
        if self._conversation.at_close is not None:
            return
        unread = 0
        try:
            unread = len(self._receiving.take_arrived(math.inf))
            drop_queued(self._conversation.channel, self._conversation.between.io)  # behind the end
        finally:  # an observer may raise
            self._close(unread)

    def _close(self, unread: int) -> None:
        told = self._statistics(unread)
        self._conversation.at_close = told
        self._conversation.close()
        io, peer = self._conversation.between.io, self.peer
        drop_many(io, peer, QUEUE_FULL, told.dropped.get(QUEUE_FULL, 0))
        drop_many(io, peer, UNREAD, unread)
