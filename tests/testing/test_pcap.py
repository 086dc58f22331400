from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_udp.testing._pcap import pcap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_udp import Address

    Sent = tuple[float, Address, Address, bytes]


class Seen(NamedTuple):
    """A datagram, read back."""

    nanoseconds: int
    source: tuple[str, int]
    destination: tuple[str, int]
    data: bytes


# -- a reader, written from the documents and not from the writer ------------------------------------------------------


def read(file: bytes) -> Iterator[Seen]:
    magic, major, minor, _, _, snap_length, link = struct.unpack_from("<IHHIIII", file)
    assert (magic, major, minor, snap_length, link) == (0xA1B23C4D, 2, 4, 262144, 101)
    at = 24
    while at < len(file):
        seconds, nanoseconds, captured, original = struct.unpack_from("<IIII", file, at)
        assert nanoseconds < 10**9
        assert captured == original
        at += 16 + captured
        yield read_ip(seconds * 10**9 + nanoseconds, file[at - captured : at])
    assert at == len(file)


def read_ip(time: int, wire: bytes) -> Seen:
    if wire[0] >> 4 == 4:
        assert wire[:2] == b"\x45\0"
        assert int.from_bytes(wire[2:4], "big") == len(wire)
        hops = 1 if 224 <= wire[16] < 240 else 64  # one to a group
        assert wire[4:10] == bytes([0, 0, 0x40, 0, hops, 17])  # no identification, don't fragment, UDP
        assert add_up(wire[:20]) == 0xFFFF
        assert wire[10:12] != b"\xff\xff"
        source, destination, udp = wire[12:16], wire[16:20], wire[20:]
        pseudo = source + destination + struct.pack("!BBH", 0, 17, len(udp))
    else:
        assert wire[:4] == b"\x60\0\0\0"
        assert int.from_bytes(wire[4:6], "big") == len(wire) - 40
        assert wire[6:8] == bytes([17, 1 if wire[24] == 0xFF else 64])
        source, destination, udp = wire[8:24], wire[24:40], wire[40:]
        pseudo = source + destination + struct.pack("!IHBB", len(udp), 0, 0, 17)
    from_port, to_port, length, checksum = struct.unpack_from("!HHHH", udp)
    assert length == len(udp)
    assert checksum != 0
    assert add_up(pseudo + udp) == 0xFFFF
    return Seen(time, (text(source), from_port), (text(destination), to_port), udp[8:])


def add_up(data: bytes) -> int:
    """RFC 1071 section 1, word by word; over a datagram and its checksum it gives all ones."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total


def text(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def written(*datagrams: Sent) -> bytes:
    return b"".join(pcap(datagrams))


# -- what is written ---------------------------------------------------------------------------------------------------


def test_the_bytes_of_one_datagram() -> None:
    """Worked out by hand: what is in the file, to the last bit."""
    file = written((1.5, ("10.0.0.1", 0x1234), ("10.0.0.2", 7), b"hi!"))
    assert file.hex(" ", -4) == (
        "4d3cb2a1 02000400 00000000 00000000 00000400 65000000"  # the file
        " 01000000 0065cd1d 1f000000 1f000000"  # 1 s, 500,000,000 ns, 31 bytes
        " 4500001f 00004000 401126cc 0a000001 0a000002"  # IPv4
        " 12340007 000b5031 686921"  # UDP: 0a00 + 1 + 0a00 + 2 + 11 + b + 1234 + 7 + b + 6869 + 2100 = afce
    )


def test_a_file_without_datagrams_is_one() -> None:
    assert list(read(written())) == []
    assert len(written()) == 24


def test_pieces_come_one_by_one() -> None:
    """A record may be long: nobody needs to hold the file in memory."""
    assert len(list(pcap([(0.0, ("10.0.0.1", 1), ("10.0.0.2", 2), b"")] * 3))) == 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:0A00:0001", "10.0.0.1"),
        ("fd00::1", "fd00::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
    ],
)
def test_addresses(given: str, expected: str) -> None:
    here: Address = (given, 1, 0, 3) if ":" in given else (given, 1)
    (seen,) = read(written((0.0, here, here, b"x")))
    assert seen == Seen(0, (expected, 1), (expected, 1), b"x")


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [(0.0, 0), (0.1 + 0.2, 300_000_000), (0.000001, 1000), (0.9999999996, 10**9), (86400.000000001, 86400 * 10**9 + 1)],
)
def test_times_are_rounded_to_nanoseconds(time: float, nanoseconds: int) -> None:
    (seen,) = read(written((time, ("10.0.0.1", 1), ("10.0.0.2", 2), b"")))
    assert seen.nanoseconds == nanoseconds


@pytest.mark.parametrize(("host", "largest"), [("10.0.0.1", 65_507), ("fd00::1", 65_527)])
def test_the_largest_datagrams(host: str, largest: int) -> None:
    data = bytes(range(256)) * 256
    (seen,) = read(written((0.0, (host, 65_535), (host, 1), data[:largest])))
    assert seen == Seen(0, (host, 65_535), (host, 1), data[:largest])


def test_a_udp_checksum_of_zero_is_sent_as_ones() -> None:
    """RFC 768: zero says that there is no checksum. Here the two bytes of data are what makes the sum all ones."""
    bare = written((0.0, ("10.0.0.1", 1), ("10.0.0.2", 2), b"\0\0"))
    missing = bare[-4:-2]  # the checksum: what is missing from all ones
    file = written((0.0, ("10.0.0.1", 1), ("10.0.0.2", 2), missing))
    assert file[-4:-2] == b"\xff\xff"
    assert list(read(file)) == [Seen(0, ("10.0.0.1", 1), ("10.0.0.2", 2), missing)]


def test_an_ip_checksum_of_zero_stays_zero() -> None:
    """RFC 791 has no such rule: its checksum is there, always."""
    bare = written((0.0, ("10.0.0.1", 1), ("0.0.0.0", 2), b""))
    missing = bare[24 + 16 + 10 :][:2]
    file = written((0.0, ("10.0.0.1", 1), (text(missing + b"\0\0"), 2), b""))
    assert file[24 + 16 + 10 :][:2] == b"\0\0"
    assert [seen.destination for seen in read(file)] == [(text(missing + b"\0\0"), 2)]


ports = st.integers(0, 65_535)
times = st.floats(0, 10**6)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str).filter(lambda host: not host.startswith("::ffff:"))


@st.composite
def datagrams(draw: st.DrawFn) -> Sent:
    hosts = draw(st.sampled_from([ipv4, ipv6]))
    return draw(times), (draw(hosts), draw(ports)), (draw(hosts), draw(ports)), draw(st.binary(max_size=100))


@given(st.lists(datagrams()))
@example([(0.0, ("0.0.0.0", 0), ("0.0.0.0", 0), b"")])
@example([(0.0, ("255.255.255.255", 65_535), ("255.255.255.255", 65_535), b"\xff" * 99)])
@example([(0.0, ("::", 0), ("::", 0), b"\xff\xff"), (0.0, ("::", 0), ("::", 0), b"\xff")])
def test_what_is_written_can_be_read(story: list[tuple[float, tuple[str, int], tuple[str, int], bytes]]) -> None:
    expected = [Seen(round(time * 10**9), source, destination, data) for time, source, destination, data in story]
    assert list(read(written(*story))) == expected


def test_a_time_that_the_format_has_no_number_for() -> None:
    assert list(read(written((2.0**32 - 1, ("10.0.0.1", 1), ("10.0.0.2", 2), b""))))
    with pytest.raises(ValueError, match=r"^a pcap file has no time beyond 4294967296 s"):
        written((2.0**32, ("10.0.0.1", 1), ("10.0.0.2", 2), b""))
