"""The same seed tells the same story, byte for byte, in every run and in every process.

Trio steps tasks in random order, and each process has its own order of sets: with either of them in the network, these
tests would fail in most runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.testing.hosts import udp
from tests.testing.story import STORIES, tell
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", STORIES)
def test_in_fifty_runs(name: str) -> None:
    first = tell(name)
    assert first.count("RecordedDatagram(") > 200
    for _ in range(49):
        assert tell(name) == first


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("hash_seed", ["0", "1", "12345"])
def test_in_another_process(name: str, hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "tests.testing.story", name]
    told = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=60)
    assert told.stdout.decode().splitlines() == tell(name).splitlines()


def test_who_talks_to_itself_at_the_same_moment() -> None:
    """Several hosts have the same addresses on their loopbacks; which came first in the record was chance."""

    async def story() -> list[bytes]:
        async def whisper(name: str) -> None:
            socket = await udp(network.hosts[name], 7, "127.0.0.1")
            await socket.sendto(name.encode(), ("127.0.0.1", 7))

        async with VirtualNetwork() as network, trio.open_nursery() as nursery:
            for name in ("c", "b", "a"):
                network.host(name=name)
                nursery.start_soon(whisper, name)
        return [each.data for each in network.datagrams]

    for _ in range(20):
        assert trio.run(story, clock=MockClock(autojump_threshold=0)) == [b"a", b"b", b"c"]


def test_a_deadline_at_the_moment_of_an_arrival() -> None:
    """Trio ends the wait before anything runs at that moment; the datagram is there for the next call."""

    async def story() -> list[object]:
        async with VirtualNetwork(Link(delay=1)) as network:
            server, client = await udp(network.host("10.0.0.1"), 7), await udp(network.host("10.0.0.2"))
            await client.sendto(b"x", ("10.0.0.1", 7))
            with trio.move_on_after(1) as scope:
                await server.recvfrom(10)
            readable = server.is_readable()
            with trio.move_on_after(1):
                return [scope.cancelled_caught, readable, (await server.recvfrom(10))[0], trio.current_time()]
        return []

    for _ in range(20):
        assert trio.run(story, clock=MockClock(autojump_threshold=0)) == [True, True, b"x", 1.0]
