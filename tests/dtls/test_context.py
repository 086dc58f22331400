"""Files that are what they should be, and files that are not: a line that says which, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

from tests.dtls.certificates import Authority, Pair
from trio_udp.dtls import client_context, server_context
from trio_udp.dtls._context import DTLS_1_2, reason_of


def test_a_server(pair: Pair) -> None:
    context = server_context(str(pair.certificate), pair.key)
    context.check_privatekey()
    assert SSL.Connection(context).get_protocol_version() == DTLS_1_2


def test_a_client(authority: Authority) -> None:
    for context in (client_context(), client_context(authority.ca), client_context(str(authority.ca))):
        assert context.get_verify_mode() == SSL.VERIFY_PEER


def test_files_that_are_not_there(tmp_path: Path, pair: Pair) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        server_context(missing, pair.key)
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        server_context(pair.certificate, missing)
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        client_context(missing)


def test_files_that_are_something_else(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    text = tmp_path / "text.pem"
    text.write_text("nothing of use")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    other = authority.sign("other")
    for certificate, its_key, wrong in [
        (text, pair.key, "text.pem contains no certificate in PEM"),
        (pair.key, pair.key, "server.key contains no certificate in PEM"),
        (pair.certificate, text, "text.pem contains no private key in PEM without a passphrase"),
        (pair.certificate, pair.certificate, "server.pem contains no private key"),
        (pair.certificate, locked, "locked.key contains no private key in PEM without a passphrase"),
        (pair.certificate, other.key, r"other.key is not the key of the certificate in .*server.pem"),
    ]:
        with pytest.raises(ValueError, match=wrong):
            server_context(certificate, its_key)
    with pytest.raises(ValueError, match=r"text\.pem contains no certificate in PEM"):
        client_context(text)


def test_reasons() -> None:
    assert reason_of(SSL.Error([("SSL routines", "", "no shared cipher")])) == "no shared cipher"
    assert reason_of(SSL.Error([])) == "OpenSSL gives no reason"
    assert reason_of(SSL.SysCallError(-1, "Unexpected EOF")) == "OpenSSL gives no reason"
