from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trio_udp.faults import GilbertElliott, Link
from trio_udp.faults._link import headers

PROBABILITIES = ("loss", "duplicate", "reorder", "corrupt", "garble", "truncate")
TIMES = ("delay", "jitter", "reorder_delay")
NO_NUMBERS = ("1", None, True, False, [1], Decimal(1), Fraction(1, 2), 1j, math.nan)


def test_a_link_is_perfect_unless_told_otherwise() -> None:
    assert dataclasses.asdict(Link()) == {
        "delay": 0,
        "jitter": 0,
        "jitter_shape": "uniform",
        "loss": 0,
        "burst": None,
        "exact_loss": None,
        "in_a_row": None,
        "duplicate": 0,
        "reorder": 0,
        "reorder_delay": 0.01,
        "corrupt": 0,
        "garble": 0,
        "truncate": 0,
        "rate": None,
        "queue": 100,
        "mtu": None,
    }


def test_a_link_is_a_value() -> None:
    link = Link(loss=0.3, burst=GilbertElliott(0.1, 0.5), exact_loss=(3, 10))
    assert link == Link(loss=0.3, burst=GilbertElliott(0.1, 0.5), exact_loss=(3, 10))
    assert len({link, dataclasses.replace(link), Link()}) == 2
    with pytest.raises(AttributeError):
        link.loss = 0.5  # type: ignore[misc]


BAD: list[tuple[str, object]] = [
    *((name, value) for name in PROBABILITIES for value in (-0.1, 1.1, math.inf, 10**400, *NO_NUMBERS)),
    *((name, value) for name in TIMES for value in (-0.1, math.inf, -math.inf, 10**400, *NO_NUMBERS)),
    *(("rate", value) for value in (0, -1, math.inf, 10**400, *NO_NUMBERS) if value is not None),
    *(("in_a_row", value) for value in (0, -1, 1.0, *NO_NUMBERS) if value is not None),
    *(("queue", value) for value in (-1, 1.0, math.inf, *NO_NUMBERS)),
    *(("mtu", value) for value in (67, 0, -1, 1500.0, *NO_NUMBERS) if value is not None),
    *(("jitter_shape", value) for value in ("gauss", "Normal", "", None, 1, ["uniform"])),
    *(("burst", value) for value in (0.1, (0.1, 0.5), "0.1", True, GilbertElliott)),
    *(("exact_loss", value) for value in (3, (3,), (3, 10, 1), (11, 10), (-1, 10), (0, 0), "31", b"31", [3, 10])),
    *(("exact_loss", value) for value in ((0.5, 10), (1.0, 2), (True, 10), ("3", 10), (1, None), {1: 2, 3: 4})),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={str(value)[:20]}" for name, value in BAD])
def test_a_value_that_makes_no_sense_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be ") as caught:
        Link(**{name: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, (0, 1, 0.5, 0.0, 1.0, 5e-324)) for name in PROBABILITIES),
        *((name, (0, 1, 0.5, 1e9, 5e-324)) for name in TIMES),
        ("jitter_shape", ("uniform", "normal", "exponential")),
        ("exact_loss", (None, (0, 1), (1, 1), (3, 10), (1, 10**9))),
        ("in_a_row", (None, 1, 10**9)),
        ("rate", (None, 1, 0.001, 10e9)),
        ("queue", (0, 1, 10**9)),
        ("mtu", (None, 68, 1500, 65535)),
    ],
)
def test_the_ends_are_allowed(name: str, values: tuple[object, ...]) -> None:
    for value in values:
        assert getattr(Link(**{name: value}), name) == value  # type: ignore[arg-type]


def test_what_is_a_float_by_inheritance_is_one() -> None:
    """As numpy.float64 is; numpy's other numbers are none, and would make every time after them theirs."""

    class Float(float): ...

    assert Link(loss=Float(0.5)).loss == 0.5


@pytest.mark.parametrize("name", ["enter", "leave", "loss_in_bad", "loss_in_good"])
def test_gilbert_elliott_takes_probabilities(name: str) -> None:
    good = {"enter": 0.1, "leave": 0.5}
    for value in (0, 1, 0.5):
        assert getattr(GilbertElliott(**{**good, name: value}), name) == value
    for wrong in (-0.1, 1.1, math.inf, *NO_NUMBERS):
        with pytest.raises(ValueError, match=rf"^{name} must be a probability from 0 to 1, not "):
            GilbertElliott(**{**good, name: wrong})  # type: ignore[arg-type]


def test_gilbert_elliott_on_average() -> None:
    assert GilbertElliott.average(0.2, 4) == GilbertElliott(enter=0.0625, leave=0.25)
    assert GilbertElliott.average(0, 1) == GilbertElliott(enter=0, leave=1)
    assert GilbertElliott.average(0.5, 1) == GilbertElliott(enter=1, leave=1)
    assert GilbertElliott.average(0.7803607663125246, 3.5529206381356233).enter == 1  # rounds to a little more


@given(st.floats(0, 0.999), st.floats(1, 1e6))
def test_the_average_is_the_average(loss: float, length: float) -> None:
    """Of two states the second has the share enter / (enter + leave), and lasts 1 / leave: Markov."""
    assume(loss <= length / (length + 1))
    burst = GilbertElliott.average(loss, length)
    assert burst.enter / (burst.enter + burst.leave) == pytest.approx(loss, abs=1e-12)
    assert 1 / burst.leave == pytest.approx(length)
    assert (burst.loss_in_bad, burst.loss_in_good) == (1, 0)


def test_an_average_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"^loss must be at most 0\.667 for bursts of 2, not 0\.7$"):
        GilbertElliott.average(0.7, 2)
    for loss in (1, -0.1, 1.1, math.nan, "0.1"):
        with pytest.raises(ValueError, match=r"^loss must be "):
            GilbertElliott.average(loss, 5)  # type: ignore[arg-type]
    for length in (0.9, 0, -1, math.inf, math.nan, "2", True):
        with pytest.raises(ValueError, match=r"^length must be a finite number, at least 1, not "):
            GilbertElliott.average(0.1, length)  # type: ignore[arg-type]


def test_headers() -> None:
    """UDP 8, IPv4 20, IPv6 40."""
    assert headers("127.0.0.1") == 28
    assert headers("::1") == 48
    assert headers("fe80::1%eth0") == 48


def test_bursts_so_long_that_floats_take_them_for_endless() -> None:
    with pytest.raises(ValueError, match="loss must be at most"):
        GilbertElliott.average(1.0, 1e17)
