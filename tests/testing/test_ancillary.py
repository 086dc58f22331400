"""What is told beside the data, and what may be asked for, as Linux lays it out; test_model.py asks Linux itself."""

from __future__ import annotations

import errno
import struct
from socket import AF_INET, AF_INET6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, SO_RCVBUF, SOL_SOCKET, inet_aton, inet_pton

import pytest

from trio_udp.faults import Link
from trio_udp.testing import Host
from trio_udp.testing._ancillary import asked_source, told
from trio_udp.testing._ip import parse_ip
from trio_udp.testing._mailbox import Arrived, Mailbox
from trio_udp.testing._map import Map
from trio_udp.testing._option_table import NAMES
from trio_udp.testing._wire import Wire

KEYS = {name: key for key, name in NAMES.items()}
PLENTY = 1000
pytestmark = pytest.mark.skipif(
    not {"IP_PKTINFO", "IPV6_RECVPKTINFO", "SO_RXQ_OVFL"} <= KEYS.keys(), reason="this system has no such options"
)


def made(family: int, *options: str) -> Mailbox:
    mailbox = Mailbox(Host(Wire(Map(Link(), 0), 0), "server", ["10.0.0.1", "fd00::1"]), family, IPPROTO_UDP)
    for option in options:
        mailbox.options.set(*KEYS[option], 1)
    return mailbox


def pktinfo(address: str) -> tuple[int, int, bytes]:
    if ":" in address:
        return *KEYS["IPV6_PKTINFO"], inet_pton(AF_INET6, address) + struct.pack("=i", 0)
    return *KEYS["IP_PKTINFO"], struct.pack("=i", 0) + inet_aton(address) + bytes(4)


TO_IPV4 = Arrived(b"", ("10.0.0.2", 5000), "10.0.0.1", 3)
TO_IPV6 = Arrived(b"", ("fd00::2", 5000), "fd00::1", 3)
IPV4_INFO = (*KEYS.get("IP_PKTINFO", (0, 0)), struct.pack("=i", 1) + bytes([10, 0, 0, 1]) * 2)
IPV6_INFO = (*KEYS.get("IPV6_PKTINFO", (0, 0)), inet_pton(AF_INET6, "fd00::1") + struct.pack("=i", 1))
MAPPED_INFO = (*KEYS.get("IPV6_PKTINFO", (0, 0)), inet_pton(AF_INET6, "::ffff:10.0.0.1") + struct.pack("=i", 1))
DROPS = (*KEYS.get("SO_RXQ_OVFL", (0, 0)), struct.pack("=I", 3))


# -- what is told -----------------------------------------------------------------------------------------------------


def test_nothing_is_told_unless_asked_for() -> None:
    assert told(made(AF_INET), TO_IPV4, PLENTY) == ([], False)
    assert told(made(AF_INET6), TO_IPV6, PLENTY) == ([], False)


def test_to_which_address_a_datagram_came() -> None:
    assert told(made(AF_INET, "IP_PKTINFO"), TO_IPV4, PLENTY) == ([IPV4_INFO], False)
    assert told(made(AF_INET6, "IPV6_RECVPKTINFO"), TO_IPV6, PLENTY) == ([IPV6_INFO], False)
    assert told(made(AF_INET6, "IPV6_RECVPKTINFO"), TO_IPV4, PLENTY) == ([MAPPED_INFO], False)


def test_how_many_were_dropped_is_told_first_and_only_if_any_were() -> None:
    mailbox = made(AF_INET, "IP_PKTINFO", "SO_RXQ_OVFL")
    assert told(mailbox, TO_IPV4, PLENTY) == ([DROPS, IPV4_INFO], False)
    assert told(mailbox, TO_IPV4._replace(drops=0), PLENTY) == ([IPV4_INFO], False)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (0, []),
        (15, []),
        (16, [b""]),
        (19, [DROPS[2][:3]]),
        (20, [DROPS[2]]),
        (24 + 15, [DROPS[2]]),
        (24 + 16, [DROPS[2], b""]),
        (24 + 27, [DROPS[2], IPV4_INFO[2][:11]]),
    ],
)
def test_what_does_not_fit_is_cut(room: int, expected: list[bytes]) -> None:
    messages, some_missing = told(made(AF_INET, "IP_PKTINFO", "SO_RXQ_OVFL"), TO_IPV4, room)
    assert [data for _, _, data in messages] == expected
    assert some_missing


def test_all_of_it_needs_52_bytes() -> None:
    assert told(made(AF_INET, "IP_PKTINFO", "SO_RXQ_OVFL"), TO_IPV4, 24 + 28) == ([DROPS, IPV4_INFO], False)


def test_the_drops_of_a_real_overflow() -> None:
    mailbox = made(AF_INET, "SO_RXQ_OVFL")
    mailbox.options.set(SOL_SOCKET, SO_RCVBUF, 0)
    for data in (b"one", bytes(2000), b"two"):
        mailbox.put(data, ("10.0.0.2", 5000), "10.0.0.1")
    counts = [told(mailbox, each, PLENTY)[0] for each in iter(mailbox.take, None)]
    assert counts == [[], [(*KEYS["SO_RXQ_OVFL"], struct.pack("=I", 1))]]


# -- what is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "towards", "asked", "expected"),
    [
        (AF_INET, "10.0.0.2", [], None),
        (AF_INET, "10.0.0.2", ["10.0.0.1"], "10.0.0.1"),
        (AF_INET, "10.0.0.2", ["10.0.0.1", "127.0.0.1"], "127.0.0.1"),
        (AF_INET, "10.0.0.2", ["0.0.0.0"], "0.0.0.0"),
        (AF_INET, "10.0.0.2", ["fd00::1"], None),
        (AF_INET6, "fd00::2", ["fd00::1"], "fd00::1"),
        (AF_INET6, "fd00::2", ["::"], None),
        (AF_INET6, "fd00::2", ["10.0.0.1"], None),
        (AF_INET6, "10.0.0.2", ["10.0.0.1"], "10.0.0.1"),
        (AF_INET6, "10.0.0.2", ["::ffff:10.0.0.1"], "10.0.0.1"),
    ],
)
def test_a_source_address(family: int, towards: str, asked: list[str], expected: str | None) -> None:
    source = asked_source(made(family), parse_ip(towards), map(pktinfo, asked))
    assert source == (None if expected is None else parse_ip(expected))


@pytest.mark.parametrize(
    ("family", "towards", "asked"),
    [
        (AF_INET, "10.0.0.2", "10.0.0.9"),
        (AF_INET6, "fd00::2", "fd00::9"),
        (AF_INET6, "fd00::2", "::ffff:10.0.0.1"),
        (AF_INET6, "10.0.0.2", "fd00::1"),
        (AF_INET6, "10.0.0.2", "::"),
    ],
)
def test_a_source_address_that_cannot_be(family: int, towards: str, asked: str) -> None:
    with pytest.raises(OSError, match="nvalid argument") as caught:
        asked_source(made(family), parse_ip(towards), [pktinfo(asked)])
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("name", ["IP_PKTINFO", "IPV6_PKTINFO"])
def test_a_message_of_the_wrong_length(name: str) -> None:
    with pytest.raises(OSError, match="nvalid argument"):
        asked_source(made(AF_INET6), parse_ip("10.0.0.2"), [(*KEYS[name], bytes(11))])


@pytest.mark.parametrize("level", [SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP])
def test_what_else_may_be_asked_for_is_refused_by_name(level: int) -> None:
    with pytest.raises(NotImplementedError, match=rf"no control message of level {level:d}, type 103"):
        asked_source(made(AF_INET), parse_ip("10.0.0.2"), [(level, 103, bytes(2))])
