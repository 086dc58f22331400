"""Programs that know nothing of the virtual network run on it unchanged, and meet its faults."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import dns.asyncquery
import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
from anyio.abc import SocketAttribute

from tests.testing.hosts import fates
from trio_udp import (
    AttemptTimedOut,
    Datagram,
    Event,
    NoReply,
    Retry,
    first_reply,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_udp,
)
from trio_udp.faults import Link, drop_first
from trio_udp.testing import Host, VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

PLAIN = Retry(attempts=3, jitter=0)


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


@asynccontextmanager
async def network_with_server(link: Link) -> AsyncIterator[tuple[VirtualNetwork, trio.Nursery, Host]]:
    """A network, a nursery in it, and a host named server."""
    network = VirtualNetwork(link)
    async with network, trio.open_nursery() as nursery:
        yield network, nursery, network.host("10.0.0.1", "fd00::1", name="server")
        nursery.cancel_scope.cancel()


# -- this library -----------------------------------------------------------------------------------------------------


async def test_client_and_server(autojump_clock: MockClock) -> None:
    events: list[Event] = []
    async with network_with_server(Link(delay=0.0625)) as (network, nursery, server):
        with server:
            await nursery.start(serve_udp, echo, 7)
        with network.host(name="client"), network.rule(drop_first(2)), observe(events.append):
            async with await open_udp_client("server", 7) as client:
                assert client.remote_address == ("fd00::1", 7, 0, 0)
                assert await client.request(b"hi", retry=PLAIN) == b"hi"
        assert trio.current_time() == 3.125
        assert fates(network) == ["drop_first", "drop_first", [3.0625], [3.125]]
    assert [event.time for event in events if isinstance(event, AttemptTimedOut)] == [1.0, 3.0]


async def test_first_reply_and_endpoints(autojump_clock: MockClock) -> None:
    async with network_with_server(Link(delay=0.125)) as (network, nursery, server):
        with server:
            await nursery.start(serve_udp, echo, 7)
        with network.host("10.0.0.9", name="client"):
            with pytest.raises(NoReply):
                await first_reply([("10.0.0.8", 7)], b"x", retry=Retry(attempts=1, jitter=0))
            assert trio.current_time() == 1.0
            reply = await first_reply([("10.0.0.8", 7), ("10.0.0.1", 7)], b"x", retry=PLAIN)
            assert reply == (b"x", ("10.0.0.1", 7))
            assert trio.current_time() == 1.5  # the second server is asked 0.25 s after the first
            async with await open_udp_endpoint("0.0.0.0") as endpoint:
                await endpoint.send_many([Datagram(b"%d" % number, ("10.0.0.1", 7)) for number in range(5)])
                got: list[bytes] = []
                while len(got) < 5:
                    got += [data for data, _ in await endpoint.receive_many()]
                assert got == [b"0", b"1", b"2", b"3", b"4"]


# -- Trio -------------------------------------------------------------------------------------------------------------


async def plain_server() -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("", 7))
        while True:
            data, address = await socket.recvfrom(65535)
            await socket.sendto(data.upper(), address)


async def plain_client() -> bytes:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        while True:
            await socket.sendto(b"hello", ("server", 7))
            with trio.move_on_after(1):
                data, _ = await socket.recvfrom(65535)
                return data


async def test_plain_trio(autojump_clock: MockClock) -> None:
    async with network_with_server(Link(delay=0.0625)) as (network, nursery, server):
        nursery.start_soon(server.run, plain_server)
        with network.rule(drop_first(2)):
            assert await network.host().run(plain_client) == b"HELLO"
        assert trio.current_time() == 2.125


# -- AnyIO ------------------------------------------------------------------------------------------------------------


async def anyio_server(*, task_status: trio.TaskStatus[Any]) -> None:
    async with await anyio.create_udp_socket(local_host="10.0.0.1", local_port=7) as udp:
        task_status.started(udp.extra(SocketAttribute.local_address))
        async for data, address in udp:
            await udp.sendto(data.upper(), *address)


async def test_anyio(autojump_clock: MockClock) -> None:
    async with network_with_server(Link(delay=0.05)) as (network, nursery, server):
        assert await nursery.start(server.run, anyio_server) == ("10.0.0.1", 7)
        with network.host("10.0.0.2", name="client"):
            async with await anyio.create_connected_udp_socket("server", 7, family=trio.socket.AF_INET) as udp:
                assert udp.extra(SocketAttribute.family) == trio.socket.AF_INET
                assert udp.extra(SocketAttribute.local_address) == ("10.0.0.2", 32768)
                assert udp.extra(SocketAttribute.local_port) == 32768
                assert udp.extra(SocketAttribute.remote_address) == ("10.0.0.1", 7)
                assert udp.extra(SocketAttribute.remote_port) == 7
                assert "on client" in repr(udp.extra(SocketAttribute.raw_socket))
                await udp.send(b"hello")
                assert await udp.receive() == b"HELLO"
                assert trio.current_time() == 0.1
                with network.rule(drop_first(1)), anyio.move_on_after(1) as scope:
                    await udp.send(b"lost")
                    await udp.receive()
                assert scope.cancelled_caught
            with pytest.raises(anyio.ClosedResourceError):
                await udp.send(b"too late")
        assert fates(network) == [[0.05], [0.1], "drop_first"]


# -- dnspython --------------------------------------------------------------------------------------------------------


async def answer_dns(datagram: Datagram) -> bytes:
    """A small DNS server: it knows one name."""
    query = dns.message.from_wire(datagram.data)
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    (question,) = query.question
    if str(question.name) != "www.example.":
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(question.name, 300, "IN", "A", "192.0.2.80"))
    return response.to_wire()


async def test_a_dns_query(autojump_clock: MockClock) -> None:
    async with network_with_server(Link(delay=0.05)) as (network, nursery, server):
        with server:
            await nursery.start(serve_udp, answer_dns, 53)
        with network.host("10.0.0.2", name="client"):
            response = await dns.asyncquery.udp(dns.message.make_query("www.example", "A"), "10.0.0.1", timeout=2)
            assert [str(each) for each in response.answer] == ["www.example. 300 IN A 192.0.2.80"]
            assert trio.current_time() == 0.1
            with network.rule(drop_first(1)), pytest.raises(dns.exception.Timeout):
                await dns.asyncquery.udp(dns.message.make_query("www.example", "A"), "10.0.0.1", timeout=2)
            # Not quite 2 seconds later: dnspython measures what is left of its timeout with the real clock.
            assert 0.1 < trio.current_time() <= 2.1
            assert fates(network) == [[0.05], [0.1], "drop_first"]


async def test_a_dns_resolver(autojump_clock: MockClock) -> None:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["10.0.0.1"]
    async with network_with_server(Link(delay=0.05)) as (network, nursery, server):
        with server:
            await nursery.start(serve_udp, answer_dns, 53)
        with network.host("10.0.0.2", name="client"):
            with network.rule(drop_first(1)):
                answer = await resolver.resolve("www.example.", "A")
            assert [each.address for each in answer] == ["192.0.2.80"]
            assert fates(network)[0] == "drop_first"
            assert len(network.datagrams) == 3
            with pytest.raises(dns.resolver.NXDOMAIN):
                await resolver.resolve("nobody.example.", "A")
