"""For five seconds nothing reaches the server; the first attempt after that is answered."""

import pytest
import trio
from crew import answer

from trio_udp import Retry, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def ask(replies: list[tuple[float, bytes]]) -> None:
    async with await open_udp_client("server", 9000) as client:
        reply = await client.request(b"0.5 tea", retry=Retry(first=1, jitter=0))
        replies.append((round(trio.current_time(), 3), reply))


@pytest.mark.trio
async def test_the_network_comes_back(
    virtual_network: VirtualNetwork, autojump_clock: object, nursery: trio.Nursery
) -> None:
    with virtual_network.host(name="server") as server:
        await nursery.start(serve_udp, answer, 9000)
    replies: list[tuple[float, bytes]] = []
    virtual_network.set_link("localhost", server, Link(loss=1))
    async with trio.open_nursery() as clients:
        clients.start_soon(ask, replies)  # at 0, 1, 3, 7 and 15 seconds
        await trio.sleep(5)
        virtual_network.set_link("localhost", server, None)
    assert replies == [(7.5, b"tea")]
