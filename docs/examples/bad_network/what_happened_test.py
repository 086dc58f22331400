"""Afterwards: the record of every datagram, and a file for Wireshark."""

from pathlib import Path

import trio

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link, drop_nth
from trio_udp.testing import VirtualNetwork


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def test_a_lost_reply(
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
    tmp_path: Path,
) -> None:
    virtual_network.link = Link(delay=0.25)
    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, shout, 7)
    async with await open_udp_client("server", 7) as client:
        with virtual_network.rule(drop_nth(2)):
            await client.request(b"hello", retry=Retry(first=1, jitter=0))
    virtual_network.write_pcap(tmp_path / "lost_reply.pcap")
    record = [(each.time, each.data, each.dropped) for each in virtual_network.datagrams]
    assert record == [
        (0, b"hello", None),
        (0.25, b"HELLO", "drop_nth"),
        (1, b"hello", None),
        (1.25, b"HELLO", None),
    ]
