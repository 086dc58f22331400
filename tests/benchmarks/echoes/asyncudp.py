"""asyncudp, on asyncio's own event loop."""

from __future__ import annotations

import asyncio

import asyncudp

from . import HOST, announce


async def _serve() -> None:
    sock = await asyncudp.create_socket(local_addr=(HOST, 0))
    announce(sock.getsockname()[1])
    while True:
        data, address = await sock.recvfrom()
        sock.sendto(data, address)


def main() -> None:
    asyncio.run(_serve())
