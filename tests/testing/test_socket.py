"""Virtual sockets, method by method, error by error. That Linux does the same is seen in test_model.py."""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import struct
from socket import AF_INET, AF_INET6, IPPROTO_IP, IPPROTO_IPV6, SO_BROADCAST, SO_RCVBUF, SOL_SOCKET
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from tests.testing.hosts import arrivals, fates, udp
from trio_udp import open_udp_endpoint, open_udp_endpoints
from trio_udp.faults import Link
from trio_udp.testing import Host, VirtualNetwork
from trio_udp.testing._option_table import NAMES
from trio_udp.testing._socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trio.socket import SocketType

KEYS = {name: key for key, name in NAMES.items()}
DGRAM = stdlib_socket.SOCK_DGRAM
PEEK, TRUNC, CTRUNC, DONTWAIT = (
    int(getattr(stdlib_socket, name, 0)) for name in ("MSG_PEEK", "MSG_TRUNC", "MSG_CTRUNC", "MSG_DONTWAIT")
)
linux = pytest.mark.skipif(not TRUNC, reason="this system has no such flags")

SERVER, SERVER_IPV6 = ("10.0.0.1", 7), ("fd00::1", 7)
CLOSED = ("10.0.0.1", 9)

# Too much for a way on which a datagram may have 1400 bytes, by one byte: the headers are 28 bytes, or 48 over IPv6.
MTU, TOO_LARGE, TOO_LARGE_IPV6 = Link(mtu=1400), bytes(1400 - 28 + 1), bytes(1400 - 48 + 1)


@pytest.fixture
async def network() -> AsyncIterator[VirtualNetwork]:
    async with VirtualNetwork(Link(delay=0.05)) as network:
        network.host("10.0.0.1", "fd00::1", name="server")
        network.host("10.0.0.2", "fd00::2", name="client")
        yield network


@pytest.fixture
async def server(network: VirtualNetwork) -> SocketType:
    return await udp(network.hosts["server"], 7)


@pytest.fixture
async def client(network: VirtualNetwork) -> SocketType:
    return await udp(network.hosts["client"], 5000)


def made(network: VirtualNetwork, host: str = "client", family: int = AF_INET) -> SocketType:
    with network.hosts[host]:
        return trio.socket.socket(family, DGRAM)


async def number(call: Callable[..., Any], *arguments: Any) -> int | None:
    """The errno of the error that a call raises; each of them is a checkpoint."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is what counts
        if getattr(call, "__name__", "") in ("getsockname", "getpeername", "listen", "dup", "getsockopt", "setsockopt"):
            call(*arguments)
        else:
            with assert_checkpoints():
                await call(*arguments)
    assert caught.value.strerror == os.strerror(caught.value.errno or 0)
    return caught.value.errno


# -- what it is -------------------------------------------------------------------------------------------------------


async def test_what_a_new_socket_is(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    socket, ipv6 = made(network), made(network, family=AF_INET6)
    assert isinstance(socket, VirtualSocket)
    assert (socket.family, socket.type, socket.proto) == (AF_INET, DGRAM, 0)
    assert (ipv6.family, ipv6.type, ipv6.proto) == (AF_INET6, DGRAM, 0)
    assert socket.getsockname() == ("0.0.0.0", 0)
    assert ipv6.getsockname() == ("::", 0, 0, 0)
    assert await number(socket.getpeername) == errno.ENOTCONN
    assert repr(socket) == "<virtual socket ('0.0.0.0', 0) on client>"
    assert not socket.did_shutdown_SHUT_WR
    assert socket._sock is socket
    assert not socket.get_inheritable()
    socket.set_inheritable(False)


async def test_a_file_number_is_no_file_s_and_nobody_else_s(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    one, other = made(network), made(network)
    assert one.fileno() != other.fileno()
    with pytest.raises(OSError, match=r"ad file descriptor"):
        os.fstat(one.fileno())
    one.close()
    assert one.fileno() == -1
    assert repr(one) == "<closed virtual socket ('0.0.0.0', 0) on client>"


@pytest.mark.parametrize(
    ("kind", "proto", "said"),
    [
        (stdlib_socket.SOCK_STREAM, 0, "UDP only: no socket of .*SOCK_STREAM"),
        (stdlib_socket.SOCK_RAW, 0, "SOCK_RAW"),
        (DGRAM, stdlib_socket.IPPROTO_ICMP, "protocol 1"),
    ],
)
async def test_what_is_no_udp_is_refused_by_name(
    network: VirtualNetwork, kind: Any, proto: int, said: str, autojump_clock: MockClock
) -> None:
    with pytest.raises(NotImplementedError, match=said):
        trio.socket.socket(AF_INET, kind, proto)


async def test_what_it_cannot_do_it_says(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    socket: Any = made(network)
    refused: list[tuple[Callable[[], object], str]] = [
        (socket.detach, "no file behind it"),
        (lambda: socket.shutdown(stdlib_socket.SHUT_WR), r"shutdown\(\)"),
        (lambda: socket.share(1), "another process"),
        (lambda: socket.set_inheritable(True), "another process"),
        (lambda: socket.setsockopt(*KEYS["SO_BINDTODEVICE"], b"eth0"), "SO_BINDTODEVICE"),
    ]
    for call, said in refused:
        with pytest.raises(NotImplementedError, match=said):
            call()
    assert await number(socket.listen) == errno.EOPNOTSUPP
    assert await number(socket.accept) == errno.EOPNOTSUPP


# -- bind and connect -------------------------------------------------------------------------------------------------


async def test_bind(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    socket = made(network, "server")
    with assert_checkpoints():
        await socket.bind(("10.0.0.1", 0))
    assert socket.getsockname() == ("10.0.0.1", 32768)
    assert await number(socket.bind, ("10.0.0.1", 0)) == errno.EINVAL
    assert await number(made(network, "server").bind, ("0.0.0.0", 32768)) == errno.EADDRINUSE
    assert await number(made(network, "server").bind, ("10.0.0.2", 7)) == errno.EADDRNOTAVAIL
    assert await number(made(network, "server", AF_INET6).bind, ("::ffff:10.0.0.2", 7)) == errno.EADDRNOTAVAIL


async def test_two_hosts_have_their_ports_for_themselves(
    server: SocketType, network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    assert (await udp(network.hosts["client"], 7)).getsockname() == ("0.0.0.0", 7)


async def test_connect_binds_to_the_address_that_fits(
    server: SocketType, network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    socket = made(network)
    with assert_checkpoints():
        await socket.connect(SERVER)
    assert (socket.getsockname(), socket.getpeername()) == (("10.0.0.2", 32768), SERVER)
    await socket.connect(("127.0.0.1", 7))  # it stays where it is
    assert (socket.getsockname(), socket.getpeername()) == (("10.0.0.2", 32768), ("127.0.0.1", 7))
    loopback = made(network)
    await loopback.connect(("0.0.0.0", 7))
    assert (loopback.getsockname(), loopback.getpeername()) == (("127.0.0.1", 32769), ("127.0.0.1", 7))


async def test_connected_to_port_0_it_has_an_address_but_no_peer(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    socket = made(network)
    await socket.connect(("10.0.0.1", 0))
    assert socket.getsockname() == ("10.0.0.2", 32768)
    assert await number(socket.getpeername) == errno.ENOTCONN


async def test_a_connected_socket_hears_its_peer_alone(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    server, stranger = [await udp(network.hosts["server"], port) for port in (7, 8)]
    await client.connect(SERVER)
    await stranger.sendto(b"stranger", ("10.0.0.2", 5000))
    await server.sendto(b"server", ("10.0.0.2", 5000))
    assert await client.recv(100) == b"server"
    assert fates(network) == [[0.05], "refused"]


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (AF_INET, ("fd00::1", 7)),
        (AF_INET, ("nobody", 7)),
        (AF_INET6, ("nobody", 7)),
    ],
)
async def test_a_name_that_there_is_not(
    network: VirtualNetwork, family: int, address: tuple[str, int], autojump_clock: MockClock
) -> None:
    socket = made(network, family=family)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: socket.bind(address),
        lambda: socket.connect(address),
        lambda: socket.sendto(b"", address),
        lambda: socket.sendmsg([b""], [], 0, address),
    ]
    for call in calls:
        with assert_checkpoints(), pytest.raises(stdlib_socket.gaierror):
            await call()


@pytest.mark.parametrize("address", [("10.0.0.1", -1), ("10.0.0.1", 65536)])
async def test_a_port_that_is_none(
    network: VirtualNetwork, address: tuple[str, int], autojump_clock: MockClock
) -> None:
    socket = made(network)
    for call in (socket.bind, socket.connect, lambda address: socket.sendto(b"", address)):
        with assert_checkpoints(), pytest.raises(OverflowError, match=r"\(\): port must be 0-65535"):
            await call(address)


@pytest.mark.parametrize("flow_info", [-1, 2**20])
async def test_a_flow_that_is_none(network: VirtualNetwork, flow_info: int, autojump_clock: MockClock) -> None:
    """Twenty bits (RFC 8200 section 3)."""
    with network.hosts["client"]:
        socket = trio.socket.socket(AF_INET6, trio.socket.SOCK_DGRAM)
    with assert_checkpoints(), pytest.raises(OverflowError, match=r"\(\): flowinfo must be 0-1048575"):
        await socket.sendto(b"", ("::1", 7, flow_info, 0))


async def test_what_does_not_lie_in_one_piece_cannot_be_sent(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    with assert_checkpoints(), pytest.raises(BufferError):
        await client.sendto(memoryview(b"abcdef")[::2], SERVER)


@pytest.mark.parametrize("address", ["10.0.0.1:7", ("10.0.0.1",), ("10.0.0.1", 7, 0), ["10.0.0.1", 7], None])
async def test_what_is_no_address_at_all(network: VirtualNetwork, address: Any, autojump_clock: MockClock) -> None:
    socket = made(network)
    for call in (socket.bind, socket.connect, lambda address: socket.sendto(b"", address)):
        with assert_checkpoints(), pytest.raises(ValueError, match=r"should be a \(host, port\) tuple"):
            await call(address)


async def test_names_are_looked_up(network: VirtualNetwork, server: SocketType, autojump_clock: MockClock) -> None:
    socket = made(network)
    await socket.bind(("client", 0))
    assert socket.getsockname() == ("10.0.0.2", 32768)
    await socket.sendto(b"by name", ("server", 7))
    await socket.sendmsg([b"by ", b"name"], [], 0, ("server", "7"))
    await socket.connect(("server", 7))
    assert socket.getpeername() == SERVER
    assert await arrivals(server, 2) == [(0.05, b"by name")] * 2
    await (everywhere := made(network)).bind(("", 9))
    assert everywhere.getsockname() == ("0.0.0.0", 9)


async def test_scopes_there_are_not(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    socket = made(network, family=AF_INET6)
    with assert_checkpoints(), pytest.raises(NotImplementedError, match="no scopes"):
        await socket.connect(("fe80::1", 7, 0, 2))
    await socket.connect(("::1", 7, 0, 1))
    assert socket.getpeername() == ("::1", 7, 0, 0)


# -- both families ----------------------------------------------------------------------------------------------------


async def test_dual_stack_hears_both_and_answers_both(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    server = await udp(network.hosts["server"], 7, "::")
    ipv4, ipv6 = [await udp(network.hosts["client"], 5000, address) for address in ("10.0.0.2", "fd00::2")]
    await ipv4.sendto(b"four", SERVER)
    await ipv6.sendto(b"six", SERVER_IPV6)
    for data, address in [(b"four", ("::ffff:10.0.0.2", 5000, 0, 0)), (b"six", ("fd00::2", 5000, 0, 0))]:
        assert await server.recvfrom(100) == (data, address)
        await server.sendto(data, address)
    assert await ipv4.recvfrom(100) == (b"four", SERVER)
    assert await ipv6.recvfrom(100) == (b"six", ("fd00::1", 7, 0, 0))


async def test_ipv6_only_is_deaf_to_ipv4(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    server = made(network, "server", AF_INET6)
    server.setsockopt(IPPROTO_IPV6, stdlib_socket.IPV6_V6ONLY, 1)
    assert await number(server.bind, ("::ffff:10.0.0.1", 7)) == errno.EINVAL
    await server.bind(("::", 7))
    assert await number(server.sendto, b"", ("::ffff:10.0.0.2", 5000)) == errno.ENETUNREACH
    assert await number(server.connect, ("::ffff:10.0.0.2", 5000)) == errno.ENETUNREACH
    await client.sendto(b"anybody?", SERVER)
    await trio.sleep(1)
    assert fates(network) == ["refused"]


async def test_bound_to_one_ipv6_address_a_socket_is_ipv6_only(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    socket = await udp(network.hosts["client"], 5000, "fd00::2")
    assert socket.getsockopt(IPPROTO_IPV6, stdlib_socket.IPV6_V6ONLY) == 1
    assert await number(socket.sendto, b"", ("::ffff:10.0.0.1", 7)) == errno.ENETUNREACH
    socket = await udp(network.hosts["client"], 5000, "::ffff:10.0.0.2")
    assert socket.getsockopt(IPPROTO_IPV6, stdlib_socket.IPV6_V6ONLY) == 0
    assert await number(socket.sendto, b"", SERVER_IPV6) == errno.EAFNOSUPPORT


async def test_connected_over_ipv6_it_still_sends_over_ipv4(
    network: VirtualNetwork, server: SocketType, autojump_clock: MockClock
) -> None:
    socket = made(network, family=AF_INET6)
    await socket.connect(SERVER_IPV6)
    assert socket.getsockname() == ("fd00::2", 32768, 0, 0)
    await socket.sendto(b"four", ("::ffff:10.0.0.1", 7))
    assert await server.recvfrom(100) == (b"four", ("10.0.0.2", 32768))


async def test_no_way_to_a_family_that_the_host_has_not(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    network.host("10.0.0.3", name="ipv4 only".replace(" ", "-"))
    socket = made(network, "ipv4-only", AF_INET6)
    assert await number(socket.connect, SERVER_IPV6) == errno.ENETUNREACH
    assert await number(socket.sendto, b"", SERVER_IPV6) == errno.ENETUNREACH


async def test_from_the_loopback_there_is_no_way_to_other_hosts(
    network: VirtualNetwork, server: SocketType, autojump_clock: MockClock
) -> None:
    socket = await udp(network.hosts["server"], 0, "127.0.0.1")
    assert await number(socket.sendto, b"", ("10.0.0.2", 5000)) == errno.EINVAL
    await socket.sendto(b"own address", SERVER)
    assert await server.recvfrom(100) == (b"own address", ("127.0.0.1", 32768))


# -- sending ----------------------------------------------------------------------------------------------------------


async def test_three_ways_to_send(network: VirtualNetwork, server: SocketType, autojump_clock: MockClock) -> None:
    socket: Any = made(network)
    with assert_checkpoints():
        assert await socket.sendto(b"one", SERVER) == 3
    with assert_checkpoints():
        assert await socket.sendto(bytearray(b"two"), DONTWAIT, SERVER) == 3
    with assert_checkpoints():
        assert await socket.sendmsg([b"th", memoryview(b"re"), bytearray(b"e")], [], 0, SERVER) == 5
    await socket.connect(SERVER)
    with assert_checkpoints():
        assert await socket.send(b"") == 0
    with assert_checkpoints():
        assert await socket.sendmsg([]) == 0
    assert [data for _, data in await arrivals(server, 5)] == [b"one", b"two", b"three", b"", b""]


async def test_who_sends_unbound_is_bound_to_all_addresses(
    network: VirtualNetwork, server: SocketType, autojump_clock: MockClock
) -> None:
    socket = made(network)
    await socket.sendto(b"x", SERVER)
    assert socket.getsockname() == ("0.0.0.0", 32768)
    assert await server.recvfrom(1) == (b"x", ("10.0.0.2", 32768))


async def test_what_cannot_be_sent(client: SocketType, autojump_clock: MockClock) -> None:
    assert await number(client.send, b"") == errno.EDESTADDRREQ
    assert await number(client.sendmsg, [b""]) == errno.EDESTADDRREQ
    assert await number(client.sendto, b"", ("10.0.0.1", 0)) == errno.EINVAL
    sendto: Any = client.sendto
    for arguments in [(), (0, SERVER, 0)]:
        with pytest.raises(TypeError, match="takes 2 or 3 arguments"):
            await sendto(b"", *arguments)
    for wrong in ("text", 5, None):
        with assert_checkpoints(), pytest.raises(TypeError, match="a bytes-like object is required"):
            await sendto(wrong, SERVER)
    with assert_checkpoints(), pytest.raises(NotImplementedError, match=r"send with flags 0x1"):
        await sendto(b"", stdlib_socket.MSG_OOB, SERVER)


async def test_broadcast_has_to_be_allowed(client: SocketType, server: SocketType, autojump_clock: MockClock) -> None:
    for address in (("255.255.255.255", 7), ("<broadcast>", 7), ("127.255.255.255", 7)):
        assert await number(client.sendto, b"", address) == errno.EACCES
        assert await number(client.connect, address) == errno.EACCES
    client.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
    await client.sendto(b"everybody", ("<broadcast>", 7))
    assert await server.recvfrom(100) == (b"everybody", FROM)


@linux
async def test_a_source_that_is_asked_for(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    with network.host("10.0.0.5", "10.0.0.6", name="two"):
        server = trio.socket.socket(type=DGRAM)
    await server.bind(("0.0.0.0", 7))
    server.setsockopt(*KEYS["IP_PKTINFO"], 1)
    await client.sendto(b"x", ("10.0.0.6", 7))
    data, messages, flags, address = await server.recvmsg(100, 100)
    assert (data, flags, address) == (b"x", 0, ("10.0.0.2", 5000))
    with assert_checkpoints():
        await server.sendmsg([data], messages, 0, address)
    assert await client.recvfrom(1) == (b"x", ("10.0.0.6", 7))
    await server.sendto(b"y", FROM)
    assert await client.recvfrom(1) == (b"y", ("10.0.0.5", 7))


# -- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "address", "most"), [(AF_INET, SERVER, 65507), (AF_INET6, SERVER_IPV6, 65527)])
async def test_the_largest_datagram(
    network: VirtualNetwork, family: int, address: Any, most: int, autojump_clock: MockClock
) -> None:
    server = await udp(network.hosts["server"], 7, "0.0.0.0" if family == AF_INET else "::")
    socket = made(network, family=family)
    assert await number(socket.sendto, bytes(most + 1), address) == errno.EMSGSIZE
    assert await socket.sendto(bytes(most), address) == most
    assert len((await server.recvfrom(65535))[0]) == most


async def test_too_large_for_the_link_it_is_lost_on_the_way(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    network.link = MTU
    await client.sendto(TOO_LARGE, SERVER)
    await trio.sleep(1)
    assert fates(network) == ["mtu"]


@linux
@pytest.mark.parametrize(
    ("family", "option", "value", "address", "data"),
    [
        (AF_INET, "IP_MTU_DISCOVER", 2, SERVER, TOO_LARGE),
        (AF_INET, "IP_MTU_DISCOVER", 3, SERVER, TOO_LARGE),
        (AF_INET6, "IPV6_DONTFRAG", 1, SERVER_IPV6, TOO_LARGE_IPV6),
        (AF_INET6, "IPV6_MTU_DISCOVER", 2, SERVER_IPV6, TOO_LARGE_IPV6),
        (AF_INET6, "IP_MTU_DISCOVER", 2, ("::ffff:10.0.0.1", 7), TOO_LARGE),
    ],
)
async def test_not_to_be_fragmented_it_is_refused(
    network: VirtualNetwork, family: int, option: str, value: int, address: Any, data: bytes, autojump_clock: MockClock
) -> None:
    network.link = MTU
    socket = made(network, family=family)
    socket.setsockopt(*KEYS[option], value)
    assert await number(socket.sendto, data, address) == errno.EMSGSIZE
    assert await socket.sendto(data[1:], address) == len(data) - 1
    await trio.sleep(1)
    assert fates(network) == ["refused"]
    network.link = Link()
    assert await socket.sendto(data, address) == len(data)


@linux
async def test_the_mtu_of_the_way_to_the_peer(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    assert await number(client.getsockopt, *KEYS["IP_MTU"]) == errno.ENOTCONN
    network.link = MTU
    await client.connect(SERVER)
    assert client.getsockopt(IPPROTO_IP, KEYS["IP_MTU"][1]) == 1400


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_told_once_on_the_next_call(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    await client.connect(CLOSED)
    for call in (lambda: client.send(b"2"), lambda: client.recv(1), lambda: client.recvmsg(1)):
        await client.send(b"1")
        assert not client.is_readable()
        await trio.sleep(1)
        assert client.is_readable()
        assert await number(call) == errno.ECONNREFUSED
        assert not client.is_readable()
    await client.send(b"1")
    await trio.sleep(1)
    assert client.getsockopt(SOL_SOCKET, stdlib_socket.SO_ERROR) == errno.ECONNREFUSED
    assert client.getsockopt(SOL_SOCKET, stdlib_socket.SO_ERROR) == 0
    assert fates(network) == ["refused"] * 4


async def test_who_waits_learns_of_a_refusal_after_a_round_trip(client: SocketType, autojump_clock: MockClock) -> None:
    await client.connect(CLOSED)
    await client.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        await client.recv(1)
    assert trio.current_time() == 0.1


async def test_who_is_not_connected_hears_of_no_refusal(client: SocketType, autojump_clock: MockClock) -> None:
    await client.sendto(b"anybody?", CLOSED)
    await trio.sleep(1)
    assert not client.is_readable()
    assert client.getsockopt(SOL_SOCKET, stdlib_socket.SO_ERROR) == 0


# -- receiving --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def full(server: SocketType, client: SocketType) -> SocketType:
    """A socket at which two datagrams have arrived."""
    await client.sendto(b"first", SERVER)
    await client.sendto(b"second", SERVER)
    await trio.sleep(1)
    return server


FROM = ("10.0.0.2", 5000)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s: s.recv(100), b"first"),
        (lambda s: s.recv(3), b"fir"),
        (lambda s: s.recvfrom(100), (b"first", FROM)),
        (lambda s: s.recvfrom(0), (b"", FROM)),
        (lambda s: s.recv_into(bytearray(100)), 5),
        (lambda s: s.recv_into(bytearray(100), 3), 3),
        (lambda s: s.recvfrom_into(bytearray(4)), (4, FROM)),
        (lambda s: s.recvmsg(100), (b"first", [], 0, FROM)),
        (lambda s: s.recvmsg_into([bytearray(2), bytearray(9)]), (5, [], 0, FROM)),
    ],
)
async def test_each_way_to_receive(
    full: SocketType, call: Callable[[SocketType], Awaitable[object]], expected: object, autojump_clock: MockClock
) -> None:
    with assert_checkpoints():
        assert await call(full) == expected
    assert await full.recvfrom(100) == (b"second", FROM)


@linux
@pytest.mark.parametrize(
    ("call", "expected", "takes"),
    [
        (lambda s: s.recv(100, PEEK), b"first", False),
        (lambda s: s.recvfrom(3, PEEK | TRUNC), (b"fir\0\0", FROM), False),
        (lambda s: s.recvmsg(3, 0, PEEK), (b"fir", [], TRUNC, FROM), False),
        (lambda s: s.recvmsg(3, 0, TRUNC | DONTWAIT), (b"fir", [], TRUNC, FROM), True),
        (lambda s: s.recv_into(bytearray(3), 0, TRUNC), 5, True),
        (lambda s: s.recvfrom_into(bytearray(3), 0, TRUNC), (5, FROM), True),
        (lambda s: s.recvmsg_into([bytearray(3)], 0, TRUNC), (5, [], TRUNC, FROM), True),
        (lambda s: s.recvmsg_into([bytearray(3)]), (3, [], TRUNC, FROM), True),
    ],
)
async def test_flags(
    full: SocketType, call: Callable[..., Awaitable[object]], expected: object, takes: bool, autojump_clock: MockClock
) -> None:
    with assert_checkpoints():
        assert await call(full) == expected
    assert await full.recv(100) == (b"second" if takes else b"first")


async def test_buffers_are_filled_one_after_another(full: SocketType, autojump_clock: MockClock) -> None:
    buffers = [bytearray(b"..") for _ in range(4)]
    await full.recvmsg_into(buffers)
    assert buffers == [b"fi", b"rs", b"t.", b".."]
    buffer = bytearray(b".......")
    await full.recvfrom_into(buffer, 4)
    assert buffer == b"seco..."


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s.recv(-1), ValueError),
        (lambda s: s.recvfrom(-1), ValueError),
        (lambda s: s.recvmsg(-1), ValueError),
        (lambda s: s.recvmsg(1, -1), ValueError),
        (lambda s: s.recv(2.5), TypeError),
        (lambda s: s.recvfrom(10**30), OverflowError),
        (lambda s: s.recvmsg(9, 2.5), TypeError),
        (lambda s: s.recv_into(bytearray(9), 2.5), TypeError),
        (lambda s: s.recv_into(memoryview(bytearray(6))[::2]), TypeError),
        (lambda s: s.recvmsg_into([memoryview(bytearray(6))[::2]]), TypeError),
        (lambda s: s.recvmsg_into([bytearray(1)], -1), ValueError),
        (lambda s: s.recv_into(bytearray(4), -1), ValueError),
        (lambda s: s.recv_into(bytearray(4), 5), ValueError),
        (lambda s: s.recv_into("no buffer"), TypeError),
        (lambda s: s.recvfrom_into(b"read-only"), TypeError),
        (lambda s: s.recvmsg_into([bytearray(1), b"read-only"]), TypeError),
        (lambda s: s.recvfrom(1, stdlib_socket.MSG_OOB), NotImplementedError),
    ],
)
async def test_a_call_that_is_refused_has_taken_nothing(
    full: SocketType, call: Callable[..., Awaitable[object]], error: type[Exception], autojump_clock: MockClock
) -> None:
    with assert_checkpoints(), pytest.raises(error):
        await call(full)
    assert await full.recv(100) == b"first"


async def test_to_ask_for_nothing_takes_nothing(full: SocketType, autojump_clock: MockClock) -> None:
    with assert_checkpoints():
        assert await full.recv(0) == b""
    with assert_checkpoints():
        assert await full.recv_into(bytearray()) == 0
    assert await full.recv(100) == b"first"


async def test_an_empty_datagram_is_one(server: SocketType, client: SocketType, autojump_clock: MockClock) -> None:
    await client.sendto(b"", SERVER)
    assert await server.recvfrom(100) == (b"", FROM)


async def test_a_receive_that_waits_ends_when_something_arrives(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    await client.sendto(b"x", SERVER)
    assert not server.is_readable()
    with assert_checkpoints():
        assert await server.recv(1) == b"x"
    assert trio.current_time() == 0.05


async def test_who_is_cancelled_has_taken_nothing(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    with trio.move_on_after(1) as scope:
        await server.recv(1)
    assert scope.cancelled_caught
    await client.sendto(b"x", SERVER)
    await trio.sleep(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await server.recv(1)
    assert scope.cancelled_caught
    assert await server.recv(1) == b"x"


async def test_one_reader_at_a_time(
    server: SocketType, client: SocketType, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nursery.start_soon(server.recv, 1)
    await wait_all_tasks_blocked()
    with assert_checkpoints(), pytest.raises(trio.BusyResourceError, match="already reading"):
        await server.recv(1)
    await client.sendto(b"x", SERVER)
    await trio.sleep(1)
    await client.sendto(b"y", SERVER)
    assert await server.recv(1) == b"y"


async def test_who_waits_is_told_that_the_socket_was_closed(
    server: SocketType, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError, match="another task closed"):
            await server.recv(1)

    async with trio.open_nursery() as waiting:
        waiting.start_soon(read)
        await wait_all_tasks_blocked()
        server.close()


async def test_wait_writable(server: SocketType, autojump_clock: MockClock) -> None:
    with assert_checkpoints():
        await server.wait_writable()
    server.close()
    with assert_checkpoints(), pytest.raises(ValueError, match="negative"):
        await server.wait_writable()


# -- the receive buffer -----------------------------------------------------------------------------------------------


async def test_what_does_not_fit_is_dropped_and_counted(
    server: SocketType, network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    server.setsockopt(SOL_SOCKET, SO_RCVBUF, 2000)  # 4000: room for two of these
    sender = made(network)
    for data in (b"a", b"b", b"c"):
        await sender.sendto(data * 1000, SERVER)
    await trio.sleep(1)
    assert [await server.recv(1) for _ in range(2)] == [b"a", b"b"]
    assert not server.is_readable()
    assert fates(network) == [[0.05], [0.05], "buffer full"]


@linux
async def test_an_endpoint_counts_what_the_virtual_kernel_dropped(
    network: VirtualNetwork, client: SocketType, autojump_clock: MockClock
) -> None:
    with network.hosts["server"]:
        endpoint = await open_udp_endpoint("10.0.0.1", 7)
    with endpoint:
        assert endpoint.statistics().receive_buffer == 2 * 212_992
        for _ in range(600):
            await client.sendto(b"x", SERVER)
        await trio.sleep(1)
        assert endpoint.statistics().kernel_drops == 89
        assert len(await endpoint.receive_many(1000)) == 511


@linux
async def test_drops_are_told_with_the_next_datagram(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    server.setsockopt(*KEYS["SO_RXQ_OVFL"], 1)
    server.setsockopt(SOL_SOCKET, SO_RCVBUF, 2000)
    for _ in range(3):
        await client.sendto(bytes(3000), SERVER)
    assert (await server.recvmsg(1, 100))[1] == []
    await client.sendto(bytes(3000), SERVER)
    assert (await server.recvmsg(1, 100))[1] == [(*KEYS["SO_RXQ_OVFL"], struct.pack("=I", 2))]


# -- closing ----------------------------------------------------------------------------------------------------------


async def test_everything_after_close_is_an_error(server: SocketType, autojump_clock: MockClock) -> None:
    server.close()
    server.close()
    calls: list[tuple[Any, ...]] = [
        (server.getsockname,),
        (server.getpeername,),
        (server.getsockopt, SOL_SOCKET, SO_RCVBUF),
        (server.setsockopt, SOL_SOCKET, SO_RCVBUF, 1),
        (server.listen,),
        (server.accept,),
        (server.dup,),
        (server.bind, SERVER),
        (server.connect, SERVER),
        (server.send, b""),
        (server.sendto, b"", SERVER),
        (server.sendmsg, [b""]),
        (server.recv, 1),
        (server.recvfrom, 1),
        (server.recv_into, bytearray(1)),
        (server.recvfrom_into, bytearray(1)),
        (server.recvmsg, 1),
        (server.recvmsg_into, [bytearray(1)]),
    ]
    assert [await number(*call) for call in calls] == [errno.EBADF] * len(calls)
    with pytest.raises(ValueError, match="negative"):
        server.is_readable()


async def test_a_closed_socket_gives_its_port_back_and_hears_nothing(
    server: SocketType, client: SocketType, network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    with server:
        await client.sendto(b"on its way", SERVER)
    await trio.sleep(1)
    assert fates(network) == ["refused"]
    await udp(network.hosts["server"], 7)


async def test_a_duplicate_shares_the_queue_and_outlives_the_first(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    duplicate = server.dup()
    assert duplicate.fileno() != server.fileno()
    assert duplicate.getsockname() == server.getsockname()
    await client.sendto(b"one", SERVER)
    await client.sendto(b"two", SERVER)
    assert await server.recv(100) == b"one"
    server.close()
    assert await duplicate.recv(100) == b"two"
    await client.sendto(b"three", SERVER)
    assert await duplicate.recv(100) == b"three"
    assert await number(server.recv, 1) == errno.EBADF


async def test_two_duplicates_may_wait_and_one_gets_it(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    got: list[bytes] = []

    async def read(socket: SocketType) -> None:
        got.append(await socket.recv(100))

    async with trio.open_nursery() as waiting:
        waiting.start_soon(read, server)
        waiting.start_soon(read, server.dup())
        await client.sendto(b"one", SERVER)
        await trio.sleep(1)
        assert got == [b"one"]
        await client.sendto(b"two", SERVER)
    assert got == [b"one", b"two"]


async def test_who_waits_at_a_duplicate_goes_on_waiting_when_the_other_is_closed(
    server: SocketType, client: SocketType, autojump_clock: MockClock
) -> None:
    duplicate = server.dup()
    async with trio.open_nursery() as waiting:

        async def read() -> None:
            assert await duplicate.recv(100) == b"still here"

        waiting.start_soon(read)
        await wait_all_tasks_blocked()
        server.close()
        await client.sendto(b"still here", SERVER)


async def test_a_cancelled_connect_closes_the_socket(client: SocketType, autojump_clock: MockClock) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await client.connect(SERVER)
    assert scope.cancelled_caught
    assert client.fileno() == -1


@pytest.mark.parametrize("name", ["bind", "send", "sendto", "sendmsg", "recv", "wait_writable", "accept"])
async def test_a_cancelled_call_has_done_nothing(
    server: SocketType, network: VirtualNetwork, name: str, autojump_clock: MockClock
) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "bind": (("10.0.0.1", 9),),
        "send": (b"x",),
        "sendto": (b"x", SERVER),
        "sendmsg": ([b"x"], [], 0, SERVER),
        "recv": (1,),
    }
    socket = made(network)
    with trio.CancelScope() as scope:
        scope.cancel()
        await getattr(socket, name)(*arguments.get(name, ()))
    assert scope.cancelled_caught
    assert socket.getsockname() == ("0.0.0.0", 0)
    await trio.sleep(1)
    assert network.datagrams == []


# -- a crash ----------------------------------------------------------------------------------------------------------


async def test_after_a_crash_a_socket_is_dead(
    server: SocketType, client: SocketType, network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    host: Host = network.hosts["server"]
    unbound = made(network, "server")
    host.crash()
    host.restart()
    assert await server.sendto(b"from the dead", FROM) == 13
    await client.sendto(b"to the dead", SERVER)
    with trio.move_on_after(1) as scope:
        await server.recv(1)
    assert scope.cancelled_caught
    assert [each.data for each in network.datagrams] == [b"to the dead"]
    assert fates(network) == ["refused"]
    assert await number(unbound.sendto, b"", FROM) == errno.ENETDOWN
    await udp(host, 7)
    server.close()
    assert await number(made(network, "server").bind, SERVER) == errno.EADDRINUSE


# -- this library on it -----------------------------------------------------------------------------------------------


async def test_endpoints_on_it(network: VirtualNetwork, client: SocketType, autojump_clock: MockClock) -> None:
    with network.hosts["server"]:
        endpoints = await open_udp_endpoints(0)
    assert [endpoint.address for endpoint in endpoints] == [("0.0.0.0", 32768), ("::", 32768, 0, 0)]
    ipv4, ipv6 = endpoints
    with ipv4, ipv6:
        await client.sendto(b"four", ("10.0.0.1", 32768))
        data, address = await ipv4.receive()
        assert (data, address) == (b"four", FROM)
        await ipv4.send(b"answer", address)
        assert await client.recvfrom(100) == (b"answer", ("10.0.0.1", 32768))
        sender = made(network, family=AF_INET6)
        await sender.sendto(b"six", ("fd00::1", 32768))
        assert await ipv6.receive() == (b"six", ("fd00::2", 32768, 0, 0))
