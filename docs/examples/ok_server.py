"""Answers OK... and what it got.

An empty datagram, which ends the classic for ever, gets its OK... like any other. Another
client for it: ncat -vv localhost 8888 -u
"""

import sys
from contextlib import suppress
from functools import partial

import trio

import trio_udp


async def ok(datagram: trio_udp.Datagram) -> bytes:
    data, (host, port, *_) = datagram
    text = repr(data.strip())[2:-1]  # a stranger's escape codes do not reach the terminal
    print(f"Message[{host}:{port}] - {text}")
    return b"OK..." + data


async def main(port: int = 8888) -> None:
    try:
        endpoints = await trio_udp.open_udp_endpoints(port)
    except OSError as problem:
        sys.exit(problem.strerror)
    print("waiting for datagrams on port", endpoints[0].address[1])
    await trio_udp.serve_endpoints(ok, endpoints)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
