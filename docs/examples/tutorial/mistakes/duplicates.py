"""Sells tickets: one for each datagram that comes."""

import trio

from trio_udp import open_udp_client
from trio_udp.faults import drop_nth
from trio_udp.testing import VirtualNetwork

SERVER = ("127.0.0.1", 9000)


async def sell(task_status: trio.TaskStatus[None]) -> None:
    sold = 0
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            order, address = await sock.recvfrom(65535)
            sold += 1
            print("sold:", b"ticket %d" % sold, "for", order)
            await sock.sendto(b"ticket %d" % sold, address)


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        await nursery.start(sell)
        with network.rule(drop_nth(2)):  # the first reply
            async with await open_udp_client(*SERVER) as client:
                for order in (b"Ada, order 1", b"Ada, order 2"):
                    print(order, "->", await client.request(order))
        nursery.cancel_scope.cancel()


trio.run(main)
