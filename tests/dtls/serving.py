"""A server for as long as an ``async with`` lasts, and what it has left behind after that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from OpenSSL import SSL

from tests.dtls.certificates import Pair
from trio_udp import UDPChannel, UDPEndpoint
from trio_udp.dtls import serve_dtls_peers, server_context
from trio_udp.testing import Host

LOCAL = "127.0.0.1"


async def echo(channel: UDPChannel) -> None:
    async for data in channel:
        await channel.send(data)


@asynccontextmanager
async def serving(
    pair: Pair,
    handler: Callable[[UDPChannel], Awaitable[object]] = echo,
    *,
    on: Host | None = None,
    host: str = LOCAL,
    context: SSL.Context | None = None,
    clients: int = 0,
    **options: Any,
) -> AsyncIterator[UDPEndpoint]:
    """On loopback, or at port 4433 of a virtual host; nothing of it is there afterwards, but so many ``clients``."""
    context = context or server_context(pair.certificate, pair.key)
    place: dict[str, Any] = {"port": 0, "host": host} if on is None else {"port": 4433, "host": on.addresses[0]}
    async with trio.open_nursery() as nursery:
        with on or nullcontext():
            [endpoint] = await nursery.start(
                partial(serve_dtls_peers, handler, ssl_context=context, **place, **options)
            )
        yield endpoint
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.receive()
    await trio.testing.wait_all_tasks_blocked()
    assert len(trios_tasks()) == clients


def trios_tasks() -> list[str]:
    """Those that read a socket for DTLS, and that no nursery of the caller's has."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return [
        task.name
        for nursery in root.child_nurseries
        for task in nursery.child_tasks
        if "dtls_receive_loop" in task.name
    ]
