"""A task spawned per datagram: what a crew is compared with.

``main("checkpoint")`` and ``main("sleep")`` have the handlers of the same name in `trio_udp`. The datagrams come from
the same endpoint, many per wake-up, so that the tasks are the difference. ``main("checkpoint", "trio")`` is how one
would write it on Trio alone.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from trio_udp import Datagram, open_udp_endpoint

from . import HOST, announce
from .trio_udp import HANDLERS

if TYPE_CHECKING:
    from trio_udp import Handler, UDPEndpoint


async def _answer(handler: Handler, endpoint: UDPEndpoint, datagram: Datagram) -> None:
    reply = await handler(datagram)
    assert reply is not None
    await endpoint.send(reply, datagram.address)


async def _serve(handler: Handler) -> None:
    with await open_udp_endpoint(HOST) as endpoint:
        announce(endpoint.address[1])
        async with trio.open_nursery() as nursery:
            while True:
                for datagram in await endpoint.receive_many():
                    nursery.start_soon(_answer, handler, endpoint, datagram)


async def _answer_trio(handler: Handler, sock: trio.socket.SocketType, datagram: Datagram) -> None:
    reply = await handler(datagram)
    assert reply is not None
    await sock.sendto(reply, datagram.address)


async def _serve_trio(handler: Handler) -> None:
    with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
        await sock.bind((HOST, 0))
        announce(sock.getsockname()[1])
        async with trio.open_nursery() as nursery:
            while True:
                data, address = await sock.recvfrom(65535)
                nursery.start_soon(_answer_trio, handler, sock, Datagram(data, address))


def main(handler: str, on: str = "endpoint") -> None:
    trio.run(_serve_trio if on == "trio" else _serve, HANDLERS[handler])
