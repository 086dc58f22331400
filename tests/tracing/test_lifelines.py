"""Who is who, and where they stand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.fakes import echo
from tests.tracing.traces import CLIENT, OTHER, SERVER, begins, exchange, handled, received, sent, trace_of
from trio_udp import HandlerStarted, PeerOpened, first_reply, open_udp_client, serve_udp
from trio_udp.faults import drop_first
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import Happened, TaskStarted, Trace, load, record, save
from trio_udp.tracing._lifelines import Cast
from trio_udp.tracing._sockets import Sockets
from trio_udp.tracing._travels import travels

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from trio_udp import Address


LOCAL = "127.0.0.1"


def cast_of(trace: Trace) -> Cast:
    sockets = Sockets(trace.entries)
    return Cast(trace, sockets, travels(trace.entries, sockets))


def names_of(trace: Trace) -> list[str]:
    return [lifeline.name for lifeline in cast_of(trace).lifelines]


def test_client_and_server() -> None:
    cast = cast_of(trace_of(*exchange(0.0)))
    assert [(one.name, one.place, one.role) for one in cast.lifelines] == [
        ("client", "10.0.1.1", "client"),
        ("server", "10.0.0.1", "server"),
    ]
    assert cast["10.0.1.1", 40000] == cast["10.0.1.1", 40001] == 0
    assert cast["10.0.0.1", 7] == 1


def test_several_are_numbered_as_they_appear() -> None:
    events = [*exchange(0.0, OTHER), *exchange(1.0, CLIENT)]
    other_server = HandlerStarted(2.0, ("10.0.0.2", 7), CLIENT, b"")
    trace = trace_of(*events, other_server)
    assert [(one.name, one.place) for one in cast_of(trace).lifelines] == [
        ("client 1", "10.0.1.2"),
        ("client 2", "10.0.1.1"),
        ("server 1", "10.0.0.1"),
        ("server 2", "10.0.0.2"),
    ]


def test_at_one_instant_addresses_decide() -> None:
    """In virtual time that order is chance; and 10 comes after 9."""
    clients: list[Address] = [(f"10.0.1.{number}", 5) for number in (10, 9, 1)]
    lifelines = cast_of(trace_of(*[begins(0.0, client) for client in clients])).lifelines
    assert [one.place for one in lifelines[:3]] == ["10.0.1.1", "10.0.1.9", "10.0.1.10"]


def test_so_they_do_however_long_they_are() -> None:
    """Regression: a host of 5,000 digits is no address, but a file may have it, and `int` does not take it."""
    hosts = ["9", "010", "11", "9" * 5000, "1" + "0" * 5000]
    lifelines = cast_of(trace_of(*[begins(0.0, (host, 5)) for host in reversed(hosts)])).lifelines
    assert [one.place for one in lifelines[:5]] == hosts


def test_on_loopback_each_socket_is_one() -> None:
    one, two = ("127.0.0.1", 1), ("127.0.0.1", 2)
    assert names_of(trace_of(sent(0.0, one, two), received(1.0, two, one))) == ["127.0.0.1:1", "127.0.0.1:2"]


def test_so_they_are_on_any_host_that_talks_to_itself() -> None:
    one, two, other = ("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.2", 1)
    assert names_of(trace_of(sent(0.0, one, two), sent(0.0, other, one), sent(0.0, ("10.0.0.2", 2), one))) == [
        "10.0.0.1:1",
        "10.0.0.2",
        "10.0.0.1:2",
    ]


@pytest.mark.parametrize("where", ["10.0.0.1", "10.0.0.1:7"])
def test_names_of_hosts_and_sockets(where: str) -> None:
    lifelines = cast_of(trace_of(*exchange(0.0), names={where: "shop"})).lifelines
    assert [(one.name, one.place) for one in lifelines] == [("client", "10.0.1.1"), ("shop", "10.0.0.1")]


def test_the_name_of_a_wildcard_socket() -> None:
    """As its own program knows it."""
    trace = trace_of(sent(0.0, CLIENT, SERVER), received(1.0, ("0.0.0.0", 7), CLIENT), names={"0.0.0.0:7": "shop"})
    assert names_of(trace) == ["10.0.1.1", "shop"]


async def ask_two_servers(at_home: bool, tmp_path: Path) -> Trace:
    """Both are bound to all addresses of their hosts."""
    async with VirtualNetwork(seed=7) as network, trio.open_nursery() as nursery:
        servers = [network.host("10.0.0.1"), network.host("10.0.0.2")]
        with record() as recording:
            for server in servers:
                with server:
                    await nursery.start(partial(serve_udp, echo, 7))
            with network.host("10.0.0.3"):
                for server in servers:
                    async with await open_udp_client(server.addresses[0], 7) as client:
                        await client.request(b"hi")
            with servers[0]:
                async with await open_udp_client("127.0.0.1" if at_home else "10.0.0.1", 7) as client:
                    await client.request(b"hello")
        nursery.cancel_scope.cancel()
    trace = recording.trace()
    assert recording.problems == {}
    save(trace, tmp_path / "run.jsonl")
    assert load(tmp_path / "run.jsonl") == trace
    return trace


async def test_virtual_hosts_with_one_wildcard_address_are_two(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Regression: both servers were one, that of nobody's address."""
    trace = await ask_two_servers(False, tmp_path)
    assert [(one.name, one.place) for one in cast_of(trace).lifelines if one.role == "server"] == [
        ("server 1", "10.0.0.1:7"),  # its host talks to itself
        ("server 2", "10.0.0.2"),
    ]
    found = travels(trace.entries, Sockets(trace.entries))
    assert len(found) == 6
    assert all(one.outcome == "arrived" for one in found)


async def test_also_if_somebody_asks_at_home(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Regression: a virtual host knows what 127.0.0.1 is on it, but did not tell."""
    trace = await ask_two_servers(True, tmp_path)
    assert [one.place for one in cast_of(trace).lifelines if one.role == "server"] == ["10.0.0.1:7", "10.0.0.2"]
    found = travels(trace.entries, Sockets(trace.entries))
    assert [one.outcome for one in found] == ["arrived"] * 6


@pytest.mark.parametrize("bound_to", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_hosts_that_talk_to_themselves_are_several(
    autojump_clock: MockClock, tmp_path: Path, bound_to: str
) -> None:
    """Regression: all were one client and one server."""
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with record() as recording:
            for number in (1, 2):
                with network.host(f"10.0.0.{number}", f"fd00::{number}"):
                    await nursery.start(partial(serve_udp, echo, 7, host=bound_to))
                    async with await open_udp_client("::1" if ":" in bound_to else LOCAL, 7) as client:
                        await client.request(b"hi")
        nursery.cancel_scope.cancel()
    trace = recording.trace()
    own = "[fd00::{}]" if ":" in bound_to else "10.0.0.{}"
    assert {one.place for one in cast_of(trace).lifelines if one.role == "server"} == {
        f"{own.format(number)}:7" for number in (1, 2)
    }
    assert len([one for one in cast_of(trace).lifelines if one.role == "client"]) == 2
    assert [one.outcome for one in travels(trace.entries, Sockets(trace.entries))] == ["arrived"] * 4
    save(trace, tmp_path / "run.jsonl")
    assert load(tmp_path / "run.jsonl") == trace


async def test_one_that_is_down_is_not_the_one_that_serves(autojump_clock: MockClock) -> None:
    """Regression: what went to another host was drawn to the only server, as that has all addresses of its own."""
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        network.host("10.0.0.1").crash()
        with record() as recording:
            recording.name("10.0.0.1", "primary")
            recording.name("10.0.0.2", "secondary")
            with network.host("10.0.0.2"):
                await nursery.start(partial(serve_udp, echo, 7))
            with network.host("10.0.0.3"):
                await first_reply([("10.0.0.1", 7), ("10.0.0.2", 7)], b"hi")
        nursery.cancel_scope.cancel()
    trace = recording.trace()
    assert [one.name for one in cast_of(trace).lifelines] == ["client", "primary", "secondary"]
    ends = [(one.destination[0], one.outcome) for one in travels(trace.entries, Sockets(trace.entries))]
    assert ends == [("10.0.0.1", "lost"), ("10.0.0.2", "arrived"), ("10.0.0.3", "arrived")]


@pytest.mark.parametrize("port", [7, 8])
async def test_a_server_at_home_and_one_for_all(autojump_clock: MockClock, port: int) -> None:
    """Regression: at one port they were one, and what went to the second had arrived nowhere."""
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with record() as recording:
            with network.host("10.0.0.1"):
                await nursery.start(partial(serve_udp, echo, 7, host=LOCAL))
                async with await open_udp_client(LOCAL, 7) as client:
                    await client.request(b"hi")
            with network.host("10.0.0.2"):
                await nursery.start(partial(serve_udp, echo, port, host="0.0.0.0"))
                async with await open_udp_client(LOCAL, port) as client:
                    await client.request(b"hello")
            with network.host("10.0.0.3"):
                async with await open_udp_client("10.0.0.2", port) as client:
                    await client.request(b"hey")
        nursery.cancel_scope.cancel()
    trace = recording.trace()
    assert [one.place for one in cast_of(trace).lifelines if one.role == "server"] == ["10.0.0.1:7", f"10.0.0.2:{port}"]
    assert [one.outcome for one in travels(trace.entries, Sockets(trace.entries))] == ["arrived"] * 6


async def test_plain_sockets_of_hosts_that_talk_to_themselves(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        with record() as recording:
            for number in (1, 2):
                with network.host(f"10.0.0.{number}"):
                    for bound_to in ("0.0.0.0", LOCAL):
                        here, there = (trio.socket.socket(type=trio.socket.SOCK_DGRAM) for _ in range(2))
                        with here, there:
                            await there.bind((bound_to, 7))
                            await here.sendto(b"hi", (LOCAL, 7))
                            _, address = await there.recvfrom(100)
                            await there.sendto(b"ho", address)
                            await here.recvfrom(100)
    entries = recording.trace().entries
    hosts = {
        address[0] for one in entries if isinstance(one, Happened) for address in (one.event.local, one.event.remote)
    }
    assert hosts == {"10.0.0.1", "10.0.0.2"}
    assert [one.outcome for one in travels(entries, Sockets(entries))] == ["arrived"] * 8


async def test_clients_at_home_that_exchange_their_sockets(autojump_clock: MockClock) -> None:
    """Each is one line; what it had before is at its own host, too."""
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with record() as recording:
            for number in (1, 2):
                with network.host(f"10.0.0.{number}"):
                    await nursery.start(partial(serve_udp, echo, 7, host=LOCAL))
                    async with await open_udp_client(LOCAL, 7) as client:
                        with network.rule(drop_first(1)):
                            await client.request(b"late")
                        await client.request(b"next")
        nursery.cancel_scope.cancel()
    places = [one.place for one in cast_of(recording.trace()).lifelines if one.role == "client"]
    assert [place.partition(":")[0] for place in places] == ["10.0.0.1", "10.0.0.2"]


async def test_one_host_that_talks_to_itself_is_called_as_its_sockets_are(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with record() as recording:
            for number, host in enumerate((LOCAL, "10.0.0.2")):
                with network.host(f"10.0.0.{number + 1}"):
                    await nursery.start(partial(serve_udp, echo, 7, host=host))
                    async with await open_udp_client(host, 7) as client:
                        await client.request(b"hi")
        nursery.cancel_scope.cancel()
    places = [one.place for one in cast_of(recording.trace()).lifelines if one.role == "server"]
    assert places == ["127.0.0.1:7", "10.0.0.2:7"]


def test_equal_names_are_one_lifeline() -> None:
    names = {"10.0.1.1": "crowd", "10.0.1.2:40000": "crowd"}
    assert names_of(trace_of(*exchange(0.0), *exchange(1.0, OTHER), names=names)) == ["crowd", "server"]


def test_a_given_name_is_not_given_twice() -> None:
    names = {"10.0.1.1": "client 1"}
    clients = [CLIENT, OTHER, ("10.0.1.3", 1)]
    assert names_of(trace_of(*[event for client in clients for event in exchange(0.0, client)], names=names)) == [
        "client 1",
        "client 2",
        "client 3",
        "server",
    ]


def test_ipv6() -> None:
    server: Address = ("2001:db8::1", 7, 0, 0)
    trace = trace_of(sent(0.0, ("::1", 9, 0, 0), server), names={"2001:db8::1": "far"})
    assert names_of(trace) == ["[::1]:9", "far"]


def test_strangers_stand_opposite_to_whom_they_talk_to() -> None:
    asks = cast_of(trace_of(begins(0.0), sent(0.0, CLIENT, SERVER)))
    assert [one.name for one in asks.lifelines] == ["client", "10.0.0.1"]
    serves = cast_of(trace_of(received(0.0, SERVER, CLIENT), *handled(0.0, 1.0)))
    assert [one.name for one in serves.lifelines] == ["10.0.1.1", "server"]
    peers = cast_of(trace_of(PeerOpened(0.0, SERVER, CLIENT), received(0.0, SERVER, CLIENT)))
    assert [one.name for one in peers.lifelines] == ["10.0.1.1", "server"]


def test_who_asks_others_in_order_to_answer_is_a_server_between() -> None:
    upstream: Address = ("10.0.0.9", 7)
    trace = trace_of(
        *exchange(0.0),
        begins(0.0, ("10.0.0.1", 9)),
        HandlerStarted(0.0, upstream, ("10.0.0.1", 9), b""),
        sent(0.0, ("10.0.0.1", 9), upstream),
    )
    assert [(one.name, one.place) for one in cast_of(trace).lifelines] == [
        ("client", "10.0.1.1"),
        ("server 1", "10.0.0.1"),
        ("server 2", "10.0.0.9"),
    ]


def relayed(relay: tuple[Address, Address], task: int) -> list[Happened]:
    """What a relay gets at one socket, and sends from the other."""
    in_, out = relay
    return [
        Happened(received(0.5, in_, ("127.0.0.1", 1)), task, None),
        Happened(sent(0.5, out, ("127.0.0.1", 9)), task, None),
    ]


def test_a_relay_is_known_by_its_tasks() -> None:
    """All that is told from one nursery of such tasks is one relay."""
    trace = Trace(
        (
            TaskStarted(0.0, 1, "trio_udp relay at 127.0.0.1:5", 1),
            TaskStarted(0.0, 2, "trio_udp relay, delays", 1),
            TaskStarted(0.0, 3, "trio_udp relay at 127.0.0.1:7", 2),
            *relayed((("127.0.0.1", 5), ("127.0.0.1", 6)), 1),
            *relayed((("127.0.0.1", 5), ("127.0.0.1", 6)), 2),
            *relayed((("127.0.0.1", 7), ("127.0.0.1", 8)), 3),
        ),
        0.0,
        1.0,
    )
    cast = cast_of(trace)
    assert [one.name for one in cast.lifelines] == ["127.0.0.1:1", "relay 1", "relay 2", "127.0.0.1:9"]
    assert cast["127.0.0.1", 5] == cast["127.0.0.1", 6] == 1
    assert cast["127.0.0.1", 7] == cast["127.0.0.1", 8] == 2
