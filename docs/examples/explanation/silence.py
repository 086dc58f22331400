"""Three clients who get no answer. What do they know?"""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, NoReply, Retry, open_udp_client, serve_udp
from trio_udp.faults import InFlight, drop_if
from trio_udp.testing import VirtualNetwork


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


def unlucky(each: InFlight) -> bool:
    return each.destination[0] == "10.0.0.1" or each.source[0] == "10.0.0.2"


async def ask(who: str) -> None:
    async with await open_udp_client(who, 7) as client:
        try:
            await client.request(b"hello", retry=Retry(attempts=2, jitter=0))
        except NoReply as error:
            print(f"{trio.current_time():g} s  {who}: {error.attempts} attempts")


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        for name, address in (("question-lost", "10.0.0.1"), ("answer-lost", "10.0.0.2")):
            with network.host(address, name=name):
                await nursery.start(serve_udp, echo, 7)
        with network.rule(drop_if(unlucky)):
            for who in ("question-lost", "answer-lost", "10.0.0.99"):
                await ask(who)
        nursery.cancel_scope.cancel()


trio.run(main, clock=MockClock(autojump_threshold=0))
