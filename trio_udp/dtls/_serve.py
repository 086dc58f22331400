"""`serve_dtls_peers` and `serve_dtls`: a channel and a handler for each peer with whom keys are agreed on.

They take what `trio_udp.serve_udp_peers` and `trio_udp.serve_peers` take, and a certificate: a handler that was written
for these needs no change. What they do with the peers is in ``_server.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio
from OpenSSL import SSL

from .._endpoint import UDPEndpoint
from .._opening import open_udp_endpoints
from .._peers import PeerHandler, check_peer_arguments
from .._shelter import check_grace_period, serve_in_shelter
from .._vacancies import Vacancies
from ._context import check_context
from ._server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._address import Address


async def serve_dtls_peers(
    handler: PeerHandler,
    port: int,
    ssl_context: SSL.Context,
    *,
    host: str | None = None,
    max_peers: int = 1000,
    max_peers_per_source: int | None = None,
    admit: Callable[[Address], bool] | None = None,
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
      max_peers_per_source: how many of these one IPv4 address may have, or one network of IPv6 (/64); the next one is
        counted as ``"too many of one source"``. None: no such bound. On the internet have one.
      admit: asked for the address of each new peer for which there is a place, when it has shown that it is there.
        False turns it away before keys are computed, counted as ``"not admitted"``. Those take milliseconds, so on the
        internet have one: that of a `trio_udp.RateLimit`. To look at a hello takes some 0.13 ms all the same.
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
    check_peer_arguments(handler, idle_timeout, incoming_buffer)
    check_grace_period(grace_period)
    _check_context(ssl_context)
    endpoints = await open_udp_endpoints(port, host=host, reply_from_asked=reply_from_asked)
    await serve_dtls(
        handler,
        endpoints,
        ssl_context,
        max_peers=max_peers,
        max_peers_per_source=max_peers_per_source,
        admit=admit,
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
    max_peers_per_source: int | None = None,
    admit: Callable[[Address], bool] | None = None,
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

    def make_parts() -> list[Server]:
        check_peer_arguments(handler, idle_timeout, incoming_buffer)
        _check_context(ssl_context)
        vacancies = Vacancies(max_peers, max_peers_per_source, admit)
        return [Server(handler, ssl_context, endpoints, vacancies, idle_timeout, incoming_buffer)]

    await serve_in_shelter(make_parts, endpoints, grace_period, task_status)


def _check_context(context: SSL.Context) -> None:
    check_context(context, "trio_udp.dtls.server_context")
    try:
        context.check_privatekey()
    except SSL.Error:
        raise ValueError("ssl_context has no certificate with its key: server_context(certificate, key) has") from None
