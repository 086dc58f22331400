"""Who is there? One question to a group, and all the answers that come in time."""

import sys
from typing import Any

import trio

from trio_udp import Address, Datagram, open_udp_endpoint, serve_endpoints

GROUP, QUESTION = "239.255.27.27", b"who is there?"


async def answer(name: bytes, port: int, interface: str | None = None, **how: Any) -> None:
    async def handler(datagram: Datagram) -> bytes | None:
        return name if datagram.data == QUESTION else None

    async with await open_udp_endpoint("0.0.0.0", port, reuse_port=True) as endpoint:
        endpoint.join_group(GROUP, interface=interface)
        await serve_endpoints(handler, [endpoint], **how)


async def discover(port: int, interface: str | None = None) -> dict[bytes, Address]:
    found = {}
    async with await open_udp_endpoint("0.0.0.0") as endpoint:
        endpoint.set_multicast(interface=interface)
        await endpoint.send(QUESTION, (GROUP, port))
        with trio.move_on_after(1):
            async for name, address in endpoint:
                found[name] = address
    return found


async def main(port: int, interface: str) -> None:
    async with trio.open_nursery() as nursery:
        for name in (b"printer", b"lamp"):
            await nursery.start(answer, name, port, interface)
        for name, address in (await discover(port, interface)).items():
            print(name.decode(), "at", address[0])
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if sys.argv[1:] else 27027, "127.0.0.1")
