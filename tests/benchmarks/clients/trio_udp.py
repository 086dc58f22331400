"""`UDPClient` with ``correlate``: one socket for all.

``main(port, requests, "memory")`` says instead how many bytes each request holds that waits for its reply, beyond what
a task holds that sleeps.
"""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Awaitable, Callable

import trio
import trio.testing

from trio_udp import UDPClient, open_udp_client

from . import HOST, key, passes, request


async def _ask_all(port: int, requests: int) -> None:
    for _ in passes():
        replies = 0

        async def ask(client: UDPClient, number: int) -> None:
            nonlocal replies
            data = request(number)
            reply = await client.request(data)
            replies += reply == data

        async with await open_udp_client(HOST, port, correlate=key) as client:
            async with trio.open_nursery() as nursery:
                for number in range(requests):
                    nursery.start_soon(ask, client, number)
        print(replies, flush=True)


async def _sleep(_: bytes) -> None:
    await trio.sleep_forever()


async def _bytes_each(waits: Callable[[bytes], Awaitable[object]], requests: int) -> float:
    """What one of so many tasks holds that all wait."""
    datas = [request(number) for number in range(requests)]
    async with trio.open_nursery() as nursery:
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for data in datas:
            nursery.start_soon(waits, data)
        await trio.testing.wait_all_tasks_blocked()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        nursery.cancel_scope.cancel()
    return (after - before) / requests


async def _weigh(requests: int) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        for _ in passes():
            async with await open_udp_client(*silent.getsockname(), correlate=key) as client:
                asleep = await _bytes_each(_sleep, requests)
                waiting = await _bytes_each(client.request, requests)
            print(waiting - asleep, flush=True)


def main(port: str, requests: str, what: str = "time") -> None:
    if what == "memory":
        trio.run(_weigh, int(requests))
    else:
        trio.run(_ask_all, int(port), int(requests))
