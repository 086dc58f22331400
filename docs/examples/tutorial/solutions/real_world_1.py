"""A hundred questions at once: so many are answered as the guard lets in."""

from functools import partial

import trio
from real_world import answer

from trio_udp import limit_rate, open_udp_channel, serve_udp


async def main() -> None:
    handler = limit_rate(answer, rate=10, burst=20)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_udp, handler, 9000, host="127.0.0.1"))
        async with await open_udp_channel("127.0.0.1", 9000) as channel:
            await channel.send_many([b"0 tea"] * 100)
            answered = 0
            with trio.move_on_after(1):
                while True:
                    await channel.receive()
                    answered += 1
        nursery.cancel_scope.cancel()
    print(answered, "answered; kept away:", dict(handler.statistics()))


if __name__ == "__main__":
    trio.run(main)
