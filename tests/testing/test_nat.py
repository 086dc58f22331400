"""A client behind a NAT that gets new ports, and maybe a new address."""

from __future__ import annotations

import re

import pytest
import trio
from trio.testing import MockClock

from tests.testing.hosts import answers, echo_for_ever, fates, udp
from trio_udp.faults import Link, partition
from trio_udp.testing import VirtualNetwork
from trio_udp.testing._nat import FIRST_PORT, LAST_PORT, NAT

SERVER = ("10.0.0.1", 7)


@pytest.mark.parametrize(("address", "seen"), [(None, "10.0.0.2"), ("198.51.100.1", "198.51.100.1")])
async def test_the_server_sees_another_source(autojump_clock: MockClock, address: str | None, seen: str) -> None:
    async with VirtualNetwork(Link(delay=1)) as network:
        server, host = await udp(network.host("10.0.0.1"), 7), network.host("10.0.0.2", name="client")
        client = await udp(host)
        await client.sendto(b"before", SERVER)
        _, old = await server.recvfrom(10)
        assert old == ("10.0.0.2", 32768)
        host.rebind(address)
        await server.sendto(b"lost", old)
        await client.sendto(b"after", SERVER)
        _, new = await server.recvfrom(10)
        assert new == (seen, 49152)
        await server.sendto(b"found", new)
        assert await client.recvfrom(10) == (b"found", SERVER)
        assert client.getsockname() == ("0.0.0.0", 32768)
        assert fates(network) == [[1.0], "rebound", [2.0], [3.0]]
        assert network.datagrams[3].destination == new


async def test_every_rebind_gives_new_ports(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        server, host = await udp(network.host("10.0.0.1"), 7), network.host("10.0.0.2")
        one, other = await udp(host), await udp(host)
        seen: list[int] = []
        for _ in range(2):
            host.rebind()
            for client in (one, other, one):
                await client.sendto(b"x", SERVER)
                seen.append((await server.recvfrom(10))[1][1])
        assert seen == [49152, 49153, 49152, 49154, 49155, 49154]


async def test_what_was_sent_before_comes_from_the_old_port(autojump_clock: MockClock) -> None:
    """Fates are decided late; where a datagram comes from must not be."""
    async with VirtualNetwork(Link(delay=1)) as network:
        server, host = await udp(network.host("10.0.0.1"), 7), network.host("10.0.0.2")
        client = await udp(host)
        await client.sendto(b"x", SERVER)
        await trio.sleep(0.5)
        host.rebind()
        assert await server.recvfrom(10) == (b"x", ("10.0.0.2", 32768))


async def test_only_the_family_of_the_address_changes(autojump_clock: MockClock) -> None:
    """IPv6 datagrams came from an IPv4 address."""
    async with VirtualNetwork() as network:
        server, host = await udp(network.host("10.0.0.1", "fd00::1"), 7, "::"), network.host("10.0.0.2", "fd00::2")
        host.rebind("198.51.100.1")
        client = await udp(host, address="::")
        seen: list[str] = []
        for address in ("fd00::1", "::ffff:10.0.0.1"):
            await client.sendto(b"x", (address, 7))
            seen.append((await server.recvfrom(10))[1][0])
        host.rebind("2001:db8::77")
        for address in ("fd00::1", "::ffff:10.0.0.1"):
            await client.sendto(b"x", (address, 7))
            seen.append((await server.recvfrom(10))[1][0])
        assert seen == ["fd00::2", "::ffff:198.51.100.1", "2001:db8::77", "::ffff:10.0.0.2"]


async def test_the_host_itself_is_not_told(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host = network.host("10.0.0.2", name="client")
        nursery.start_soon(echo_for_ever, await udp(host, 7))
        host.rebind("198.51.100.1")
        neighbour, stranger = await udp(host), await udp(network.host("10.0.0.3"))
        assert await answers(neighbour, ("10.0.0.2", 7))
        assert not await answers(stranger, ("10.0.0.2", 7))
        assert not await answers(stranger, ("198.51.100.1", 7))  # nothing was sent from there
        with pytest.raises(OSError, match="Cannot assign requested address"):
            await udp(host, 8, "198.51.100.1")
        (answer,) = await trio.socket.getaddrinfo("client", 7, type=trio.socket.SOCK_DGRAM)
        assert answer[4] == ("10.0.0.2", 7)
        nursery.cancel_scope.cancel()


async def test_a_partition_knows_the_new_address(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        server, client = network.host("10.0.0.1"), network.host("10.0.0.2")
        nursery.start_soon(echo_for_ever, await udp(server, 7))
        client.rebind("198.51.100.1")
        assert ", ".join(client.addresses) == "10.0.0.2, 198.51.100.1"
        socket = await udp(client)
        assert await answers(socket, SERVER)
        with network.rule(partition(client, server)):
            assert not await answers(socket, SERVER)
        client.rebind()
        assert client.addresses == ("10.0.0.2",)
        assert await answers(socket, SERVER)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("10.0.0.1", "10.0.0.1 is server's already"),
        ("192.0.2.1", "192.0.2.1 is localhost's already"),
        ("127.0.0.1", "a host cannot have the address 127.0.0.1"),
        ("0.0.0.0", "a host cannot have the address 0.0.0.0"),
        ("home", "'home' is no IPv4 or IPv6 address; a host's name is given with name="),
    ],
)
async def test_addresses_that_cannot_be_had(autojump_clock: MockClock, address: str, complaint: str) -> None:
    async with VirtualNetwork() as network:
        network.host("10.0.0.1", name="server")
        client = network.host("10.0.0.2", name="client")
        with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
            client.rebind(address)
        assert client.addresses == ("10.0.0.2",)


async def test_an_address_that_was_given_is_taken(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        client = network.host("10.0.0.2", name="client")
        client.rebind("198.51.100.1")
        client.rebind("198.51.100.1")
        client.rebind("10.0.0.2")
        assert client.addresses == ("10.0.0.2",)
        with pytest.raises(ValueError, match=r"^198\.51\.100\.1 is client's already$"):
            network.host("198.51.100.1")


def test_ports_come_again_after_all_others() -> None:
    nat = NAT()
    count = LAST_PORT - FIRST_PORT + 1
    places = [("10.0.0.2", number) for number in range(count + 1)]
    given = [nat.outside(place)[1] for place in places]
    assert given == [*range(FIRST_PORT, LAST_PORT + 1), FIRST_PORT]
    assert nat.inside(("10.0.0.2", FIRST_PORT)) == places[-1]  # the eldest is forgotten
    assert nat.outside(places[0]) == ("10.0.0.2", FIRST_PORT + 1)
    assert nat.inside(("10.0.0.2", FIRST_PORT + 1)) == places[0]
