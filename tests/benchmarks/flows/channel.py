"""`UDPChannel`, connected at both ends, ``send_many`` and ``receive_many``.

A channel lets the system choose its port, so neither end could be opened first. Here both ports are bound beforehand,
and a socket factory, which is Trio's way of handing out other sockets, gives them to the channels.
"""

from __future__ import annotations

import socket

import trio

from trio_udp import UDPChannel, open_udp_channel

from . import AT_ONCE, LIMIT, MARK, MARK_PAUSE, PAYLOAD, marks, open_socket, passes, received, say_ready, swap_ports


class _Bound(trio.abc.SocketFactory):
    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound

    def socket(
        self, family: int | None = None, type: int | None = None, proto: int | None = None
    ) -> trio.socket.SocketType:
        return trio.socket.from_stdlib_socket(self._bound)


async def _open() -> UDPChannel:
    bound = open_socket()
    peer = swap_ports(bound.getsockname()[1])
    trio.socket.set_custom_socket_factory(_Bound(bound))
    channel = await open_udp_channel(*peer)
    say_ready()
    return channel


async def _send() -> None:
    with await _open() as channel:
        items = [PAYLOAD] * AT_ONCE
        for sending in passes():
            while sending.goes_on():
                await channel.send_many(items)
                sending.sent += AT_ONCE
            for _ in marks():
                await trio.sleep(MARK_PAUSE)
                await channel.send(MARK)


async def _receive() -> None:
    with await _open() as channel:
        count = 0
        while True:
            batch = await channel.receive_many(LIMIT)
            count += len(batch)
            if batch[-1] == MARK:
                received(count)
                count = 0


def main(way: str) -> None:
    trio.run({"send": _send, "receive": _receive}[way])
