"""A server on a socket that somebody else has opened: systemd, or handover.py beside this.

Says when it serves. At SIGTERM it receives no more, finishes what it has begun, and ends.
"""

import os
import signal
from functools import partial

import trio

from trio_udp import Datagram, endpoints_from_systemd, serve_endpoints


async def answer(datagram: Datagram) -> bytes:
    await trio.sleep(0.01)  # something that takes a moment
    return b"%b, by process %d" % (datagram.data, os.getpid())


async def main() -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            endpoints = endpoints_from_systemd()
            serve = partial(serve_endpoints, answer, endpoints, grace_period=3)
            await nursery.start(serve)
            print("serving", flush=True)
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
