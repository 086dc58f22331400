"""A second of a flood, a thousand datagrams: how many reach the handler?"""

import ipaddress

import trio
from trio.testing import MockClock

from trio_udp import Address, Datagram, limit_rate

ADA = ("192.0.2.1", 40000)


async def answer(datagram: Datagram) -> bytes:
    return b"here I am"


def forged(number: int) -> Address:
    return str(ipaddress.IPv4Address("198.18.0.0") + number), 5000


async def flood(what: str, sources: int, total_rate: float | None) -> None:
    guarded = limit_rate(answer, rate=10, burst=20, total_rate=total_rate)
    assert await guarded(Datagram(b"1", ADA))
    assert await guarded(Datagram(b"2", ADA))
    through = 0
    for number in range(1000):
        await trio.sleep(0.001)
        through += await guarded(Datagram(b"", forged(number % sources))) is not None
    served = await guarded(Datagram(b"3", ADA)) is not None
    print(f"{what}: {through:4}   Ada is served: {served}")


async def main() -> None:
    await flood("one source                      ", 1, None)
    await flood("each source once                ", 1000, None)
    await flood("each source once, total_rate=100", 1000, 100)


trio.run(main, clock=MockClock(autojump_threshold=0))
