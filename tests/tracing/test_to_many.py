"""One datagram to a group, or to everybody, in all views: one sending, and an arrow to each host that it came to."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.tracing.test_svg import drawing, ends_of, of_class, title_of
from trio_udp import Datagram, open_udp_endpoint, serve_udp
from trio_udp.faults import Link, drop_if
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import chrome, html, ladder_text, load, mermaid, record, save

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from trio_udp.tracing import Trace

GROUP, EVERYBODY = "239.1.1.1", "255.255.255.255"


async def ask_three(address: str) -> Trace:
    """All three listen, the second one's copy is lost, and nobody listens on the host that asks."""

    async def answer(datagram: Datagram, number: int) -> bytes:
        await trio.sleep(0.01 * number)
        return b"here"

    async with VirtualNetwork(Link(delay=0.1)) as network, trio.open_nursery() as nursery:
        with record() as recording:
            for number in (1, 2, 3):
                with network.host(f"10.0.0.{number}"):
                    serve = partial(serve_udp, partial(answer, number=number), 7, host="0.0.0.0")
                    [endpoint] = await nursery.start(serve)
                    endpoint.join_group(GROUP)
            with network.host("10.0.1.1"), network.rule(drop_if(lambda flight: flight.receiver == "10.0.0.2", "rain")):
                async with await open_udp_endpoint("0.0.0.0", 40000) as endpoint:
                    endpoint.allow_broadcast()
                    await endpoint.send(b"who?", (address, 7))
                    assert [(await endpoint.receive()).address[0] for _ in range(2)] == ["10.0.0.1", "10.0.0.3"]
        nursery.cancel_scope.cancel()
    assert recording.problems == {}
    return recording.trace()


@pytest.mark.parametrize("address", [GROUP, EVERYBODY])
async def test_in_lines_of_text(autojump_clock: MockClock, tmp_path: Path, address: str) -> None:
    """Regression: it was lost on its way to a host that does not exist, or nobody had read it there."""
    trace = await ask_three(address)
    assert ladder_text(trace, width=80) == (
        "             10.0.1.1                 10.0.0.2                 server 1 server 2\n"
        "   0.000000      │── who?, lost: rain ─✕  │                        │        │\n"
        "   0.000000      │────────────────── who?, 100 ms ────────────────>│        │\n"
        "   0.000000      │────────────────────── who?, 100 ms ─────────────────────>│\n"
        "   0.110000      │<───────────────── here, 100 ms ─────────────────│        │\n"
        "   0.130000      │<───────────────────── here, 100 ms ──────────────────────│\n"
    )
    messages = [line.strip() for line in mermaid(trace).splitlines() if ":" in line]
    assert [message.partition(":")[0] for message in messages] == ["p0-xp1", "p0->>p2", "p0->>p3", "p2->>p0", "p3->>p0"]
    save(trace, tmp_path / "run.jsonl")
    assert load(tmp_path / "run.jsonl") == trace


@pytest.mark.parametrize("address", [GROUP, EVERYBODY])
async def test_in_the_picture(autojump_clock: MockClock, address: str) -> None:
    trace = await ask_three(address)
    arrows = of_class(drawing(trace), "datagram")
    sent = [arrow for arrow in arrows if f"to all at {address}:7" in title_of(arrow)]
    assert (len(arrows), len(sent)) == (5, 3)
    assert len({ends_of(arrow)[0] for arrow in sent}) == 1
    assert len({ends_of(arrow)[1] for arrow in sent}) == 3
    assert not of_class(drawing(trace), "guess")
    assert [arrow.get("class") for arrow in sent].count("datagram lost") == 1
    assert "5 datagrams, 1 lost" in html(trace)


@pytest.mark.parametrize("address", [GROUP, EVERYBODY])
async def test_for_perfetto(autojump_clock: MockClock, address: str) -> None:
    trace = await ask_three(address)
    found = [event for event in json.loads(chrome(trace))["traceEvents"] if event.get("cat") == "datagram"]
    assert Counter((event["ph"], event["name"]) for event in found) == {
        ("X", "sent 4 bytes"): 3,  # the question, and two answers
        ("X", "received 4 bytes"): 4,
        ("s", "datagram"): 4,
        ("f", "datagram"): 4,
        ("i", "lost: rain"): 1,
    }
    [question] = [event for event in found if event["name"] == "sent 4 bytes" and event["args"]["data"] == "who?"]
    assert question["args"]["to"] == f"{address}:7"


async def test_hosts_whose_sockets_tell_nothing(autojump_clock: MockClock) -> None:
    """They are there because the network has brought it to them."""
    async with VirtualNetwork(Link(delay=0.1)) as network:
        for number in (1, 2):
            with network.host(f"10.0.0.{number}"):
                await open_udp_endpoint("0.0.0.0", 7)
        with record() as recording, network.host("10.0.1.1"):
            async with await open_udp_endpoint("10.0.1.1", 40000) as endpoint:
                endpoint.allow_broadcast()
                await endpoint.send(b"who?", (EVERYBODY, 7))
                await trio.sleep(1)
    names, *rows = ladder_text(recording.trace()).splitlines()
    assert names.split() == ["10.0.1.1", "10.0.0.1", "10.0.0.2"]
    assert [row.count("who?, 100 ms") for row in rows] == [1, 1]


@pytest.mark.parametrize("number", [1, 2])
async def test_hosts_with_several_addresses_are_one(autojump_clock: MockClock, number: int) -> None:
    """A wildcard socket of theirs does not tell which; but no cross is invented, and no second copy."""
    async with VirtualNetwork(Link(delay=0.1)) as network:
        with record() as recording:
            for host in (1, 2):
                with network.host(f"10.0.0.{host}", f"10.1.0.{host}"):
                    await open_udp_endpoint("0.0.0.0", 7)
            asker = [f"10.{which}.1.1" for which in range(number)]
            with network.host(*asker):
                async with await open_udp_endpoint("0.0.0.0", 40000) as endpoint:
                    endpoint.allow_broadcast()
                    await endpoint.send(b"who?", (EVERYBODY, 7))
                    await trio.sleep(1)
    assert "2 datagrams, 0 lost" in html(recording.trace())
