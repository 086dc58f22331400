"""An echo client: sends one message and prints what comes back.

A lost datagram, there or back, is sent again; and when no answer comes at all, the program
says so and ends.
"""

import sys
from functools import partial

import trio

import trio_udp


async def main(port: int = 10000) -> None:
    message = b"This is the message.  It will be repeated."
    async with await trio_udp.open_udp_client("localhost", port) as client:
        print(f"sending {len(message)} bytes: {message.decode()}")
        reply = await client.request(message)
        print(f"{len(reply)} bytes came back: {reply.decode()}")


if __name__ == "__main__":
    try:
        trio.run(partial(main, *map(int, sys.argv[1:])))
    except trio_udp.NoReply as problem:
        sys.exit(str(problem))
