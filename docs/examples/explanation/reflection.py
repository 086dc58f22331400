"""A thousand small requests in somebody else's name, and what he gets who never asked."""

import trio
from trio.testing import MockClock

from trio_udp import Address, AddressCookies, Datagram, Handler, limit_amplification

VICTIM = ("192.0.2.66", 5353)
cookies = AddressCookies()


def has_cookie(datagram: Datagram) -> bool:
    return cookies.check(datagram.address, datagram.data[: cookies.SIZE])


async def generous(datagram: Datagram) -> bytes:
    return bytes(1000)


async def careful(datagram: Datagram) -> bytes:
    return bytes(1000) if has_cookie(datagram) else cookies.make(datagram.address)


async def bytes_to(address: Address, handler: Handler, request: bytes) -> int:
    """What ``serve_udp`` would send there, if that was written on a thousand requests."""
    return sum([len(await handler(Datagram(request, address)) or b"") for _ in range(1000)])


async def main() -> None:
    guarded = limit_amplification(careful, validated=has_cookie)
    print("requests of 10 bytes, 10000 in all")
    print("  no guard:   ", await bytes_to(VICTIM, generous, bytes(10)))
    print("  with guard: ", await bytes_to(VICTIM, guarded, bytes(10)))
    mine = ("192.0.2.7", 40000)
    print("  my cookie:  ", await bytes_to(mine, guarded, cookies.make(mine)))
    print("  it, forged: ", await bytes_to(VICTIM, guarded, cookies.make(mine)))


trio.run(main, clock=MockClock(autojump_threshold=0))
