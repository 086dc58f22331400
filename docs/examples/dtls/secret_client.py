"""Asks a server that has to show who it is, and asks again when no answer comes."""

import sys
from functools import partial

import trio

from trio_udp.dtls import client_context, open_dtls_channel


async def main(port: int = 4433) -> None:
    context = client_context("ca.pem")
    with trio.fail_after(60):  # seconds for all of this, the handshake included
        async with await open_dtls_channel("localhost", port, context) as channel:
            for number in range(1, 4):
                question = f"question {number}".encode()
                while True:  # datagrams are lost in secret as well
                    await channel.send(question)
                    with trio.move_on_after(1):
                        print(await channel.receive())
                        break


if __name__ == "__main__":
    trio.run(partial(main, *map(int, sys.argv[1:])))
