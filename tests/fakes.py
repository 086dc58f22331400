"""Sockets and servers that do on purpose what real ones do by chance."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from trio_udp import Address, Datagram, UDPEndpoint, open_udp_endpoint


class OtherSocket(trio.socket.SocketType):
    """A socket that works like Trio's and is not Trio's: what a virtual network would hand out.

    It passes everything on to a real one, so trio_udp has to use its methods and nothing else. ``before_send`` and
    ``before_receive`` may raise what a test wants to see.
    """

    def __init__(self, inner: trio.socket.SocketType) -> None:
        self.inner = inner
        self.before_send: Callable[[], None] = lambda: None
        self.before_receive: Callable[[], None] = lambda: None

    @property
    def family(self) -> stdlib_socket.AddressFamily:
        return self.inner.family

    @property
    def type(self) -> stdlib_socket.SocketKind:
        return self.inner.type

    def __repr__(self) -> str:
        return f"<another kind of {self.inner!r}>"

    def getsockname(self) -> Any:
        return self.inner.getsockname()

    def getpeername(self) -> Any:
        return self.inner.getpeername()

    def getsockopt(self, *args: Any) -> Any:
        return self.inner.getsockopt(*args)

    def setsockopt(self, *args: Any) -> None:
        self.inner.setsockopt(*args)

    def close(self) -> None:
        self.inner.close()

    def is_readable(self) -> bool:
        return self.inner.is_readable()

    async def bind(self, address: Any) -> None:
        await self.inner.bind(address)

    async def connect(self, address: Any) -> None:
        await self.inner.connect(address)

    async def recvfrom(self, *args: Any) -> Any:
        self.before_receive()
        return await self.inner.recvfrom(*args)

    async def sendto(self, *args: Any) -> int:
        self.before_send()
        return await self.inner.sendto(*args)

    async def send(self, data: Any, flags: int = 0) -> int:
        self.before_send()
        return await self.inner.send(data, flags)


class OtherSockets(trio.abc.SocketFactory):
    """Makes every socket that trio.socket.socket() is asked for an `OtherSocket`, and remembers them."""

    def __init__(self) -> None:
        self.made: list[OtherSocket] = []

    def socket(self, family: Any = None, type: Any = None, proto: int = 0) -> trio.socket.SocketType:
        inner = trio.socket.from_stdlib_socket(stdlib_socket.socket(family, type, proto))
        self.made.append(OtherSocket(inner))
        return self.made[-1]


class FakeServer:
    """A server that a test plays: it sees what came, and answers what, when and from where the test wants."""

    def __init__(self, endpoint: UDPEndpoint) -> None:
        self.endpoint = endpoint
        self.seen: list[tuple[float, bytes, Address]] = []

    @property
    def host(self) -> str:
        return self.endpoint.address[0]

    @property
    def port(self) -> int:
        return self.endpoint.address[1]

    @property
    def times(self) -> list[float]:
        return [time for time, _, _ in self.seen]

    async def run(self, answer: Callable[[FakeServer, int, Datagram], Awaitable[None]]) -> None:
        """Call ``answer(server, number of the datagram from 0, datagram)``, one after another."""
        with self.endpoint:
            async for datagram in self.endpoint:
                self.seen.append((trio.current_time(), *datagram))
                await answer(self, len(self.seen) - 1, datagram)


async def start_fake_server(
    nursery: trio.Nursery, answer: Callable[[FakeServer, int, Datagram], Awaitable[None]], host: str = "127.0.0.1"
) -> FakeServer:
    server = FakeServer(await open_udp_endpoint(host))
    nursery.start_soon(server.run, answer)
    return server


async def closed_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens."""
    with await open_udp_endpoint(host) as endpoint:
        return endpoint.address[1]


async def echo(datagram: Datagram) -> bytes:
    return datagram.data
