"""`Refused`: who was added is found, who was not hardly ever, and it does not grow."""

from __future__ import annotations

import pytest

from trio_udp._refused import Refused


def names(begin: int, end: int) -> list[str]:
    return [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(begin, end)]


@pytest.mark.parametrize("source", ["192.0.2.1", 0, 1 << 160])
def test_who_was_added_is_found(source: object) -> None:
    refused = Refused(8)
    assert not refused.add(source)
    assert refused.add(source)
    assert refused.add(source)


def test_for_a_quarter_as_many_others_as_there_are_bytes() -> None:
    size = 200
    for before in range(0, size, 7):
        refused = Refused(4 * size)
        for name in names(0, before):
            refused.add(name)
        refused.add("192.0.2.1")
        for name in names(before, before + size - 1):
            refused.add(name)
        assert refused.add("192.0.2.1")


def test_however_many_come_few_are_taken_for_one_of_them() -> None:
    refused = Refused(1000)
    wrong = [refused.add(name) for name in names(0, 10_000)]
    assert sum(wrong) < len(wrong) / 16
    assert len(refused._now) == len(refused._before) == 1000


def test_and_long_ago_is_forgotten() -> None:
    refused = Refused(1000)
    old = names(0, 100)
    for name in [*old, *names(100, 10_000)]:
        refused.add(name)
    assert sum(refused.add(name) for name in old) < 100 / 8
