"""A timer for many clients: a slow question delays nobody."""

from functools import partial

import trio

from trio_udp import Datagram, open_udp_client, serve_udp


async def answer(datagram: Datagram) -> bytes:
    seconds, _, word = datagram.data.partition(b" ")
    await trio.sleep(float(seconds))
    return word


async def ask(name: str, question: bytes) -> None:
    async with await open_udp_client("127.0.0.1", 9000) as client:
        began = trio.current_time()
        reply = await client.request(question)
        print(f"{name}: {reply.decode()}, after {trio.current_time() - began:.1f} s")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_udp, answer, 9000, host="127.0.0.1"))
        async with trio.open_nursery() as clients:
            clients.start_soon(ask, "Ada", b"0.5 tea")
            await trio.sleep(0.1)
            clients.start_soon(ask, "Bob", b"0.2 egg")
            await trio.sleep(0.1)
            clients.start_soon(ask, "Cleo", b"0.4 toast")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
