# Write tests of `ask(server)`: a right one passes them all, a wrong one fails one.
#
# `ask` asks 4 times at most, every half a second; it returns the answer, or raises
# trio.TooSlowError after 2 seconds. This test is passed by programs that are wrong:
# nothing gets lost in it. Write more tests; all functions `test_...` are called.

from collections.abc import Awaitable, Callable

import trio

from trio_udp.testing import VirtualNetwork

Ask = Callable[[tuple[str, int]], Awaitable[bytes]]


async def serve(task_status: trio.TaskStatus[tuple[str, int]]) -> None:
    """Answer, for ever."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("10.0.0.1", 7))
        task_status.started(("10.0.0.1", 7))
        while True:
            question, client = await sock.recvfrom(65535)
            await sock.sendto(b"pong", client)


async def test_ask(ask: Ask, network: VirtualNetwork) -> None:
    """The answer comes, and is returned."""
    async with trio.open_nursery() as nursery:
        with network.host("10.0.0.1", name="server"):
            server = await nursery.start(serve)
        with network.host("10.0.0.2", name="you"):
            assert await ask(server) == b"pong"
        nursery.cancel_scope.cancel()
