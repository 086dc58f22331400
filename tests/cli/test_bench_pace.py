from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from trio_udp.cli._bench_pace import Pace, sleep_exactly_until


def test_due_by_the_clock() -> None:
    pace = Pace(4, 100.0)
    assert [pace.due(now) for now in (99.9, 100.0, 100.24, 100.25, 101.0)] == [0, 1, 1, 2, 5]
    assert pace.take(3) == [100.0, 100.25, 100.5]
    assert (pace.next, pace.due(100.7), pace.due(100.75)) == (100.75, 0, 1)


def test_what_was_not_taken_stays_due() -> None:
    pace = Pace(4, 100.0)
    assert pace.due(110.0) == 41
    assert pace.take(1) == [100.0]
    assert pace.due(110.0) == 40


def test_or_not_for_long() -> None:
    pace = Pace(4, 100.0, patience=0.5)
    assert pace.due(110.0) == 3  # of the last half second
    assert pace.take(3) == [109.5, 109.75, 110.0]
    assert pace.next == 110.25


@pytest.mark.parametrize("rate", [3, 7, 0.3, 999.9, 123456.7])
def test_at_the_moment_when_it_is_due_it_is_due(rate: float) -> None:
    """Whatever floats do: who sleeps until then must not find that it is too early, and sleep again for no time."""
    pace = Pace(rate, 12345.678)
    for _ in range(1000):
        assert pace.due(pace.next) == 1
        pace.take(1)


async def test_sleeping_in_virtual_time_is_exact(autojump_clock: MockClock) -> None:
    await sleep_exactly_until(7.5)
    assert trio.current_time() == 7.5
    await sleep_exactly_until(3)
    assert trio.current_time() == 7.5


async def test_sleeping_in_real_time_is_never_too_short() -> None:
    for _ in range(5):
        until = trio.current_time() + 0.0025
        await sleep_exactly_until(until)
        assert trio.current_time() >= until
