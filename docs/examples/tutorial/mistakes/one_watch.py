"""One watch for all: who starts it starts it for everybody."""

from functools import partial

import trio
from peers import measure

from trio_udp import Datagram, serve_udp

watch = {"began": 0.0}


async def stopwatch(datagram: Datagram) -> bytes | None:
    if datagram.data == b"how long?":
        return b"%.1f s" % (trio.current_time() - watch["began"])
    watch["began"] = trio.current_time()
    return None


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_udp, stopwatch, 9000, host="127.0.0.1"))
        async with trio.open_nursery() as clients:
            clients.start_soon(measure, "Ada", 1.0)
            await trio.sleep(0.3)
            clients.start_soon(measure, "Bob", 0.5)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
