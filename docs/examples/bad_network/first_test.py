"""A first test: a server, a client, and a network that loses three of ten datagrams."""

from random import Random

import trio

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def test_every_request_is_answered(
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
) -> None:
    virtual_network.link = Link(loss=0.3, delay=0.05)
    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, shout, 7)
    with virtual_network.host(name="client"):
        async with await open_udp_client("server", 7, random=Random(0)) as client:
            for number in range(10):
                reply = await client.request(b"word %d" % number, retry=Retry(attempts=20))
                assert reply == b"WORD %d" % number
    assert any(datagram.dropped == "loss" for datagram in virtual_network.datagrams)
