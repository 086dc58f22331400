"""Tests of the timer: on a bad network, with exact times, and the same in every run."""

from random import Random

import pytest
import trio
from crew import answer

from trio_udp import open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

pytestmark = pytest.mark.trio  # pytest-trio is to run these


async def test_a_timer_takes_its_time(
    virtual_network: VirtualNetwork, autojump_clock: object, nursery: trio.Nursery
) -> None:
    virtual_network.link = Link(delay=0.1)
    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, answer, 9000)
    async with await open_udp_client("server", 9000) as client:
        assert await client.request(b"0.5 tea") == b"tea"
    assert trio.current_time() == pytest.approx(0.1 + 0.5 + 0.1)


async def test_what_is_lost_is_asked_again(
    virtual_network: VirtualNetwork, autojump_clock: object, nursery: trio.Nursery
) -> None:
    virtual_network.link = Link(delay=0.1, loss=0.3)
    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, answer, 9000)
    async with await open_udp_client("server", 9000, random=Random(1)) as client:
        for word in (b"tea", b"egg", b"toast", b"rice"):
            assert await client.request(b"0.5 " + word) == word
    assert any(datagram.dropped for datagram in virtual_network.datagrams)
