"""One port and a process per core, for answers that have to be computed.

Each client has one of the processes. One that dies is replaced, and what its clients send
meanwhile waits. Linux only.
"""

import os
import signal
import sys
from functools import partial

import trio

from trio_udp import Datagram
from trio_udp.workers import serve_workers


async def primes_below(datagram: Datagram) -> bytes:
    limit = min(int(datagram.data), 100_000)
    count = sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))
    return b"%d primes, counted by process %d" % (count, os.getpid())


async def main(port: int = 10000) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_workers, primes_below, port, host="localhost")
            workers = await nursery.start(serve)
            print(f"{len(workers.pids)} processes at port {workers.addresses[0][1]}")
            await anext(signals)
            nursery.cancel_scope.cancel()
    print(f"all of them together answered {workers.statistics().sent} times")


if __name__ == "__main__":  # each process imports this file as well
    trio.run(partial(main, *map(int, sys.argv[1:])))
