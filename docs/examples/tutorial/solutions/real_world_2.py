"""Two services in one nursery: started one after the other, stopped together."""

from functools import partial

import trio
from real_world import answer

from trio_udp import Datagram, open_udp_client, serve_udp


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def ask(port: int, question: bytes) -> None:
    async with await open_udp_client("127.0.0.1", port) as client:
        reply = await client.request(question)
        print(port, question.decode(), "->", reply.decode())


async def main() -> None:
    async with trio.open_nursery() as nursery:
        for handler, port in ((answer, 9000), (echo, 9001)):
            serve = partial(serve_udp, handler, port, host="127.0.0.1", grace_period=5)
            await nursery.start(serve)
        await ask(9000, b"0.5 tea")
        await ask(9001, b"0.5 tea")
        nursery.cancel_scope.cancel()
    print("both have ended")


if __name__ == "__main__":
    trio.run(main)
