"""The same, by the client of this library."""

import trio

from trio_udp import Retry, open_udp_client
from trio_udp.faults import drop_nth
from trio_udp.testing import VirtualNetwork

SERVER = ("127.0.0.1", 9000)


async def serve(task_status: trio.TaskStatus[None]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            data, address = await sock.recvfrom(65535)
            await sock.sendto(data, address)


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        await nursery.start(serve)
        with network.rule(drop_nth(1, 3)):  # the first question, the first reply
            async with await open_udp_client(*SERVER) as client:
                print(await client.request(b"hello", retry=Retry(first=0.5, jitter=0)))
        nursery.cancel_scope.cancel()


trio.run(main)
