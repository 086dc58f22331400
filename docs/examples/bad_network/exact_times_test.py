"""The first two attempts are lost: when exactly does the answer come?"""

import pytest
import trio

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link, drop_first
from trio_udp.testing import VirtualNetwork


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def test_the_third_attempt_is_answered(
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
) -> None:
    virtual_network.link = Link(delay=0.05)
    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, shout, 7)
    async with await open_udp_client("server", 7) as client:
        with virtual_network.rule(drop_first(2)):
            await client.request(b"hello", retry=Retry(first=1, jitter=0))
    assert trio.current_time() == pytest.approx(1 + 2 + 0.05 + 0.05)
    requests = [each for each in virtual_network.datagrams if each.data == b"hello"]
    assert [each.time for each in requests] == [0, 1, 3]
    assert [each.dropped for each in requests] == ["drop_first", "drop_first", None]
