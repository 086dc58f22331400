"""A server is a task like any other: whoever opened its nursery ends it."""

import trio
from trio.testing import MockClock

from trio_udp import Datagram, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

LINK = Link(delay=0.125)


def say(what: object) -> None:
    print(f"{trio.current_time():g} s  {what}")


async def shout(datagram: Datagram) -> bytes:
    await trio.sleep(0.5)
    return datagram.data.upper()


async def ask(word: bytes) -> None:
    async with await open_udp_client("server", 7) as client:
        say(await client.request(word))


async def main() -> None:
    async with VirtualNetwork(LINK) as network, trio.open_nursery() as serving:
        with network.host(name="server"):
            await serving.start(serve_udp, shout, 7)
        say("the server listens")
        async with trio.open_nursery() as asking:
            asking.start_soon(ask, b"hello")
        serving.cancel_scope.cancel()
    say("nothing runs any more")


trio.run(main, clock=MockClock(autojump_threshold=0))
