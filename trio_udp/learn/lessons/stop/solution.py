# What ends at once and what ends by itself are in two nurseries. Listening is in the inner one,
# which is cancelled: nothing new is taken. The work is in the outer one, and there the `async with`
# does what it always does at its end: it waits until the last task is over. The socket is around
# both, as answers are sent after the listening has ended.
#
# What is missing is a bound: somebody's work may never end. `trio_udp.serve_udp` has one. Cancel it,
# and for `grace_period` seconds it finishes what it has taken:
#
#     nursery.start_soon(partial(trio_udp.serve_udp, handler, port, grace_period=10))
#     await stop.wait()
#     nursery.cancel_scope.cancel()

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
            working.start_soon(answer, question, client)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            async with trio.open_nursery() as listening:
                listening.start_soon(listen)
                await stop.wait()
                listening.cancel_scope.cancel()
