"""A timeout around start_soon: the task is not inside of it."""

import trio

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


async def ask(words: list[bytes]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for word in words:
            await sock.sendto(word, SERVER)
            reply, _ = await sock.recvfrom(65535)
            print(word, "->", reply)


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        await nursery.start(serve)
        with network.rule(drop_nth(3)):
            async with trio.open_nursery() as clients:
                with trio.move_on_after(1):
                    clients.start_soon(ask, [b"one", b"two", b"three"])
                print("the timeout is over already")
        nursery.cancel_scope.cancel()


trio.run(main)
