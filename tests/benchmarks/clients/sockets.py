"""Plain Trio: a task per request with its own connected socket, and ``move_on_after`` around each attempt."""

from __future__ import annotations

import socket

import trio

from . import HOST, allow_many_sockets, passes, request

_ATTEMPTS = 5
_WAIT = 1.0  # seconds


async def _request(port: int, data: bytes) -> bytes | None:
    with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
        await sock.connect((HOST, port))
        for _ in range(_ATTEMPTS):
            await sock.send(data)
            with trio.move_on_after(_WAIT):
                return await sock.recv(65535)
    return None


async def _ask_all(port: int, requests: int) -> None:
    for _ in passes():
        replies = 0

        async def ask(number: int) -> None:
            nonlocal replies
            data = request(number)
            reply = await _request(port, data)
            replies += reply == data

        async with trio.open_nursery() as nursery:
            for number in range(requests):
                nursery.start_soon(ask, number)
        print(replies, flush=True)


def main(port: str, requests: str) -> None:
    allow_many_sockets()
    trio.run(_ask_all, int(port), int(requests))
