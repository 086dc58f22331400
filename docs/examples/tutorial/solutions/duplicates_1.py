"""Sells tickets on a network that doubles every datagram; each reply names its order."""

import trio

from trio_udp import open_udp_client
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

SERVER = ("127.0.0.1", 9000)


def order_in(data: bytes) -> bytes:
    return data.partition(b":")[0]


async def sell(task_status: trio.TaskStatus[None]) -> None:
    replies: dict[bytes, bytes] = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            order, address = await sock.recvfrom(65535)
            if order not in replies:
                replies[order] = order + b": ticket %d" % (len(replies) + 1)
                print("sold:", replies[order])
            await sock.sendto(replies[order], address)


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        await nursery.start(sell)
        doubling = Link(duplicate=1, delay=0.1, jitter=0.05)
        network.set_link("localhost", "localhost", doubling)
        async with await open_udp_client(*SERVER, correlate=order_in) as client:
            for order in (b"Ada, order 1", b"Ada, order 2"):
                print(order, "->", await client.request(order))
        nursery.cancel_scope.cancel()


trio.run(main)
