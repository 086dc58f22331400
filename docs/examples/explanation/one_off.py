"""A client that sends again and believes whatever comes next."""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def answer(datagram: Datagram) -> bytes:
    return b"answer to " + datagram.data


async def naive(question: bytes, socket: trio.socket.SocketType) -> bytes:
    while True:
        await socket.send(question)
        with trio.move_on_after(1):
            return await socket.recv(65535)


async def main() -> None:
    async with VirtualNetwork(Link(delay=0.6)) as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1"):
            await nursery.start(serve_udp, answer, 7)
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as socket:
            await socket.connect(("10.0.0.1", 7))
            for number in (1, 2, 3):
                reply = await naive(b"question %d" % number, socket)
                print(f"{trio.current_time():.1f} s  question {number}: {reply.decode()}")
        nursery.cancel_scope.cancel()


trio.run(main, clock=MockClock(autojump_threshold=0))
