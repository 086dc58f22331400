"""Two attempts are lost: when exactly does the answer come?"""

import pytest
import trio
from crew import answer

from trio_udp import Retry, open_udp_client, serve_udp
from trio_udp.faults import Link, drop_first
from trio_udp.testing import VirtualNetwork


@pytest.mark.trio
async def test_the_third_attempt_is_answered(
    virtual_network: VirtualNetwork, autojump_clock: object, nursery: trio.Nursery
) -> None:
    virtual_network.link = Link(delay=0.1)
    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, answer, 9000)
    async with await open_udp_client("server", 9000) as client:
        with virtual_network.rule(drop_first(2)):
            await client.request(b"0.5 tea", retry=Retry(first=1, jitter=0))
    assert trio.current_time() == pytest.approx(1 + 2 + 0.1 + 0.5 + 0.1)
