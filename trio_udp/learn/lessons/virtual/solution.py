# A test says what the network does, and what the program does then, and when: time is virtual, so it
# is exact, and an hour of it takes no time. The first test loses two questions; the second has nobody
# who answers. A program that never ends would stop the test and not fail it: hence `fail_after`. And
# the answer is one that cannot be guessed.
#
# Under pytest-trio it is the same: `async def test_late(virtual_network, autojump_clock)`, of which
# the former comes with trio_udp, and the latter with pytest-trio.

from collections.abc import Awaitable, Callable

import trio

from trio_udp.faults import drop_first
from trio_udp.testing import VirtualNetwork

Ask = Callable[[tuple[str, int]], Awaitable[bytes]]


async def serve(task_status: trio.TaskStatus[tuple[str, int]]) -> None:
    """Answer, for ever."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("10.0.0.1", 7))
        task_status.started(("10.0.0.1", 7))
        while True:
            question, client = await sock.recvfrom(65535)
            await sock.sendto(b"pong 271828", client)


async def test_late(ask: Ask, network: VirtualNetwork) -> None:
    """Two questions are lost; the third is asked after a second."""
    async with trio.open_nursery() as nursery:
        with network.host("10.0.0.1", name="server"):
            server = await nursery.start(serve)
        began = trio.current_time()
        with network.host("10.0.0.2", name="you"), network.rule(drop_first(2)), trio.fail_after(60):
            assert await ask(server) == b"pong 271828"
        assert trio.current_time() - began == 1.25
        nursery.cancel_scope.cancel()


async def test_never(ask: Ask, network: VirtualNetwork) -> None:
    """Nobody answers, and after two seconds it gives up."""
    network.host("10.0.0.1", name="nobody")
    began = trio.current_time()
    with network.host("10.0.0.2", name="you"), trio.fail_after(60):
        try:
            await ask(("10.0.0.1", 7))
        except trio.TooSlowError:
            assert trio.current_time() - began == 2
        else:
            raise AssertionError("somebody has answered")
