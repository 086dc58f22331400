"""Ctrl-C, or SIGTERM, is heard by the program itself, which then stops its server well."""

import signal
from functools import partial

import trio
from crew import answer, ask

from trio_udp import serve_udp


async def serve_until_told() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as server:
            serve = partial(serve_udp, answer, 9000, host="127.0.0.1", grace_period=5)
            await server.start(serve)
            number = await anext(signals)
            print(f"{signal.Signals(number).name}: stopping")
            server.cancel_scope.cancel()


async def main() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_until_told)
        await trio.sleep(0.1)
        nursery.start_soon(ask, "Ada", b"0.5 tea")
        await trio.sleep(0.2)
        signal.raise_signal(signal.SIGINT)  # as if you had typed Ctrl-C now
    print("both have ended")


if __name__ == "__main__":
    trio.run(main)
