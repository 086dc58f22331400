"""A handler that is cut off says so, and lets the cancellation go on its way."""

from functools import partial

import trio
from stopping import ask

from trio_udp import Datagram, serve_udp


async def answer(datagram: Datagram) -> bytes:
    seconds, _, word = datagram.data.partition(b" ")
    try:
        await trio.sleep(float(seconds))
    except trio.Cancelled:
        print(f"server: no time left for {word.decode()}")
        raise
    return word


async def main() -> None:
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as server:
            serve = partial(serve_udp, answer, 9000, host="127.0.0.1", grace_period=0.2)
            await server.start(serve)
            clients.start_soon(ask, "Ada", b"0.3 egg", 0)
            clients.start_soon(ask, "Bob", b"0.7 tea", 0.1)
            await trio.sleep(0.2)
            server.cancel_scope.cancel()
        print("the server has ended")


if __name__ == "__main__":
    trio.run(main)
