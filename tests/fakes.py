"""Sockets that do on purpose what real ones do by chance, and handlers and numbers that many tests need."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import Datagram, Handler, open_udp_endpoint, serve_udp


class OtherSocket(trio.socket.SocketType):
    """A socket that works like Trio's and is not Trio's: what somebody's own socket factory would hand out.

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

    async def recvmsg(self, *args: Any) -> Any:
        self.before_receive()
        return await self.inner.recvmsg(*args)

    async def sendmsg(self, *args: Any) -> int:
        self.before_send()
        return await self.inner.sendmsg(*args)

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


async def closed_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens."""
    with await open_udp_endpoint(host) as endpoint:
        return endpoint.address[1]


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def silent(datagram: Datagram) -> None:
    """A server that takes everything and answers nothing."""


def echo_after(*seconds: float) -> Handler:
    """A server that takes its time: so many seconds for the first datagram, so many for the second, and so on."""
    waits = iter(seconds)

    async def handler(datagram: Datagram) -> bytes:
        await trio.sleep(next(waits))
        return datagram.data

    return handler


async def start_on_loopback(nursery: trio.Nursery, handler: Handler, host: str = "127.0.0.1") -> int:
    """Serve on the loopback address of the test's `sockets`, whatever their kind; returns the port."""
    [endpoint] = await nursery.start(partial(serve_udp, handler, 0, host=host))
    port: int = endpoint.address[1]
    return port


async def settled() -> None:
    """Wait until what was sent has arrived and has been dealt with, on the `sockets` of every kind."""
    await trio.sleep(2e-6)  # on a virtual host a datagram to itself takes 1e-6
    await trio.testing.wait_all_tasks_blocked()


def about(seconds: float) -> Any:
    """Exact on real sockets; on a virtual network, each of the datagrams before that moment has taken 1e-6 seconds."""
    return pytest.approx(seconds, abs=2e-5)


class Later:
    """What an async function has returned, as far as one can see; nobody needs to await it."""

    def __await__(self) -> Iterator[Any]:
        raise AssertionError
