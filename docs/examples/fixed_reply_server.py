"""Whatever the question, one answer; on all interfaces, over IPv4 and IPv6.

The classic has one address family, and Ctrl-C ends it with a traceback.
"""

import sys
from contextlib import suppress
from functools import partial

import trio

import trio_udp


async def refuse(datagram: trio_udp.Datagram) -> bytes:
    print("{} port {} wants something".format(*datagram.address))
    return b"Get off my lawn!"


async def main(port: int = 10000) -> None:
    endpoints = await trio_udp.open_udp_endpoints(port)
    print(f"listening on port {endpoints[0].address[1]}")
    await trio_udp.serve_endpoints(refuse, endpoints)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
