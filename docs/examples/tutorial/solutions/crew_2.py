"""The loop repaired by hand: a task for each datagram, and never more than a thousand."""

import trio
from crew import answer, ask

from trio_udp import Datagram, UDPEndpoint, open_udp_endpoint


async def handle(datagram: Datagram, endpoint: UDPEndpoint, places: trio.Semaphore) -> None:
    try:
        await endpoint.send(await answer(datagram), datagram.address)
    finally:
        places.release()


async def serve(*, task_status: trio.TaskStatus[None]) -> None:
    places = trio.Semaphore(1000)
    endpoint = await open_udp_endpoint("127.0.0.1", 9000)
    async with endpoint, trio.open_nursery() as nursery:
        task_status.started()
        while True:
            await places.acquire()  # first: what nobody can work on stays in the socket
            nursery.start_soon(handle, await endpoint.receive(), endpoint, places)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with trio.open_nursery() as clients:
            clients.start_soon(ask, "Ada", b"0.5 tea")
            clients.start_soon(ask, "Bob", b"0.2 egg")
            clients.start_soon(ask, "Cleo", b"0.4 toast")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
