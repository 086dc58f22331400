"""Records two clients and a server on a network that loses datagrams, and draws the run."""

import sys
from functools import partial
from pathlib import Path
from random import Random

import trio
from trio.testing import MockClock

from trio_udp import Datagram, open_udp_client, serve_udp, tracing
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def shout(datagram: Datagram) -> bytes:
    await trio.sleep(0.1)
    return datagram.data.upper()


async def ask(name: str) -> None:
    async with await open_udp_client("10.0.0.1", 7, random=Random(name)) as client:
        await client.request(f"{name}: hello".encode())
        await client.request(f"{name}: goodbye".encode())


async def main(folder: Path) -> None:
    async with VirtualNetwork(Link(loss=0.3, delay=0.2), seed=2) as network:
        with tracing.record() as recording:
            async with trio.open_nursery() as nursery:
                with network.host("10.0.0.1"):
                    await nursery.start(partial(serve_udp, shout, 7, host="10.0.0.1"))
                with tracing.scope("a minute for all", trio.move_on_after(60)):
                    async with trio.open_nursery() as clients:
                        for name in ("Ada", "Bob"):
                            with network.host(name=name) as host:
                                recording.name(host.addresses[0], name)
                                clients.start_soon(ask, name)
                nursery.cancel_scope.cancel()
    trace = recording.trace()
    (folder / "see.svg").write_text(tracing.ladder_svg(trace), encoding="utf-8")
    (folder / "see.html").write_text(tracing.html(trace), encoding="utf-8")
    print(tracing.ladder_text(trace), end="")


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), clock=MockClock(autojump_threshold=0))
