"""Asks for a line, sends it, shows the reply, until the end of input (Ctrl-D).

A lost datagram does not stop it for ever, a server that is away is no end, and the end of input is no traceback.
"""

import sys
from contextlib import suppress
from functools import partial

import trio

import trio_udp


async def main(port: int = 8888) -> None:
    async with await trio_udp.open_udp_client("localhost", port) as client:
        while True:
            line = await trio.to_thread.run_sync(input, "Enter message to send : ", abandon_on_cancel=True)
            try:
                reply = await client.request(line.encode(), retry=trio_udp.Retry(attempts=3))
                print("Server reply :", reply.decode(errors="replace"))
            except trio_udp.NoReply as problem:
                print(problem)


if __name__ == "__main__":
    with suppress(EOFError, KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
