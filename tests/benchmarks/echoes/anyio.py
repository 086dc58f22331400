"""AnyIO, on Trio or on asyncio."""

from __future__ import annotations

import anyio
from anyio.abc import SocketAttribute

from . import HOST, announce


async def _serve() -> None:
    async with await anyio.create_udp_socket(local_host=HOST) as udp:
        announce(udp.extra(SocketAttribute.local_port))
        async for data, (host, port) in udp:
            await udp.sendto(data, host, port)


def main(backend: str) -> None:
    anyio.run(_serve, backend=backend)
