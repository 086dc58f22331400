"""A hundred clients ask a server that is away for a minute. How much do they send?"""

from collections import Counter
from random import Random

import trio
from trio.testing import MockClock

from trio_udp import NoReply, Retry, open_udp_client
from trio_udp.testing import VirtualNetwork

SCHEDULES = {
    "every second": Retry(attempts=60, multiplier=1, jitter=0),
    "doubling": Retry(attempts=6, jitter=0),
    "doubling, stretched": Retry(attempts=6, jitter=0.5),
}


async def ask(number: int, retry: Retry) -> None:
    async with await open_udp_client("10.0.0.99", 7, random=Random(number)) as client:
        try:
            await client.request(b"are you there?", retry=retry)
        except NoReply:
            pass


async def main() -> None:
    for name, retry in SCHEDULES.items():
        async with VirtualNetwork() as network, trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(ask, number, retry)
        later = [each.time for each in network.datagrams][100:]
        peak = max(Counter(int(10 * time) for time in later).values())
        print(f"{name}: {len(later)} again, up to {peak} in a tenth of a second")


trio.run(main, clock=MockClock(autojump_threshold=0))
