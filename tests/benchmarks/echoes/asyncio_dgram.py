"""asyncio-dgram, on asyncio's own event loop."""

from __future__ import annotations

import asyncio

import asyncio_dgram

from . import HOST, announce


async def _serve() -> None:
    stream = await asyncio_dgram.bind((HOST, 0))
    announce(stream.sockname[1])
    while True:
        data, address = await stream.recv()
        await stream.send(data, address)


def main() -> None:
    asyncio.run(_serve())
