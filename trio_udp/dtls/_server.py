"""`Server`: the peers of all endpoints, from their first hello to the end of their handlers.

A peer shows where it is with a cookie, for which nothing is kept here: so a forged address costs no task and no memory.
What follows does, so a peer has its place from then on, in its handshake as well as with its handler. A handshake has a
deadline, since a peer may vanish in the middle of it, and its end, however it went, is no error of the server's.
"""

from __future__ import annotations

import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from .._address import format_address
from .._channel import UDPChannel
from .._errors import bare_exceptions, is_cancellation, logger
from .._handler import check_awaitable
from .._peers import PeerHandler, told_of
from ._between import Between
from ._context import let_trio_set_options
from ._handshake import shake_hands
from ._line import DTLSLine
from ._swallowed import Fate
from ._unread import drop_unheard

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._endpoint import UDPEndpoint
    from .._vacancies import Vacancies


# Seconds for a handshake. The timer of RFC 6347 section 4.2.4.1 begins at one second and doubles: in a minute each side
# sends its part six times (after 0, 1, 3, 7, 15 and 31 s). With a loss of 30 % each way that is enough for nearly all.
HANDSHAKE_PATIENCE = 60.0

FAILED = "handshake failed"


class _Socket:
    """One that is listened at."""

    def __init__(self, between: Between) -> None:
        self.between = between
        self.listening = trio.CancelScope()
        self.failures: list[BaseException] = []  # of handlers, in order


class Server:
    """All peers of all endpoints."""

    def __init__(
        self,
        handler: PeerHandler,
        context: SSL.Context,
        endpoints: Sequence[UDPEndpoint],
        vacancies: Vacancies,
        idle_timeout: float,
        incoming_buffer: int,
    ) -> None:
        self._handler = handler
        self._context = context
        self._vacancies = vacancies
        self._idle_timeout = idle_timeout
        self._incoming_buffer = incoming_buffer
        self._stopping = False
        self._sockets = [_Socket(Between(endpoint._io)) for endpoint in endpoints]
        self._handshakes: set[trio.CancelScope] = set()
        self._lines: set[DTLSLine] = set()

    def start(self, nursery: trio.Nursery) -> None:
        for socket in self._sockets:
            socket.between.on_failure = socket.listening.cancel
            nursery.start_soon(self._listen, socket, name="trio_udp DTLS, receiving")

    def discard(self) -> None:
        pass

    @trio.lowlevel.enable_ki_protection  # Ctrl-C must not fall into Trio's opening or leaving its nursery
    async def _listen(self, socket: _Socket) -> None:
        with bare_exceptions():
            try:
                with self._endpoint(socket) as endpoint, socket.listening:
                    let_trio_set_options(self._context)
                    await endpoint.serve(self._context, partial(self._welcome, socket))
            finally:
                if socket.failures:
                    raise BaseExceptionGroup("of handlers", socket.failures)
        if socket.between.failure is not None:
            raise socket.between.failure

    def _endpoint(self, socket: _Socket) -> trio.DTLSEndpoint:
        endpoint = trio.DTLSEndpoint(socket.between, incoming_packets_buffer=self._incoming_buffer)
        socket.between.fate = Fate(endpoint)
        return endpoint

    async def _welcome(self, socket: _Socket, channel: trio.DTLSChannel) -> None:
        """A peer has shown that it is where it says.

        What goes wrong does not go through Trio's nursery. Whether that puts a group around it is for who has started
        Trio to say, so nobody can tell there whether a group is the handler's own.
        """
        try:
            await self._talk(channel, socket.between)
        except BaseException as error:
            if is_cancellation(error):
                raise
            socket.failures.append(error)
            socket.listening.cancel()

    async def _talk(self, channel: trio.DTLSChannel, between: Between) -> None:
        """The rest of the handshake, and the handler."""
        address = channel.peer_address
        if objection := self._vacancies.objection(address):
            between.io.drop(b"", address, objection, outgoing=False)
            drop_unheard(channel, between.io)
            return
        self._vacancies.take(address)
        try:
            if await self._shake_hands(channel, between):
                await self._converse(DTLSLine(channel, between, idle_timeout=self._idle_timeout), between)
            else:
                drop_unheard(channel, between.io)
        finally:
            self._vacancies.give_back(address)
        self._leave_if_done()

    async def _shake_hands(self, channel: trio.DTLSChannel, between: Between) -> bool:
        who = format_address(channel.peer_address)
        problem = f"no DTLS with {who}: not done after {HANDSHAKE_PATIENCE:g} s"
        with trio.move_on_after(HANDSHAKE_PATIENCE) as handshake:
            self._handshakes.add(handshake)
            try:
                await shake_hands(channel, between)
                return not self._stopping
            except ssl.SSLError as error:
                problem = str(error)
            except (SSL.Error, trio.BrokenResourceError) as error:
                problem = f"no DTLS with {who}: {error}"
            finally:
                self._handshakes.remove(handshake)
        if not self._stopping:
            between.io.drop(b"", channel.peer_address, FAILED, outgoing=False)
            logger.info("a handshake failed: %s", problem)
        return False

    async def _converse(self, line: DTLSLine, between: Between) -> None:
        self._lines.add(line)
        try:
            with told_of(line, between.io), UDPChannel(line) as channel:
                awaitable = self._handler(channel)
                check_awaitable(awaitable)
                await awaitable
        finally:
            self._lines.remove(line)

    def stop(self, _: float) -> None:
        """Take no new peers and no more datagrams."""
        self._stopping = True
        for socket in self._sockets:
            socket.between.stop_reading()
        for handshake in self._handshakes:
            handshake.cancel()
        for line in self._lines:
            line.stop()
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._stopping and not self._lines:
            for socket in self._sockets:
                socket.listening.cancel()
