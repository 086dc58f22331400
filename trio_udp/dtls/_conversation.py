"""`Conversation`: with whom, through which socket, and whether it is over.

Who sends has to know what who receives has been told: that the peer has ended it. Both have to know that we have, and
all of it is counted in one place. So this is what the two halves of a line (`_sending`, `_receiving`) share.

On a server the socket is everybody's: what the network objects to is counted, and a failure is the server's to raise. A
client's is its own, and it is told.

Closing says goodbye (close_notify), once and without waiting for an answer: so a server does not keep a peer that is
gone until it is idle, and a client does not wait for a handler that has returned. It may get lost like anything else,
and where the socket is not the operating system's own it is not said, as there nothing can be sent without waiting.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from .._statistics import Tally
from ._handshake import read_all

if TYPE_CHECKING:
    from .._address import Address
    from .._statistics import UDPStatistics
    from ._between import Between


class Conversation:
    """One whose handshake is done.

    Args:
      channel: Trio's.
      between: the socket that it goes through.
      owns: the endpoint, where it is for this channel alone: closed with it, and then the network's errors are raised.
    """

    def __init__(self, channel: trio.DTLSChannel, between: Between, owns: trio.DTLSEndpoint | None) -> None:
        self.channel = channel
        self.between = between
        self.tally = Tally()
        self.ended: str | None = None  # why the peer is not there any more
        self.at_close: UDPStatistics | None = None  # we have closed it
        self._owned = owns

    @property
    def owns_socket(self) -> bool:
        """Is the socket for this conversation alone?"""
        return self._owned is not None

    @property
    def peer(self) -> Address:
        """Who is at the other end."""
        address: Address = self.channel.peer_address
        return address

    def check_open(self) -> None:
        """Raise what says why nothing can be done any more."""
        if self.at_close is not None:
            raise trio.ClosedResourceError("this channel was already closed")
        if self._owned and self.between.failure is not None:
            raise self.between.failure  # a server's is the server's to raise

    def drop(self, data: bytes, reason: str, *, outgoing: bool) -> None:
        """Count one that gets no further."""
        if not self._owned:  # else it is all one tally
            self.tally.dropped[reason] += 1
        self.between.io.drop(data, self.peer, reason, outgoing=outgoing)

    def close(self) -> None:
        """Say goodbye, and close what is Trio's."""
        self._say_goodbye()
        self.channel.close()
        if self._owned:
            self._owned.close()

    def _say_goodbye(self) -> None:
        if self.ended is not None or self.channel._replaced:
            return
        connection: SSL.Connection = self.channel._ssl
        with suppress(SSL.Error):
            connection.shutdown()
        if goodbye := read_all(connection.bio_read):
            with suppress(trio.ClosedResourceError):  # somebody has closed the socket itself
                self.between.io.send_now(goodbye, self.peer)  # what it returns, if it did not work, is counted
