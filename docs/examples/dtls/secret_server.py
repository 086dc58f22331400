"""A server that has shown who it is before a word is said, and a task for each peer.

``shout`` knows nothing of DTLS: it talks to a channel, whatever that is made of.
"""

import signal
import sys
from functools import partial

import trio

from trio_udp import UDPChannel
from trio_udp.dtls import serve_dtls_peers, server_context


async def shout(channel: UDPChannel) -> None:
    async for data in channel:  # until the peer closes it, or says nothing for a minute
        await channel.send(data.upper())


async def main(port: int = 4433) -> None:
    context = server_context("cert.pem", "key.pem")
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_dtls_peers, shout, port, context, host="localhost")
            [endpoint, *_] = await nursery.start(serve)
            print(f"listening at port {endpoint.address[1]}")
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(partial(main, *map(int, sys.argv[1:])))
