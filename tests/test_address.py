from __future__ import annotations

import array
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from trio_udp import Address
from trio_udp._address import (
    HostPort,
    format_address,
    is_loopback,
    packed_host,
    parse_host_port,
    parse_port,
    payload_size,
    resolve,
)

PORTS = st.integers(0, 65535)


@given(st.ip_addresses(v=4), PORTS)
def test_ipv4_addresses_survive_being_printed(host: IPv4Address, port: int) -> None:
    address: Address = (str(host), port)
    assert parse_host_port(format_address(address)) == address


@given(st.ip_addresses(v=6), PORTS)
def test_ipv6_addresses_survive_being_printed(host: IPv6Address, port: int) -> None:
    text = format_address((str(host), port, 0, 0))
    assert text == f"[{host}]:{port}"
    assert parse_host_port(text) == (str(host), port)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        host, port = parse_host_port(text)
    except ValueError:
        return
    assert 0 <= port <= 65535
    assert host != ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", (None, 7)),
        ("localhost:10000", ("localhost", 10000)),
        (" example.org:1 ", ("example.org", 1)),
        ("[fe80::1%eth0]:53", ("fe80::1%eth0", 53)),
        ("*:0", ("*", 0)),
    ],
)
def test_what_people_type(text: str, expected: HostPort) -> None:
    assert parse_host_port(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a port is a number from 0 to 65535, not ''"),
        ("http", "a port is a number"),
        ("localhost:", "a port is a number"),
        ("localhost:65536", "not '65536'"),
        ("localhost:-1", "not '-1'"),
        ("localhost:٣", "a port is a number"),
        ("localhost:1_0", "a port is a number"),
        (":80", "a host must come before the colon"),
        ("::1:80", r"stands in brackets, like \[::1\]:10000"),
        ("[::1:80", "stands in brackets"),
        ("[127.0.0.1]:80", "write 127.0.0.1:80"),
        ("a b:80", "a host must come before the colon"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_host_port(text)


def test_huge_numbers_are_refused_quickly() -> None:
    with pytest.raises(ValueError, match="a port is a number"):
        parse_port("9" * 10_000)


async def test_resolve_gives_every_address_once() -> None:
    [target] = await resolve("127.0.0.1", 7)
    assert target == (socket.AF_INET, ("127.0.0.1", 7))
    hosts = [address[0] for _, address in await resolve("localhost", 7)]
    assert "127.0.0.1" in hosts
    assert len(hosts) == len(set(hosts))


async def test_resolve_knows_the_wildcards() -> None:
    hosts = {address[0] for _, address in await resolve(None, 7, passive=True)}
    assert "0.0.0.0" in hosts


async def test_resolve_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="a port is a number from 0 to 65535, not 65536"):
        await resolve("127.0.0.1", 65536)
    with pytest.raises(OSError, match=r"."):
        await resolve("no-such-host.invalid", 7)
    for host in ("a..b", "x" * 64, "nul\0inside"):
        with pytest.raises(socket.gaierror):
            await resolve(host, 7)


async def test_duplicates_of_the_resolver_are_dropped() -> None:
    class Twice(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args: object) -> list[object]:  # type: ignore[override]
            answer = (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 9))
            unix = (socket.AF_UNIX, socket.SOCK_DGRAM, 0, "", ("/tmp/x",))
            return [answer, answer, unix]

        async def getnameinfo(self, *args: object) -> tuple[str, str]:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Twice())
    assert await resolve("twice", 9) == [(socket.AF_INET, ("127.0.0.1", 9))]


@pytest.mark.parametrize("host", ["localhost", "", "1.2.3", "::1::", "1.2.3.4:5"])
def test_only_numbers_can_be_packed(host: str) -> None:
    with pytest.raises(ValueError, match=f"like 192.0.2.1, not '{host}'"):
        packed_host((host, 1))


@given(st.ip_addresses())
def test_packed_hosts_are_the_standard_librarys(host: IPv4Address | IPv6Address) -> None:
    if isinstance(host, IPv4Address):
        assert packed_host((str(host), 1)) == IPv6Address(f"::ffff:{host}").packed == packed_host((f"::ffff:{host}", 1))
    else:
        assert packed_host((str(host), 1, 0, 0)) == host.packed


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::127.0.0.1", False),
        ("128.0.0.1", False),
        ("192.0.2.127", False),
        ("7f00::1", False),
        ("::", False),
    ],
)
def test_loopback(host: str, is_ours: bool) -> None:
    assert is_loopback((host, 1, 0, 0) if ":" in host else (host, 1)) is is_ours


@pytest.mark.parametrize(
    "payload", [b"", b"four", bytearray(b"four"), memoryview(b"four"), memoryview(b"eight--.")[::2]]
)
def test_the_size_of_a_payload(payload: Any) -> None:
    assert payload_size(payload) == len(payload)


def test_the_size_of_a_payload_is_in_bytes() -> None:
    numbers: Any = array.array("I", range(5))
    view: Any = memoryview(numbers)
    assert payload_size(numbers) == payload_size(view) == 5 * numbers.itemsize


@pytest.mark.parametrize("other", ["text", 5, None])
def test_what_has_no_size_in_bytes(other: Any) -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        payload_size(other)
