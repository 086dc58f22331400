"""Sends at 0, 0.2, 0.6 and 1.4 seconds, and gives up at 3."""

import trio

from trio_udp import NoReply, Retry, open_udp_client
from trio_udp.faults import drop_first
from trio_udp.testing import VirtualNetwork


async def main() -> None:
    async with VirtualNetwork() as network:
        with network.rule(drop_first(100)):
            async with await open_udp_client("127.0.0.1", 9000) as client:
                started = trio.current_time()
                retry = Retry(attempts=4, first=0.2, jitter=0)
                try:
                    await client.request(b"hello", retry=retry)
                except NoReply:
                    print(f"gave up after {trio.current_time() - started:.1f} s")


trio.run(main)
