"""A timer that sleeps without Trio, so that meanwhile nothing else can happen."""

import time

import trio
from trio.testing import MockClock

from trio_udp import Datagram, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def answer(datagram: Datagram) -> bytes:
    seconds, _, word = datagram.data.partition(b" ")
    time.sleep(float(seconds))
    return word


async def main() -> None:
    link = Link(delay=0.1)
    async with VirtualNetwork(link) as network, trio.open_nursery() as nursery:
        with network.host(name="server"):
            await nursery.start(serve_udp, answer, 9000)
        with network.host(name="ada"):
            async with await open_udp_client("server", 9000) as client:
                reply = await client.request(b"0.5 tea")
                print(f"{trio.current_time():.1f} s: {reply.decode()}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
