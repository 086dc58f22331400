"""Nobody keeps this server busy with handshakes: one a second for each, 100 for all."""

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
            serve = partial(serve_dtls_peers, shout, port, context, admit=admit)
            [endpoint, *_] = await nursery.start(partial(serve, host="localhost"))
            print(f"listening at port {endpoint.address[1]}")
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(partial(main, *map(int, sys.argv[1:])))
