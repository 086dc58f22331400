"""Who gets which port, and which of several sockets gets a datagram."""

from __future__ import annotations

import errno
from collections import Counter
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPPROTO_UDP, IPV6_V6ONLY, SO_REUSEADDR, SOL_SOCKET
from typing import TYPE_CHECKING

import pytest

from trio_udp.faults import Link
from trio_udp.testing import Host, _ports
from trio_udp.testing._ip import parse_ip
from trio_udp.testing._mailbox import Mailbox
from trio_udp.testing._map import Map
from trio_udp.testing._option_table import NAMES
from trio_udp.testing._ports import FIRST_EPHEMERAL, LAST_EPHEMERAL, Ports
from trio_udp.testing._wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

SO_REUSEPORT = next((option for (_, option), name in NAMES.items() if name == "SO_REUSEPORT"), -1)
reuse_port = pytest.mark.skipif(SO_REUSEPORT == -1, reason="no SO_REUSEPORT here")

CLIENT = ("10.0.0.2", 5000)


@pytest.fixture
def host() -> Host:
    return Host(Wire(Map(Link(), 0), 0), "server", ["10.0.0.1", "10.0.0.3", "fd00::1"])


def made(host: Host, address: str, *options: int, v6only: bool = False) -> Mailbox:
    """A socket that is not bound, of the family that can be bound to this address."""
    mailbox = Mailbox(host, AF_INET6 if ":" in address else AF_INET, IPPROTO_UDP)
    for option in options:
        mailbox.options.set(SOL_SOCKET, option, 1)
    if v6only:
        mailbox.options.set(IPPROTO_IPV6, IPV6_V6ONLY, 1)
    return mailbox


def bound(ports: Ports, host: Host, address: str, port: int, *options: int, v6only: bool = False) -> Mailbox:
    mailbox = made(host, address, *options, v6only=v6only)
    ports.bind(mailbox, parse_ip(address), port)
    return mailbox


def port_of(mailbox: Mailbox) -> int:
    assert mailbox.local is not None
    return mailbox.local[1]


# -- ports in sequence ------------------------------------------------------------------------------------------------


def test_ports_come_in_sequence_and_none_that_is_in_use(host: Host) -> None:
    ports = Ports()
    bound(ports, host, "127.0.0.1", FIRST_EPHEMERAL + 1)
    sockets = [bound(ports, host, address, 0) for address in ("0.0.0.0", "::", "10.0.0.1")]
    assert [port_of(each) - FIRST_EPHEMERAL for each in sockets] == [0, 2, 3]


def test_a_port_that_was_given_back_waits_for_its_turn(host: Host) -> None:
    ports = Ports()
    first = bound(ports, host, "0.0.0.0", 0)
    ports.release(first)
    assert port_of(bound(ports, host, "0.0.0.0", 0)) == FIRST_EPHEMERAL + 1


def test_after_the_last_port_comes_the_first_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (FIRST_EPHEMERAL, LAST_EPHEMERAL) == (32768, 60999)
    monkeypatch.setattr(_ports, "LAST_EPHEMERAL", FIRST_EPHEMERAL + 2)
    ports = Ports()
    sockets = [bound(ports, host, "0.0.0.0", 0) for _ in range(3)]
    ports.release(sockets[1])
    assert port_of(bound(ports, host, "0.0.0.0", 0)) == FIRST_EPHEMERAL + 1
    with pytest.raises(OSError, match=r"ddress already in use|Only one usage") as caught:
        bound(ports, host, "0.0.0.0", 0)
    assert caught.value.errno == errno.EADDRINUSE


# -- ports in use -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.3", False),
        ("10.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("0.0.0.0", "0.0.0.0", True),
        ("fd00::1", "::", True),
        ("fd00::1", "0.0.0.0", False),
        ("::", "10.0.0.1", True),  # dual stack
        ("0.0.0.0", "::", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:0.0.0.0", "10.0.0.1", True),
        ("::ffff:0.0.0.0", "fd00::1", False),
    ],
)
def test_a_port_in_use(host: Host, one: str, other: str, collide: bool) -> None:
    ports = Ports()
    bound(ports, host, one, 7)
    second = made(host, other)
    if not collide:
        ports.bind(second, parse_ip(other), 7)
        assert len(list(ports)) == 2
        return
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is what counts
        ports.bind(second, parse_ip(other), 7)
    assert caught.value.errno == errno.EADDRINUSE
    assert (second.local, second.hears_ipv4, second.hears_ipv6, second.options.bound) == (None, None, None, False)
    ports.bind(second, parse_ip(other), 8)
    assert port_of(second) == 8


def test_with_ipv6_v6only_both_families_have_the_port(host: Host) -> None:
    ports = Ports()
    ipv6 = bound(ports, host, "::", 7, v6only=True)
    ipv4 = bound(ports, host, "0.0.0.0", 7)
    assert ports.find(("fd00::1", 7), CLIENT) is ipv6
    assert ports.find(("10.0.0.1", 7), CLIENT) is ipv4


@pytest.mark.parametrize("option", [SO_REUSEADDR, pytest.param(SO_REUSEPORT, marks=reuse_port)])
def test_a_port_is_shared_only_if_both_want_it(host: Host, option: int) -> None:
    ports = Ports()
    bound(ports, host, "0.0.0.0", 7, option)
    bound(ports, host, "0.0.0.0", 7, option)
    with pytest.raises(OSError):  # noqa: PT011
        bound(ports, host, "0.0.0.0", 7)


@reuse_port
def test_the_two_ways_of_sharing_do_not_mix(host: Host) -> None:
    ports = Ports()
    bound(ports, host, "0.0.0.0", 7, SO_REUSEADDR)
    with pytest.raises(OSError):  # noqa: PT011
        bound(ports, host, "0.0.0.0", 7, SO_REUSEPORT)


# -- who gets a datagram ----------------------------------------------------------------------------------------------


def test_nobody_listens(host: Host) -> None:
    ports = Ports()
    assert ports.find(("10.0.0.1", 7), CLIENT) is None
    bound(ports, host, "10.0.0.3", 7)
    assert ports.find(("10.0.0.1", 7), CLIENT) is None
    assert ports.find(("10.0.0.3", 8), CLIENT) is None


def test_the_very_address_goes_before_all_addresses(host: Host) -> None:
    ports = Ports()
    exact = bound(ports, host, "10.0.0.1", 7, SO_REUSEADDR)
    wildcard = bound(ports, host, "0.0.0.0", 7, SO_REUSEADDR)
    assert ports.find(("10.0.0.1", 7), CLIENT) is exact
    assert ports.find(("10.0.0.3", 7), CLIENT) is wildcard


def test_who_is_connected_to_the_sender_goes_first_and_hears_nobody_else(host: Host) -> None:
    ports = Ports()
    connected = bound(ports, host, "10.0.0.1", 7, SO_REUSEADDR)
    other = bound(ports, host, "10.0.0.1", 7, SO_REUSEADDR)
    connected.peer = CLIENT
    assert ports.find(("10.0.0.1", 7), CLIENT) is connected
    assert ports.find(("10.0.0.1", 7), ("10.0.0.2", 5001)) is other
    ports.release(other)
    assert ports.find(("10.0.0.1", 7), ("10.0.0.2", 5001)) is None


def test_a_socket_of_the_family_goes_before_one_of_both(host: Host) -> None:
    ports = Ports()
    ipv4 = bound(ports, host, "0.0.0.0", 7, SO_REUSEADDR)
    both = bound(ports, host, "::", 7, SO_REUSEADDR)
    assert ports.find(("10.0.0.1", 7), CLIENT) is ipv4
    ports.release(ipv4)
    assert ports.find(("10.0.0.1", 7), CLIENT) is both


def test_with_reuse_address_the_last_one_takes_all(host: Host) -> None:
    ports = Ports()
    sockets = [bound(ports, host, "0.0.0.0", 7, SO_REUSEADDR) for _ in range(3)]
    found = {ports.find(("10.0.0.1", 7), ("10.0.0.2", port)) for port in range(5000, 5050)}
    assert found == {sockets[-1]}


@reuse_port
def test_with_reuse_port_the_sender_decides_and_always_the_same_way(host: Host) -> None:
    ports = Ports()
    sockets = [bound(ports, host, "0.0.0.0", 7, SO_REUSEPORT) for _ in range(4)]
    places = [("10.0.0.2", port) for port in range(5000, 5400)]

    def counts(places: Iterable[tuple[str, int]]) -> list[int]:
        found = Counter(ports.find(("10.0.0.1", 7), place) for place in places)
        return [found[each] for each in sockets]

    assert counts(places) == [100, 100, 100, 100]
    assert counts(places[:1] * 50) == [50, 0, 0, 0]


def test_release_gives_a_port_back_and_clear_all_of_them(host: Host) -> None:
    ports = Ports()
    one, other = bound(ports, host, "10.0.0.1", 7), bound(ports, host, "10.0.0.3", 7)
    ports.release(made(host, "0.0.0.0"))  # never bound: nothing to give back
    ports.release(one)
    assert list(ports) == [other]
    bound(ports, host, "10.0.0.1", 7)
    ports.clear()
    assert list(ports) == []
    ports.release(other)  # closed after a crash
    bound(ports, host, "0.0.0.0", 7)
