"""A stopwatch that can be stopped: the next datagram begins a new one."""

from functools import partial

import trio

from trio_udp import UDPChannel, open_udp_channel, serve_udp_peers


async def stopwatch(channel: UDPChannel) -> None:
    await channel.receive()
    began = trio.current_time()
    async for word in channel:
        await channel.send(b"%.1f s" % (trio.current_time() - began))
        if word == b"stop":
            return


async def measure(channel: UDPChannel, seconds: float) -> None:
    await channel.send(b"start")
    for word in (b"how long?", b"stop"):
        await trio.sleep(seconds)
        await channel.send(word)
        with trio.fail_after(1):
            print(f"{word.decode()} {(await channel.receive()).decode()}")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_udp_peers, stopwatch, 9000, host="127.0.0.1"))
        async with await open_udp_channel("127.0.0.1", 9000) as channel:
            await measure(channel, 1.0)
            await measure(channel, 0.5)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
