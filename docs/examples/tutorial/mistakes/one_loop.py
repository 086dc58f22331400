"""The same timer as one loop: a slow question delays everybody."""

import trio
from crew import answer, ask

from trio_udp import open_udp_endpoint


async def serve(*, task_status: trio.TaskStatus[None]) -> None:
    async with await open_udp_endpoint("127.0.0.1", 9000) as endpoint:
        task_status.started()
        while True:
            datagram = await endpoint.receive()
            reply = await answer(datagram)  # while this waits, nobody receives
            await endpoint.send(reply, datagram.address)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with trio.open_nursery() as clients:
            clients.start_soon(ask, "Ada", b"0.5 tea")
            await trio.sleep(0.1)
            clients.start_soon(ask, "Bob", b"0.2 egg")
            await trio.sleep(0.1)
            clients.start_soon(ask, "Cleo", b"0.4 toast")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
