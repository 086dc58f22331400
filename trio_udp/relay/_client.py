"""One client of a relay: its socket towards the target, its two ways, and whether it is still there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from .._batch import BatchSocket
from .._connection import Connection
from .._errors import NETWORK_ERRORS
from .._opening import open_udp_endpoint
from ._way import Terms, Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._address import Address, Target
    from .._batch import Datagram


class Client:
    """Whoever sends from one address to one of the relay's.

    Args:
      terms: what all clients have in common.
      index: its number, from 1.
      address: who it is.
      listener: where its datagrams come in, and answers go out.
      connection: its way to the target, open; this object closes it.
      nursery: where tasks are started that send for it.
    """

    def __init__(
        self,
        terms: Terms,
        index: int,
        address: Address,
        listener: BatchSocket,
        connection: Connection,
        nursery: trio.Nursery,
    ) -> None:
        self.index = index
        self.address = address
        self.listener = listener
        self.gone = False
        self.start_soon = nursery.start_soon
        self._terms = terms
        self._connection = connection
        self._answered_from: Address | None = None
        self._active_until = trio.current_time()
        self._missed = 0
        self.forward = Way(terms, terms.forward, self)
        self.backward = Way(terms, terms.backward, self)

    @property
    def io(self) -> BatchSocket:
        """The present socket towards the target."""
        return self._connection.io

    @property
    def target(self) -> Address:
        """Where its datagrams go."""
        return self._answered_from or self._connection.address

    def may_hear(self, source: Address) -> bool:
        """May an answer from there go to the client now? With ``follow_port`` the first that may decides the port."""
        if self._terms.follow_port:
            self._answered_from = self._answered_from or source
            return source == self._answered_from
        return True  # the socket is connected, and the kernel has seen to it

    def is_active_until(self, time: float) -> None:
        """It counts as idle from this time at the earliest."""
        if time > self._active_until:
            self._active_until = time

    async def run(self) -> None:
        """Carry the target's answers, until the client is idle for too long."""
        batch: Iterator[Datagram] = iter(())
        try:
            while received := await self._receive():
                now, batch = trio.current_time(), iter(received)
                for data, source in batch:
                    if self._is_believed(source):
                        await self.backward.carry(now, data, source)
                    else:
                        self.backward.drop(data, "stranger")
        finally:
            self.gone = True
            self._connection.close()
            self._miss(batch)
            self._miss(self.io.leftover())

    async def _receive(self) -> list[Datagram]:
        """What the target has answered; nothing when the client has been idle for too long."""
        while (idle_at := self._active_until + self._terms.idle_timeout) > trio.current_time():
            io = self.io
            with trio.move_on_at(idle_at):
                try:
                    batch = await io.receive()
                    io.report_received(batch)
                    return batch
                except trio.ClosedResourceError:
                    if io is self.io:
                        raise
                    self._miss(io.leftover())
                except OSError as error:
                    if error.errno not in NETWORK_ERRORS:
                        raise
                    await self.refused(io)
        return []

    def _miss(self, datagrams: Iterable[Datagram]) -> None:
        """These were taken off the socket, and got no further."""
        for data, _ in datagrams:
            self.backward.drop(data, "client gone")

    def _is_believed(self, source: Address) -> bool:
        if self._terms.follow_port:
            return source == self._answered_from if self._answered_from else source[0] == self._connection.address[0]
        return True

    async def refused(self, io: BatchSocket) -> None:
        """The target has refused what was sent through this socket: if it has another address, go there."""
        await self._connection.move_on(io)
        self._terms.prefer(self._connection.address)

    async def rebind(self) -> None:
        """Take a new port towards the target; what comes to the old one from now on is lost."""
        old = self.io
        with suppress(OSError, trio.ClosedResourceError):  # no port can be had, or the client has gone
            await self._connection.renew()
            self._missed += old.statistics().kernel_drops or 0

    @property
    def kernel_drops(self) -> int:
        """Answers that the kernel received for this client and dropped."""
        return self._missed + (self.io.statistics().kernel_drops or 0)


class FollowingConnection(Connection):
    """One that hears all ports of the target's host, and says so to nobody: its socket is not connected."""

    async def _connect(self, target: Target) -> BatchSocket:
        endpoint = await open_udp_endpoint("::" if target.family == trio.socket.AF_INET6 else "0.0.0.0")
        return BatchSocket(endpoint.socket, self._tally, self._emit)
