"""Nobody keeps this server busy with handshakes, or has all of its places."""

import signal
import sys
from functools import partial

import trio

from trio_udp import RateLimit, UDPChannel
from trio_udp.dtls import serve_dtls_peers, server_context


async def shout(channel: UDPChannel) -> None:
    async for data in channel:
        await channel.send(data.upper())


async def main(port: int = 4433) -> None:
    admit = RateLimit(rate=1, burst=5, total_rate=100).admit
    context = server_context("cert.pem", "key.pem")
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_dtls_peers, shout, port, context, host="localhost")
            limited = partial(serve, admit=admit, max_peers_per_source=20)
            [endpoint, *_] = await nursery.start(limited)
            print(f"listening at port {endpoint.address[1]}")
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(partial(main, *map(int, sys.argv[1:])))
