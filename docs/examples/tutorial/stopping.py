"""A server that stops well: what it has begun is finished, and nothing new is begun."""

from functools import partial

import trio
from crew import answer

from trio_udp import NoReply, Retry, open_udp_client, serve_udp


async def ask(name: str, question: bytes, delay: float) -> None:
    await trio.sleep(delay)
    async with await open_udp_client("127.0.0.1", 9000) as client:
        try:
            reply = await client.request(question, retry=Retry(attempts=2, jitter=0))
            print(f"{name}: {reply.decode()}")
        except NoReply:
            print(f"{name}: no reply")


async def main() -> None:
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as server:
            serve = partial(serve_udp, answer, 9000, host="127.0.0.1", grace_period=2)
            await server.start(serve)
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
