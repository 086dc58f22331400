"""A server on real sockets, and a relay in front of it that loses the first request."""

from functools import partial

import trio

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link, drop_first
from trio_udp.relay import serve_relay


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_udp, shout, 0, host="127.0.0.1")
        host, port, *_ = (await nursery.start(serve))[0].address
        slow = Link(delay=0.05, jitter=0.01)
        bad_network = partial(serve_relay, "127.0.0.1", 0, host, port, forward=slow)
        relay = await nursery.start(partial(bad_network, rules=[drop_first(1)], seed=7))
        host, port, *_ = relay.address
        async with await open_udp_client(host, port) as client:
            print(await client.request(b"hello", retry=Retry(first=0.3)))
        there = relay.statistics().forward
        print(f"{there.received} came, {there.forwarded} went on, {dict(there.dropped)}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
