"""The picture of a network that a failing test prints."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import trio

from tests.testing.hosts import arrivals, udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_describe(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(Link(delay=0.25), seed=7)
    async with network:
        server, client = network.host("10.0.0.1", "fd00::1", name="server"), network.host("10.0.0.2", name="client")
        network.host("10.0.0.3", name="idle")
        listening = await udp(server, 7, "::")
        with client:
            asking = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        await asking.connect(("10.0.0.1", 7))
        for data in (b"one", b"two"):
            await asking.send(data)
        await arrivals(listening, 1)
        (await udp(client)).close()
        with client:
            trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM)
        await asking.sendto(b"nobody", ("10.0.0.9", 7))
        await asking.sendto(b"idle", ("10.0.0.3", 7))
        client.rebind("198.51.100.1")
        network.set_link(client, server, Link(loss=1))
        await trio.sleep(1)
        server.crash()
        text = network.describe()
    expected = """\
        virtual network, seed 7, at 1.250000 s
        4 datagrams sent, 2 delivered, 2 dropped (1 no such host, 1 refused)
        the link between hosts: Link(delay=0.25)
        server: 10.0.0.1, fd00::1; crashed
          [::]:7, dead: its host has crashed: received 2, sent 0, dropped 0, 1 waiting to be read
        client: 10.0.0.2; behind a NAT as 198.51.100.1
          [::]:0: received 0, sent 0, dropped 0, 0 waiting to be read
          10.0.0.2:32768 -> 10.0.0.1:7: received 0, sent 4, dropped 0, 0 waiting to be read
          0.0.0.0:32769, closed at 0.250000 s: received 0, sent 0, dropped 0, 0 waiting to be read
        idle: 10.0.0.3"""
    assert text == dedent(expected)
    assert network.describe() == text  # also afterwards, and it says when that was


async def test_code_in_no_host_and_a_nat_without_an_address(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        network.host("10.0.0.1").rebind()
        trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        assert network.describe().splitlines()[2:] == [
            "the link between hosts: Link()",
            "localhost: 192.0.2.1, 2001:db8::1",
            "  0.0.0.0:0: received 0, sent 0, dropped 0, 0 waiting to be read",
            "10.0.0.1: 10.0.0.1; behind a NAT",
        ]
