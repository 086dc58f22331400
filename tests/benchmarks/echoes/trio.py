"""Plain Trio: one task, one ``await`` to receive and one to send."""

from __future__ import annotations

import socket

import trio

from . import HOST, announce


async def _serve() -> None:
    with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
        await sock.bind((HOST, 0))
        announce(sock.getsockname()[1])
        while True:
            data, address = await sock.recvfrom(65535)
            await sock.sendto(data, address)


def main() -> None:
    trio.run(_serve)
