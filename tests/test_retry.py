from __future__ import annotations

import math
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp import Retry, RoundTripEstimate


def test_stun() -> None:
    """RFC 8489 section 6.2.1 gives these very times."""
    waits = list(Retry.stun().timeouts())
    assert waits == [0.5, 1, 2, 4, 8, 16, 8]
    assert [0, *accumulate(waits)] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 39.5]
    assert Retry.stun().span == 39.5


def test_coap() -> None:
    """RFC 7252 section 4.8.2: MAX_TRANSMIT_WAIT is 93 s, MAX_TRANSMIT_SPAN (all but the last wait) 45 s."""
    coap = Retry.coap()
    assert coap.span == 93
    for seed in range(100):
        waits = list(coap.timeouts(Random(seed)))
        assert len(waits) == 5
        assert all(2 * 2**i <= wait <= 3 * 2**i for i, wait in enumerate(waits))
        assert sum(waits[:-1]) <= 45


def test_dns() -> None:
    assert list(Retry.dns().timeouts()) == [2, 2, 2]
    assert Retry.dns().span == 6


def test_default() -> None:
    assert list(Retry(jitter=0).timeouts()) == [1, 2, 4, 8, 16]
    assert Retry().span == 1.5 * 31


def test_the_wait_after_one_attempt() -> None:
    assert [Retry.stun().timeout(number) for number in range(1, 8)] == list(Retry.stun().timeouts())
    assert Retry().timeout(3, Random(7)) == 4 * (1 + 0.5 * Random(7).random())


def test_jitter_stretches_each_wait_by_its_own_draw() -> None:
    class Ladder(Random):
        def random(self) -> float:
            self.step = getattr(self, "step", -1) + 1
            return self.step / 4

    waits = list(Retry(attempts=5, first=1, multiplier=1, jitter=1).timeouts(Ladder()))
    assert waits == [1, 1.25, 1.5, 1.75, 2]


def test_same_seed_same_waits() -> None:
    assert list(Retry().timeouts(Random(7))) == list(Retry().timeouts(Random(7)))
    assert list(Retry().timeouts(Random(7))) != list(Retry().timeouts(Random(8)))


def test_maximum_caps_jitter_and_last_too() -> None:
    assert list(Retry(attempts=4, first=1, maximum=3, jitter=0).timeouts()) == [1, 2, 3, 3]
    assert list(Retry(attempts=2, first=5, maximum=3, last=9, jitter=9).timeouts()) == [3, 3]


def test_last_is_only_the_last() -> None:
    assert list(Retry(attempts=3, first=1, jitter=0, last=0.25).timeouts()) == [1, 2, 0.25]
    assert list(Retry(attempts=1, first=1, jitter=0, last=0.25).timeouts()) == [0.25]


def test_growth_without_end_is_capped() -> None:
    waits = list(Retry(attempts=5000, multiplier=10, jitter=0).timeouts())
    assert waits[-1] == 60
    assert list(Retry(attempts=2000, maximum=math.inf, jitter=0).timeouts())[-1] == math.inf


TIMES = st.floats(0, 1e6)


@given(
    st.integers(1, 40),
    TIMES,
    st.floats(0, 100),
    st.floats(0, math.inf),
    st.floats(0, 10),
    st.none() | TIMES,
    st.integers(),
)
def test_every_schedule_keeps_its_bounds(
    attempts: int, first: float, multiplier: float, maximum: float, jitter: float, last: float | None, seed: int
) -> None:
    retry = Retry(attempts, first, multiplier, maximum, jitter, last)
    waits = list(retry.timeouts(Random(seed)))
    assert len(waits) == attempts
    assert all(0 <= wait <= maximum for wait in waits)
    assert sum(waits) <= retry.span * (1 + 1e-9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", -1),
        ("attempts", 1.5),
        ("attempts", True),
        ("first", -0.1),
        ("first", math.nan),
        ("first", math.inf),
        ("multiplier", -1),
        ("multiplier", math.nan),
        ("maximum", -1),
        ("maximum", math.nan),
        ("jitter", -0.5),
        ("jitter", math.nan),
        ("last", -1),
        ("last", math.nan),
    ],
)
def test_bad_arguments_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .* not {value!r}$"):
        Retry(**{name: value})  # type: ignore[arg-type]


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        Retry().first = 2  # type: ignore[misc]


def test_round_trips_by_the_book() -> None:
    """RFC 6298: 2.1 before any measurement, 2.2 after the first, 2.3 after each further one, by hand."""
    estimate = RoundTripEstimate(minimum=0)
    assert (estimate.smoothed, estimate.timeout) == (None, 1)
    estimate.sample(0.8)
    assert (estimate.smoothed, estimate.variation) == (0.8, 0.4)
    assert estimate.timeout == pytest.approx(0.8 + 4 * 0.4)
    estimate.sample(1.6)
    assert estimate.smoothed == pytest.approx(7 / 8 * 0.8 + 1 / 8 * 1.6)
    assert estimate.variation == pytest.approx(3 / 4 * 0.4 + 1 / 4 * 0.8)
    assert estimate.timeout == pytest.approx(0.9 + 4 * 0.5)


def test_a_quick_network_still_waits_for_a_second() -> None:
    estimate = RoundTripEstimate()
    for _ in range(50):
        estimate.sample(0.001)
    assert estimate.timeout == 1
    assert estimate.smoothed == pytest.approx(0.001)
