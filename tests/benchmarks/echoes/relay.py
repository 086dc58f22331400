"""`trio_udp.relay` without faults, in front of an echo server at the given port: two datagrams for each echo."""

from __future__ import annotations

from functools import partial

import trio

from trio_udp.relay import serve_relay

from . import HOST, announce


async def _relay(port: int) -> None:
    async with trio.open_nursery() as nursery:
        relay = await nursery.start(partial(serve_relay, HOST, 0, HOST, port))
        announce(relay.address[1])


def main(port: str) -> None:
    trio.run(_relay, int(port))
