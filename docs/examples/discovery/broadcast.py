"""Who is there? One question to everybody, and all the answers that come in time."""

import sys
from typing import Any

import trio

from trio_udp import Address, Datagram, open_udp_endpoint, serve_udp

QUESTION = b"who is there?"


async def answer(name: bytes, port: int, **how: Any) -> None:
    async def handler(datagram: Datagram) -> bytes | None:
        return name if datagram.data == QUESTION else None

    await serve_udp(handler, port, host="0.0.0.0", reuse_port=True, **how)


async def discover(port: int, everybody: str = "255.255.255.255") -> dict[bytes, Address]:
    found = {}
    async with await open_udp_endpoint("0.0.0.0") as endpoint:
        endpoint.allow_broadcast()
        await endpoint.send(QUESTION, (everybody, port))
        with trio.move_on_after(1):
            async for name, address in endpoint:
                found[name] = address
    return found


async def main(port: int) -> None:
    async with trio.open_nursery() as nursery:
        for name in (b"printer", b"lamp"):
            await nursery.start(answer, name, port)
        for name in sorted(await discover(port, "127.255.255.255")):  # on this machine
            print(name.decode())
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if sys.argv[1:] else 27027)
