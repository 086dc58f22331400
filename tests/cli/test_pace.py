"""Virtual time at a speed: the same times as in jumps, and about as long as it should take."""

from __future__ import annotations

import math
from time import perf_counter

import pytest
import trio

from tests.cli.child import run
from trio_udp.cli import _pace
from trio_udp.cli._pace import LATE, PacedClock


class Wall:
    """Real time as the test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(_pace, "perf_counter", lambda: self.now)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    return Wall(monkeypatch)


def started(speed: float) -> PacedClock:
    clock = PacedClock(speed)
    clock.start_clock()
    return clock


@pytest.mark.parametrize("speed", [0.25, 1.0, 8.0])
def test_time_passes_while_all_wait(wall: Wall, speed: float) -> None:
    clock = started(speed)
    assert clock.deadline_to_sleep_time(2.0) == 2.0 / speed
    wall.now += 1.0 / speed
    assert clock.current_time() == 1.0
    assert clock.deadline_to_sleep_time(2.0) == 1.0 / speed


def test_it_stands_still_while_somebody_works(wall: Wall) -> None:
    clock = started(1.0)
    wall.now += 100
    assert clock.current_time() == 0.0
    clock.deadline_to_sleep_time(5.0)
    wall.now += 1
    woken = clock.current_time()
    wall.now += 100
    assert clock.current_time() == woken


def test_a_deadline_is_met_exactly_however_late_one_wakes(wall: Wall) -> None:
    clock = started(1.0)
    clock.deadline_to_sleep_time(0.1)
    wall.now += 7
    assert clock.current_time() == 0.1


def test_work_is_made_up_for_at_the_next_waits_but_not_much_of_it(wall: Wall) -> None:
    clock = started(1.0)
    wall.now += LATE / 2
    assert clock.deadline_to_sleep_time(1.0) == pytest.approx(1.0 - LATE / 2)
    wall.now += 1.0 - LATE / 2
    assert clock.current_time() == 1.0
    wall.now += 60
    assert clock.deadline_to_sleep_time(2.0) == pytest.approx(1.0 - LATE)


def test_no_deadline_is_no_hurry(wall: Wall) -> None:
    clock = started(2.0)
    assert clock.deadline_to_sleep_time(math.inf) == math.inf
    wall.now += 3
    assert clock.current_time() == 6.0


def test_trio_runs_on_it() -> None:
    async def main() -> tuple[float, float]:
        began = trio.current_time()
        await trio.sleep(1.5)
        with trio.move_on_after(0.5):
            await trio.sleep_forever()
        return began, trio.current_time()

    before = perf_counter()
    assert trio.run(main, clock=PacedClock(10)) == (0.0, 2.0)
    assert perf_counter() - before > 0.15


def test_another_speed_tells_the_same_story() -> None:
    """To the microsecond: the lines have the times."""
    options = ["demo", "--json", "--delay", "0.05", "--jitter", "0.02", "--clients", "5"]
    story = run(*options, "--virtual").stdout
    assert run(*options, "--speed", "1000").stdout == story
    assert run(*options, "--speed", "20").stdout == story


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "fast", "1001", "0.0009"])
def test_speeds_that_are_none(wrong: str) -> None:
    ended = run("demo", f"--speed={wrong}")
    assert ended.returncode == 2
    assert f"a speed is a number from 0.001 to 1000, like 0.25, not {wrong!r}; see --help\n" in ended.stderr.decode()
