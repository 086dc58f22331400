"""Asks for a line, sends it, shows the reply, until the end of input (Ctrl-D).

A lost datagram does not stop it for ever, a server that is away is no end, and the end of
input is no traceback.
"""

import os
import sys
from contextlib import suppress
from functools import partial

import trio

import trio_udp


def typed_line() -> bytes:
    """os.read, not input(): Python may crash at Ctrl-C while a thread is inside input()."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


async def main(port: int = 8888) -> None:
    retry = trio_udp.Retry(attempts=3)
    async with await trio_udp.open_udp_client("localhost", port) as client:
        while True:
            print("Enter message to send : ", end="", flush=True)
            line = await trio.to_thread.run_sync(typed_line, abandon_on_cancel=True)
            if not line:
                break
            try:
                reply = await client.request(line.rstrip(b"\r\n"), retry=retry)
                print("Server reply :", reply.decode(errors="replace"))
            except trio_udp.NoReply as problem:
                print(problem)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
