"""Agreeing on keys, and knowing why that did not work.

Trio's handshake sends again what may be lost and goes on until it is done. It does not listen to OpenSSL's errors,
since a damaged datagram may cause one, so a certificate that is not believed leaves both sides waiting for ever. But
after nearly every error OpenSSL has given the handshake up, and asked again it says so: of 29,000 handshakes into which
damaged datagrams were mixed, some 20,000 ended with an error, and after 45 errors it went on. So it is asked again.
When it has given up, Trio still sends what it has to say to the peer (the alert), and then finds its queue closed.

And both of them, Trio and OpenSSL, send again what may be lost, and Trio has to keep OpenSSL from it. It does so by
throwing away whatever begins with what was sent before; where something new follows, that is lost as well. With 400
clients at once and a loss of 10 %, one in four needed more than 30 seconds. So OpenSSL's timer is emptied beforehand.

This file and `_line` know things about Trio's channel that are nobody's business: there is no other way to the
certificate, to the server's name, or to what waits in the queue. They are ``_ssl``, ``_q``, ``_replaced`` and
``_set_replaced``, and its endpoint's ``_streams``.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import idna
import trio
from cryptography import x509
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from .._address import format_address
from ._context import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._between import Between

# The most that RFC 5246 section 6.2.1 puts into a record, in bytes.
LARGEST = 2**14


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

    connection.do_handshake = _noticing(connection, failed)  # type: ignore[method-assign]
    between.handshaking.add(channel.peer_address)
    try:
        await channel.do_handshake()
    except (SSL.Error, trio.BrokenResourceError):
        if not failures:
            raise
        await _send_rest(channel, between)
        raise _explained(channel, failures[0]) from None
    finally:
        between.handshaking.discard(channel.peer_address)
        del connection.do_handshake


def _noticing(connection: SSL.Connection, failed: Callable[[SSL.Error], None]) -> Callable[[], None]:
    """OpenSSL's part of the handshake; ``failed`` is called when it has given up."""
    go_on = connection.do_handshake

    def go_on_and_notice() -> None:
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

    return go_on_and_notice


def _let_timer_expire(connection: SSL.Connection) -> None:
    """OpenSSL has a timer, too, on the real clock; what it wants to send again is not wanted.

    It would come out in front of what is new, and Trio, which takes it all for a repetition, would throw both away.
    """
    with suppress(SSL.Error):
        connection.DTLSv1_handle_timeout()
    read_all(connection.bio_read)


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


# -- the server's name -------------------------------------------------------------------------------------------------


def ask_for(channel: trio.DTLSChannel, name: str) -> None:
    """Tell the server by which name we know it. Addresses are not told: RFC 6066 section 3."""
    if not _is_address(name):
        channel._ssl.set_tlsext_host_name(name.encode() if name.isascii() else idna.encode(name, uts46=True))


def check_name(channel: trio.DTLSChannel, name: str) -> None:
    """Is the certificate for this host name or address?

    Raises:
      ssl.SSLCertVerificationError: it is not.
    """
    shown = channel._ssl.get_peer_certificate()
    who = format_address(channel.peer_address)
    if shown is None:
        raise ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"{who} has shown no certificate")
    certificate = shown.to_cryptography()
    try:
        if _is_address(name):
            verify_certificate_ip_address(certificate, name.partition("%")[0])
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError):
        names = ", ".join(map(repr, _names(certificate))) or "nobody"
        raise ssl.SSLCertVerificationError(
            ssl.SSL_ERROR_SSL, f"the certificate of {who} is for {names}, and not for {name!r}"
        ) from None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return names.get_values_for_type(x509.DNSName) + [str(address) for address in addresses]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
