"""`UDPEndpoint`, ``send_many`` and ``receive_many``; ``main("receive", "many peers")`` without ``bulk=True``."""

from __future__ import annotations

import trio

from trio_udp import Datagram, open_udp_endpoint

from . import (
    AT_ONCE,
    HOST,
    LIMIT,
    MARK,
    MARK_PAUSE,
    PAYLOAD,
    RECEIVE_BUFFER,
    marks,
    passes,
    received,
    say_ready,
    swap_ports,
)


async def _send() -> None:
    with await open_udp_endpoint(HOST) as endpoint:
        peer = swap_ports(endpoint.address[1])
        say_ready()
        datagrams = [Datagram(PAYLOAD, peer)] * AT_ONCE
        for sending in passes():
            while sending.goes_on():
                await endpoint.send_many(datagrams)
                sending.sent += AT_ONCE
            for _ in marks():
                await trio.sleep(MARK_PAUSE)
                await endpoint.send(MARK, peer)


async def _receive(bulk: bool) -> None:
    with await open_udp_endpoint(HOST, receive_buffer=RECEIVE_BUFFER, bulk=bulk) as endpoint:
        swap_ports(endpoint.address[1])
        say_ready()
        count = 0
        while True:
            batch = await endpoint.receive_many(LIMIT)
            count += len(batch)
            if batch[-1].data == MARK:
                received(count)
                count = 0


def main(way: str, peers: str = "one peer") -> None:
    if way == "send":
        trio.run(_send)
    else:
        trio.run(_receive, peers == "one peer")
