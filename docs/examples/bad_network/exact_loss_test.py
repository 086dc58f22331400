"""Exactly three of every ten are lost, so this test cannot fail by bad luck."""

import trio

from trio_udp import open_udp_endpoint
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork


async def test_seven_of_ten_arrive(
    virtual_network: VirtualNetwork,
    autojump_clock: object,
) -> None:
    virtual_network.link = Link(exact_loss=(3, 10), delay=0.05, jitter=0.05)
    with virtual_network.host(name="receiver"):
        receiver = await open_udp_endpoint("0.0.0.0", 7)
    async with receiver, await open_udp_endpoint("0.0.0.0") as sender:
        for number in range(100):
            await sender.send(b"%d" % number, ("receiver", 7))
        await trio.sleep(1)
        arrived = [int(datagram.data) for datagram in await receiver.receive_many(100)]
    assert len(arrived) == 70
    assert arrived != sorted(arrived)  # with jitter, some have overtaken others
