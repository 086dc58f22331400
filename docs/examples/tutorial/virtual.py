"""The timer on a network that loses three of ten datagrams, in virtual time."""

from random import Random

import trio
from crew import answer
from trio.testing import MockClock

from trio_udp import open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def main() -> None:
    link = Link(loss=0.3, delay=0.1)  # a tenth of a second each way
    async with VirtualNetwork(link, seed=7) as network, trio.open_nursery() as nursery:
        with network.host(name="server"):
            await nursery.start(serve_udp, answer, 9000)
        with network.host(name="ada"):
            async with await open_udp_client("server", 9000, random=Random(1)) as client:
                for question in (b"0.5 tea", b"0.2 egg", b"0.4 toast"):
                    reply = await client.request(question)
                    print(f"{trio.current_time():.1f} s: {reply.decode()}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
