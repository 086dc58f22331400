"""Agreeing on keys, and knowing why that did not work.

Trio's handshake sends again what may be lost and goes on until it is done. It does not listen to OpenSSL's errors,
since a damaged datagram may cause one, so a certificate that is not believed leaves both sides waiting for ever. But
after nearly every error OpenSSL has given the handshake up, and asked again it says so: of 29,000 handshakes into which
damaged datagrams were mixed, some 20,000 ended with an error, and after 45 errors it went on. So it is asked again.
When it has given up, Trio still sends what it has to say to the peer (the alert), and then finds its queue closed.

And both of them, Trio and OpenSSL, send again what may be lost, and Trio has to keep OpenSSL from it. It does so by
throwing away whatever begins with what was sent before; where something new follows, that is lost as well. With 400
clients at once and a loss of 10 %, one in four needed more than 30 seconds. So OpenSSL's timer is emptied beforehand.

When it is done and a datagram of a handshake still comes, Trio takes it that its own last ones were lost, and sends
them again. Nothing shows that it was the peer who sent it: 13 bytes in its name get 75 in answer, or more where a
server's context gives out tickets. So that is done at most twice in a second.

This file, `_name` and `_line` know things about Trio's channel that are nobody's business: there is no other way to the
certificate, to the server's name, or to what waits in the queue. They are ``_ssl``, ``_q``, ``_replaced``,
``_set_replaced`` and ``_resend_final_volley``, and its endpoint's ``_streams``.
"""

from __future__ import annotations

import math
import ssl
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

from .._address import format_address
from ._context import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._between import Between

# The most that RFC 5246 section 6.2.1 puts into a record, in bytes.
LARGEST = 2**14

# Seconds between two repetitions of the end of a handshake. Who needs one asks after a second at first (RFC 6347
# section 4.2.4.1), and the first one is not put off.
BETWEEN_REPETITIONS = 0.5


async def shake_hands(channel: trio.DTLSChannel, between: Between) -> None:
    """Agree on keys with the peer, however long that takes.

    Raises:
      ssl.SSLCertVerificationError: the peer's certificate is not believed.
      ssl.SSLError: it did not work for another reason, which the message tells.
      trio.BrokenResourceError: the peer has begun another handshake.
    """
    connection: SSL.Connection = channel._ssl
    failures: list[SSL.Error] = []

    def failed(error: SSL.Error) -> None:
        failures.append(error)
        # Trio's task would take a queue that is closed for a socket that is, and never read another datagram.
        if channel.endpoint._streams.get(channel.peer_address) is channel:
            del channel.endpoint._streams[channel.peer_address]
        channel._set_replaced()  # which ends Trio's waiting, once the alert has been sent

    _limit_repetitions(channel)
    go_on = connection.do_handshake
    connection.do_handshake = partial(_go_on_and_notice, connection, go_on, failed)  # type: ignore[method-assign]
    try:
        await channel.do_handshake()
    except (SSL.Error, trio.BrokenResourceError):
        if not failures:
            raise
        await _send_rest(channel, between)
        raise _explained(channel, failures[0]) from None
    finally:
        del connection.do_handshake


@trio.lowlevel.enable_ki_protection  # what is raised in a callback of OpenSSL's, to check a certificate say, is lost
def _go_on_and_notice(
    connection: SSL.Connection, go_on: Callable[[], None], failed: Callable[[SSL.Error], None]
) -> None:
    """OpenSSL's part of the handshake; ``failed`` is called when it has given up."""
    _let_timer_expire(connection)
    try:
        go_on()
    except SSL.WantReadError:
        raise
    except SSL.Error as error:
        try:
            go_on()
        except SSL.WantReadError:
            raise
        except SSL.Error:
            failed(error)
            raise error from None


def _let_timer_expire(connection: SSL.Connection) -> None:
    """OpenSSL has a timer, too, on the real clock; what it wants to send again is not wanted.

    It would come out in front of what is new, and Trio, which takes it all for a repetition, would throw both away.
    """
    with suppress(SSL.Error):
        connection.DTLSv1_handle_timeout()
    read_all(connection.bio_read)


def _limit_repetitions(channel: trio.DTLSChannel) -> None:
    """Let Trio send the end of the handshake again only so often."""
    repeat = type(channel)._resend_final_volley
    of = weakref.ref(channel)  # which will have the function below: not in a circle
    due = -math.inf

    async def repeat_if_due() -> None:
        nonlocal due
        channel, now = of(), trio.current_time()
        if channel is not None and now >= due:
            due = now + BETWEEN_REPETITIONS
            await repeat(channel)

    channel._resend_final_volley = repeat_if_due  # type: ignore[method-assign]


async def _send_rest(channel: trio.DTLSChannel, between: Between) -> None:
    """The alert, where the first flight was not even made: that one Trio does not send."""
    if alert := read_all(channel._ssl.bio_read):
        await between.sendto(alert, channel.peer_address)


def _explained(channel: trio.DTLSChannel, error: SSL.Error) -> ssl.SSLError:
    reason, who = reason_of(error), format_address(channel.peer_address)
    if reason == "certificate verify failed":
        if isinstance(why := channel._ssl.get_app_data(), str):
            reason = f"{reason}: {why}"
        return ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"the certificate of {who} is not believed: {reason}")
    return ssl.SSLError(ssl.SSL_ERROR_SSL, f"no DTLS with {who}: {reason}")


def read_all(read: Callable[[int], bytes]) -> bytes:
    """All that OpenSSL has to give, possibly nothing."""
    pieces = []
    with suppress(SSL.WantReadError):
        while True:
            pieces.append(read(LARGEST))
    return b"".join(pieces)
