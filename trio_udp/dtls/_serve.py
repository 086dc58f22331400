"""`serve_dtls_peers` and `serve_dtls`: a channel and a handler for each peer that has shown that it is there.

It shows it with a cookie, for which nothing is kept here: so a forged address costs no task and no memory.
What follows does, so a peer has its place from then on, in its handshake as well as with its handler. A handshake has a
deadline, since a peer may vanish in the middle of it, and its end, however it went, is no error of the server's.
"""

from __future__ import annotations

import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio
from OpenSSL import SSL

from .._address import format_address
from .._channel import UDPChannel
from .._endpoint import UDPEndpoint
from .._errors import bare_exceptions, is_cancellation, logger
from .._handler import check_awaitable
from .._opening import open_udp_endpoints
from .._peers import PeerHandler, check_peer_arguments, told_of
from .._shelter import check_grace_period, serve_in_shelter
from ._between import Between
from ._context import check_context, let_trio_set_options
from ._handshake import shake_hands
from ._line import DTLSLine
from ._swallowed import Fate
from ._unread import drop_unheard

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence


# Seconds for a handshake. The timer of RFC 6347 section 4.2.4.1 begins at one second and doubles: in a minute each side
# sends its part six times (after 0, 1, 3, 7, 15 and 31 s). With a loss of 30 % each way that is enough for nearly all.
HANDSHAKE_PATIENCE = 60.0

FAILED = "handshake failed"
TOO_MANY = "too many peers"


async def serve_dtls_peers(
    handler: PeerHandler,
    port: int,
    ssl_context: SSL.Context,
    *,
    host: str | None = None,
    max_peers: int = 1000,
    idle_timeout: float = 60.0,
    incoming_buffer: int = 10,
    grace_period: float = 0.0,
    reply_from_asked: bool = False,
    task_status: trio.TaskStatus[list[UDPEndpoint]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Talk DTLS with every peer that comes to a port, each in a task of its own, until cancelled.

    ``await handler(channel)`` is called for each peer once keys are agreed on; when it returns the channel is closed,
    and the peer is told so. What a handler for `trio_udp.serve_udp_peers` sends may be sent here, but for a datagram of
    more than 16,384 bytes (`trio_udp.DatagramTooLarge`); an empty one is dropped and counted.

    Args:
      handler: an async function, which gets a `trio_udp.UDPChannel`.
      port: 0 lets the system choose, the same for all addresses.
      ssl_context: the server's certificate, as `server_context` has it.
      host: None listens on every interface, IPv4 and IPv6; ``"localhost"`` for this machine only.
      max_peers: how many handlers and handshakes there may be at once, at least 1. A peer that comes then is turned
        away and counted; it will try again.
      idle_timeout: seconds. A ``receive`` that has waited for so long raises ``trio.EndOfChannel``. A handler that does
        not receive is never idle. A handshake has a minute, whatever this is.
      incoming_buffer: how many datagrams of each peer may wait to be received, at least 1; what comes then is dropped
        and counted.
      grace_period: seconds. When the server is cancelled it takes no new peers and no more datagrams; handlers get this
        much time to end, and their ``receive`` raises ``trio.EndOfChannel`` as soon as nothing waits.
      reply_from_asked: where this machine has several addresses, talk to each peer from the one that it has asked; see
        `trio_udp.UDPEndpoint`. Otherwise who asks at another one than the system replies from gets no handshake.
      task_status: ``await nursery.start(partial(serve_dtls_peers, ...))`` returns the list of `trio_udp.UDPEndpoint`,
        which tell the addresses, and the statistics of what goes through the sockets: encrypted.

    Returns:
      Never; it ends by being cancelled or by an exception.

    Error handling:
      What a handler raises ends the server and comes out of here as it is, not in a group. The network cannot end it. A
      handshake that fails is counted, and logged with its reason (INFO, on the logger ``trio_udp``). A peer that closes
      its channel, breaks it off, or begins anew from the same address is at its end: ``receive`` raises
      ``trio.EndOfChannel``, and what is sent to it is dropped and counted.

    Resource handling:
      Trio reads each socket in a system task, which ends with the socket.

    Raises:
      OSError: the port could not be opened.
      TypeError: the context is not one of pyOpenSSL, or the handler no function.
      ValueError: an argument is out of range, there is no certificate in the context, or the platform does not have
        what an argument asks for.
    """
    await trio.lowlevel.checkpoint()
    check_peer_arguments(handler, max_peers, idle_timeout, incoming_buffer)
    check_grace_period(grace_period)
    _check_context(ssl_context)
    endpoints = await open_udp_endpoints(port, host=host, reply_from_asked=reply_from_asked)
    await serve_dtls(
        handler,
        endpoints,
        ssl_context,
        max_peers=max_peers,
        idle_timeout=idle_timeout,
        incoming_buffer=incoming_buffer,
        grace_period=grace_period,
        task_status=task_status,
    )


async def serve_dtls(
    handler: PeerHandler,
    endpoints: Sequence[UDPEndpoint],
    ssl_context: SSL.Context,
    *,
    max_peers: int = 1000,
    idle_timeout: float = 60.0,
    incoming_buffer: int = 10,
    grace_period: float = 0.0,
    task_status: trio.TaskStatus[list[UDPEndpoint]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_dtls_peers` on endpoints that you have opened, or that `trio_udp.endpoints_from_systemd` has found.

    Keys live in the server. So where a socket stays while one server ends and the next begins, conversations do not:
    the first says goodbye to its peers, as each handler ends, and the next one knows none of them. Who wants to go on
    opens a channel anew. What comes meanwhile waits in the socket; of that a hello is answered, and the rest is dropped
    and counted, as ``"no conversation"``. For the same reason two servers cannot read from one socket at once.

    Args:
      endpoints: at least one. They share the ``max_peers``. An address that sends to two of them is a peer of each.

    Resource handling:
      The endpoints are closed when this ends, however it ends.

    The other arguments and everything else are as in `serve_dtls_peers`.
    """

    def make_parts() -> list[_Server]:
        check_peer_arguments(handler, max_peers, idle_timeout, incoming_buffer)
        _check_context(ssl_context)
        return [_Server(handler, ssl_context, endpoints, max_peers, idle_timeout, incoming_buffer)]

    await serve_in_shelter(make_parts, endpoints, grace_period, task_status)


def _check_context(context: SSL.Context) -> None:
    check_context(context, "trio_udp.dtls.server_context")
    try:
        context.check_privatekey()
    except SSL.Error:
        raise ValueError("ssl_context has no certificate with its key: server_context(certificate, key) has") from None


class _Socket:
    """One that is listened at."""

    def __init__(self, between: Between) -> None:
        self.between = between
        self.listening = trio.CancelScope()
        self.failures: list[BaseException] = []  # of handlers, in order


class _Server:
    """All peers of all endpoints."""

    def __init__(
        self,
        handler: PeerHandler,
        context: SSL.Context,
        endpoints: Sequence[UDPEndpoint],
        max_peers: int,
        idle_timeout: float,
        incoming_buffer: int,
    ) -> None:
        self._handler = handler
        self._context = context
        self._max_peers = max_peers
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
        if len(self._handshakes) + len(self._lines) >= self._max_peers:
            between.io.drop(b"", channel.peer_address, TOO_MANY, outgoing=False)
            drop_unheard(channel, between.io)
        elif await self._shake_hands(channel, between):
            await self._converse(DTLSLine(channel, between, idle_timeout=self._idle_timeout), between)
        else:
            drop_unheard(channel, between.io)
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
