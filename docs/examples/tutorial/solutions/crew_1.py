"""A crew of two: who comes third waits until one of them is free."""

from functools import partial

import trio
from crew import answer, ask

from trio_udp import serve_udp


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_udp, answer, 9000, host="127.0.0.1", max_tasks=2)
        await nursery.start(serve)
        async with trio.open_nursery() as clients:
            clients.start_soon(ask, "Ada", b"0.5 tea")
            await trio.sleep(0.1)
            clients.start_soon(ask, "Bob", b"0.2 egg")
            await trio.sleep(0.1)
            clients.start_soon(ask, "Cleo", b"0.4 toast")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
