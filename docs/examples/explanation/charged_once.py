"""The server remembers what it has answered, for as long as it is told to."""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, Retry, cache_replies, open_udp_client, serve_udp
from trio_udp.faults import drop_if
from trio_udp.testing import VirtualNetwork


def say(what: str) -> None:
    print(f"  {trio.current_time():.1f} s  {what}")


async def charge(datagram: Datagram) -> bytes:
    say("the server charges " + datagram.data.decode())
    return b"thank you"


async def pay(ttl: float) -> None:
    print(f"ttl={ttl:g}")
    handler = cache_replies(charge, key=lambda datagram: datagram, ttl=ttl)
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1"):
            await nursery.start(serve_udp, handler, 7)
        answers = drop_if(lambda each: each.source[0] == "10.0.0.1" and each.time < 2)
        with network.rule(answers):
            async with await open_udp_client("10.0.0.1", 7) as client:
                await client.request(b"5 euros", retry=Retry(jitter=0))
        say(f"answered; the cache counted {dict(handler.statistics())}")
        nursery.cancel_scope.cancel()


for ttl in (120, 2):
    trio.run(pay, ttl, clock=MockClock(autojump_threshold=0))
