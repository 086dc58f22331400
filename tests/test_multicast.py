"""Groups and broadcast, on the loopback's real sockets and on virtual ones; and what other systems would be told."""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_udp import Datagram, UDPEndpoint, _multicast, open_udp_endpoint, serve_endpoints

from .fakes import OtherSockets, echo
from .peers.programs import need

LOCAL = "127.0.0.1"
PATIENCE = 20  # seconds; only a failure takes so long
# Groups of the administrator's own (RFC 2365 section 6.1) that nobody else's run of these tests has.
GROUP, OTHER = (f"239.{kind}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}" for kind in (251, 252))
GROUP_IPV6 = "ff15::7475"

shares_ports = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ports are not shared in this way")


async def listening(port: int = 0, host: str = "0.0.0.0") -> UDPEndpoint:
    return await open_udp_endpoint(host, port, reuse_port=hasattr(stdlib_socket, "SO_REUSEPORT"))


async def sending(**how: Any) -> UDPEndpoint:
    endpoint = await open_udp_endpoint("0.0.0.0")
    endpoint.set_multicast(interface=LOCAL, **how)
    return endpoint


async def hears(endpoint: UDPEndpoint, *expected: bytes) -> None:
    """It has heard these and nothing else, once a last datagram, which is sent to it alone, has come.

    The loopback keeps the order, so what should not come would be there by then. On a busy machine it keeps it only
    nearly: what should come may take a little longer.
    """
    data: list[bytes] = []
    with await open_udp_endpoint(LOCAL) as last, trio.move_on_after(PATIENCE):
        await last.send(b"last", (LOCAL, endpoint.address[1]))
        while b"last" not in data or len(data) <= len(expected):
            data += [each.data for each in await endpoint.receive_many()]
    assert sorted(data) == sorted([*expected, b"last"])


# -- who hears what ----------------------------------------------------------------------------------------------------


async def test_a_member_hears_its_groups_and_what_is_sent_to_it_alone(sockets: str) -> None:
    with await listening() as member, await sending() as sender:
        port = member.address[1]
        for expected in ((), (GROUP.encode(),)):
            for group in (GROUP, OTHER):
                await sender.send(group.encode(), (group, port))
            await hears(member, *expected)
            if not expected:
                member.join_group(GROUP, interface=LOCAL)
        member.join_group(OTHER, interface=LOCAL)
        member.leave_group(GROUP, interface=LOCAL)
        for group in (GROUP, OTHER):
            await sender.send(group.encode(), (group, port))
        await hears(member, OTHER.encode())


async def test_an_answer_goes_to_who_asked_and_comes_from_the_member(sockets: str) -> None:
    with await listening() as member, await sending() as sender:
        member.join_group(GROUP, interface=LOCAL)
        await sender.send(b"who?", (GROUP, member.address[1]))
        question, asker = await member.receive()
        assert (question, asker) == (b"who?", (LOCAL, sender.address[1]))
        await member.send(b"I", asker)
        assert await sender.receive() == Datagram(b"I", (LOCAL, member.address[1]))


@shares_ports
async def test_all_who_share_a_port_hear_it_and_only_what_they_have_joined(sockets: str) -> None:
    with await listening(host=GROUP) as first, await sending() as sender:
        port = first.address[1]
        with await listening(port) as second, await listening(port) as third:
            first.join_group(GROUP, interface=LOCAL)
            second.join_group(GROUP, interface=LOCAL)
            third.join_group(OTHER, interface=LOCAL)
            await sender.send(b"to two", (GROUP, port))
            await sender.send(b"to one", (OTHER, port))
            assert [await each.receive() for each in (first, second)] == [(b"to two", (LOCAL, sender.address[1]))] * 2
            assert await third.receive() == (b"to one", (LOCAL, sender.address[1]))
            assert not any(each.socket.is_readable() for each in (first, second, third))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows binds to no group")
async def test_bound_to_a_group_it_hears_nothing_else(sockets: str) -> None:
    with await listening(host=GROUP) as member, await listening() as other, await sending() as sender:
        member.join_group(GROUP, interface=LOCAL)
        other.join_group(OTHER, interface=LOCAL)
        for host in (OTHER, LOCAL, GROUP):
            await sender.send(host.encode(), (host, member.address[1]))
        assert (await member.receive()).data == GROUP.encode()


async def test_sources(sockets: str) -> None:
    with await listening() as member, await sending() as sender:
        member.join_group(GROUP, interface=LOCAL, source="127.0.0.7")
        for source in (LOCAL, "127.0.0.7"):
            with await open_udp_endpoint(source) as sender:
                sender.set_multicast(interface=LOCAL)
                await sender.send(source.encode(), (GROUP, member.address[1]))
        await hears(member, b"127.0.0.7")
        member.join_group(GROUP, interface=LOCAL, source=LOCAL)
        member.leave_group(GROUP, interface=LOCAL, source="127.0.0.7")
        for source in (LOCAL, "127.0.0.7"):
            with await open_udp_endpoint(source) as sender:
                sender.set_multicast(interface=LOCAL)
                await sender.send(source.encode(), (GROUP, member.address[1]))
        await hears(member, LOCAL.encode())


@pytest.mark.skipif(sys.platform != "linux", reason="its number is another elsewhere")
async def test_the_loopback_by_its_number(sockets: str) -> None:
    """1 on Linux, and on the virtual network."""
    with await listening() as member, await open_udp_endpoint(LOCAL) as sender:
        sender.set_multicast(interface=1, ttl=3, loopback=True)
        for source in (None, LOCAL):
            member.join_group(GROUP, interface=1, source=source)
            await sender.send(b"who?", (GROUP, member.address[1]))
            await hears(member, b"who?")
            member.leave_group(GROUP, interface=1, source=source)
            await sender.send(b"who?", (GROUP, member.address[1]))
            await hears(member)


@pytest.mark.skipif(sys.platform != "linux", reason="it has another name elsewhere")
async def test_the_loopback_by_its_name() -> None:
    with await listening() as member, await open_udp_endpoint("0.0.0.0") as sender:
        member.join_group(GROUP, interface="lo")
        sender.set_multicast(interface="lo")
        await sender.send(b"who?", (GROUP, member.address[1]))
        await hears(member, b"who?")


async def test_how_it_sends(sockets: str) -> None:
    with await open_udp_endpoint("0.0.0.0") as endpoint:

        def options() -> list[int]:
            names = stdlib_socket.IP_MULTICAST_TTL, stdlib_socket.IP_MULTICAST_LOOP
            return [endpoint.socket.getsockopt(stdlib_socket.IPPROTO_IP, name) for name in names]

        assert options() == [1, 1]
        endpoint.set_multicast(ttl=0)
        assert options() == [0, 1]
        endpoint.set_multicast(loopback=False)
        assert options() == [0, 0]
        endpoint.set_multicast(ttl=255, loopback=True)
        assert options() == [255, 1]


async def test_many_at_once(sockets: str) -> None:
    """Those of one size go to the kernel together where it can: to a group as well."""
    with await listening() as member, await sending() as sender:
        member.join_group(GROUP, interface=LOCAL)
        await sender.send_many([Datagram(b"%03d" % number, (GROUP, member.address[1])) for number in range(200)])
        await hears(member, *(b"%03d" % number for number in range(200)))


async def test_a_server_of_a_group(sockets: str) -> None:
    with await listening() as member, await sending() as sender:
        member.join_group(GROUP, interface=LOCAL)
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_endpoints, echo, [member])
            for number in range(3):
                await sender.send(b"%d" % number, (GROUP, member.address[1]))
                assert await sender.receive() == (b"%d" % number, (LOCAL, member.address[1]))
            nursery.cancel_scope.cancel()


# -- broadcast ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="not every loopback has a broadcast address")
async def test_broadcast(sockets: str) -> None:
    with await listening() as everywhere, await listening(everywhere.address[1], LOCAL) as bound:
        with await open_udp_endpoint("0.0.0.0") as sender:
            place = ("127.255.255.255", everywhere.address[1])
            refused = rf"cannot send to 127\.255\.255\.255:{place[1]}: .*a broadcast address needs allow_broadcast\(\)"
            for _ in range(2):
                with pytest.raises(PermissionError, match=refused) as caught:
                    await sender.send(b"too early", place)
                assert caught.value.errno == errno.EACCES
                sender.allow_broadcast()
                await sender.send(b"everybody", place)
                sender.allow_broadcast(False)
            assert [(await everywhere.receive()).data for _ in range(2)] == [b"everybody"] * 2
            assert not bound.socket.is_readable()
            assert sender.statistics().errors == {"EACCES": 2}


async def test_ipv6_has_no_broadcast(sockets: str, ipv6: None) -> None:
    with await open_udp_endpoint("::") as endpoint:
        with pytest.raises(ValueError, match="IPv6 has no broadcast; its group of all hosts on a link is ff02::1"):
            endpoint.allow_broadcast()


# -- what is wrong is said ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "arguments", "said"),
    [
        ("0.0.0.0", {"group": "10.0.0.1"}, "10.0.0.1 is the address of no group: those of IPv4 lie between 224"),
        ("::", {"group": "fd00::1"}, "fd00::1 is the address of no group: those of IPv6 begin with ff"),
        ("0.0.0.0", {"group": "all"}, "a group is an IP address, not 'all'"),
        ("0.0.0.0", {"group": None}, "a group is an IP address, not None"),
        ("::", {"group": "ff02::1%eth0"}, "a group is an IP address, not 'ff02::1%eth0'"),
        ("0.0.0.0", {"group": "ff02::1"}, "this endpoint is of IPv4, and a group is ff02::1"),
        ("::", {"group": GROUP}, "this endpoint is of IPv6, and a group is 239"),
        ("0.0.0.0", {"group": GROUP, "source": "ff02::1"}, "this endpoint is of IPv4, and a source is ff02::1"),
        ("0.0.0.0", {"group": GROUP, "source": OTHER}, "is no address that datagrams could come from"),
        ("0.0.0.0", {"group": GROUP, "source": "0.0.0.0"}, "0.0.0.0 is no address that datagrams could come from"),
        ("0.0.0.0", {"group": GROUP, "interface": "::1"}, "given by its name, index or IPv4 address, not as ::1"),
        ("::", {"group": "ff02::1", "interface": "::1"}, "an interface is given by its name or index, not as ::1"),
        ("0.0.0.0", {"group": GROUP, "interface": 0}, "the index of an interface is a number from 1, not 0"),
        ("0.0.0.0", {"group": GROUP, "interface": 2**31}, "the index of an interface is a number from 1, not"),
    ],
)
async def test_what_makes_no_sense(sockets: str, host: str, arguments: Any, said: str, ipv6: None) -> None:
    with await open_udp_endpoint(host) as endpoint:
        for call in (endpoint.join_group, endpoint.leave_group):
            with pytest.raises(ValueError, match=said):
                call(**arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows hears groups there, too")
async def test_where_no_group_is_heard(sockets: str, ipv6: None) -> None:
    """Linux and macOS would let it join and say nothing."""
    for host, group, right in [(LOCAL, GROUP, r"0\.0\.0\.0"), ("::1", "ff02::1", "::"), (OTHER, GROUP, r"0\.0\.0\.0")]:
        with await open_udp_endpoint(host) as endpoint:
            with pytest.raises(ValueError, match=rf"bound to {host}, an endpoint hears no group: open it on '{right}'"):
                endpoint.join_group(group)


@pytest.mark.parametrize("ttl", [-1, 256, "1", 1.0])
async def test_a_ttl_that_is_none(sockets: str, ttl: Any) -> None:
    with await open_udp_endpoint("0.0.0.0") as endpoint:
        with pytest.raises(ValueError, match="ttl is a number of hops from 0 to 255, not"):
            endpoint.set_multicast(ttl=ttl)


@pytest.mark.parametrize("interface", ["203.0.113.9", "no-such-one", 7777])
async def test_an_interface_that_there_is_not(sockets: str, interface: Any, ipv6: None) -> None:
    with await open_udp_endpoint("0.0.0.0") as endpoint, await open_udp_endpoint("::") as other:
        with pytest.raises(OSError, match=r"no interface|no such interface"):
            endpoint.join_group(GROUP, interface=interface)
        with pytest.raises(OSError, match=f"this machine has no interface {interface!r}") as caught:
            endpoint.set_multicast(interface=interface)
        assert caught.value.errno == errno.ENODEV
        if interface != "203.0.113.9":
            with pytest.raises(OSError, match=r"no interface|no such interface"):
                other.join_group("ff02::1", interface=interface)
            with pytest.raises(OSError, match=f"this machine has no interface {interface!r}"):
                other.set_multicast(interface=interface)


@pytest.mark.skipif(sys.platform != "linux", reason="the errors of others may be others")
async def test_in_and_out_of_turn(sockets: str) -> None:
    with await open_udp_endpoint("0.0.0.0") as endpoint:
        for source, name in [(None, f"{GROUP} on {LOCAL}"), (LOCAL, f"{GROUP} from {LOCAL} on {LOCAL}")]:
            how: Any = {"interface": LOCAL, "source": source}
            with pytest.raises(OSError, match=f"cannot leave {name}: this endpoint is no member"):
                endpoint.leave_group(GROUP, **how)
            endpoint.join_group(GROUP, **how)
            with pytest.raises(OSError, match=f"cannot join {name}: this endpoint is a member already"):
                endpoint.join_group(GROUP, **how)
            endpoint.leave_group(GROUP, **how)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
async def test_too_many(sockets: str) -> None:
    with await open_udp_endpoint("0.0.0.0") as endpoint:
        with pytest.raises(OSError, match=r"too many for one endpoint \(on Linux net\.ipv4\.igmp_max_") as caught:
            for number in range(10_000):
                endpoint.join_group(f"239.250.{number >> 8}.{number & 255}", interface=LOCAL)
        assert caught.value.errno == errno.ENOBUFS


async def test_no_route_leads_there() -> None:
    """As on a machine that is on no network."""

    class Alone(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)

            def setsockopt(level: int, name: int, value: object) -> None:
                if name == stdlib_socket.IP_ADD_MEMBERSHIP:
                    raise OSError(errno.ENODEV, "No such device")

            socket.setsockopt = setsockopt  # type: ignore[method-assign,assignment]
            return socket

    trio.socket.set_custom_socket_factory(Alone())
    with await open_udp_endpoint("0.0.0.0") as endpoint:
        with pytest.raises(OSError, match=f"cannot join {GROUP}: no route leads to it, so name the interface"):
            endpoint.join_group(GROUP)


async def test_closed_by_you(sockets: str) -> None:
    endpoint = await open_udp_endpoint("0.0.0.0")
    endpoint.close()
    calls: list[Callable[[], None]] = [
        lambda: endpoint.join_group(GROUP, interface=LOCAL),
        lambda: endpoint.leave_group(GROUP, interface=LOCAL),
        lambda: endpoint.set_multicast(ttl=1),
        endpoint.allow_broadcast,
    ]
    for call in calls:
        with pytest.raises(trio.ClosedResourceError):
            call()


# -- other systems -----------------------------------------------------------------------------------------------------


class Recording(OtherSockets):
    """Sockets that say what they were set to, and do nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.set: list[tuple[int, int, object]] = []

    def socket(self, *args: Any) -> trio.socket.SocketType:
        socket = super().socket(*args)
        socket.setsockopt = lambda *option: self.set.append(option)  # type: ignore[method-assign]
        return socket


IPV4, IPV6 = stdlib_socket.IPPROTO_IP, stdlib_socket.IPPROTO_IPV6
ADD, SEND_BY = stdlib_socket.IP_ADD_MEMBERSHIP, stdlib_socket.IP_MULTICAST_IF
G, S, L = (bytes([a, 0, 0, b]) for a, b in [(239, 1), (10, 2), (127, 1)])
G6, S6 = (stdlib_socket.inet_pton(stdlib_socket.AF_INET6, each) for each in ("ff15::1", "fd00::2"))
BSD4, BSD6 = b"\x10\x02" + bytes(2), b"\x1c" + bytes([stdlib_socket.AF_INET6]) + bytes(6)
POSIX4, POSIX6 = struct.pack("@HH", 2, 0), struct.pack("@HHI", stdlib_socket.AF_INET6, 0, 0)
FIVE, FIVE_PADDED = struct.pack("@I", 5), struct.pack("@I0P", 5)


def storage(head: bytes, address: bytes) -> bytes:
    return (head + address).ljust(128, b"\0")


@pytest.mark.parametrize(
    ("platform", "ipv6", "interface", "source", "expected"),
    [
        ("darwin", False, LOCAL, None, (IPV4, ADD, G + L)),
        ("darwin", False, LOCAL, "10.0.0.2", (IPV4, 70, G + S + L)),
        ("darwin", False, 5, None, (IPV4, 80, FIVE + storage(BSD4, G))),
        ("darwin", False, 5, "10.0.0.2", (IPV4, 82, FIVE + storage(BSD4, G) + storage(BSD4, S))),
        ("darwin", True, 5, None, (IPV6, stdlib_socket.IPV6_JOIN_GROUP, G6 + FIVE)),
        ("darwin", True, 5, "fd00::2", (IPV6, 82, FIVE + storage(BSD6, G6) + storage(BSD6, S6))),
        ("win32", False, LOCAL, "10.0.0.2", (IPV4, 15, G + S + L)),
        ("win32", False, 5, None, (IPV4, 41, FIVE_PADDED + storage(POSIX4, G))),
        ("win32", True, 5, "fd00::2", (IPV6, 45, FIVE_PADDED + storage(POSIX6, G6) + storage(POSIX6, S6))),
        ("linux", False, LOCAL, "10.0.0.2", (IPV4, 39, G + L + S)),
        ("linux", True, None, None, (IPV6, stdlib_socket.IPV6_JOIN_GROUP, G6 + bytes(4))),
    ],
)
async def test_what_each_system_is_told(
    platform: str,
    ipv6: bool,
    interface: Any,
    source: str | None,
    expected: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Written down from their headers; not seen to work there."""
    trio.socket.set_custom_socket_factory(factory := Recording())
    family = trio.socket.AF_INET6 if ipv6 else trio.socket.AF_INET
    with closing(trio.socket.socket(family, trio.socket.SOCK_DGRAM)) as socket:
        monkeypatch.setattr(_multicast, "PLATFORM", platform)
        _multicast.Group(socket, "ff15::1" if ipv6 else "239.0.0.1", interface, source).join()
    *before, joined = factory.set
    assert joined == expected
    assert before == ([(IPV6, 29, 0) if ipv6 else (IPV4, 49, 0)] if platform == "linux" else [])


@pytest.mark.parametrize(
    ("platform", "value"), [("linux", bytes(8) + FIVE), ("darwin", bytes(8) + FIVE), ("win32", bytes([0, 0, 0, 5]))]
)
async def test_by_which_interface_each_system_sends(
    platform: str, value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trio.socket.set_custom_socket_factory(factory := Recording())
    with closing(trio.socket.socket(type=trio.socket.SOCK_DGRAM)) as socket:
        monkeypatch.setattr(_multicast, "PLATFORM", platform)
        _multicast.set_sending(socket, 5, None, None)
        _multicast.set_sending(socket, LOCAL, None, None)
    assert factory.set == [(IPV4, SEND_BY, value), (IPV4, SEND_BY, L)]


async def test_a_system_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the same everywhere works there; of the rest it is said what is missing."""
    trio.socket.set_custom_socket_factory(factory := Recording())
    with closing(trio.socket.socket(type=trio.socket.SOCK_DGRAM)) as socket:
        monkeypatch.setattr(_multicast, "PLATFORM", "plan9")
        _multicast.Group(socket, "239.0.0.1", None, None).join()
        assert factory.set == [(IPV4, ADD, G + bytes(4))]
        for where, said in [
            ((None, "10.0.0.2"), "groups with a source"),
            ((5, None), "groups by the name of an inter"),
        ]:
            with pytest.raises(OSError, match=f"does not know how to join {said}.* on plan9"):
                _multicast.Group(socket, "239.0.0.1", *where).join()


async def test_a_kernel_without_the_switch() -> None:
    """IPV6_MULTICAST_ALL came with Linux 4.20: before it, an endpoint hears more than it has joined, but it hears."""
    calls: list[int] = []

    class Older(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)

            def setsockopt(level: int, name: int, value: object) -> None:
                calls.append(name)
                if name in (29, 49):
                    raise OSError(errno.ENOPROTOOPT, "Protocol not available")

            socket.setsockopt = setsockopt  # type: ignore[method-assign,assignment]
            return socket

    trio.socket.set_custom_socket_factory(Older())
    with await open_udp_endpoint("0.0.0.0") as endpoint:
        endpoint.join_group(GROUP, interface=LOCAL)
    assert calls[-1] == stdlib_socket.IP_ADD_MEMBERSHIP


# -- IPv6 needs an interface that is no loopback: in a network of our own ----------------------------------------------

NETWORK = """
ip link set lo up
ip link add here type veth peer name there
ip -6 address add fd00:7475::1/64 dev here nodad
ip -6 address add fd00:7475::2/64 dev here nodad
ip link set here up && ip link set there up
for attempt in $(seq 100); do ip link show here | grep -q 'state UP' && break; sleep 0.05; done
exec "$0" -m tests.multicast_ipv6
"""


def may_make_networks() -> bool:
    command = [need("unshare"), "--net", need("ip"), "link", "add", "here", "type", "veth", "peer", "name", "there"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has network namespaces")
def test_groups_of_ipv6(ipv6: None) -> None:
    if not may_make_networks():
        pytest.skip("this needs a network namespace with a veth pair in it, which takes root on Linux")
    command = ["unshare", "--net", "sh", "-e", "-c", NETWORK, sys.executable]
    root = Path(__file__).parents[1]
    paths = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    told = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[-1] == "all is well"
