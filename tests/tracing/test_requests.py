"""Attempts, and handlers at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tracing.traces import (
    CLIENT,
    OTHER,
    SERVER,
    a_retry,
    accepted,
    begins,
    exchange,
    fails,
    handled,
    sent,
    times_out,
    trace_of,
)
from trio_udp.tracing._requests import HandlerRun, Request, handler_runs, requests
from trio_udp.tracing._sockets import Sockets

if TYPE_CHECKING:
    from trio_udp import Event


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


def test_a_client_that_changes_its_socket_between() -> None:
    new = ("10.0.1.1", 40001)
    [first, second] = requests_of(
        *exchange(0.0), begins(1.0, request=2), sent(1.0, new, SERVER), accepted(2.0, new, request=2)
    )
    assert [one.outcome for one in second.attempts] == ["answered"]
    assert first.place == second.place


def test_handlers() -> None:
    start, end = handled(1.0, 3.0)
    other_start, other_end = handled(2.0, 2.5, OTHER)
    entries = trace_of(start, other_start, other_end, end, handled(9.0, 9.0)[0], other_end).entries
    assert handler_runs(entries, Sockets(entries)) == [
        HandlerRun(0, SERVER[:2], 1.0, b"hello", 3.0, 3, "replied"),
        HandlerRun(1, SERVER[:2], 2.0, b"hello", 2.5, 2, "replied"),
        HandlerRun(4, SERVER[:2], 9.0, b"hello"),
    ]
