"""Names of servers: what is one, and in which letters."""

from __future__ import annotations

from typing import Any

import pytest

from trio_udp.dtls._name import ServerName


@pytest.mark.parametrize(
    ("name", "dns"),
    [
        ("server.example", "server.example"),
        ("Server.Example", "Server.Example"),
        ("a_b", "a_b"),
        ("grüße.example", "xn--gre-6ka8l.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_names(name: str, dns: str) -> None:
    """Regression: a name with a capital umlaut was told to the server, and could then not be compared."""
    assert ServerName.of("10.0.0.1", name) == ServerName.of(name, None) == ServerName(name, dns, False)


@pytest.mark.parametrize("name", ["10.0.0.1", "::1", "fe80::1%eth0"])
def test_addresses(name: str) -> None:
    assert ServerName.of("server.example", name) == ServerName.of(name, None) == ServerName(name, "", True)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", " a", "*.example", "[::1]", "a\0b", "\u2603..example", "2130706433", "a" * 254, "http://a"]
)
def test_what_is_no_name(name: str) -> None:
    """The host is for the system to say: it is looked up. No certificate can be for that one."""
    with pytest.raises(ValueError, match=r"server_name must be a host name or an address, like server\.example or 192"):
        ServerName.of("server.example", name)
    assert ServerName.of(name, None) == ServerName(name, "", False)


def test_what_is_no_text() -> None:
    wrong: Any = b"server.example"
    for arguments in (("server.example", wrong), (wrong, None)):
        with pytest.raises(TypeError, match=r"a server's name must be a str, not b'server.example'"):
            ServerName.of(*arguments)
