"""Attempts, and handlers at work."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.fakes import echo
from tests.tracing.traces import (
    CLIENT,
    OTHER,
    SERVER,
    a_retry,
    accepted,
    begins,
    exchange,
    exchanges,
    fails,
    handled,
    times_out,
    trace_of,
    watched,
)
from trio_udp import NoReply, Retry, SocketExchanged, UDPClient, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.tracing import Happened
from trio_udp.tracing._requests import HandlerRun, Request, handler_runs, requests
from trio_udp.tracing._sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from trio_udp import Address, Event
    from trio_udp.testing import VirtualNetwork

NEW: Address = ("10.0.1.1", 40001)


def requests_of(*events: Event) -> list[Request]:
    entries = trace_of(*events).entries
    return requests(entries, Sockets(entries))


def outcomes(*events: Event) -> list[list[tuple[float | None, str, bool]]]:
    return [[(one.ended, one.outcome, one.is_timeout) for one in each.attempts] for each in requests_of(*events)]


def test_an_attempt_is_refused() -> None:
    """One waits for its deadline all the same; the last one does not."""
    first: list[Event] = [begins(0.0), times_out(1.0, reason="ECONNREFUSED")]
    last: list[Event] = [begins(1.0, number=2), times_out(1.25, number=2, reason="ECONNREFUSED"), fails(1.25)]
    assert outcomes(*first, *last) == [[(1.0, "refused", True), (1.25, "refused", False)]]


def test_an_attempt_is_answered() -> None:
    [request] = requests_of(*exchange(2.0))
    [attempt] = request.attempts
    assert (request.place, request.number) == (CLIENT[:2], 1)
    assert (attempt.entry, attempt.ended_entry, attempt.number, attempt.data) == (0, 7, 1, b"hello")
    assert (attempt.started, attempt.ended, attempt.deadline) == (2.0, 2.5, 3.0)
    assert (attempt.outcome, attempt.is_timeout) == ("answered", False)


def test_a_retry_is_one_request() -> None:
    assert outcomes(*a_retry()) == [[(1.0, "timed out", True), (1.5, "answered", False)]]


def test_what_still_waits() -> None:
    assert outcomes(begins(0.0)) == [[(None, "", False)]]


def test_a_request_belongs_to_its_client_and_not_to_its_socket() -> None:
    """Regression: what a client told of with a socket that had been used before was a request of another one."""
    there: list[Event] = [
        begins(0.0),
        begins(0.0, request=2),
        exchanges(0.1, NEW),
        times_out(1.0, NEW),
        begins(1.0, NEW, number=2),
        accepted(1.5, NEW, request=2),
        accepted(1.75, NEW, number=2),
    ]
    assert outcomes(*there) == [[(1.0, "timed out", True), (1.75, "answered", False)], [(1.5, "answered", False)]]
    assert {request.place for request in requests_of(*there)} == {CLIENT}


def test_numbers_that_come_again_are_of_another_client() -> None:
    """The system has given it a port that one has left."""
    there = [*exchange(0.0), exchanges(0.6, NEW), *exchange(1.0), *exchange(2.0, NEW, request=2)]
    assert [(request.place, request.number) for request in requests_of(*there)] == [
        (CLIENT, 1),
        (CLIENT, 1),
        (CLIENT, 2),
    ]
    assert outcomes(*there) == [[(0.5, "answered", False)], [(1.5, "answered", False)], [(2.5, "answered", False)]]


@pytest.mark.parametrize("correlate", [None, bytes], ids=["one by one", "side by side"])
async def test_every_request_of_clients_on_a_bad_network(
    network: VirtualNetwork,
    autojump_clock: trio.abc.Clock,
    nursery: trio.Nursery,
    correlate: Callable[[bytes], Hashable] | None,
) -> None:
    """Each is one request of its client, with all its attempts, and is known to have ended as its caller knows.

    Regression: clients on one host took new sockets, as late replies were possible, and attempts waited for ever.
    """
    network.link = Link(delay=0.25, jitter=0.5, loss=0.3, duplicate=0.2)
    server = network.host("fd00::1", "10.0.0.1", name="asked")  # where the first address refuses
    await nursery.start(server.run, partial(serve_udp, echo, 7, host="10.0.0.1"))
    truth: dict[bytes, str] = {}

    async def ask(client: UDPClient, data: bytes) -> None:
        try:
            await client.request(data, retry=Retry(attempts=3, first=0.5))
            truth[data] = "answered"
        except NoReply:
            truth[data] = "timed out"

    async def be_client(name: int) -> None:
        async with await open_udp_client("asked", 7, correlate=correlate) as client, trio.open_nursery() as asking:
            for number in range(10):
                asking.start_soon(ask, client, b"%d.%d" % (name, number))

    with watched() as trace:
        async with trio.open_nursery() as clients:
            for name in range(5):
                clients.start_soon(be_client, name)
    entries = trace().entries
    assert any(isinstance(entry, Happened) and isinstance(entry.event, SocketExchanged) for entry in entries)
    found = requests(entries, Sockets(entries))
    assert len({request.place for request in found}) == 5
    assert sorted(truth) == sorted(request.attempts[0].data for request in found)
    for request in found:
        assert {attempt.data for attempt in request.attempts} == {request.attempts[0].data}
        assert [attempt.number for attempt in request.attempts] == list(range(1, len(request.attempts) + 1))
        *before, last = [attempt.outcome for attempt in request.attempts]
        assert before == ["timed out"] * len(before)
        assert last == truth[request.attempts[0].data]


@pytest.mark.parametrize(
    ("reason", "outcome"), [("Cancelled", "cancelled"), ("DatagramTooLarge", "failed: DatagramTooLarge")]
)
def test_failures(reason: str, outcome: str) -> None:
    assert outcomes(begins(0.0), fails(0.5, reason=reason)) == [[(0.5, outcome, False)]]


def test_running_out_of_attempts_is_a_timeout() -> None:
    assert outcomes(begins(0.0), times_out(1.0), fails(1.0)) == [[(1.0, "timed out", True)]]


def test_requests_side_by_side() -> None:
    first, second = requests_of(
        begins(0.0), begins(0.0, request=2), begins(0.0, OTHER), accepted(1.0, request=2), accepted(2.0, OTHER)
    )[:2]
    assert [one.outcome for one in first.attempts] == [""]
    assert [one.ended for one in second.attempts] == [1.0]


def test_another_client_at_the_same_port() -> None:
    """It counts its requests from 1 again."""
    assert len(requests_of(*exchange(0.0), *exchange(5.0))) == 2


def test_the_end_of_what_began_before_the_recording() -> None:
    assert requests_of(times_out(1.0), fails(1.0)) == []


def test_handlers() -> None:
    start, end = handled(1.0, 3.0)
    other_start, other_end = handled(2.0, 2.5, OTHER)
    entries = trace_of(start, other_start, other_end, end, handled(9.0, 9.0)[0], other_end).entries
    assert handler_runs(entries, Sockets(entries)) == [
        HandlerRun(0, SERVER[:2], 1.0, b"hello", 3.0, 3, "replied"),
        HandlerRun(1, SERVER[:2], 2.0, b"hello", 2.5, 2, "replied"),
        HandlerRun(4, SERVER[:2], 9.0, b"hello"),
    ]
