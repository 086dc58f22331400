"""The same calls on virtual sockets and on real ones: the same results, the same errors.

Hypothesis thinks of a sequence of calls. It is made in a virtual network, and then once more on this machine's loopback
sockets through ``trio.socket``. After each call it is written down what it gave, and what each socket looks like: its
two names, and whether it is readable. Both stories must be one. Ports are compared by the order in which they were
first seen, since the system's own are random.

What the kernel does at once it does a little later on a busy machine; so on the real side each call is followed by
looking until the sockets are as the virtual ones were, for a while. And a port that the system picks may be one that
somebody else has just given back; so a story has to differ three times to be wrong.
"""

from __future__ import annotations

import inspect
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_udp.testing import VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.socket import SocketType

SO, V4, V6, UDP = socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_IPV6, socket.IPPROTO_UDP
PEEK, TRUNC, DONTWAIT = (int(getattr(socket, name, 0)) for name in ("MSG_PEEK", "MSG_TRUNC", "MSG_DONTWAIT"))
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50  # linux/in.h and in6.h; not every Python knows all of them

CLOSED_PORT = 1  # the system hands it out to nobody, and tcpmux (RFC 1078) never was for UDP

# How many large datagrams there may be in one story. How much room they take in a receive buffer depends on the version
# of the kernel, and what happens when there is none is not what this test is about.
LARGE, MOST_LARGE = 10_000, 2

PATIENCE = 1.0  # seconds that the real sockets may take to look like the virtual ones


class Step(NamedTuple):
    """A call, what it gave, and how all sockets looked afterwards."""

    call: tuple[Any, ...]
    gave: object
    looks: list[object]


async def outcome(call: Callable[[], Any]) -> object:
    """What a call gives, or which error."""
    try:
        result = call()
        return await result if inspect.isawaitable(result) else result
    except OSError as error:
        return type(error).__name__, error.errno
    except (ValueError, TypeError, OverflowError) as error:
        return type(error).__name__


class World:
    """Sockets that are made and used by number, here or there."""

    def __init__(self) -> None:
        self.sockets: list[SocketType] = []
        self.ports: list[int] = []
        self.large = 0
        self.has_connected = False

    async def play(self, calls: list[tuple[Any, ...]], expected: list[Step] | None = None) -> list[Step]:
        story: list[Step] = []
        await self.begin()
        for call in calls:
            name, *arguments = call
            gave = await outcome(lambda: getattr(self, name)(*arguments))  # noqa: B023
            looks = await self.look(expected[len(story)].looks if expected else None)
            story.append(Step(call, gave, looks))
        for each in self.sockets:
            each.close()
        return story

    async def begin(self) -> None:
        """Two sockets that hear, and two that nothing has been done with."""
        for number, host in enumerate(["127.0.0.1", "::", None, None]):
            self.make(socket.AF_INET6 if number % 2 else socket.AF_INET, False, None, True)
            if host is not None:
                await self.sockets[-1].bind((host, 0))
                self.known(self.sockets[-1].getsockname())

    async def look(self, expected: list[object] | None) -> list[object]:
        """How all sockets look; if it is known how they should, then they have some time to come to that."""
        with trio.move_on_after(PATIENCE):
            while expected is not None and [await self.look_of(each) for each in self.sockets] != expected:
                await trio.sleep(0.001)
        await trio.sleep(0.001 if expected is None else 0)
        return [await self.look_of(each) for each in self.sockets]

    async def look_of(self, each: SocketType) -> object:
        names = [await outcome(lambda: self.known(get())) for get in (each.getsockname, each.getpeername)]  # noqa: B023
        return (*names, await outcome(each.is_readable))

    def known(self, address: Any) -> Any:
        """An address with "#0", "#1" for its port, in the order in which ports were first seen."""
        host, port, *rest = address
        if port > CLOSED_PORT and port not in self.ports:
            self.ports.append(port)
        return (host, f"#{self.ports.index(port)}" if port in self.ports else port, *rest)

    def address(self, place: tuple[Any, ...]) -> tuple[Any, ...]:
        """The other way round."""
        host, port, *rest = place
        if isinstance(port, str):
            port = self.ports[int(port[1:]) % len(self.ports)] if self.ports else CLOSED_PORT
        return (host, port, *rest)

    def is_shared(self, address: Any) -> bool:
        """Would a datagram go to one of several with SO_REUSEPORT? Which one it is, Linux throws dice for."""
        listening = [each for each in self.sockets if each.fileno() >= 0 and each.getsockname()[1] == address[1]]
        return sum(each.getsockopt(SO, socket.SO_REUSEPORT) for each in listening) > 1

    def get(self, number: int) -> SocketType:
        return self.sockets[number % len(self.sockets)]

    def size(self, size: int) -> bytes:
        """So much data, a different one each time, so that it can be told apart."""
        if size > LARGE:
            self.large += 1
            if self.large > MOST_LARGE:
                size = 1
        return (b"%d " % len(self.sockets) + b"x" * size)[:size]

    # -- the calls ----------------------------------------------------------------------------------------------------

    def make(self, family: int, v6only: bool, reuse: int | None, told: bool) -> None:
        each = trio.socket.socket(family, socket.SOCK_DGRAM)
        self.sockets.append(each)
        if family == socket.AF_INET6:
            each.setsockopt(V6, socket.IPV6_V6ONLY, v6only)
        if reuse is not None:
            each.setsockopt(SO, reuse, 1)
        if told and family == socket.AF_INET:
            each.setsockopt(V4, IP_PKTINFO, 1)
        elif told:
            each.setsockopt(V6, IPV6_RECVPKTINFO, 1)

    async def bind(self, number: int, place: tuple[Any, ...]) -> None:
        host, port = self.address(place)
        names = [each.getsockname() for each in self.sockets if each.fileno() >= 0]
        if ":" not in host and any(name[:2] == ("::1", port) for name in names):
            return  # on Linux, what is connected over IPv6 may or may not hold the port against IPv4
        await self.get(number).bind((host, port))

    async def connect(self, number: int, place: tuple[Any, ...]) -> None:
        each = self.get(number)
        if each.fileno() >= 0 and each.getsockname()[0] == "::1" and "." in place[0]:
            return  # what was connected over IPv6 before is half of each afterwards, on Linux
        self.has_connected = True
        await each.connect(self.address(place))

    async def send(self, number: int, size: int) -> int:
        each = self.get(number)
        if each.fileno() >= 0 and (peer := await outcome(each.getpeername)) and self.is_shared(peer):
            return 0
        return await each.send(self.size(size))

    async def sendto(self, number: int, size: int, place: tuple[Any, ...]) -> int:
        if self.is_shared(self.address(place)):
            return 0
        return await self.get(number).sendto(self.size(size), self.address(place))

    async def sendmsg(self, number: int, sizes: list[int], source: str | None, place: tuple[Any, ...] | None) -> int:
        each = self.get(number)
        data = [self.size(size) for size in sizes]
        if self.has_connected:
            # On Linux a refusal goes to whoever is connected at the address that the datagram came from, here to the
            # one that has sent it. That makes a difference for a source that is not the socket's own.
            source = None
        if place is not None and self.is_shared(self.address(place)):
            return 0
        to = () if place is None else (self.address(place),)
        return await each.sendmsg(data, [] if source is None else [pktinfo(source)], 0, *to)

    async def read(self, number: int, how: str, size: int, flags: int, room: int) -> object:
        readable = [each for each in self.sockets if each.fileno() >= 0 and each.is_readable()]
        each = readable[number % len(readable)] if readable and number % 4 else self.get(number)
        buffer = bytearray(b"." * max(0, size))
        calls: dict[str, Callable[[], Any]] = {
            "recv": lambda: each.recv(size, flags),
            "recvfrom": lambda: each.recvfrom(size, flags),
            "recv_into": lambda: each.recv_into(buffer, 0, flags),
            "recvfrom_into": lambda: each.recvfrom_into(buffer, min(room, 9), flags),
            "recvmsg": lambda: each.recvmsg(size, room, flags),
            "recvmsg_into": lambda: each.recvmsg_into([memoryview(buffer)[:3], memoryview(buffer)[3:]], room, flags),
        }
        with trio.move_on_after(0.001):
            result = await calls[how]()
            return self.read_result(result, size), bytes(buffer)
        return "waits"

    def read_result(self, result: Any, size: int) -> object:
        parts = list(result) if isinstance(result, tuple) else [result]
        if isinstance(parts[0], bytes):
            # With MSG_TRUNC there is more than fits, and what is beyond the buffer CPython leaves undefined.
            parts[0] = (parts[0][:size], len(parts[0]))
        if len(parts) > 1:
            parts[-1] = self.known(parts[-1])
        return parts

    def getsockopt(self, number: int, level: int, option: int) -> object:
        return self.get(number).getsockopt(level, option)

    def setsockopt(self, number: int, level: int, option: int, value: int) -> None:
        self.get(number).setsockopt(level, option, value)

    def dup(self, number: int) -> None:
        self.sockets.append(self.get(number).dup())

    def close(self, number: int) -> None:
        self.get(number).close()

    def listen(self, number: int) -> None:
        self.get(number).listen(1)

    async def accept(self, number: int) -> None:
        await self.get(number).accept()

    async def wait_writable(self, number: int) -> None:
        if self.get(number).fileno() >= 0:  # of a closed one Trio says ValueError first and then BusyResourceError
            await self.get(number).wait_writable()


def pktinfo(source: str) -> tuple[int, int, bytes]:
    """A control message that asks for a source address."""
    if ":" in source:
        return V6, IPV6_PKTINFO, struct.pack("=16si", socket.inet_pton(socket.AF_INET6, source), 0)
    return V4, IP_PKTINFO, struct.pack("=i4s4s", 0, socket.inet_aton(source), bytes(4))


# -- what Hypothesis may think of -------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 5)
HOSTS = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:0.0.0.0", ""]
KNOWN_PORTS = st.sampled_from(["#0", "#1", "#2", "#3"])
# Addresses that are set aside for documentation (RFC 5737 and 3849): this machine does not have them.
HERE = st.tuples(st.sampled_from([*HOSTS, "203.0.113.9", "2001:db8::9"]), st.sampled_from([0, 0, 65536]) | KNOWN_PORTS)
THERE = st.tuples(st.sampled_from(HOSTS), st.sampled_from(["#0", "#1", "#2", "#3", "#0", "#1", CLOSED_PORT, 0, -1]))
# Not 203.0.113.9: that was EINVAL up to some kernel, and has been ENETUNREACH since.
SOURCES = [*HOSTS[:-1], "2001:db8::9"]
SIZES = st.sampled_from([5, 1, 0, 40, 41, 65507, 65508, 65527, 65528])
OPTIONS = [
    *((SO, option) for option in (socket.SO_ERROR, socket.SO_TYPE, socket.SO_DOMAIN, socket.SO_PROTOCOL)),
    (V6, socket.IPV6_V6ONLY),
]
MAKE = st.tuples(
    st.just("make"),
    st.sampled_from([socket.AF_INET, socket.AF_INET6, socket.AF_INET6]),
    st.booleans(),
    st.sampled_from([None, None, None, socket.SO_REUSEADDR, socket.SO_REUSEPORT]),
    st.booleans(),
)
SEND = st.tuples(st.just("send"), NUMBERS, SIZES)
SENDTO = st.tuples(st.just("sendto"), NUMBERS, SIZES, THERE)
SENDMSG = st.tuples(
    st.just("sendmsg"),
    NUMBERS,
    SIZES.map(lambda size: [size]) | st.lists(st.sampled_from([0, 1, 5]), max_size=3),
    st.none() | st.sampled_from(SOURCES),
    st.none() | THERE,
)
READ = st.tuples(
    st.just("read"),
    NUMBERS,
    st.sampled_from(["recvmsg_into", "recvmsg", "recvfrom_into", "recv_into", "recvfrom", "recv"]),
    st.sampled_from([100, 100, 4, 3, 0, 70_000, -1]),
    st.sampled_from([0, 0, PEEK, TRUNC, PEEK | TRUNC, DONTWAIT]),
    st.sampled_from([100, 40, 36, 32, 28, 20, 16, 8, 0, -1]),
)
CALLS = st.one_of(
    SENDTO,
    SENDTO,
    SENDTO,
    READ,
    READ,
    READ,
    st.tuples(st.just("connect"), NUMBERS, THERE),
    SEND,
    SENDMSG,
    MAKE,
    st.tuples(st.just("bind"), NUMBERS, HERE),
    st.sampled_from(OPTIONS).flatmap(lambda each: st.tuples(st.just("getsockopt"), NUMBERS, *map(st.just, each))),
    st.tuples(st.just("setsockopt"), NUMBERS, *map(st.just, OPTIONS[-1]), st.sampled_from([0, 1])),
    st.tuples(st.sampled_from(["wait_writable", "dup", "close", "listen", "accept"]), NUMBERS),
)
STORIES = st.lists(CALLS, max_size=25)


async def virtual(calls: list[tuple[Any, ...]]) -> list[Step]:
    async with VirtualNetwork():
        return await World().play(calls)


async def real(calls: list[tuple[Any, ...]], expected: list[Step]) -> list[Step]:
    return await World().play(calls, expected)


def compare(calls: list[tuple[Any, ...]]) -> None:
    expected = trio.run(virtual, calls, clock=MockClock(autojump_threshold=0))
    for _ in range(3):
        seen = trio.run(real, calls, expected)
        if seen == expected:
            return
    number = next(number for number, (one, other) in enumerate(zip(expected, seen, strict=True)) if one != other)
    raise AssertionError(f"after {number} calls, virtual and real:\n{expected[number]}\n{seen[number]}")


@pytest.mark.skipif(sys.platform != "linux", reason="the virtual sockets are Linux's")
@pytest.mark.usefixtures("ipv6")
@settings(deadline=None, derandomize=True, max_examples=200, suppress_health_check=list(HealthCheck))
@given(STORIES)
def test_virtual_sockets_do_what_real_ones_do(calls: list[tuple[Any, ...]]) -> None:
    compare(calls)
