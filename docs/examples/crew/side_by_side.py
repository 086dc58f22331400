"""Three who ask at the same time for what takes a second: how long does each wait?"""

from functools import partial

import trio
from trio.testing import MockClock

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.testing import VirtualNetwork


async def one_second(datagram: Datagram) -> bytes:
    await trio.sleep(1)
    return datagram.data


async def ask(times: list[str]) -> None:
    async with await open_udp_client("10.0.0.1", 7) as client:
        began = trio.current_time()
        await client.request(b"how long?", retry=Retry(attempts=1, first=60))
        times.append(f"{trio.current_time() - began:.0f} s")


async def main() -> None:
    for max_tasks in (1, 2, 1000):
        times: list[str] = []
        async with VirtualNetwork() as network, trio.open_nursery() as nursery:
            with network.host("10.0.0.1"):
                serve = partial(serve_udp, one_second, 7, host="10.0.0.1")
                await nursery.start(partial(serve, max_tasks=max_tasks))
            async with trio.open_nursery() as asking:
                for _ in range(3):
                    asking.start_soon(ask, times)
            nursery.cancel_scope.cancel()
        print(f"max_tasks={max_tasks}:", ", ".join(times))


trio.run(main, clock=MockClock(autojump_threshold=0))
