from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp.faults import (
    Deliver,
    Drop,
    InFlight,
    Rule,
    Verdict,
    blackhole,
    drop_first,
    drop_if,
    drop_nth,
    first_verdict,
    hold,
    partition,
)

A, B, C = "10.0.0.1", "10.0.0.2", "2001:db8::1"
NO_COUNTS = (0, -1, 1.0, "1", True, None, math.nan)


def flight(time: float = 0.0, source: str = A, destination: str = B, **more: Any) -> InFlight:
    return InFlight(time, (source, 1000), (destination, 2000), **{"n": 1, "data": b"hello", **more})


def dropped(rule: Rule, count: int) -> list[int]:
    """Which of so many datagrams the rule takes, from 1."""
    return [number for number in range(1, count + 1) if rule(flight(n=number)) is not None]


def deliver_after(seconds: Any) -> Rule:
    return lambda flight: Deliver(seconds)


def pass_on(flight: InFlight) -> None:
    return None


# Rules, one after another.


def test_the_first_that_decides_decides() -> None:
    assert first_verdict([], flight()) is None
    assert first_verdict([pass_on, pass_on], flight()) is None
    assert first_verdict([pass_on, deliver_after(2), drop_first(1)], flight()) == Deliver(2)
    assert first_verdict([drop_first(1), deliver_after(2)], flight()) == Drop("drop_first")
    assert first_verdict([deliver_after(0)], flight()) == Deliver() == Deliver(0.0)


def test_those_behind_it_are_not_asked() -> None:
    """Whoever counts, counts what it was asked about: the second datagram is the first for the rule behind."""
    rules = [drop_first(1), drop_nth(1), pass_on]
    assert [first_verdict(rules, flight()) for _ in range(3)] == [Drop("drop_first"), Drop("drop_nth"), None]


def test_any_function_is_a_rule() -> None:
    def late(flight: InFlight) -> Verdict | None:
        return Deliver(3.0) if flight.data == b"late" and flight.destination == (B, 2000) else None

    assert first_verdict([late], flight(data=b"late")) == Deliver(3.0)
    assert first_verdict([late], flight()) is None


@pytest.mark.parametrize("answer", [True, False, 0, 0.5, "drop", Deliver, Drop, (0.0,), []])
def test_an_answer_that_is_no_verdict(answer: Any) -> None:
    def confused(flight: InFlight) -> Any:
        return answer

    with pytest.raises(TypeError, match=r"^a rule returns Deliver\(\.\.\.\), Drop\(\.\.\.\) or None, not ") as caught:
        first_verdict([confused], flight())
    assert f"not {answer!r}" in str(caught.value)
    assert "confused" in str(caught.value)


@pytest.mark.parametrize("delay", [-0.001, math.inf, math.nan, "1", None, True, 10**400])
def test_a_delay_that_cannot_be(delay: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^delay of <function deliver_after.* must be a finite number, at least 0, not "
    ):
        first_verdict([deliver_after(delay)], flight())


def test_what_a_rule_raises_comes_through() -> None:
    def broken(flight: InFlight) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        first_verdict([broken], flight())


# Counting.


def test_drop_first() -> None:
    assert dropped(drop_first(2), 5) == [1, 2]
    assert drop_first(1)(flight()) == Drop("drop_first")


def test_drop_nth() -> None:
    assert dropped(drop_nth(1, 3), 5) == [1, 3]
    assert dropped(drop_nth(4, 2, 2), 5) == [2, 4]
    assert drop_nth(1)(flight()) == Drop("drop_nth")


@given(st.sets(st.integers(1, 30), min_size=1))
def test_drop_nth_drops_those(numbers: set[int]) -> None:
    assert dropped(drop_nth(*numbers), 30) == sorted(numbers)


@pytest.mark.parametrize("make", [lambda match: drop_first(1, match=match), lambda match: drop_nth(1, match=match)])
def test_only_what_matches_is_counted(make: Callable[[Any], Rule]) -> None:
    rule = make(lambda flight: flight.data == b"yes")
    asked = [rule(flight(data=data)) is not None for data in (b"no", b"yes", b"no", b"yes")]
    assert asked == [False, True, False, False]


def test_each_call_counts_anew() -> None:
    assert dropped(drop_first(1), 2) == dropped(drop_first(1), 2) == [1]


def test_the_count_is_over_all_datagrams_whatever_their_own_number() -> None:
    rule = drop_nth(2)
    assert rule(flight(n=2)) is None
    assert rule(flight(source=B, destination=A, n=1)) is not None


def test_drop_if() -> None:
    rule = drop_if(lambda flight: flight.data[:1] == b"h")
    assert [rule(flight(data=data)) for data in (b"hello", b"", b"hi")] == [Drop("drop_if"), None, Drop("drop_if")]
    assert drop_if(lambda flight: 1, "because")(flight()) == Drop("because")
    assert drop_if(lambda flight: "")(flight()) is None


@pytest.mark.parametrize("wrong", NO_COUNTS)
def test_counts_that_are_none(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^count must be a whole number, at least 1, not "):
        drop_first(wrong)
    with pytest.raises(ValueError, match=r"^number must be a whole number, at least 1, not "):
        drop_nth(1, wrong)
    with pytest.raises(ValueError, match=r"^limit must be a whole number, at least 1, not "):
        hold(limit=wrong)


@pytest.mark.parametrize("wrong", [3, "all", b"x"])
def test_what_is_no_function(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^predicate must be a function, not "):
        drop_if(wrong)
    with pytest.raises(ValueError, match=r"^reason must be text, not "):
        drop_if(bool, wrong if not isinstance(wrong, str) else 3)  # type: ignore[arg-type]
    for make in (partial(drop_first, 1), partial(drop_nth, 1), hold):
        with pytest.raises(ValueError, match=r"^match must be a function, not "):
            make(match=wrong)


def test_drop_nth_of_nothing() -> None:
    with pytest.raises(ValueError, match=r"^drop_nth needs a number"):
        drop_nth()


@pytest.mark.parametrize("make", [lambda: drop_first(1), lambda: drop_nth(1), lambda: drop_if(bool), hold])
def test_refusals_are_left_alone_and_not_counted(make: Callable[[], Rule]) -> None:
    """The news that nobody listens is no datagram; a rule that loses the first request must not lose it instead."""
    rule = make()
    assert rule(flight(refusal=True)) is None
    assert rule(flight()) is not None


# In time.


def test_blackhole() -> None:
    """The clock of the rule starts with the first datagram. It works up to the moment at which it does not."""
    rule = blackhole(5.0, 2.0)
    assert rule(flight(100.0)) is None
    assert rule(flight(104.9375)) is None
    assert rule(flight(105.0)) == Drop("blackhole")
    assert rule(flight(106.9375)) == Drop("blackhole")
    assert rule(flight(107.0)) is None
    assert rule(flight(111.9375)) is None
    assert rule(flight(112.0)) == Drop("blackhole")
    assert rule(flight(100.0 + 7 * 1000 + 6)) == Drop("blackhole")


@pytest.mark.parametrize(("repeat", "dark"), [(1, [5, 6]), (2, [5, 6, 12, 13]), (None, [5, 6, 12, 13, 19, 20])])
def test_blackhole_so_often(repeat: int | None, dark: list[int]) -> None:
    rule = blackhole(5, 2, repeat=repeat)
    assert [second for second in range(25) if rule(flight(second))] == dark


def test_blackhole_from_the_start() -> None:
    rule = blackhole(0, 2, repeat=1)
    assert [rule(flight(time)) is None for time in (3.0, 4.9375, 5.0, 100.0)] == [False, False, True, True]


def test_each_blackhole_has_its_own_clock() -> None:
    one, other = blackhole(1, 1), blackhole(1, 1)
    assert one(flight(0.0)) is None
    assert other(flight(1.5)) is None
    assert one(flight(1.5)) is not None


def test_blackhole_takes_refusals_too() -> None:
    assert blackhole(0, 1)(flight(refusal=True)) == Drop("blackhole")


@pytest.mark.parametrize("wrong", [-1, math.inf, math.nan, "5", None, True])
def test_blackhole_times_that_are_none(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^on must be a finite number, at least 0, not "):
        blackhole(wrong, 1)
    with pytest.raises(ValueError, match=r"^off must be a finite number above 0, not "):
        blackhole(1, wrong)


def test_blackhole_that_never_is() -> None:
    with pytest.raises(ValueError, match=r"^off must be a finite number above 0, not 0$"):
        blackhole(1, 0)
    for wrong in [count for count in NO_COUNTS if count is not None]:
        with pytest.raises(ValueError, match=r"^repeat must be a whole number, at least 1, not "):
            blackhole(1, 1, repeat=wrong)  # type: ignore[arg-type]


# In space.


def cut(rule: Rule) -> set[tuple[str, str]]:
    pairs = [(source, destination) for source in (A, B, C) for destination in (A, B, C) if source != destination]
    return {pair for pair in pairs if rule(flight(0.0, *pair)) == Drop("partition")}


def test_partition() -> None:
    assert cut(partition(A, B)) == {(A, B), (B, A)}
    assert cut(partition(A, B, both=False)) == {(A, B)}
    assert cut(partition(B, A, both=False)) == {(B, A)}


def test_partition_of_several() -> None:
    for several in ([B, C], (B, C), {B, C}, SimpleNamespace(addresses=(B, C)), SimpleNamespace(addresses={B: 1, C: 2})):
        assert cut(partition(A, several)) == {(A, B), (B, A), (A, C), (C, A)}
        assert cut(partition(several, A, both=False)) == {(B, A), (C, A)}
    assert cut(partition([A, B], [B, C])) == {(A, B), (B, A), (A, C), (C, A), (B, C), (C, B)}


def test_partition_knows_an_address_however_it_is_written() -> None:
    assert cut(partition("2001:0DB8:0::1", A)) == {(C, A), (A, C)}


def test_partition_takes_refusals_too() -> None:
    assert partition(A, B)(flight(refusal=True)) == Drop("partition")


@pytest.mark.parametrize("wrong", ["localhost", "", "10.0.0", "10.0.0.1:53", ["10.0.0.2", "x"], [1], b"abcd", 1, None])
def test_partition_of_what_is_no_address(wrong: Any) -> None:
    """ip_address() takes the number 1 for 0.0.0.1, and each byte of b"abcd" for an address."""
    for sides in ((wrong, A), (A, wrong)):
        with pytest.raises(ValueError, match=r"^partition takes IP addresses, or a Host for its own; .+ is neither$"):
            partition(*sides)


def test_partition_of_nobody() -> None:
    nobody: Any
    for nobody in ([], SimpleNamespace(addresses=())):
        with pytest.raises(ValueError, match=r"^partition needs an address on each side$"):
            partition(nobody, A)
        with pytest.raises(ValueError, match=r"^partition needs an address on each side$"):
            partition(A, nobody)


# Held.


class Carrier:
    """Does with the verdicts of a rule what a network does, and remembers what went on, in order."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.went: list[int] = []

    def carry(self, n: int, **more: Any) -> bool:
        """False: there was no room."""
        verdict = first_verdict([self.rule], flight(n=n, **more))
        if verdict is None:
            self.went.append(n)
            return True
        assert not isinstance(verdict, (Deliver, Drop))
        return verdict.keep(lambda: self.went.append(n))


def test_hold_and_release() -> None:
    rule = hold()
    carrier = Carrier(rule)
    assert [carrier.carry(n) for n in (1, 2, 3, 4)] == [True] * 4
    assert (len(rule), carrier.went) == (4, [])
    assert rule.release(0) == 0
    assert rule.release(1) == 1
    assert (len(rule), carrier.went) == (3, [1])
    assert rule.release(2) == 2
    assert carrier.went == [1, 2, 3]
    assert rule.release(5) == 1
    assert rule.release() == 0
    assert carrier.went == [1, 2, 3, 4]
    carrier.carry(5)
    carrier.carry(6)
    assert rule.release() == 2
    assert carrier.went == [1, 2, 3, 4, 5, 6]


def test_hold_what_matches() -> None:
    rule = hold(lambda flight: flight.n == 2)
    carrier = Carrier(rule)
    for n in (1, 2, 3):
        carrier.carry(n)
    assert carrier.went == [1, 3]
    rule.release()
    assert carrier.went == [1, 3, 2]


def test_hold_only_so_many() -> None:
    rule = hold(limit=2)
    carrier = Carrier(rule)
    assert [carrier.carry(n) for n in (1, 2, 3)] == [True, True, False]
    rule.release(1)
    assert [carrier.carry(n) for n in (4, 5)] == [True, False]
    rule.release()
    assert carrier.went == [1, 2, 4]


def test_hold_is_bounded_by_default() -> None:
    carrier = Carrier(hold())
    assert sum(carrier.carry(n) for n in range(1500)) == 1000


def test_a_rule_that_holds_nothing_is_still_one() -> None:
    assert hold()
    assert len(hold()) == 0


def test_what_comes_back_while_it_is_released_waits_for_the_next_time() -> None:
    """Else a release would never end, where what goes on has an answer that is held as well."""
    rule = hold()

    def again() -> None:
        assert rule._keep(again)

    rule._keep(again)
    assert rule.release() == 1
    assert len(rule) == 1


def test_what_raises_while_it_is_released_leaves_the_others_waiting() -> None:
    rule, went = hold(), []

    def broken() -> None:
        raise KeyError("mine")

    rule._keep(broken)
    rule._keep(lambda: went.append(2))
    with pytest.raises(KeyError, match="mine"):
        rule.release()
    assert rule.release() == 1
    assert went == [2]


@pytest.mark.parametrize("wrong", [-1, 1.0, "1", True])
def test_release_so_many_that_cannot_be(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^count must be a whole number, at least 0, not "):
        hold().release(wrong)
