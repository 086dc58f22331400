# One task receives, and does nothing else. For each question it starts another one, which works
# and answers; if that takes long, nobody but its own client waits. What belongs to a question,
# the client above all, is an argument of its task: in the loop it is the next client's already.
#
# The nursery is around the loop, so no task outlives the server. What is missing is a bound:
# a million questions are a million tasks. `trio_udp.serve_udp` has one, and does the rest as well:
#
#     async def handler(datagram):
#         return await work(datagram.data)
#
#     await trio_udp.serve_udp(handler, port)

from collections.abc import Awaitable, Callable

import trio

Work = Callable[[bytes], Awaitable[bytes]]


async def serve(port: int, work: Work) -> None:
    """Answer on this port, for ever."""

    async def answer(question: bytes, client: tuple[str, int]) -> None:
        await sock.sendto(await work(question), client)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            while True:
                question, client = await sock.recvfrom(65535)
                nursery.start_soon(answer, question, client)
