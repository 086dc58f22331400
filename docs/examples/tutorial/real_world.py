"""The timer for everybody: it runs until it is stopped, and no datagram can end it."""

import signal
import sys
from functools import partial

import trio

from trio_udp import Datagram, limit_rate, log_errors, serve_udp

LONGEST = 60  # seconds


async def answer(datagram: Datagram) -> bytes | None:
    seconds, _, word = datagram.data.partition(b" ")
    try:
        wait = float(seconds)
    except ValueError:
        return None  # what is no question gets no answer
    if not 0 <= wait <= LONGEST:
        return None
    await trio.sleep(wait)
    return word


async def main(port: int = 9000) -> None:
    handler = limit_rate(log_errors(answer), rate=10, burst=20)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_udp, handler, port, host="127.0.0.1", grace_period=5)
            endpoints = await nursery.start(serve)
            print("listening on port", endpoints[0].address[1])
            await anext(signals)
            nursery.cancel_scope.cancel()
    print("stopped; kept away:", dict(handler.statistics()))


if __name__ == "__main__":
    trio.run(partial(main, *map(int, sys.argv[1:])))
