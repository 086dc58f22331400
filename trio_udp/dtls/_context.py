"""What OpenSSL has to know before it talks: which certificate is ours, and whom to believe.

A context of pyOpenSSL begins with everything allowed: no certificate is looked at, and versions of DTLS that RFC 8996
has buried are spoken. The two functions here make one that is right. Whoever needs another (a certificate for the
client, other ciphers) makes it, or changes one of these before it is used.

Reading files is done at once and not in a thread: they are small, and a server reads them before it serves.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from OpenSSL.crypto import X509

# DTLS 1.2 as RFC 6347 section 4.1 has it on the wire. DTLS 1.0 "MUST NOT be used": RFC 8996 section 5.
DTLS_1_2 = 0xFEFD

REASONS = {
    number: name.removeprefix("ERR_").replace("_", " ").lower()
    for name, number in vars(SSL.X509VerificationCodes).items()
    if isinstance(number, int)
}


def server_context(certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> SSL.Context:
    """A context for `serve_dtls_peers`.

    Args:
      certificate: a file with the server's certificate, and after it those that lead to the one that clients know, as
        PEM.
      key: a file with its private key as PEM, without a passphrase.

    Raises:
      OSError: a file cannot be read.
      ValueError: it does not contain what it should, or the key is not that of the certificate.
    """
    context = _new_context()
    context.set_options(
        SSL.OP_NO_TICKET
    )  # nobody resumes here; and Trio answers some forged datagrams with what has it
    _check_readable(certificate)
    try:
        context.use_certificate_chain_file(os.fspath(certificate))
    except SSL.Error:
        raise ValueError(f"{os.fspath(certificate)} contains no certificate in PEM") from None
    try:
        context.use_privatekey(_load_key(key))  # type: ignore[arg-type] # there are kinds that are for other things
    except (SSL.Error, TypeError):
        raise ValueError(f"{os.fspath(key)} is not the key of the certificate in {os.fspath(certificate)}") from None
    return context


def client_context(ca: str | os.PathLike[str] | None = None) -> SSL.Context:
    """A context for `open_dtls_channel`, which believes a server whose certificate an authority has signed.

    Args:
      ca: a file with the authorities' certificates as PEM; None: those that this machine trusts, where OpenSSL finds
        them (it does not on Windows).

    Raises:
      OSError: the file cannot be read.
      ValueError: there is no certificate in it.
    """
    context = _new_context()
    context.set_verify(SSL.VERIFY_PEER, _note_reason)
    if ca is None:
        context.set_default_verify_paths()
        return context
    _check_readable(ca)
    try:
        context.load_verify_locations(os.fspath(ca))
    except SSL.Error:
        raise ValueError(f"{os.fspath(ca)} contains no certificate in PEM") from None
    return context


def check_context(context: object, where_from: str) -> None:
    """Raise the TypeError for what is no context of pyOpenSSL, or the ValueError for one that is for TLS.

    The standard library's contexts cannot do DTLS.
    """
    if not isinstance(context, SSL.Context):
        raise TypeError(f"ssl_context must be an OpenSSL.SSL.Context, as {where_from} makes it, not {context!r}")
    if SSL.Connection(context).get_protocol_version() >> 8 != DTLS_1_2 >> 8:
        raise ValueError(
            f"ssl_context is not for DTLS: SSL.Context(SSL.DTLS_METHOD) is, and so is what {where_from} makes"
        )


def let_trio_set_options(context: SSL.Context) -> None:
    """To be called before each time that Trio is given a context.

    It sets the same options and callback each time. But pyOpenSSL 26 refuses to change a context once it has been used,
    so a context would do for one channel only.
    """
    context._used = False


def reason_of(error: SSL.Error) -> str:
    """What OpenSSL says was wrong, in its words; it does not always say."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(entries[-1][2]) if entries else "OpenSSL gives no reason"


def _new_context() -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    return context


def _note_reason(connection: SSL.Connection, certificate: X509, number: int, depth: int, ok: int) -> bool:
    """Called for each certificate of a server's; OpenSSL's error will be only that something was wrong with one."""
    if not ok:
        connection.set_app_data(REASONS.get(number, f"error {number}"))
    return bool(ok)


def _load_key(path: str | os.PathLike[str]) -> PrivateKeyTypes:
    with open(path, "rb") as file:
        data = file.read()
    try:
        return load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # the second: it has a passphrase
        raise ValueError(f"{os.fspath(path)} contains no private key in PEM without a passphrase") from None


def _check_readable(path: str | os.PathLike[str]) -> None:
    """OpenSSL's own error for a file that is not there names neither the file nor the reason."""
    with open(path, "rb"):
        pass
