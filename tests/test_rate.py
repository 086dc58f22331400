"""`limit_rate`: who gets through, to the datagram, and what a flood cannot do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import accumulate
from random import Random
from socket import inet_ntoa
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from trio_udp import Address, Datagram, Guard, RateLimit, Retry, limit_rate, open_udp_endpoint, serve_udp
from trio_udp._rate import _RateGuard

from .fakes import echo

ONE = ("192.0.2.1", 4711)
OTHER = ("192.0.2.2", 4711)


async def passed(guarded: Guard, address: Address, count: int) -> int:
    """How many of so many datagrams at once get through."""
    return sum([await guarded(Datagram(b"x", address)) == b"x" for _ in range(count)])


# -- one source -------------------------------------------------------------------------------------------------------


async def test_a_burst_and_then_the_rate(clock: trio.testing.MockClock) -> None:
    guarded = limit_rate(echo, rate=4, burst=3)
    assert await passed(guarded, ONE, 10) == 3
    await trio.sleep(0.125)
    assert await passed(guarded, ONE, 10) == 0
    await trio.sleep(0.125)
    assert await passed(guarded, ONE, 10) == 1
    await trio.sleep(0.5)
    assert await passed(guarded, ONE, 10) == 2
    await trio.sleep(3600)
    assert await passed(guarded, ONE, 10) == 3, "a pause does not save up more than a burst"
    assert guarded.statistics() == {"over rate": 7 + 10 + 9 + 8 + 7}


async def test_a_limit_without_a_handler(clock: trio.testing.MockClock) -> None:
    limit = RateLimit(rate=4, burst=3, ipv4_prefix=24)
    assert [limit.admit(ONE) for _ in range(5)] == [True, True, True, False, False]
    assert not limit.admit(OTHER), "of the same network"
    await trio.sleep(0.25)
    assert [limit.admit(OTHER), limit.admit(ONE)] == [True, False]
    with pytest.raises(ValueError, match="rate must be"):
        RateLimit(rate=0, burst=1)
    with pytest.raises(ValueError, match="rate must be at least 1e-12, not 5e-324"):
        RateLimit(rate=5e-324, burst=1)
    with pytest.raises(ValueError, match="burst must be at most 1,000,000,000,000,000, not 1000"):
        RateLimit(rate=1, burst=10**400)


async def test_what_is_dropped_is_silence_and_the_handler_does_not_see_it(clock: trio.testing.MockClock) -> None:
    seen: list[bytes] = []

    async def handler(datagram: Datagram) -> bytes:
        seen.append(datagram.data)
        return datagram.data

    guarded = limit_rate(handler, rate=1, burst=1)
    assert await guarded(Datagram(b"first", ONE)) == b"first"
    assert await guarded(Datagram(b"second", ONE)) is None
    assert seen == [b"first"]


@pytest.mark.parametrize("rate", [0.1, 3, 10, 44.1, 1000])
async def test_rounding_costs_nobody_a_datagram(rate: float, clock: trio.testing.MockClock) -> None:
    """Neither in a long burst, nor one who keeps to the rate exactly."""
    guarded = limit_rate(echo, rate=rate, burst=1000)
    assert await passed(guarded, ONE, 1001) == 1000
    guarded = limit_rate(echo, rate=rate, burst=1)
    start = trio.current_time()
    for number in range(1000):
        await trio.sleep_until(start + number / rate)
        assert await passed(guarded, ONE, 1) == 1


# -- whose bucket is it? ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "are_one_source", "options"),
    [
        (("192.0.2.1", 1), ("192.0.2.1", 2), True, {}),
        (("192.0.2.1", 1), ("192.0.2.2", 1), False, {}),
        (("192.0.2.1", 1), ("192.0.2.254", 1), True, {"ipv4_prefix": 24}),
        (("192.0.2.1", 1), ("192.0.3.1", 1), False, {"ipv4_prefix": 24}),
        (("192.0.2.1", 1), ("192.0.3.1", 1), True, {"ipv4_prefix": 23}),
        (("192.0.2.1", 1), ("10.0.0.1", 1), True, {"ipv4_prefix": 0}),
        (("192.0.2.1", 1), ("2001:db8::1", 1, 0, 0), False, {"ipv4_prefix": 0}),
        (("192.0.2.1", 1), ("2001:db8::1", 1, 0, 0), False, {"ipv6_prefix": 0}),
        (("192.0.2.1", 1), ("::ffff:192.0.2.1", 1, 0, 0), True, {}),
        (("192.0.2.1", 1), ("::ffff:192.0.2.2", 1, 0, 0), False, {}),
        (("192.0.2.1", 1), ("::ffff:192.0.2.2", 1, 0, 0), True, {"ipv4_prefix": 24}),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::2:3:4:5", 1, 7, 0), True, {}),
        (("2001:db8::1", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0), False, {}),
        (("2001:db8::1", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0), True, {"ipv6_prefix": 56}),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::2", 1, 0, 0), False, {"ipv6_prefix": 128}),
        (("fe80::1", 1, 0, 2), ("fe80::2", 1, 0, 2), True, {}),
        (("fe80::1", 1, 0, 2), ("fe80::1", 1, 0, 3), False, {}),
        (("::1", 1, 0, 0), ("127.0.0.1", 1), False, {}),
    ],
)
async def test_what_is_one_source(
    one: Address, other: Address, are_one_source: bool, options: dict[str, int], clock: trio.testing.MockClock
) -> None:
    guarded = limit_rate(echo, rate=1, burst=1, **options)
    assert await passed(guarded, one, 1) == 1
    assert await passed(guarded, other, 1) == (0 if are_one_source else 1)


# -- all sources ------------------------------------------------------------------------------------------------------


async def test_newcomers_have_the_upper_half_and_the_known_all_of_it(clock: trio.testing.MockClock) -> None:
    guarded = limit_rate(echo, rate=1, burst=4, total_rate=2)  # 8 at once from all
    assert await passed(guarded, ONE, 1) == 1
    newcomers: list[Address] = [(f"10.0.0.{number}", 1) for number in range(20)]
    assert [await passed(guarded, newcomer, 1) for newcomer in newcomers] == [1] * 3 + [0] * 17
    assert await passed(guarded, newcomers[0], 2) == 2, "known by now"
    assert await passed(guarded, ONE, 2) == 2
    assert await passed(guarded, ONE, 1) == 0, "all 8 are gone"
    assert guarded.statistics() == {"newcomer over total rate": 17, "over total rate": 1}
    await trio.sleep(0.5)
    assert await passed(guarded, newcomers[-1], 1) == 0, "the first to come back are the known"
    assert await passed(guarded, ONE, 2) == 1
    await trio.sleep(2.5)
    assert await passed(guarded, newcomers[-1], 1) == 1


async def test_without_a_total_any_number_of_sources_gets_its_own(clock: trio.testing.MockClock) -> None:
    guarded = limit_rate(echo, rate=1, burst=2, max_sources=10)
    assert sum([await passed(guarded, (f"10.0.0.{number}", 1), 3) for number in range(200)]) == 400
    assert guarded.statistics() == {"over rate": 200}


async def test_one_token_in_all_is_enough_to_begin_with(clock: trio.testing.MockClock) -> None:
    guarded = limit_rate(echo, rate=1, burst=1, total_rate=1)
    assert await passed(guarded, ONE, 1) == 1
    assert await passed(guarded, OTHER, 1) == 0
    await trio.sleep(1)
    assert await passed(guarded, OTHER, 1) == 1


async def test_the_one_least_recently_seen_is_forgotten(clock: trio.testing.MockClock) -> None:
    guarded = limit_rate(echo, rate=1, burst=1, max_sources=2)
    third = ("192.0.2.3", 1)
    assert [await passed(guarded, source, 1) for source in (ONE, OTHER)] == [1, 1]
    assert await passed(guarded, ONE, 1) == 0, "and was seen"
    assert await passed(guarded, third, 1) == 1
    assert await passed(guarded, ONE, 1) == 0, "still there"
    assert await passed(guarded, OTHER, 1) == 1, "forgotten, so it has a full burst again"


def test_a_flood_of_a_million_sources() -> None:
    """100,000 forged datagrams a second against a limit of 1000; those who were there before are all served."""
    clients: list[Address] = [(f"10.0.0.{number}", 4711) for number in range(20)]
    limit = RateLimit(rate=20, burst=20, total_rate=1000, max_sources=4096)
    guarded = _RateGuard(echo, limit)
    clock, random = trio.testing.MockClock(), Random(1)
    served: Counter[str] = Counter()

    async def flood() -> None:
        for client in clients:
            served["client"] += await passed(guarded, client, 1)
        for _ in range(100):
            clock.jump(0.1)
            for _ in range(10_000):
                newcomer = Datagram(b"", (inet_ntoa(random.randbytes(4)), 53))
                served["forged"] += await guarded(newcomer) is not None
            for client in clients:
                served["client"] += await passed(guarded, client, 1)

    trio.run(flood, clock=clock)
    assert served["client"] == 20 * 101
    assert served.total() <= 1000 * 10 + 1000
    assert served["forged"] >= 7000, "what the clients leave"
    assert guarded.statistics() == {"newcomer over total rate": 1_000_000 - served["forged"]}
    assert len(limit._came_once) + len(limit._came_back) == 4096


@pytest.mark.parametrize(
    ("times", "each", "at_least"),
    [(3, 1, 200), (10, 1, 200), (30, 1, 190), (10, 2, 60)],
)
def test_newcomers_who_ask_again_are_served_in_a_flood(times: int, each: int, at_least: int) -> None:
    """So many times the limit, from addresses that come once, or twice; 200 clients with the default `Retry`.

    Regression: newcomers had what any of the flood had. Of ten times the limit 11 were served. Where the flood
    comes again as well, it is not told apart.
    """
    guarded = limit_rate(echo, rate=5, burst=10, total_rate=100, max_sources=4096)
    clock, random = trio.testing.MockClock(), Random(1)
    newcomers = [list(accumulate(Retry().timeouts(random), initial=random.uniform(5, 40)))[:-1] for _ in range(200)]
    asked = [(time, f"192.0.2.{number}") for number, tries in enumerate(newcomers) for time in tries]
    names = (name for name in iter(lambda: inet_ntoa(random.randbytes(4)), "") for _ in range(each))
    forged = [(number / (100 * times), next(names)) for number in range(60 * 100 * times)]
    answered: dict[str, float] = {}

    async def flood() -> None:
        for time, who in sorted(asked + forged):
            clock.jump(max(0.0, time - trio.current_time()))
            if who not in answered and await guarded(Datagram(b"x", (who, 53))) and who.startswith("192.0.2."):
                answered[who] = time - newcomers[int(who.removeprefix("192.0.2."))][0]

    trio.run(flood, clock=clock)
    assert len(answered) >= at_least
    if each == 1:
        assert sorted(answered.values())[100] <= 1.5, "most of them at their second attempt"


# -- who stays known --------------------------------------------------------------------------------------------------


def forged(count: int) -> Iterator[Address]:
    """Each of them once."""
    return ((f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 53) for number in range(count))


async def test_a_quiet_client_stays_known_in_a_flood(clock: trio.testing.MockClock) -> None:
    """The flood turned the table over every 0.64 s, and who asked less often than that was one of many newcomers."""
    guarded = limit_rate(echo, rate=1, burst=2, total_rate=100, max_sources=64)
    assert await passed(guarded, ONE, 2) == 2
    flood = forged(12_000)
    answered = let_in = 0
    for _ in range(6):
        for _ in range(1000):  # twice what all may have
            await trio.sleep(1 / 200)
            let_in += sum([await passed(guarded, next(flood), 1) for _ in range(2)])
        answered += await passed(guarded, ONE, 1)
    assert answered == 6
    assert 2900 <= let_in <= 3000 + 200, "what all may have"


async def test_who_came_only_once_goes_first(clock: trio.testing.MockClock) -> None:
    guarded = limit_rate(echo, rate=1e-9, burst=3, max_sources=4)
    assert await passed(guarded, ONE, 2) == 2
    assert await passed(guarded, OTHER, 1) == 1
    assert sum([await passed(guarded, source, 1) for source in forged(100)]) == 100
    assert await passed(guarded, ONE, 9) == 1, "its third of three"
    assert await passed(guarded, OTHER, 9) == 3, "forgotten, so it has a full burst"


async def test_of_those_who_came_back_half_the_places_are_sure(clock: trio.testing.MockClock) -> None:
    """Without newcomers they may have them all; then the least recently seen make room, until they have half."""
    guarded = limit_rate(echo, rate=1e-9, burst=3, max_sources=4)
    clients: list[Address] = [(f"192.0.2.{number}", 1) for number in range(4)]
    assert [await passed(guarded, client, 2) for client in clients] == [2] * 4
    assert sum([await passed(guarded, source, 1) for source in forged(100)]) == 100
    assert [await passed(guarded, client, 9) for client in reversed(clients)] == [1, 1, 3, 3]


async def test_who_is_refused_the_second_time_has_not_come_back(clock: trio.testing.MockClock) -> None:
    """Or two forged datagrams at once would do, however few are let in."""
    guarded = limit_rate(echo, rate=1e-9, burst=1, max_sources=2)
    assert await passed(guarded, ONE, 2) == 1
    assert sum([await passed(guarded, source, 1) for source in forged(2)]) == 2
    assert await passed(guarded, ONE, 1) == 1, "forgotten, so it has a full burst"


@pytest.mark.parametrize("max_sources", [1, 2, 3, 10])
async def test_both_kinds_together_are_bounded(max_sources: int, clock: trio.testing.MockClock) -> None:
    limit = RateLimit(rate=1, burst=3, max_sources=max_sources)
    guarded = _RateGuard(echo, limit)
    for number, source in enumerate(forged(100)):
        assert await passed(guarded, source, 1 + number % 3) == 1 + number % 3
        assert len(limit._came_once) + len(limit._came_back) == min(number + 1, max_sources)
        assert not set(limit._came_once) & set(limit._came_back)


# -- a model of it ----------------------------------------------------------------------------------------------------


@dataclass
class Bucket:
    """As the textbooks have it: tokens, and when they were counted."""

    rate: Fraction
    size: Fraction
    tokens: Fraction = field(init=False)
    counted_at: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        self.tokens = self.size

    def fill(self, now: Fraction) -> None:
        self.tokens = min(self.size, self.tokens + (now - self.counted_at) * self.rate)
        self.counted_at = now


def model(rate: int, burst: int, total_rate: int, steps: list[tuple[int, int]]) -> list[str | None]:
    total = Bucket(Fraction(total_rate), Fraction(total_rate * burst, rate))
    sources: dict[int, Bucket] = {}
    refused: set[int] = set()
    now = Fraction(0)
    objections: list[str | None] = []
    for eighths, source in steps:
        now += Fraction(eighths, 8)
        is_known = source in sources
        bucket = sources.get(source) or Bucket(Fraction(rate), Fraction(burst), now)
        bucket.fill(now)
        total.fill(now)
        may_draw = total.tokens >= 1
        if not is_known:
            reserved = total.size / (4 if source in refused else 2)
            may_draw = total.tokens == total.size or total.tokens - 1 >= reserved
            if not may_draw:
                refused.add(source)
        if bucket.tokens < 1:
            objections.append("over rate")
        elif not may_draw:
            objections.append("over total rate" if is_known else "newcomer over total rate")
        else:
            sources[source] = bucket
            bucket.tokens -= 1
            total.tokens -= 1
            objections.append(None)
    return objections


@given(
    rate=st.sampled_from([1, 2, 4]),
    burst=st.integers(1, 5),
    times=st.sampled_from([1, 2, 8]),
    steps=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=60),
)
@example(rate=1, burst=5, times=1, steps=[(0, 0), (0, 1), (0, 2), (0, 2), (0, 3), (0, 3)])
def test_it_is_what_buckets_of_tokens_are(rate: int, burst: int, times: int, steps: list[tuple[int, int]]) -> None:
    """The times are sums of eighths, which floats have exactly."""
    clock = trio.testing.MockClock()

    async def ask() -> list[str | None]:
        guarded = limit_rate(echo, rate=rate, burst=burst, total_rate=rate * times)
        objections: list[str | None] = []
        for eighths, source in steps:
            clock.jump(eighths / 8)
            before = guarded.statistics()
            reply = await guarded(Datagram(b"x", (f"10.0.0.{source}", 1)))
            [*new] = (Counter(guarded.statistics()) - Counter(before)).elements()
            assert (reply is None) == bool(new)
            objections.append(new[0] if new else None)
        return objections

    assert trio.run(ask, clock=clock) == model(rate, burst, rate * times, steps)


# -- over loopback, and bad input -------------------------------------------------------------------------------------


async def test_over_loopback() -> None:
    guarded = limit_rate(echo, rate=1e-6, burst=3)
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, guarded, 0, host="127.0.0.1"))
        with await open_udp_endpoint("127.0.0.1") as client, trio.fail_after(10):
            for number in range(5):
                await client.send(b"%d" % number, server.address)
            assert [(await client.receive()).data for _ in range(3)] == [b"0", b"1", b"2"]
            while guarded.statistics() != {"over rate": 2}:
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()


GOOD = {"rate": 1, "burst": 1}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rate": 0}, "rate must be a finite number above 0, not 0"),
        ({"rate": math.nan}, "rate must be a finite number above 0, not nan"),
        ({"rate": "1"}, "rate must be a finite number above 0, not '1'"),
        ({"burst": 0}, "burst must be a whole number of at least 1, not 0"),
        ({"burst": 1.5}, "burst must be a whole number of at least 1, not 1.5"),
        ({"burst": True}, "burst must be a whole number of at least 1, not True"),
        ({"max_sources": 0}, "max_sources must be a whole number of at least 1, not 0"),
        ({"total_rate": -1}, "total_rate must be a finite number above 0, not -1"),
        ({"rate": 5, "total_rate": 4}, "total_rate must be at least the rate of one source, 5, not 4"),
        ({"ipv4_prefix": 33}, "ipv4_prefix must be a whole number from 0 to 32, not 33"),
        ({"ipv6_prefix": -1}, "ipv6_prefix must be a whole number from 0 to 128, not -1"),
        ({"ipv6_prefix": "/64"}, "ipv6_prefix must be a whole number from 0 to 128, not '/64'"),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        limit_rate(echo, **{**GOOD, **options})


@pytest.mark.parametrize(("rate", "burst", "total_rate"), [(3, 1, 3), (7, 1, 7), (10, 2, 10), (3, 2, 7)])
async def test_rounding_costs_no_newcomer_a_datagram(
    rate: float, burst: int, total_rate: float, clock: trio.testing.MockClock
) -> None:
    """Regression: with a small burst 48 of 300 were refused that came at exactly the total rate."""
    guarded = limit_rate(echo, rate=rate, burst=burst, total_rate=total_rate)
    for number in range(300):
        await trio.sleep_until(1 + number / total_rate)
        assert await guarded(Datagram(b"x", (f"10.0.{number // 250}.{number % 250}", 5))) == b"x"
