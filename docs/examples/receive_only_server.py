"""A server that only listens: prints each datagram and answers nothing.

A handler that returns None is silent. Nothing is cut off, and Ctrl-C ends it cleanly.
"""

import sys
from contextlib import suppress
from functools import partial

import trio

import trio_udp


async def show(datagram: trio_udp.Datagram) -> None:
    data, (host, port, *_) = datagram
    print(f"{host} port {port} says {data!r}")


async def main(port: int = 5000) -> None:
    endpoints = await trio_udp.open_udp_endpoints(port)
    print("waiting on port:", endpoints[0].address[1])
    await trio_udp.serve_endpoints(show, endpoints)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
