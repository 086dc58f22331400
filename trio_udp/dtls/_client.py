"""`open_dtls_channel`: a conversation with a server that has shown who it is.

A name may stand for several addresses, and ``localhost`` is ``::1`` first where the server may listen on ``127.0.0.1``
only. Plain UDP cannot tell; here there is a handshake, so an address that refuses is left for the next one, as
`trio.open_tcp_stream` does it. One that is silent is not: how long is too long, only the caller knows. But a handshake
may be beyond hope where another one is not, so after a while there is another one.

A certificate is checked in two steps, and OpenSSL does only the first: whether an authority that we know has signed it,
for any name in the world. That the name is the one that was asked for is the second. A context of pyOpenSSL does not
even ask for the first. So a context that does not is refused, unless the caller says that it is meant.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from .._address import check_peer_port, format_address, resolve
from .._channel import UDPChannel
from .._connection import connect
from .._events import current_emit
from .._statistics import Tally
from ._between import Between, ignore_refusal
from ._context import check_context, client_context, let_trio_set_options
from ._handshake import shake_hands
from ._line import DTLSLine
from ._name import ServerName, ask_for, check_name

if TYPE_CHECKING:
    from .._address import Target

# Datagrams that may wait for `receive`. A server's peers have ten by default, as there may be a thousand of them.
QUEUE = 256

# Seconds after which a handshake is begun anew, from another port: a server's cookie may have expired by then (Trio's
# are good for 30 s), or the server have given up, and what it had to say about that is lost. Then the old handshake
# would go on for ever. In that time what is lost is sent again after 1, 3, 7 and 15 s.
ANEW = 30.0


@trio.lowlevel.enable_ki_protection  # Ctrl-C ends the waits; it must not fall between a socket and who closes it
async def open_dtls_channel(
    host: str,
    port: int,
    ssl_context: SSL.Context | None = None,
    *,
    server_name: str | None = None,
    check_certificate: bool = True,
) -> UDPChannel:
    """Open a channel to a DTLS server, and agree with it on keys.

    Use it as ``async with await open_dtls_channel(...) as channel``. What is lost of the handshake is sent again, for
    ever: put a ``trio.fail_after`` around it. The channel is one as those of `trio_udp.open_udp_channel`, with these
    differences: an empty datagram is not sent but dropped and counted, the limit is 16,384 bytes, and when the server
    closes its channel ``receive`` raises ``trio.EndOfChannel``.

    Args:
      host: a name or an address; of a name with several addresses, the first that does not refuse.
      port: 1 to 65535.
      ssl_context: whom to believe, as `client_context` makes it; None: whom this machine believes.
      server_name: the name or the address for which the server's certificate has to be; None: the host.
      check_certificate: False: any certificate of anybody will do, and so will an attacker's.

    Cancellation:
      Closes the socket. The server will notice when the peer is idle.

    Raises:
      OSError: the name could not be resolved, no address can be reached from this machine, or all of them refuse
        (ConnectionRefusedError).
      ssl.SSLCertVerificationError: the certificate is not believed, has expired or is for another name; which each is
        where the host can be no certificate's, like ``"2130706433"``, though the system takes it for 127.0.0.1.
      ssl.SSLError: the handshake failed for another reason, which the message tells. These two are OSErrors as well.
      TypeError: the context is not one of pyOpenSSL, or a name no str.
      ValueError: the port is out of range, ``server_name`` is neither a host name nor an address, or the context does
        not check certificates.
    """
    await trio.lowlevel.checkpoint()
    context = _checked_context(ssl_context, check_certificate)
    check_peer_port(port)
    name = ServerName.of(host, server_name)
    failures: list[OSError] = []
    for target in await resolve(host, port):
        try:
            while True:
                with trio.move_on_after(ANEW):
                    return UDPChannel(await _open(target, context, name, check_certificate))
        except ssl.SSLError:
            raise  # somebody was there
        except OSError as error:
            failures.append(error)
    raise failures[0]


def _checked_context(context: SSL.Context | None, check_certificate: bool) -> SSL.Context:
    if context is None:
        return client_context()
    check_context(context, "trio_udp.dtls.client_context")
    if check_certificate and not context.get_verify_mode() & SSL.VERIFY_PEER:
        raise ValueError(
            "ssl_context checks no certificates (VERIFY_NONE): take client_context(), or say check_certificate=False"
        )
    return context


async def _open(target: Target, context: SSL.Context, name: ServerName, check_certificate: bool) -> DTLSLine:
    socket = trio.socket.socket(target.family, trio.socket.SOCK_DGRAM)
    between = Between(await connect(socket, target, Tally(), current_emit()))
    endpoint = trio.DTLSEndpoint(between, incoming_packets_buffer=QUEUE)
    try:
        let_trio_set_options(context)
        channel = endpoint.connect(target.address, context)  # type: ignore[arg-type] # of IPv6, too
        between.on_failure = channel.close
        if not check_certificate:
            channel._ssl.set_verify(SSL.VERIFY_NONE)
        ask_for(channel, name)
        await _shake_hands_unless_refused(channel, between)
        line = DTLSLine(channel, between, owns=endpoint)
        if check_certificate:
            _check_name(line, channel, name)
        return line
    except BaseException:
        endpoint.close()
        raise


async def _shake_hands_unless_refused(channel: trio.DTLSChannel, between: Between) -> None:
    refusals: list[OSError] = []

    def give_up(error: OSError) -> None:
        refusals.append(error)
        waiting.cancel()

    between.on_refusal = give_up
    try:
        with trio.CancelScope() as waiting:
            await shake_hands(channel, between)
    except trio.ClosedResourceError:
        if between.failure is not None:
            raise between.failure from None
        raise
    finally:
        between.on_refusal = ignore_refusal
    if waiting.cancelled_caught:
        [error, *_] = refusals
        raise OSError(error.errno, f"no DTLS with {format_address(channel.peer_address)}: {error.strerror}")


def _check_name(line: DTLSLine, channel: trio.DTLSChannel, name: ServerName) -> None:
    try:
        check_name(channel, name)
    except BaseException:
        line.close()  # and the server is told: its handler waits already
        raise
