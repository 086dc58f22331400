"""What the tests of the virtual network do again and again: sockets on hosts, and what arrives at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from trio_udp.testing import Host, VirtualNetwork

if TYPE_CHECKING:
    from trio.socket import SocketType


async def udp(host: Host, port: int = 0, address: str = "0.0.0.0") -> SocketType:
    """A bound socket on a host."""
    family = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
    with host:
        socket = trio.socket.socket(family, trio.socket.SOCK_DGRAM)
    await socket.bind((address, port))
    return socket


async def arrivals(socket: SocketType, count: int) -> list[tuple[float, bytes]]:
    """The next datagrams, each with the time at which it was received."""
    return [((await socket.recvfrom(65535))[0], trio.current_time())[::-1] for _ in range(count)]


async def echo_for_ever(socket: SocketType) -> None:
    while True:
        data, address = await socket.recvfrom(65535)
        await socket.sendto(data, address)


async def answers(socket: SocketType, address: Any, patience: float = 10) -> bool:
    """Does anybody echo there?"""
    await socket.sendto(b"anybody?", address)
    with trio.move_on_after(patience):
        return (await socket.recvfrom(65535))[0] == b"anybody?"
    return False


def fates(network: VirtualNetwork) -> list[str | list[float]]:
    """Of each datagram why it was dropped, or when it arrived."""
    return [each.dropped or each.delivered for each in network.datagrams]
