"""Somebody knows where Ada is, and uses up her rate in her name."""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, limit_rate

ADA = ("192.0.2.1", 40000)


async def answer(datagram: Datagram) -> bytes:
    return b"here I am"


guarded = limit_rate(answer, rate=10, burst=20)


async def served() -> int:
    """How many of ten requests of Ada's, about one a second."""
    count = 0
    for _ in range(10):
        await trio.sleep(1.05)
        count += await guarded(Datagram(b"hello", ADA)) is not None
    return count


async def frame_ada() -> None:
    while True:
        await trio.sleep(0.00101)
        await guarded(Datagram(b"forged", ADA))


async def main() -> None:
    print("in peace:", await served())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(frame_ada)
        await trio.sleep(10)  # her burst is used up
        print("framed:  ", await served())
        nursery.cancel_scope.cancel()


trio.run(main, clock=MockClock(autojump_threshold=0))
