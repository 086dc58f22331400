"""One attempt, no more: the client cannot tell the two failures apart."""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, NoReply, Retry, open_udp_client, serve_udp
from trio_udp.faults import drop_nth
from trio_udp.testing import VirtualNetwork


class Server:
    charged = 0

    async def charge(self, datagram: Datagram) -> bytes:
        self.charged += 1
        return b"thank you"


async def lose(number: int, what: str) -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1"):
            await nursery.start(serve_udp, (server := Server()).charge, 7)
        with network.rule(drop_nth(number)):
            async with await open_udp_client("10.0.0.1", 7) as client:
                try:
                    await client.request(b"5 euros", retry=Retry(attempts=1, jitter=0))
                except NoReply:
                    print(f"{what} is lost: no reply, charged: {server.charged}")
        nursery.cancel_scope.cancel()


async def main() -> None:
    await lose(1, "the question")
    await lose(2, "the answer")


trio.run(main, clock=MockClock(autojump_threshold=0))
