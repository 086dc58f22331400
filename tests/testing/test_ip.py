from __future__ import annotations

from socket import AF_INET, AF_INET6

import pytest

from trio_udp.testing._ip import IP, is_numeric, parse_ip, shown


@pytest.mark.parametrize(
    ("text", "canonical", "kinds"),
    [
        ("10.0.0.1", "10.0.0.1", {"is_ipv4"}),
        ("127.1.2.3", "127.1.2.3", {"is_ipv4", "is_loopback"}),
        ("0.0.0.0", "0.0.0.0", {"is_ipv4", "is_wildcard"}),
        ("224.0.0.251", "224.0.0.251", {"is_ipv4", "is_multicast"}),
        ("255.255.255.255", "255.255.255.255", {"is_ipv4", "is_broadcast"}),
        ("::ffff:10.0.0.1", "10.0.0.1", {"is_ipv4"}),
        ("::ffff:7f00:1", "127.0.0.1", {"is_ipv4", "is_loopback"}),
        ("::ffff:0.0.0.0", "0.0.0.0", {"is_ipv4", "is_wildcard"}),
        ("FD00:0::00aB", "fd00::ab", set()),
        ("fe80::1%2", "fe80::1", set()),
        ("::1", "::1", {"is_loopback"}),
        ("::", "::", {"is_wildcard"}),
        ("ff02::1", "ff02::1", {"is_multicast"}),
    ],
)
def test_an_address_and_its_kind(text: str, canonical: str, kinds: set[str]) -> None:
    ip = parse_ip(text)
    assert ip.text == canonical
    assert {name for name in IP._fields[1:] if getattr(ip, name)} == kinds


@pytest.mark.parametrize("text", ["", "server", "10.0.0", "10.0.0.256", "010.0.0.1", "1", "::g", "[::1]", "10.0.0.1 "])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        parse_ip(text)


@pytest.mark.parametrize(
    ("family", "host", "expected"),
    [
        (AF_INET, "10.0.0.1", True),
        (AF_INET, "::1", False),
        (AF_INET, "127.1", False),
        (AF_INET, "a\0b", False),
        (AF_INET, "", False),
        (AF_INET6, "::1", True),
        (AF_INET6, "::ffff:10.0.0.1", True),
        (AF_INET6, "10.0.0.1", False),
        (AF_INET6, "fe80::1%2", False),
        (99, "10.0.0.1", False),
    ],
)
def test_what_a_socket_takes_as_it_is(family: int, host: str, expected: bool) -> None:
    assert is_numeric(family, host) is expected


def test_a_place_as_a_socket_shows_it() -> None:
    assert shown(AF_INET, ("10.0.0.1", 7)) == ("10.0.0.1", 7)
    assert shown(AF_INET6, ("10.0.0.1", 7)) == ("::ffff:10.0.0.1", 7, 0, 0)
    assert shown(AF_INET6, ("fd00::1", 7)) == ("fd00::1", 7, 0, 0)
