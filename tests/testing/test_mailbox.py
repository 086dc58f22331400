"""What the network delivers to: a bounded queue, an error to report, and who waits."""

from __future__ import annotations

import errno
import struct
from socket import AF_INET, AF_INET6, IPPROTO_IP, IPPROTO_UDP, SO_RCVBUF, SOL_SOCKET

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_udp.faults import Link
from trio_udp.testing import Host
from trio_udp.testing._ip import parse_ip
from trio_udp.testing._mailbox import BOOKKEEPING, Arrived, Mailbox
from trio_udp.testing._map import Map
from trio_udp.testing._option_table import NAMES
from trio_udp.testing._wire import Wire

KEYS = {name: key for key, name in NAMES.items()}
CLIENT, OTHER = ("10.0.0.2", 5000), ("10.0.0.2", 5001)


@pytest.fixture
def wire() -> Wire:
    return Wire(Map(Link(), 0), 0)


@pytest.fixture
def mailbox(wire: Wire) -> Mailbox:
    return Mailbox(Host(wire, "server", ["10.0.0.1", "fd00::1"]), AF_INET, IPPROTO_UDP)


def put(mailbox: Mailbox, *datas: bytes) -> list[bool]:
    return [mailbox.put(data, CLIENT, "10.0.0.1") for data in datas]


def taken(mailbox: Mailbox) -> list[bytes]:
    return [arrived.data for arrived in iter(mailbox.take, None)]


# -- what arrives -----------------------------------------------------------------------------------------------------


def test_first_in_first_out_and_a_peek_leaves_it_there(mailbox: Mailbox) -> None:
    assert mailbox.take() is None
    assert not mailbox.readable
    assert put(mailbox, b"one", b"", b"three") == [True] * 3
    assert mailbox.readable
    assert mailbox.take(peek=True) == Arrived(b"one", CLIENT, "10.0.0.1", 0)
    assert taken(mailbox) == [b"one", b"", b"three"]
    assert not mailbox.readable
    assert mailbox.received == 3


def test_as_many_small_datagrams_as_linux_keeps(mailbox: Mailbox) -> None:
    arrived = put(mailbox, *[b"x"] * 300)
    assert arrived == [True] * 255 + [False] * 45
    assert (len(mailbox), mailbox.received, mailbox.dropped) == (255, 255, 45)


def test_the_newest_are_dropped_and_there_is_room_again_when_one_was_read(mailbox: Mailbox) -> None:
    mailbox.options.set(SOL_SOCKET, SO_RCVBUF, BOOKKEEPING + 1000)
    room = mailbox.options.receive_buffer
    assert room == 2 * (BOOKKEEPING + 1000)
    assert put(mailbox, b"a" * 1000, b"b" * 1000, b"c") == [True, True, False]
    assert mailbox.take(peek=True) is not None
    assert put(mailbox, b"d") == [False]
    assert mailbox.take() is not None
    assert put(mailbox, b"e" * 1001, b"f" * 1000, b"") == [False, True, False]
    assert [data[:1] for data in taken(mailbox)] == [b"b", b"f"]
    assert mailbox.dropped == 4


def test_one_datagram_fits_into_any_buffer(mailbox: Mailbox) -> None:
    mailbox.options.set(SOL_SOCKET, SO_RCVBUF, 0)
    assert put(mailbox, b"x" * 65507, b"") == [True, False]


def test_each_datagram_knows_how_many_were_dropped_before_it(mailbox: Mailbox) -> None:
    mailbox.options.set(SOL_SOCKET, SO_RCVBUF, 0)
    put(mailbox, b"one", b"x" * 2000, b"x" * 2000, b"two")
    assert [(each.data, each.drops) for each in iter(mailbox.take, None)] == [(b"one", 0), (b"two", 2)]


@pytest.mark.skipif("SO_MEMINFO" not in KEYS, reason="no SO_MEMINFO here")
def test_drops_are_seen_where_linux_shows_them(mailbox: Mailbox) -> None:
    mailbox.options.set(SOL_SOCKET, SO_RCVBUF, 0)
    put(mailbox, b"x" * 2000, b"", b"")
    answer = mailbox.options.get(*KEYS["SO_MEMINFO"], 36)
    assert isinstance(answer, bytes)
    assert struct.unpack("=9I", answer)[8] == 2


# -- what the network has to report -----------------------------------------------------------------------------------


def test_a_refusal_by_the_peer_is_told_once_and_before_anything_that_has_arrived(mailbox: Mailbox) -> None:
    mailbox.peer = CLIENT
    put(mailbox, b"data")
    mailbox.refuse(CLIENT)
    with pytest.raises(ConnectionRefusedError) as caught:
        mailbox.take(peek=True)
    assert caught.value.errno == errno.ECONNREFUSED
    mailbox.raise_error()
    assert taken(mailbox) == [b"data"]


def test_a_refusal_makes_it_readable(mailbox: Mailbox) -> None:
    mailbox.peer = CLIENT
    mailbox.refuse(CLIENT)
    assert mailbox.readable
    assert mailbox.take_error() == errno.ECONNREFUSED
    assert mailbox.take_error() == 0
    assert not mailbox.readable


def test_a_refusal_is_no_news_to_others(mailbox: Mailbox) -> None:
    mailbox.refuse(CLIENT)  # not connected
    mailbox.peer = CLIENT
    mailbox.refuse(OTHER)
    mailbox.unplugged = True
    mailbox.refuse(CLIENT)
    mailbox.unplugged, mailbox.handles = False, 0
    mailbox.refuse(CLIENT)
    assert mailbox.take_error() == 0


def test_connected_to_port_0_it_hears_all_ports(mailbox: Mailbox) -> None:
    assert mailbox.may_hear(CLIENT)
    mailbox.peer = CLIENT
    assert [mailbox.may_hear(place) for place in (CLIENT, OTHER)] == [True, False]
    mailbox.peer = (CLIENT[0], 0)
    assert [mailbox.may_hear(place) for place in (CLIENT, OTHER, ("10.0.0.3", 5000))] == [True, True, False]


# -- its address ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "address", "ipv4", "ipv6", "shown"),
    [
        (AF_INET, "10.0.0.1", "10.0.0.1", None, ("10.0.0.1", 7)),
        (AF_INET, "0.0.0.0", "*", None, ("0.0.0.0", 7)),
        (AF_INET6, "fd00::1", None, "fd00::1", ("fd00::1", 7, 0, 0)),
        (AF_INET6, "::", "*", "*", ("::", 7, 0, 0)),
        (AF_INET6, "::ffff:10.0.0.1", "10.0.0.1", None, ("::ffff:10.0.0.1", 7, 0, 0)),
        (AF_INET6, "::ffff:0.0.0.0", "*", None, ("::ffff:0.0.0.0", 7, 0, 0)),
    ],
)
def test_what_it_hears(
    wire: Wire, family: int, address: str, ipv4: str | None, ipv6: str | None, shown: tuple[object, ...]
) -> None:
    mailbox = Mailbox(Host(wire, "server", ["10.0.0.1", "fd00::1"]), family, IPPROTO_UDP)
    unbound = mailbox.shown_local
    assert unbound == (("0.0.0.0", 0) if family == AF_INET else ("::", 0, 0, 0))
    mailbox.listen_at(parse_ip(address), 7)
    assert (mailbox.hears_ipv4, mailbox.hears_ipv6, mailbox.shown_local) == (ipv4, ipv6, shown)
    assert mailbox.options.bound
    mailbox.forget_address()
    assert (mailbox.hears_ipv4, mailbox.hears_ipv6, mailbox.shown_local) == (None, None, unbound)


@pytest.mark.skipif("IP_MTU" not in KEYS, reason="no IP_MTU here")
def test_the_mtu_is_that_of_the_link_to_the_peer(wire: Wire, mailbox: Mailbox) -> None:
    Host(wire, "client", ["10.0.0.2"])
    with pytest.raises(OSError, match=r"not connected") as caught:
        mailbox.options.get(*KEYS["IP_MTU"])
    assert caught.value.errno == errno.ENOTCONN
    mailbox.peer = CLIENT
    assert mailbox.options.get(*KEYS["IP_MTU"]) == 65535
    wire.map.set_default_link(Link(mtu=1400))
    assert mailbox.options.get(IPPROTO_IP, KEYS["IP_MTU"][1]) == 1400


# -- who waits --------------------------------------------------------------------------------------------------------


async def test_all_who_wait_are_woken_and_one_who_is_cancelled_is_not_among_them(
    mailbox: Mailbox, autojump_clock: MockClock
) -> None:
    woken: list[str] = []

    async def wait(name: str) -> None:
        await mailbox.wait()
        woken.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "a")
        nursery.start_soon(wait, "b")
        with trio.move_on_after(1):
            await wait("cancelled")
        assert woken == []
        put(mailbox, b"data")
        await wait_all_tasks_blocked()
        assert sorted(woken) == ["a", "b"]
        mailbox.wake()  # nobody waits
