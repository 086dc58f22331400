"""trio_udp: `serve_udp`, whose handlers are async functions.

``main("bulk")`` reads a socket with UDP_GRO. ``main("asked")`` has one with all addresses, and replies from the one
that was asked. ``main("observed")`` has an observer that keeps what it is told, the last so many: a list without end
would measure Python's garbage collector. ``main("recorded")`` is recorded, and the recording is made to keep the last
as well. ``main("checkpoint")`` and ``main("sleep")`` have handlers that wait.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import nullcontext
from functools import partial

import trio

from trio_udp import Datagram, Event, observe, open_udp_endpoint, serve_endpoints, serve_udp
from trio_udp.tracing import record

from . import HOST, announce

SLEEP = 0.01  # seconds
_KEPT = 100_000  # events


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
    with record(limit=sys.maxsize) as recording:
        vars(recording._log)["kept"] = deque(maxlen=_KEPT)
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
