"""Eight datagrams, a tenth of a second apart, over a network of the worse sort."""

import trio
from trio.testing import MockClock

from trio_udp import UDPEndpoint, open_udp_endpoint
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

LINK = Link(delay=0.1, jitter=0.3, loss=0.2, duplicate=0.2)


async def hear(endpoint: UDPEndpoint) -> None:
    async for data, _ in endpoint:
        print(f"{trio.current_time():.2f} s  {data.decode()}")


async def main() -> None:
    async with VirtualNetwork(LINK, seed=4) as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1"):
            receiver = await open_udp_endpoint("10.0.0.1")
        async with receiver, await open_udp_endpoint("192.0.2.1") as sender:
            nursery.start_soon(hear, receiver)
            for number in range(1, 9):
                await sender.send(f"number {number}".encode(), receiver.address)
                await trio.sleep(0.1)
            await trio.sleep(1)  # what is late arrives as well
            nursery.cancel_scope.cancel()


trio.run(main, clock=MockClock(autojump_threshold=0))
