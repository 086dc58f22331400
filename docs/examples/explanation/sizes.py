"""A buffer that is too small, a datagram that is too large, and one that is empty."""

import trio
from trio.testing import MockClock

from trio_udp import DatagramTooLarge, open_udp_endpoint
from trio_udp.testing import VirtualNetwork


async def main() -> None:
    async with VirtualNetwork(), await open_udp_endpoint("192.0.2.1") as endpoint:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as plain:
            await plain.bind(("192.0.2.1", 0))
            for data in (b"hello world", b"the next", b""):
                await endpoint.send(data, plain.getsockname())
            print([await plain.recv(5) for _ in range(3)])
        for size in (65_507, 65_508):
            try:
                await endpoint.send(bytes(size), endpoint.address)
                print(f"{size} bytes are sent")
            except DatagramTooLarge as error:
                print(error)


trio.run(main, clock=MockClock(autojump_threshold=0))
