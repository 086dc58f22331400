"""What is said to numbers that make no sense; which arguments are checked is tested where they are."""

from __future__ import annotations

import math

import pytest

from trio_udp._checks import check_count, check_positive, is_count


@pytest.mark.parametrize("good", [1, 2, 10**400])
def test_a_count(good: object) -> None:
    assert is_count(good)
    check_count("ducks", good)


@pytest.mark.parametrize("bad", [0, -1, True, 1.0, math.inf, math.nan, "1", None])
def test_no_count(bad: object) -> None:
    assert not is_count(bad)
    with pytest.raises(ValueError, match=f"^ducks must be a whole number of at least 1, not {bad!r}$"):
        check_count("ducks", bad)


@pytest.mark.parametrize("good", [1, 0.001, 1e300])
def test_a_number_above_0(good: object) -> None:
    check_positive("feet", good)


@pytest.mark.parametrize("bad", [0, 0.0, -1, math.inf, math.nan, "1", None, 1j])
def test_no_number_above_0(bad: object) -> None:
    with pytest.raises(ValueError, match=f"^feet must be a finite number above 0, not {bad!r}$"):
        check_positive("feet", bad)
