"""Server and client do not see each other for a while, then in one direction only."""

import pytest
import trio

from trio_udp import Datagram, NoReply, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link, partition
from trio_udp.testing import VirtualNetwork


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def test_they_find_each_other_again(
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
) -> None:
    server = virtual_network.host(name="server")
    client = virtual_network.host(name="client")
    with server:
        await nursery.start(serve_udp, shout, 7)
    with client:
        async with await open_udp_client("server", 7) as asking:
            with virtual_network.rule(partition(server, client)), pytest.raises(NoReply):
                await asking.request(b"is anybody there?", retry=Retry(attempts=2))
            virtual_network.set_link(server, client, Link(loss=1))  # this direction only
            with pytest.raises(NoReply):
                await asking.request(b"can you hear me?", retry=Retry(attempts=2))
            virtual_network.set_link(server, client, None)  # as all the others
            assert await asking.request(b"hello") == b"HELLO"
