from __future__ import annotations

import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trio_udp
from trio_udp.faults._luck import Draw, Luck, Slot

WAY = ("10.0.0.1", "10.0.0.2")
LOWEST = Draw(bytes(64))
HIGHEST = Draw(b"\xff" * 64)
SLOTS = range(16)


def test_the_story_of_a_seed_is_pinned() -> None:
    """Whoever wrote down a seed that found a bug wants the bug back: after an update, on another machine."""
    draw = Luck(7, WAY).draw(1)
    thousandths = [711, 847, 541, 959, 788, 508, 741, 324, 936, 839, 576, 274, 532, 777, 159, 874]
    assert [draw.below(slot, 1000) for slot in SLOTS] == thousandths
    assert [int(draw(slot) * 1000) for slot in SLOTS] == thousandths
    assert draw.noise(8).hex() == "5d2c42b1e424a9a3"


def test_the_same_story_in_another_process_with_another_hash_seed() -> None:
    code = (
        "from trio_udp.faults import GilbertElliott, Link, Passage\n"
        "link = Link(0.05, 0.02, 'normal', 0.1, GilbertElliott(0.1, 0.5), (1, 10), 3, 0.2, 0.2, 0.1, 0.2, 0.2, 0.2)\n"
        "passage = Passage(link, 7, ('10.0.0.1', '10.0.0.2'))\n"
        "print([passage.fate(n / 1000, n, bytes(100), 28) for n in range(1, 500)])\n"
    )
    path = os.pathsep.join([str(Path(trio_udp.__file__).parent.parent), *filter(None, sys.path)])
    stories = set()
    for hash_seed in ("0", "1", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        stories.add(run.stdout)
    assert len(stories) == 1
    assert stories.pop().count("Fate") == 499


def test_another_seed_way_or_number_is_another_draw() -> None:
    draws = [Luck(7, WAY).draw(1), Luck(8, WAY).draw(1), Luck(7, WAY[::-1]).draw(1), Luck(7, WAY).draw(2)]
    assert len({tuple(draw(slot) for slot in SLOTS) for draw in draws}) == 4
    assert Luck(7, WAY).draw(1)(0) == Luck(7, WAY).draw(1)(0)


@given(st.integers(), st.text() | st.tuples(st.text(), st.text()), st.integers(0, 2**64))
def test_any_seed_and_any_name_will_do(seed: int, way: object, n: int) -> None:
    draw = Luck(seed, way).draw(n)
    assert all(0 <= draw(slot) < 1 for slot in SLOTS)


def test_every_fault_has_a_slot_of_its_own() -> None:
    slots = [value for name, value in vars(Slot).items() if name.isupper()]
    slots += [Slot.JITTER + 1, Slot.COPY_JITTER + 1]  # a normal distribution takes two
    assert sorted(slots) == list(SLOTS)


@pytest.mark.parametrize("slot", SLOTS)
def test_each_slot_is_uniform_and_knows_nothing_of_the_next(slot: int) -> None:
    luck, count = Luck(7, WAY), 4000
    draws = [luck.draw(n) for n in range(count)]
    mine, others = [draw(slot) for draw in draws], [draw((slot + 1) % 16) for draw in draws]
    for tenth in range(10):
        assert 300 <= sum(tenth / 10 <= value < (tenth + 1) / 10 for value in mine) <= 500
    both = sum((a < 0.5) == (b < 0.5) for a, b in zip(mine, others, strict=True))
    assert 1800 <= both <= 2200
    following = sum((a < 0.5) == (b < 0.5) for a, b in pairwise(mine))
    assert 1800 <= following <= 2200


def test_the_ends_are_where_they_belong() -> None:
    """Nothing is below 0, so probability 0 is never; everything is below 1, so probability 1 is always."""
    assert LOWEST(0) == 0
    assert 1 - 2**-31 < HIGHEST(0) < 1
    assert LOWEST.below(0, 6) == 0
    assert HIGHEST.below(0, 6) == 5
    assert (LOWEST.normal(0), LOWEST.exponential(0)) == (0, 0)
    assert HIGHEST.exponential(0) == pytest.approx(32 * math.log(2))
    assert HIGHEST.normal(0) == pytest.approx(math.sqrt(64 * math.log(2)))


@given(st.integers(0, 10**6), st.integers(1, 10**12))
def test_below_stays_below(n: int, count: int) -> None:
    assert 0 <= Luck(7, WAY).draw(n).below(3, count) < count


def test_means() -> None:
    luck, count = Luck(7, WAY), 20_000
    draws = [luck.draw(n) for n in range(count)]
    assert sum(draw.normal(0) for draw in draws) / count == pytest.approx(math.sqrt(2 / math.pi), abs=0.04)
    assert sum(draw.normal(0) ** 2 for draw in draws) / count == pytest.approx(1, abs=0.08)
    assert sum(draw.exponential(0) for draw in draws) / count == pytest.approx(1, abs=0.06)
    assert sum(draw.exponential(0) ** 2 for draw in draws) / count == pytest.approx(2, abs=0.3)


def test_noise_has_the_size_asked_for() -> None:
    draw = Luck(7, WAY).draw(1)
    assert [len(draw.noise(size)) for size in (1, 8, 64)] == [1, 8, 64]
    assert draw.noise(8) != Luck(7, WAY).draw(2).noise(8)
