"""A server that believes that every datagram is a question."""

from functools import partial

import trio
from crew import answer, ask

from trio_udp import serve_udp


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_udp, answer, 9000, host="127.0.0.1"))
        nursery.start_soon(ask, "Ada", b"0.5 tea")
        await trio.sleep(0.1)
        nursery.start_soon(ask, "a stranger", b"soon, please")


if __name__ == "__main__":
    trio.run(main)
