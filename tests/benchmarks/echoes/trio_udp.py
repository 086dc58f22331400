"""trio_udp: `serve_udp`, whose handlers are async functions.

``main("bulk")`` reads a socket with UDP_GRO. ``main("asked")`` has one with all addresses, and replies from the one
that was asked. ``main("observed")`` has an observer that keeps what it is told, the last so many. ``main("recorded")``
is recorded; a recording that is full costs less, so it has room for more than comes in a sample.
``main("checkpoint")`` and ``main("sleep")`` have handlers that wait.
"""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from functools import partial

import trio

from trio_udp import Datagram, Event, observe, open_udp_endpoint, serve_endpoints, serve_udp
from trio_udp.tracing import record

from . import HOST, announce

SLEEP = 0.01  # seconds
_KEPT = 100_000  # events
# Events that a recording has room for: some seven seconds of them, where a sample takes half a second unless told
# otherwise.
_RECORDED = 2_000_000


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def echo_after_checkpoint(datagram: Datagram) -> bytes:
    await trio.lowlevel.checkpoint()
    return datagram.data


async def echo_after_sleep(datagram: Datagram) -> bytes:
    await trio.sleep(SLEEP)
    return datagram.data


HANDLERS = {"checkpoint": echo_after_checkpoint, "sleep": echo_after_sleep}


async def _serve_recorded() -> None:
    with record(limit=_RECORDED, max_bytes=_RECORDED * 100):
        await _serve("plain")


async def _serve(way: str) -> None:
    async with trio.open_nursery() as nursery:
        if way == "bulk":
            endpoint = await open_udp_endpoint(HOST, bulk=True)
            await nursery.start(serve_endpoints, echo, [endpoint])
        elif way == "asked":
            endpoint = await open_udp_endpoint("0.0.0.0", reply_from_asked=True)
            await nursery.start(serve_endpoints, echo, [endpoint])
        else:
            handler = HANDLERS.get(way, echo)
            [endpoint] = await nursery.start(partial(serve_udp, handler, 0, host=HOST))
        announce(endpoint.address[1])


def main(way: str = "plain") -> None:
    if way == "recorded":
        trio.run(_serve_recorded)
        return
    kept: deque[Event] = deque(maxlen=_KEPT)
    with observe(kept.append) if way == "observed" else nullcontext():
        trio.run(_serve, way)
