# Stop a server so that all whose questions it has taken still get their answers.
#
# `serve(port, work, stop)` goes on until the event `stop` is set. Then it returns at
# once: all its work is cancelled, and clients wait for answers that never come.
# Make it take nothing new then, and finish what it has begun, before it returns.

from collections.abc import Awaitable, Callable

import trio

Work = Callable[[bytes], Awaitable[bytes]]


async def serve(port: int, work: Work, stop: trio.Event) -> None:
    """Answer on this port, until `stop` is set."""

    async def answer(question: bytes, client: tuple[str, int]) -> None:
        await sock.sendto(await work(question), client)

    async def listen() -> None:
        while True:
            question, client = await sock.recvfrom(65535)
            nursery.start_soon(answer, question, client)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await stop.wait()
            nursery.cancel_scope.cancel()
