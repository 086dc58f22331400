"""asyncio, the protocol of its documentation; on its own event loop."""

from __future__ import annotations

import asyncio
from typing import cast

from . import HOST, announce


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    announce(transport.get_extra_info("sockname")[1])
    await asyncio.Event().wait()


def main() -> None:
    asyncio.run(serve())
