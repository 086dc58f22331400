"""Sells each ticket once, to strangers, and cannot be made a weapon against others.

A request is 16 bytes and a name. As long as the 16 bytes are not the cookie of the sender's
address, the reply is that cookie.
"""

import sys
from contextlib import suppress
from functools import partial
from itertools import count

import trio

import trio_udp
from trio_udp import AddressCookies, Datagram

TERMS = "Valid on the day of issue, on all lines but the ferry. Keep it dry. " * 5
cookies, numbers = AddressCookies(), count(1)


def has_cookie(datagram: Datagram) -> bool:
    return cookies.check(datagram.address, datagram.data[: cookies.SIZE])


async def sell(datagram: Datagram) -> bytes:
    if not has_cookie(datagram):
        return cookies.make(datagram.address)
    name = datagram.data[cookies.SIZE :].decode()  # raises at what is not UTF-8
    return f"{name} has ticket {next(numbers)}. {TERMS}".encode()


guarded = trio_udp.cache_replies(sell, key=lambda datagram: datagram)
guarded = trio_udp.limit_amplification(guarded, validated=has_cookie)
guarded = trio_udp.log_errors(guarded)
guarded = trio_udp.limit_rate(guarded, rate=10, burst=20, total_rate=1000)


async def main(port: int = 10000) -> None:
    endpoints = await trio_udp.open_udp_endpoints(port)
    print("selling on port", endpoints[0].address[1])
    await trio_udp.serve_endpoints(guarded, endpoints)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(partial(main, *map(int, sys.argv[1:])))
    print(guarded.statistics())
