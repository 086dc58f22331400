"""The record of a virtual network, and its way into a file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
import trio

from tests.testing.hosts import echo_for_ever, udp
from trio_udp.faults import Link
from trio_udp.testing import RecordedDatagram, VirtualNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

SERVER = ("10.0.0.1", 7)


async def conversation(network: VirtualNetwork, questions: int) -> None:
    """One question a second, and the answers."""
    async with network, trio.open_nursery() as nursery:
        nursery.start_soon(echo_for_ever, await udp(network.host("10.0.0.1"), 7))
        client = await udp(network.host("10.0.0.2"))
        for number in range(questions):
            await client.sendto(b"%d" % number, SERVER)
            await trio.sleep(1)
        nursery.cancel_scope.cancel()


async def test_what_happened(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(Link(delay=0.25))
    await conversation(network, 1)
    client = ("10.0.0.2", 32768)
    assert network.datagrams == [
        RecordedDatagram(time=0.0, source=client, destination=SERVER, n=1, data=b"0", delivered=[0.25], dropped=None),
        RecordedDatagram(time=0.25, source=SERVER, destination=client, n=1, data=b"0", delivered=[0.5], dropped=None),
    ]


async def test_numbers_count_from_host_to_host(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        one, other = network.host("10.0.0.1", "10.0.0.11"), network.host("10.0.0.2")
        here = await udp(one)
        for address in ("10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.11", "10.0.0.4"):
            await here.sendto(b"", (address, 7))
            await trio.sleep(1)
        await (await udp(one)).sendto(b"", ("10.0.0.2", 8))
        await trio.sleep(1)
        await (await udp(other)).sendto(b"", ("10.0.0.11", 8))
    found = [(each.destination[0], each.n) for each in network.datagrams]
    to_nobody = [("10.0.0.3", 1), ("10.0.0.4", 2)]
    assert found == [
        *(("10.0.0.2", 1), ("10.0.0.2", 2), to_nobody[0], ("10.0.0.11", 1), to_nobody[1]),
        *(("10.0.0.2", 3), ("10.0.0.11", 1)),
    ]


async def test_a_second_copy_that_is_lost(autojump_clock: MockClock) -> None:
    async with VirtualNetwork(Link(delay=1, duplicate=1)) as network:
        server = await udp(network.host("10.0.0.1"), 7)
        server.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 0)  # room for two, or for a large one
        client = await udp(network.host("10.0.0.2"))
        await client.sendto(bytes(2000), SERVER)
        await trio.sleep(2)
        (datagram,) = network.datagrams
        assert (datagram.delivered, datagram.dropped) == ([1.0], "buffer full")


@pytest.mark.parametrize(("limit", "kept"), [(100_000, [0, 0, 1, 1, 2, 2]), (3, [1, 2, 2]), (0, [])])
async def test_the_latest_are_kept(autojump_clock: MockClock, limit: int, kept: list[int]) -> None:
    network = VirtualNetwork(record_limit=limit)
    await conversation(network, 3)
    assert [int(each.data) for each in network.datagrams] == kept
    text = network.describe()
    assert "6 datagrams sent, 6 delivered, 0 dropped\n" in text
    assert (f"the first {6 - limit} are not in the record any more\n" in text) == (limit < 6)


@pytest.mark.parametrize("limit", [-1, 1.5, None])
def test_limits_that_are_none(limit: int) -> None:
    with pytest.raises(ValueError, match=rf"^record_limit must be a whole number, at least 0, not {limit!r}$"):
        VirtualNetwork(record_limit=limit)


async def test_the_list_is_the_callers(autojump_clock: MockClock) -> None:
    network = VirtualNetwork()
    await conversation(network, 1)
    network.datagrams.clear()
    assert len(network.datagrams) == 2


async def test_write_pcap(autojump_clock: MockClock, tmp_path: Path) -> None:
    network = VirtualNetwork(Link(delay=0.25, corrupt=1))
    await conversation(network, 2)
    network.write_pcap(tmp_path / "story.pcap")
    content = (tmp_path / "story.pcap").read_bytes()
    at, found = 24, []
    while at < len(content):
        seconds, nanoseconds, size, _ = struct.unpack_from("<IIII", content, at)
        ip = content[at + 16 : at + 16 + size]
        found.append((seconds + nanoseconds / 1e9, ".".join(map(str, ip[12:16])), ip[28:]))
        at += 16 + size
    assert found == [(each.time, each.source[0], each.data) for each in network.datagrams]
    assert [time for time, _, _ in found] == [0.0, 0.25, 1.0, 1.25]
