"""Whose a datagram is behind a relay, which says nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tracing.traces import CLIENT, OTHER, begins, handled, received, sent, trace_of
from trio_udp.tracing import Happened, TaskStarted, Trace
from trio_udp.tracing._ladder import make_ladder
from trio_udp.tracing._owners import ladders_of_clients

if TYPE_CHECKING:
    from trio_udp import Address, Event

RELAY: Address = ("10.0.0.5", 9)
SERVER: Address = ("10.0.0.1", 7)
BEHIND: list[Address] = [("10.0.0.5", 5001), ("10.0.0.5", 5002)]


def through_a_relay(data: bytes, other: bytes) -> Trace:
    """Two clients ask; the relay passes on the second one's first."""
    relay = [TaskStarted(0.0, 1, "trio_udp relay, delays", 1)]
    events: list[Event] = [begins(0.0, CLIENT, data=data), sent(0.0, CLIENT, RELAY, data)]
    events += [begins(0.0, OTHER, data=other), sent(0.0, OTHER, RELAY, other)]
    for time, client, behind, said in ((1.0, OTHER, BEHIND[1], other), (2.0, CLIENT, BEHIND[0], data)):
        events += [received(time, RELAY, client, said), sent(time, behind, SERVER, said)]
        handler = handled(time + 0.5, time + 0.5, behind)
        events += [received(time + 0.5, SERVER, behind, said), *handler, sent(time + 0.5, SERVER, behind, b"reply")]
        events += [received(time + 0.7, behind, SERVER, b"reply"), sent(time + 0.7, RELAY, client, b"reply")]
    happened = [Happened(event, 1 if event.local[0] == RELAY[0] else None, None) for event in events]
    return Trace((*relay, *happened), 0.0, 4.0)


def test_what_a_relay_passes_on_is_its_clients() -> None:
    ladders = dict(ladders_of_clients(make_ladder(through_a_relay(b"one", b"other"), 100)))
    assert list(ladders) == ["client 1", "client 2"]
    for name, said, port in (("client 1", b"one", 5001), ("client 2", b"other", 5002)):
        ladder = ladders[name]
        assert [line.name for line in ladder.lifelines] == [name, "relay", "server"]
        assert [one.travel.data for one in ladder.arrows] == [said, said, b"reply", b"reply"]
        assert {one.travel.source[1] for one in ladder.arrows} >= {port}
        assert (len(ladder.asked), len(ladder.work)) == (1, 1)


def test_where_clients_say_the_same_each_has_one_of_the_relays_sockets() -> None:
    ladders = dict(ladders_of_clients(make_ladder(through_a_relay(b"same", b"same"), 100)))
    for ladder in ladders.values():
        assert [one.travel.data for one in ladder.arrows] == [b"same", b"same", b"reply", b"reply"]


def test_without_a_relay_it_is_who_asks() -> None:
    trace = trace_of(begins(0.0), sent(0.0, CLIENT, SERVER), sent(1.0, OTHER, SERVER), received(2.0, SERVER, OTHER))
    names = {name: len(ladder.arrows) for name, ladder in ladders_of_clients(make_ladder(trace, 9))}
    assert names == {"client": 1, "10.0.1.2": 1}
