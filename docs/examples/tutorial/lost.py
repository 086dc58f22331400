"""Server and client on a network that loses the second question."""

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
        with network.rule(drop_nth(3)):  # question 1, reply 1, question 2
            await ask([b"one", b"two", b"three"])
        nursery.cancel_scope.cancel()


trio.run(main)
