"""What is cancelled is told before what that leads to: in the log, and by its time."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import pytest
import trio

from trio_udp import DatagramSent, UDPEndpoint, open_udp_endpoint
from trio_udp.tracing import (
    Entry,
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryOpened,
    Recording,
    ScopeCancelled,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    record,
    scope,
)
from trio_udp.tracing._open_scopes import FEW

LOCAL = "127.0.0.1"

Cancelled = (ScopeCancelled, NurseryCancelled)
Told = list[str]


class Ticking(trio.abc.Clock):
    """A clock by which no two moments are the same: each question takes a millisecond, and waiting no time at all."""

    def __init__(self) -> None:
        self._ticks = 0

    def start_clock(self) -> None:
        """There is nothing to start."""

    def current_time(self) -> float:
        self._ticks += 1
        return self._ticks / 1000

    def deadline_to_sleep_time(self, deadline: float) -> float:
        if deadline == math.inf:
            return math.inf
        self._ticks = max(self._ticks, math.ceil(deadline * 1000))
        return 0


def recorded(main: Callable[[Recording, UDPEndpoint], Awaitable[None]]) -> list[Entry]:
    """What is told while ``main`` runs, with an endpoint whose sends are told."""

    async def run() -> list[Entry]:
        with record() as recording:
            async with await open_udp_endpoint(LOCAL) as endpoint:
                await main(recording, endpoint)
        assert recording.problems == {}
        return list(recording.trace().entries)

    return trio.run(run, clock=Ticking())


def order(entries: list[Entry], *kinds: type[Entry]) -> Told:
    """The names of what is told, by its time; that of no two is the same, unless one was seen when the other was."""
    return [
        type(entry.event).__name__ if isinstance(entry, Happened) else type(entry).__name__
        for entry in entries
        if isinstance(entry, (*Cancelled, Happened, *kinds))
    ]


async def send(endpoint: UDPEndpoint) -> None:
    with trio.CancelScope(shield=True):
        await endpoint.send(b"late", endpoint.address)


async def send_when_cancelled(endpoint: UDPEndpoint) -> None:
    try:
        await trio.sleep_forever()
    finally:
        await send(endpoint)


@pytest.mark.parametrize("count", [1, 5, FEW, 5 * FEW])
def test_scopes_whose_deadline_passes_at_one_moment(count: int) -> None:
    """Whichever of the tasks takes the first step then."""

    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        async def work(number: int) -> None:
            with scope(f"{number}", trio.CancelScope(deadline=5)):
                await send_when_cancelled(endpoint)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(work, number)

    told = order(recorded(main), ScopeExited)
    assert told[:count] == ["ScopeCancelled"] * count
    assert sorted(told[count:]) == ["DatagramSent"] * count + ["ScopeExited"] * count


@pytest.mark.parametrize("count", [1, 5, FEW, 5 * FEW])
def test_nurseries_whose_deadline_passes_at_one_moment(count: int) -> None:
    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        async def work() -> None:
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = 5
                nursery.start_soon(send_when_cancelled, endpoint)

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(work)

    told = order(recorded(main), NurseryClosed)
    assert told[:count] == ["NurseryCancelled"] * count
    assert sorted(told[count:]) == ["DatagramSent"] * count + ["NurseryClosed"] * (count + 1)


@pytest.mark.parametrize("what", ["scope", "nursery"])
@pytest.mark.parametrize("by", ["its own task", "another task", "no task"])
def test_one_that_is_cancelled_before_something_in_the_same_step(what: str, by: str) -> None:
    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        async def cancel(cancel_scope: trio.CancelScope) -> None:
            await trio.sleep(1)
            cancel_scope.cancel()
            await send(endpoint)

        def without_task(cancel_scope: trio.CancelScope) -> None:
            cancel_scope.cancel()
            emit = endpoint._io.emit
            assert emit is not None
            emit(DatagramSent(trio.current_time(), endpoint.address, endpoint.address, b""))

        async def meet(cancel_scope: trio.CancelScope, nursery: trio.Nursery) -> None:
            if by == "another task":
                nursery.start_soon(cancel, cancel_scope)
            elif by == "no task":
                trio.lowlevel.current_trio_token().run_sync_soon(without_task, cancel_scope)
            else:
                await cancel(cancel_scope)
            await trio.sleep_forever()

        async with trio.open_nursery() as outside:
            if what == "scope":
                with scope("it") as cancel_scope:
                    await meet(cancel_scope, outside)
            else:
                async with trio.open_nursery() as nursery:
                    await meet(nursery.cancel_scope, outside)

    told = order(recorded(main), ScopeExited)
    assert told[:2] == ["ScopeCancelled" if what == "scope" else "NurseryCancelled", "DatagramSent"]
    assert len(told) == (3 if what == "scope" else 2)


def test_one_that_is_entered_and_cancelled_in_the_same_step() -> None:
    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        async with trio.open_nursery() as nursery:
            with scope("it") as cancel_scope:
                cancel_scope.cancel()
                nursery.cancel_scope.cancel()
                await send(endpoint)

    told = order(recorded(main), ScopeEntered, ScopeExited, NurseryOpened)
    assert told[:2] == ["NurseryOpened", "ScopeEntered"]
    assert sorted(told[2:4]) == ["NurseryCancelled", "ScopeCancelled"]
    assert told[4:] == ["DatagramSent", "ScopeExited"]


def test_a_scope_around_what_is_left_in_the_same_step() -> None:
    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        with scope("outer") as outer:
            with scope("inner"):
                outer.cancel()
            with scope("next"):
                pass

    entries = recorded(main)
    told = [
        (type(entry).__name__, entry.scope) for entry in entries if isinstance(entry, (ScopeCancelled, ScopeExited))
    ]
    assert told == [("ScopeCancelled", 1), ("ScopeExited", 2), ("ScopeExited", 3), ("ScopeExited", 1)]


def test_a_task_that_cancels_and_ends() -> None:
    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        async def cancel(*scopes: trio.CancelScope) -> None:
            for cancel_scope in scopes:
                cancel_scope.cancel()

        async with trio.open_nursery() as nursery, trio.open_nursery() as other:
            with scope("it") as cancel_scope:
                nursery.start_soon(cancel, other.cancel_scope, cancel_scope)
                await trio.sleep_forever()

    told = order(recorded(main), TaskEnded)
    assert sorted(told[:2]) == ["NurseryCancelled", "ScopeCancelled"]
    assert told[2] == "TaskEnded"


def test_none_is_told_before_it_is_entered() -> None:
    """What tells of an event may have come late to it: its time is from before."""

    async def main(recording: Recording, endpoint: UDPEndpoint) -> None:
        before = trio.current_time()
        with scope("it") as cancel_scope:
            cancel_scope.cancel()
            emit = endpoint._io.emit
            assert emit is not None
            emit(DatagramSent(before, endpoint.address, endpoint.address, b""))

    told = order(recorded(main), ScopeEntered)
    assert told == ["DatagramSent", "ScopeEntered", "ScopeCancelled"]
