"""Server and client on a network that loses the second question, and a client that waits."""

import time

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
            reply = time.strftime("%H:%M:%S").encode() if data == b"time" else data
            await sock.sendto(reply, address)


async def main() -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        await nursery.start(serve)
        sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        with sock, network.rule(drop_nth(3)):
            for word in (b"time", b"one", b"two"):
                await sock.sendto(word, SERVER)
                reply, _ = await sock.recvfrom(65535)
                print(word, "->", reply)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
