"""A server that stops at once: what it has begun is thrown away."""

from functools import partial

import trio
from crew import answer
from stopping import ask

from trio_udp import serve_udp


async def main() -> None:
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as server:
            await server.start(partial(serve_udp, answer, 9000, host="127.0.0.1"))
            clients.start_soon(ask, "Ada", b"0.5 tea", 0)
            clients.start_soon(ask, "Bob", b"0.1 egg", 0.3)
            await trio.sleep(0.2)
            print("the server is told to stop")
            stopped = trio.current_time()
            server.cancel_scope.cancel()
        took = trio.current_time() - stopped
    print(f"the server took {took:.1f} s to stop")


if __name__ == "__main__":
    trio.run(main)
