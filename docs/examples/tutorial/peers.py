"""A stopwatch for each peer: how far a conversation has come is where its task is."""

from functools import partial

import trio

from trio_udp import UDPChannel, open_udp_channel, serve_udp_peers


async def stopwatch(channel: UDPChannel) -> None:
    name, began = (await channel.receive()).decode(), trio.current_time()
    async for _ in channel:
        await channel.send(b"%.1f s" % (trio.current_time() - began))
    print(f"server: {name} is silent, the watch is put away")


async def measure(name: str, seconds: float) -> None:
    async with await open_udp_channel("127.0.0.1", 9000) as channel:
        await channel.send(name.encode())
        for _ in range(2):
            await trio.sleep(seconds)
            await channel.send(b"how long?")
            with trio.fail_after(1):
                print(f"{name}: {(await channel.receive()).decode()}")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_udp_peers, stopwatch, 9000, host="127.0.0.1", idle_timeout=2)
        await nursery.start(serve)
        nursery.start_soon(measure, "Ada", 1.0)
        await trio.sleep(0.3)
        nursery.start_soon(measure, "Bob", 0.5)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
