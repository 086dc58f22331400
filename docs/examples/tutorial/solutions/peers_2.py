"""A clock that ticks for each peer until it is silent: a handler with a nursery."""

from functools import partial

import trio

from trio_udp import UDPChannel, open_udp_channel, serve_udp_peers


async def tick(channel: UDPChannel) -> None:
    for number in range(1, 1000):
        await trio.sleep(1)
        await channel.send(b"tick %d" % number)


async def clock(channel: UDPChannel) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick, channel)
        async for _ in channel:
            pass  # who says something is still there
        nursery.cancel_scope.cancel()


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_udp_peers, clock, 9000, host="127.0.0.1", idle_timeout=2.5)
        await nursery.start(serve)
        async with await open_udp_channel("127.0.0.1", 9000) as channel:
            await channel.send(b"hello")
            with trio.move_on_after(5):
                async for data in channel:
                    print(data.decode())
                    if data == b"tick 1":
                        await channel.send(b"still here")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
