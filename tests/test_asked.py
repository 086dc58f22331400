"""Which of our addresses was asked, and that replies leave from it.

All of 127.0.0.0/8 is this machine, and what leaves without a word about its source for any of it is from 127.0.0.1. So
127.0.0.2 is what shows the difference.
"""

from __future__ import annotations

import copy
import operator
import pickle
import shutil
import socket as stdlib_socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import trio_udp
from trio_udp import (
    Datagram,
    DatagramArrived,
    DatagramReceived,
    DatagramSent,
    Event,
    UDPChannel,
    UDPEndpoint,
    _asked,
    _crew,
    observe,
    open_udp_channel,
    open_udp_endpoint,
    serve_endpoints,
    serve_udp,
    serve_udp_peers,
)
from trio_udp._address import format_address
from trio_udp._asked import _HERE, ReturnAddress, return_address, way_back
from trio_udp._offload import runs_by_address
from trio_udp._reading import would_block
from trio_udp.testing import VirtualNetwork

from .fakes import OtherSocket, OtherSockets, echo, settled

if not _asked.is_available():
    pytest.skip("this platform does not tell which address was asked", allow_module_level=True)

ALL = "0.0.0.0"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
PEER = ("127.0.0.1", 7)

# What Linux says of a source that is none of its addresses; 6.18 says the second of IPv4.
GONE = "EINVAL", "ENETUNREACH"


def ipv4(text: str) -> bytes:
    return stdlib_socket.inet_aton(text)


def ipv6(text: str) -> bytes:
    return stdlib_socket.inet_pton(stdlib_socket.AF_INET6, text)


def told_ipv4(answers: str, header: str, interface: int = 3) -> tuple[int, int, bytes]:
    value = struct.pack("=I4s4s", interface, ipv4(answers), ipv4(header))
    return stdlib_socket.IPPROTO_IP, _HERE.ip_pktinfo, value


def told_ipv6(address: str, interface: int = 3) -> tuple[int, int, bytes]:
    return stdlib_socket.IPPROTO_IPV6, _HERE.ipv6_pktinfo, struct.pack("=16sI", ipv6(address), interface)


def asked_at(host: str) -> Any:
    return return_address(PEER, [told_ipv4(host, host)])


@asynccontextmanager
async def opened(host: str = ALL, **options: Any) -> AsyncIterator[tuple[UDPEndpoint, int]]:
    async with await open_udp_endpoint(host, reply_from_asked=True, **options) as endpoint:
        yield endpoint, endpoint.address[1]


@asynccontextmanager
async def client() -> AsyncIterator[UDPEndpoint]:
    """Hears everybody, and so sees who replies."""
    async with await open_udp_endpoint(FIRST) as endpoint:
        yield endpoint


# -- an address that remembers ----------------------------------------------------------------------------------------


def test_to_who_looks_at_it_it_is_the_plain_address() -> None:
    address = asked_at(SECOND)
    assert type(address) is ReturnAddress
    assert operator.eq(address, PEER)
    assert operator.eq(PEER, address)
    assert not operator.ne(address, PEER)
    assert not operator.ne(PEER, address)
    assert hash(address) == hash(PEER)
    assert {PEER: "found"}[address] == "found"
    assert f"{address}" == f"{PEER}"
    host, port = address
    assert (host, port) == PEER
    for other in (("127.0.0.1", 8), ("127.0.0.1",), "127.0.0.1", None):
        assert address != other


def test_asked_at_two_of_ours_it_is_two() -> None:
    assert asked_at(FIRST) == asked_at(FIRST)
    assert asked_at(FIRST) != asked_at(SECOND)
    assert not operator.eq(asked_at(FIRST), asked_at(SECOND))
    assert len({asked_at(FIRST), asked_at(SECOND), asked_at(FIRST)}) == 2
    assert asked_at(FIRST) != return_address(PEER, ())


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copied_it_still_remembers(again: Callable[[Any], Any]) -> None:
    copied = again(asked_at(SECOND))
    assert copied == PEER
    assert copied == asked_at(SECOND)
    assert copied != asked_at(FIRST)
    assert way_back(copied) == way_back(asked_at(SECOND)) != ()


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        pytest.param(told_ipv4("10.0.0.1", "10.0.0.1"), told_ipv4("10.0.0.1", ALL, 0), id="IPv4"),
        pytest.param(told_ipv4("10.0.0.1", "239.1.2.3"), told_ipv4("10.0.0.1", ALL, 0), id="to a group, Linux"),
        pytest.param(told_ipv4("10.0.0.1", "10.0.0.255"), told_ipv4("10.0.0.1", ALL, 0), id="broadcast, Linux"),
        pytest.param(told_ipv4(ALL, "10.0.0.1"), told_ipv4("10.0.0.1", ALL, 0), id="macOS"),
        pytest.param(told_ipv4(ALL, "239.1.2.3"), None, id="to a group, macOS"),
        pytest.param(told_ipv4(ALL, "255.255.255.255"), None, id="broadcast, macOS"),
        pytest.param(told_ipv6("2001:db8::1"), told_ipv6("2001:db8::1", 0), id="IPv6"),
        pytest.param(told_ipv6("fe80::1"), told_ipv6("fe80::1"), id="link-local: with its interface"),
        pytest.param(told_ipv6("febf::1"), told_ipv6("febf::1"), id="fe80::/10 ends there"),
        pytest.param(told_ipv6("fec0::1"), told_ipv6("fec0::1", 0), id="and not here"),
        pytest.param(told_ipv6("ff02::1"), None, id="to a group, IPv6"),
        pytest.param(told_ipv6("::ffff:10.0.0.1"), told_ipv6("::ffff:10.0.0.1", 0), id="IPv4 at an IPv6 socket"),
        pytest.param(told_ipv6("::ffff:239.1.2.3"), None, id="to an IPv4 group at an IPv6 socket"),
        pytest.param((stdlib_socket.IPPROTO_UDP, 104, b"\x01\0\0\0"), None, id="something else"),
        pytest.param((stdlib_socket.IPPROTO_IP, _HERE.ip_pktinfo, b"\x01\0\0\0"), None, id="cut"),
        pytest.param((stdlib_socket.IPPROTO_IPV6, _HERE.ipv6_pktinfo, b""), None, id="cut to nothing"),
    ],
)
def test_what_is_sent_with_a_reply(told: Any, wanted: Any) -> None:
    address = return_address(PEER, [told])
    assert way_back(address) == (() if wanted is None else (wanted,))


def test_what_else_was_told_is_passed_over() -> None:
    merged = (stdlib_socket.IPPROTO_UDP, 104, b"\x01\0\0\0")
    for control in ([merged, told_ipv4(SECOND, SECOND)], [told_ipv4(SECOND, SECOND), merged]):
        assert way_back(return_address(PEER, control)) == (told_ipv4(SECOND, ALL, 0),)


def test_neighbours_go_together_only_from_one_address() -> None:
    datagrams: Any = [(b"1", PEER), (b"2", asked_at(FIRST)), (b"3", asked_at(SECOND)), (b"4", PEER), (b"5", PEER)]
    runs = [(run, way_back(address)) for run, address in runs_by_address(_asked.told_apart(datagrams), 65507)]
    first, second = way_back(asked_at(FIRST)), way_back(asked_at(SECOND))
    assert runs == [([b"1"], ()), ([b"2"], first), ([b"3"], second), ([b"4", b"5"], ())]


# -- where it can be had ----------------------------------------------------------------------------------------------


async def test_a_platform_that_cannot_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not _asked.is_available()
    with pytest.raises(ValueError, match="reply_from_asked: Python on win32 cannot tell which address was asked"):
        await open_udp_endpoint(ALL, reply_from_asked=True)
    async with await open_udp_endpoint(FIRST, reply_from_asked=True) as endpoint:  # it has one, and replies from there
        assert endpoint.address[0] == FIRST


async def test_without_recvmsg_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio.socket.SocketType, "recvmsg")
    assert not _asked.is_available()
    assert not _asked.is_on(None)  # type: ignore[arg-type]  # which is not even asked


async def test_a_socket_of_another_kind_needs_the_methods() -> None:
    class WithoutMessages(OtherSocket):
        recvmsg = trio.socket.SocketType.recvmsg  # type: ignore[assignment]

    socket = WithoutMessages(trio.socket.socket(type=trio.socket.SOCK_DGRAM))
    await socket.bind((ALL, 0))
    with pytest.raises(ValueError, match="reply_from_asked needs a socket with recvmsg and sendmsg, not <another kind"):
        UDPEndpoint(socket, reply_from_asked=True)
    socket.close()


async def test_an_endpoint_with_one_address_has_nothing_to_remember(sockets: str) -> None:
    async with opened(FIRST) as (endpoint, port), client() as asking:
        await asking.send(b"hello", (FIRST, port))
        address = (await endpoint.receive()).address
        assert type(address) is tuple


async def test_nobody_asks_for_it_nothing_is_remembered(sockets: str) -> None:
    async with await open_udp_endpoint(ALL) as endpoint, client() as asking:
        await asking.send(b"hello", (SECOND, endpoint.address[1]))
        data, address = await endpoint.receive()
        assert type(address) is tuple
        await endpoint.send(data, address)
        assert (await asking.receive()).address[0] == FIRST  # and not where it had sent to


# -- an endpoint ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [False, True])
async def test_what_is_sent_back_leaves_from_there(sockets: str, bulk: bool) -> None:
    async with opened(bulk=bulk) as (endpoint, port), client() as asking:
        for host in (SECOND, FIRST, "127.3.2.1"):
            await asking.send(b"hello", (host, port))
            data, address = await endpoint.receive()
            assert address == asking.address
            await endpoint.send(data, address)
            assert await asking.receive() == (b"hello", (host, port))
        assert (endpoint.statistics().received, endpoint.statistics().sent) == (3, 3)


@pytest.mark.parametrize("bulk", [False, True])
async def test_many_at_once_each_leave_from_theirs(sockets: str, bulk: bool) -> None:
    """One peer, two of our addresses: runs of equal size to one address would go together."""
    async with opened(bulk=bulk) as (endpoint, port), client() as asking:
        for host in (FIRST, FIRST, SECOND, SECOND, SECOND):
            await asking.send_many([Datagram(host.encode(), (host, port))])
        await settled()
        got = [await endpoint.receive() for _ in range(5)]
        plain = asking.address
        await endpoint.send_many([*got, Datagram(b"plain", plain), *got[2:]])
        answers = [await asking.receive() for _ in range(9)]
        assert [data for data, _ in answers] == [*(data for data, _ in got), b"plain", *(data for data, _ in got[2:])]
        for data, (host, *_) in answers:
            assert host == (FIRST if data == b"plain" else data.decode())
        assert not endpoint.statistics().errors


async def test_a_run_that_comes_together_is_asked_at_one_address() -> None:
    """With UDP_GRO the size of the pieces and the address that was asked are told side by side."""
    async with opened(bulk=True) as (endpoint, port), client() as asking:
        await asking.send_many([Datagram(b"%04d" % number, (SECOND, port)) for number in range(20)])
        await settled()
        batch = await endpoint.receive_many()
        assert [data for data, _ in batch] == [b"%04d" % number for number in range(20)]
        await endpoint.send_many(batch)
        await settled()
        assert {address for _, address in await asking.receive_many()} == {(SECOND, port)}


async def test_where_the_buffer_is_full_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be sent at once goes through Trio."""
    async with opened() as (endpoint, port), client() as asking:
        monkeypatch.setattr(endpoint._io, "_write_now", would_block)
        await asking.send(b"hello", (SECOND, port))
        await endpoint.send(*await endpoint.receive())
        assert await asking.receive() == (b"hello", (SECOND, port))
        await endpoint.send(b"plain", asking.address)
        assert (await asking.receive()).address[0] == FIRST


async def test_at_another_endpoint_it_is_a_plain_address(sockets: str) -> None:
    async with opened() as (endpoint, port), client() as asking, await open_udp_endpoint(ALL) as other:
        await asking.send(b"hello", (SECOND, port))
        _, address = await endpoint.receive()
        await other.send(b"from another", address)
        assert await asking.receive() == (b"from another", (FIRST, other.address[1]))


async def test_an_address_that_has_gone_is_an_error_of_who_sends() -> None:
    async with opened() as (endpoint, _), client() as asking:
        gone: Any = return_address(asking.address, [told_ipv4("192.0.2.1", "192.0.2.1")])
        for datagrams in ([Datagram(b"one", gone)], [Datagram(b"one", gone), Datagram(b"two", gone)]):
            with pytest.raises(OSError, match=r"Invalid argument|Network is unreachable"):
                await endpoint.send_many(datagrams)
        await endpoint.send(b"and it goes on", asking.address)
        assert (await asking.receive()).data == b"and it goes on"


async def test_ipv6(sockets: str, ipv6: None) -> None:
    async with opened("::") as (endpoint, port), await open_udp_endpoint("::1") as asking:
        await asking.send(b"hello", ("::1", port))
        data, address = await endpoint.receive()
        assert way_back(address) == (told_ipv6("::1", 0),)
        await endpoint.send(data, address)
        assert await asking.receive() == (b"hello", ("::1", port, 0, 0))


async def test_ipv4_at_an_ipv6_socket(ipv6: None) -> None:
    socket = trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM)
    socket.setsockopt(trio.socket.IPPROTO_IPV6, trio.socket.IPV6_V6ONLY, 0)
    await socket.bind(("::", 0))
    async with UDPEndpoint(socket, reply_from_asked=True) as endpoint, client() as asking:
        port = endpoint.address[1]
        for host in (SECOND, FIRST):
            await asking.send(b"hello", (host, port))
            await endpoint.send_many([await endpoint.receive()])
            assert await asking.receive() == (b"hello", (host, port))


async def test_who_sends_to_a_group_hears_an_address_of_ours() -> None:
    async with opened() as (endpoint, port), client() as asking:
        group = "239.255.77.7"
        endpoint.socket.setsockopt(
            stdlib_socket.IPPROTO_IP, stdlib_socket.IP_ADD_MEMBERSHIP, ipv4(group) + ipv4("127.0.0.1")
        )
        asking.socket.setsockopt(stdlib_socket.IPPROTO_IP, stdlib_socket.IP_MULTICAST_IF, ipv4("127.0.0.1"))
        await asking.send(b"who is there?", (group, port))
        _, address = await endpoint.receive()
        await endpoint.send(b"me", address)
        assert await asking.receive() == (b"me", (FIRST, port))


async def test_who_watches_sees_the_peers_address_and_which_was_asked(sockets: str) -> None:
    events: list[Event] = []
    with observe(events.append):
        async with opened() as (endpoint, port):
            async with client() as asking:
                there = asking.address
                await asking.send(b"hello", (SECOND, port))
                events.clear()
                await endpoint.send_many([await endpoint.receive()] * 2)
    events = [event for event in events if not isinstance(event, DatagramArrived)]  # of which virtual networks tell
    assert [type(event) for event in events] == [DatagramReceived, DatagramSent, DatagramSent]
    assert [event.remote for event in events] == [there] * 3
    assert [repr(event.remote) for event in events] == [f"ReturnAddress({there!r}, asked='127.0.0.2')"] * 3


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ([told_ipv4("127.0.0.2", "127.0.0.2")], "asked='127.0.0.2'"),
        ([told_ipv6("fd09::1")], "asked='fd09::1'"),
        ([told_ipv4("239.255.77.7", "239.255.77.7")], "asked=None"),
        ([], "asked=None"),
    ],
)
def test_what_it_looks_like(told: list[Any], asked: str) -> None:
    """Two that are not equal printed alike, so nobody could see why."""
    address: Any = return_address(PEER, told)
    assert repr(address) == f"ReturnAddress(('127.0.0.1', 7), {asked})"
    assert repr(Datagram(b"x", address)) == f"Datagram(data=b'x', address={address!r})"
    assert str(address) == str(PEER)
    assert format_address(address) == "127.0.0.1:7"


# -- servers ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(serve: Any, handler: Any, **options: Any) -> AsyncIterator[UDPEndpoint]:
    async with trio.open_nursery() as nursery:
        options = {"host": ALL, "reply_from_asked": True, **options}
        [endpoint] = await nursery.start(partial(serve, handler, 0, **options))
        yield endpoint
        nursery.cancel_scope.cancel()


async def talk(channel: UDPChannel) -> None:
    async for data in channel:
        await channel.send(data)


@pytest.mark.parametrize(("serve", "handler"), [(serve_udp, echo), (serve_udp_peers, talk)])
async def test_a_connected_client_gets_its_reply(sockets: str, serve: Any, handler: Any) -> None:
    """It takes replies from the address that it has asked, and from no other."""
    async with serving(serve, handler) as endpoint:
        for host in (FIRST, SECOND, "127.3.2.1"):
            async with await open_udp_channel(host, endpoint.address[1]) as channel:
                with trio.fail_after(10):
                    await channel.send(b"hello")
                    assert await channel.receive() == b"hello"


async def test_a_burst_of_one_peer_to_two_addresses(sockets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies to one peer are held back to leave together: not those that leave from different addresses."""
    monkeypatch.setattr(_crew, "perf_counter", lambda: 0.0)
    hosts = [FIRST, FIRST, SECOND, SECOND, FIRST, SECOND]
    async with opened() as (endpoint, port), client() as asking:
        for host in hosts:
            await asking.send(host.encode(), (host, port))
        await settled()
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_endpoints, echo, [endpoint])
            answers = [await asking.receive() for _ in hosts]
            nursery.cancel_scope.cancel()
    assert sorted(data.decode() for data, _ in answers) == sorted(hosts)
    assert all(data.decode() == address[0] for data, address in answers)


async def test_an_address_that_asks_two_of_ours_is_a_peer_of_each(sockets: str) -> None:
    async def count(channel: UDPChannel) -> None:
        number = 0
        async for _ in channel:
            number += 1
            assert channel.peer_address == asking.address
            await channel.send_many([b"%d" % number] * 2)

    async with serving(serve_udp_peers, count) as endpoint, client() as asking:
        port = endpoint.address[1]
        for host, number in ((FIRST, b"1"), (SECOND, b"1"), (SECOND, b"2"), (FIRST, b"2"), (FIRST, b"3")):
            await asking.send(b"next", (host, port))
            for _ in range(2):
                assert await asking.receive() == (number, (host, port))


class Forgetful(OtherSocket):
    """Says of whatever comes that it was for an address which this machine does not have, or has no more."""

    async def recvmsg(self, *args: Any) -> Any:
        data, _, flags, address = await super().recvmsg(*args)
        return data, [told_ipv4("192.0.2.1", "192.0.2.1")] if data == b"gone" else [], flags, address


@pytest.mark.parametrize(("serve", "handler"), [(serve_udp, echo), (serve_udp_peers, talk)])
async def test_an_address_that_has_gone_does_not_end_a_server(
    monkeypatch: pytest.MonkeyPatch, serve: Any, handler: Any
) -> None:
    monkeypatch.setattr("tests.fakes.OtherSocket", Forgetful)
    trio.socket.set_custom_socket_factory(OtherSockets())
    async with serving(serve, handler) as endpoint:
        assert isinstance(endpoint.socket, Forgetful)
        trio.socket.set_custom_socket_factory(None)
        async with client() as asking:
            for data in (b"gone", b"here"):
                await asking.send(data, (FIRST, endpoint.address[1]))
            assert (await asking.receive()).data == b"here"
        [(reason, times)] = endpoint.statistics().errors.items()
        assert reason in GONE
        assert times == 1


async def test_a_virtual_host_with_two_addresses(network: VirtualNetwork, autojump_clock: trio.abc.Clock) -> None:
    server = network.host("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", name="server")
    async with trio.open_nursery() as nursery:
        with server:
            serve = partial(serve_udp, reply_from_asked=True)
            await nursery.start(serve, echo, 7)
        with network.host(name="client"):
            for address in server.own_addresses:
                async with await open_udp_channel(address, 7) as channel:
                    with trio.fail_after(1):
                        await channel.send(b"hello")
                        assert await channel.receive() == b"hello"
        nursery.cancel_scope.cancel()
    assert [one.destination[0] for one in network.datagrams[::2]] == list(server.own_addresses)
    assert [one.source[0] for one in network.datagrams[1::2]] == list(server.own_addresses)


# -- a machine of its own ---------------------------------------------------------------------------------------------

IN_A_NAMESPACE = """
ip link set lo up
ip link add one type veth peer name two
ip addr add 10.9.0.1/24 dev one && ip addr add 10.9.0.2/24 dev one
ip addr add fd09::1/64 dev one nodad && ip addr add fd09::2/64 dev one nodad
ip link set one up addrgenmode none && ip addr add fe80::9/64 dev one nodad
ip link set two up
exec "$0" -c "$1"
"""

PROGRAM = """
import errno, socket, subprocess
import trio, trio_udp

async def main():
    for family, everywhere, asked in (
        (socket.AF_INET, "0.0.0.0", {"10.9.0.1": "10.9.0.2", "10.9.0.2": "10.9.0.1"}),
        (socket.AF_INET6, "::", {"fd09::1": "fd09::2", "fe80::9": "fd09::1", "fd09::2": "fd09::1"}),
    ):
        endpoint = await trio_udp.open_udp_endpoint(everywhere, reply_from_asked=True)
        for host, client_host in asked.items():
            scope = [0, socket.if_nametoindex("one")] if host == "fe80::9" else []
            with trio.socket.socket(family, socket.SOCK_DGRAM) as client:
                await client.bind((client_host, 0))
                await client.connect((host, endpoint.address[1], *scope))
                await client.send(b"hello")
                datagram = await endpoint.receive()
                await endpoint.send_many([datagram] * 3)
                print(host, [await client.recv(100) for _ in range(3)].count(b"hello"))
        subprocess.run(["ip", "addr", "del", host + ("/24" if family == socket.AF_INET else "/64"), "dev", "one"])
        try:
            await endpoint.send(*datagram)
        except OSError as error:
            print(errno.errorcode[error.errno] in ("EINVAL", "ENETUNREACH"))

async def bounded():
    with trio.fail_after(20):
        await main()

trio.run(bounded)
"""


def test_a_machine_with_several_addresses() -> None:
    """Of both families, and link-local, where an address means nothing without its interface; and two of them go."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "ip"))):
        pytest.skip("needs unshare and ip")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("no namespace can be made here")
    path = str(Path(trio_udp.__file__).parents[1])
    program = ["unshare", "-rn", "sh", "-ec", IN_A_NAMESPACE, sys.executable, PROGRAM]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, cwd=path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *("10.9.0.1 3", "10.9.0.2 3", "True"),
        *("fd09::1 3", "fe80::9 3", "fd09::2 3", "True"),
    ]
