"""EasyNetwork on Trio, with a serializer that leaves bytes as they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import trio
from easynetwork.protocol import DatagramProtocol
from easynetwork.serializers.abc import AbstractPacketSerializer
from easynetwork.servers import AsyncUDPNetworkServer
from easynetwork.servers.handlers import AsyncDatagramClient, AsyncDatagramRequestHandler

from . import HOST, announce


class Bytes(AbstractPacketSerializer[bytes, bytes]):
    def serialize(self, packet: bytes) -> bytes:
        return packet

    def deserialize(self, data: bytes) -> bytes:
        return data


class Echo(AsyncDatagramRequestHandler[bytes, bytes]):
    async def handle(self, client: AsyncDatagramClient[bytes]) -> AsyncGenerator[None, bytes]:
        request = yield
        await client.send_packet(request)


async def _serve() -> None:
    async with AsyncUDPNetworkServer(HOST, 0, DatagramProtocol(Bytes()), Echo(), "trio") as server:
        async with trio.open_nursery() as nursery:
            up = trio.Event()
            nursery.start_soon(lambda: server.serve_forever(is_up_event=up))
            await up.wait()
            announce(server.get_addresses()[0].port)


def main() -> None:
    trio.run(_serve)
