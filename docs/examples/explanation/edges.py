"""The same three messages through a stream and in datagrams."""

import trio
from trio.testing import MockClock, memory_stream_pair

from trio_udp import open_udp_endpoint
from trio_udp.testing import VirtualNetwork

MESSAGES = [b"three", b"", b"messages"]


async def main() -> None:
    near, far = memory_stream_pair()
    for message in MESSAGES:
        await near.send_all(message)
    await near.aclose()
    print("a stream: ", [bytes(data) async for data in far])

    async with VirtualNetwork(), await open_udp_endpoint("192.0.2.1") as endpoint:
        for message in MESSAGES:
            await endpoint.send(message, endpoint.address)  # to itself
        print("datagrams:", [(await endpoint.receive()).data for _ in MESSAGES])


trio.run(main, clock=MockClock(autojump_threshold=0))
