"""`ServerName`: by which name a server is asked for, and whether its certificate is for it.

OpenSSL looks who has signed a certificate, and not for whom it is: that is done here. A name is taken once into the
letters that DNS has, since the server's hello and the comparison must not take it in two different ways.

A host can be asked for that is no such name, as the system looks up whatever it likes: ``2130706433`` is 127.0.0.1. No
certificate can be for that, and the server is not told of it. A name that was given for the server alone is for nothing
but this, so there it is an error before anything is sent.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import idna
from cryptography import x509
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from service_identity.hazmat import DNS_ID

from .._address import format_address

if TYPE_CHECKING:
    import trio

# Of a host name, in characters: RFC 1035 section 2.3.4 has 255 bytes of it on the wire, which are two more.
MOST_CHARACTERS = 253


@dataclass(frozen=True)
class ServerName:
    """A name, or an address.

    Args:
      text: as it was asked for.
      dns: the same in the letters of DNS; nothing if it is an address, or no name that a certificate could have.
      is_address: is it one?
    """

    text: str
    dns: str
    is_address: bool

    @classmethod
    def of(cls, host: str, server_name: str | None) -> ServerName:
        """The name that was given, or else the host.

        Raises:
          TypeError: it is no text.
          ValueError: what was given can be no server's name.
        """
        text = host if server_name is None else server_name
        if not isinstance(text, str):
            raise TypeError(f"a server's name must be a str, not {text!r}")
        if _is_address(text):
            return cls(text, "", True)
        try:
            return cls(text, _in_ascii(text), False)
        except ValueError:
            if server_name is not None:
                raise ValueError(
                    f"server_name must be a host name or an address, like server.example or 192.0.2.1, not {text!r}"
                ) from None
        return cls(text, "", False)


def _in_ascii(text: str) -> str:
    """A host name as DNS has it: RFC 5890 section 2.3.2.1.

    Raises:
      ValueError: it is none. (That of IDNA is a UnicodeError, which is a ValueError.)
    """
    dns = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    DNS_ID(dns)  # raises a ValueError for other characters
    if len(dns) > MOST_CHARACTERS or dns != dns.strip():
        raise ValueError
    return dns


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def ask_for(channel: trio.DTLSChannel, name: ServerName) -> None:
    """Tell the server by which name we know it. Addresses are not told: RFC 6066 section 3."""
    if name.dns:
        channel._ssl.set_tlsext_host_name(name.dns.encode("ascii"))


def check_name(channel: trio.DTLSChannel, name: ServerName) -> None:
    """Is the certificate for this host name or address?

    Raises:
      ssl.SSLCertVerificationError: it is not.
    """
    shown = channel._ssl.get_peer_certificate()
    who = format_address(channel.peer_address)
    if shown is None:
        raise ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"{who} has shown no certificate")
    certificate = shown.to_cryptography()
    if not _is_for(certificate, name):
        names = ", ".join(map(repr, _names(certificate))) or "nobody"
        raise ssl.SSLCertVerificationError(
            ssl.SSL_ERROR_SSL, f"the certificate of {who} is for {names}, and not for {name.text!r}"
        )


def _is_for(certificate: x509.Certificate, name: ServerName) -> bool:
    try:
        if name.is_address:
            verify_certificate_ip_address(certificate, name.text.partition("%")[0])
        elif name.dns:
            verify_certificate_hostname(certificate, name.dns)
        else:
            return False
    except (VerificationError, CertificateError):
        return False
    return True


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return names.get_values_for_type(x509.DNSName) + [str(address) for address in addresses]
