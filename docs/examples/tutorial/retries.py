"""Asks until it is answered, and waits longer each time."""

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


async def ask(word: bytes) -> bytes | None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for seconds in (0.5, 1, 2, 4):
            await sock.sendto(word, SERVER)
            with trio.move_on_after(seconds):
                reply, _ = await sock.recvfrom(65535)
                return reply
            print("no reply in", seconds, "s")
    return None


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        await nursery.start(serve)
        with network.rule(drop_nth(1, 3)):  # the first question, the first reply
            print(await ask(b"hello"))
        nursery.cancel_scope.cancel()


trio.run(main)
