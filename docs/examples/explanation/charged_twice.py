"""The answer is lost, the client asks again, and the server does the work again."""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import drop_if
from trio_udp.testing import VirtualNetwork

charged: list[str] = []


async def charge(datagram: Datagram) -> bytes:
    charged.append(datagram.data.decode())
    print(f"{trio.current_time():.1f} s  the server charges {charged[-1]}")
    return b"thank you"


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1", name="server"):
            await nursery.start(serve_udp, charge, 7)
        answers = drop_if(lambda each: each.source[0] == "10.0.0.1" and each.time < 2)
        async with await open_udp_client("10.0.0.1", 7) as client:
            with network.rule(answers):
                answer = await client.request(b"5 euros", retry=Retry(jitter=0))
        print(f"{trio.current_time():.1f} s  the client hears {answer.decode()!r}, once")
        nursery.cancel_scope.cancel()


trio.run(main, clock=MockClock(autojump_threshold=0))
