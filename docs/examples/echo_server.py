"""An echo server: sends every datagram back to where it came from.

Nobody waits for another client, nothing is cut off, an empty datagram is data like any
other, Ctrl-C ends it cleanly.
"""

import sys
from contextlib import suppress
from functools import partial

import trio

import trio_udp


async def echo(datagram: trio_udp.Datagram) -> bytes:
    data, (host, port, *_) = datagram
    print(f"{len(data)} bytes came from {host} port {port}, and go back")
    return data


async def main(port: int = 10000) -> None:
    endpoints = await trio_udp.open_udp_endpoints(port, host="localhost")
    for endpoint in endpoints:
        print("listening on {} port {}".format(*endpoint.address))
    await trio_udp.serve_endpoints(echo, endpoints)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
