"""What becomes of datagrams. The seed is fixed, so every count here is the same in each run; where a test is about a
distribution, its bounds are many standard deviations wide, so that they hold for nearly every other seed as well."""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp.faults import Fate, GilbertElliott, Link, Passage
from trio_udp.faults._luck import Draw, Luck

WAY = ("10.0.0.1", "10.0.0.2")
ZEROS = bytes(100)
HEADERS = 28
SEEDS = st.integers(0, 2**32)
PROBABILITY = st.floats(0, 1)


def story(count: int, *, seed: int = 7, data: bytes = ZEROS, every: float = 0.0, **link: Any) -> list[Fate]:
    """The fates of so many datagrams, numbered from 1, sent every so many seconds from 0."""
    passage = Passage(Link(**link), seed, WAY)
    return [passage.fate(n * every, n + 1, data, HEADERS) for n in range(count)]


def lost(fates: list[Fate]) -> list[int]:
    return [n for n, fate in enumerate(fates, 1) if not fate.copies]


def reasons(fates: list[Fate]) -> set[str | None]:
    return {fate.dropped for fate in fates}


def times(fates: list[Fate]) -> list[float]:
    return [fate.copies[0].time for fate in fates]


def bytes_of(fates: list[Fate]) -> list[bytes]:
    return [fate.copies[0].data for fate in fates]


def test_a_perfect_link() -> None:
    fate = Passage(Link(), 7, WAY).fate(12.5, 1, ZEROS, HEADERS)
    assert fate.copies[0].data is ZEROS
    assert fate == (((12.5, ZEROS),), None)


def test_delay() -> None:
    assert times(story(3, delay=0.25, every=1.0)) == [0.25, 1.25, 2.25]


def test_every_fate_has_copies_or_a_reason() -> None:
    for fate in story(500, loss=0.5, duplicate=0.5, mtu=1000, exact_loss=(1, 3), corrupt=0.5):
        assert (fate.dropped is None) == bool(fate.copies)


# Jitter.


def test_jitter_is_pinned() -> None:
    assert times(story(2, jitter=1.0)) == [0.27476503723300993, 0.558719567488879]
    assert times(story(2, jitter=1.0, jitter_shape="normal")) == pytest.approx([0.785039977771, 0.0832611497175])
    assert times(story(2, jitter=1.0, jitter_shape="exponential")) == pytest.approx([0.321259590057, 0.818074704249])


@pytest.mark.parametrize(
    ("shape", "mean", "second_moment"),
    [("uniform", 0.5, 1 / 3), ("normal", math.sqrt(2 / math.pi), 1), ("exponential", 1, 2)],
)
def test_jitter_has_the_shape_it_says(shape: str, mean: float, second_moment: float) -> None:
    extra = [time - 5.0 for time in times(story(20_000, delay=5.0, jitter=1.0, jitter_shape=shape))]
    assert sum(extra) / len(extra) == pytest.approx(mean, rel=0.06)
    assert sum(value**2 for value in extra) / len(extra) == pytest.approx(second_moment, rel=0.12)
    assert max(extra) > 0.999
    if shape == "uniform":
        assert max(extra) < 1


@pytest.mark.parametrize("shape", ["uniform", "normal", "exponential"])
def test_jitter_does_not_bunch(shape: str) -> None:
    """The usual model cuts off what would be early, and half of all datagrams arrive at the same smallest delay."""
    arrivals = times(story(5000, delay=1.0, jitter=1.0, jitter_shape=shape))
    assert len(set(arrivals)) == 5000
    assert min(arrivals) > 1
    in_steps = Counter(int((time - 1) * 100) for time in arrivals)
    assert max(in_steps.values()) <= 100  # of each hundredth, 80 at most are expected


def test_jitter_lets_datagrams_overtake() -> None:
    arrivals = times(story(100, jitter=0.1, every=0.01))
    assert arrivals != sorted(arrivals)


# Losses.


def test_losses_are_pinned() -> None:
    assert lost(story(20, loss=0.3)) == [8, 11, 17]
    assert lost(story(20, burst=GilbertElliott(0.1, 0.5))) == [13, 14, 15, 16]
    assert lost(story(20, exact_loss=(3, 10))) == [4, 7, 8, 11, 13, 19]
    assert lost(story(20, loss=0.8, in_a_row=3)) == [1, 2, 3, 5, 6, 7, 9, 11, 12, 13, 17, 19]


def test_losses_say_why() -> None:
    assert reasons(story(20, loss=0.3)) == {None, "loss"}
    assert reasons(story(20, burst=GilbertElliott(0.1, 0.5))) == {None, "burst"}
    assert reasons(story(20, exact_loss=(3, 10))) == {None, "exact loss"}


@pytest.mark.parametrize("loss", [0.01, 0.3, 0.9])
def test_the_part_that_is_lost(loss: float) -> None:
    count = 20_000
    assert abs(len(lost(story(count, loss=loss))) - count * loss) < 6 * math.sqrt(count * loss * (1 - loss))


@given(SEEDS)
def test_never_and_always(seed: int) -> None:
    assert lost(story(50, seed=seed, loss=0)) == []
    assert lost(story(50, seed=seed, loss=1)) == list(range(1, 51))
    all_faults: dict[str, Any] = {"duplicate": 1, "corrupt": 1, "garble": 1, "truncate": 1}
    for fate in story(50, seed=seed, **all_faults):
        assert len(fate.copies) == 2
        assert len(fate.copies[0].data) < 100
    for fate in story(50, seed=seed, duplicate=0, corrupt=0, garble=0, truncate=0, jitter=1):
        assert [copy.data for copy in fate.copies] == [ZEROS]


class OneDraw(Luck):
    """Chance that says the same of every datagram."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def draw(self, n: int) -> Draw:
        return Draw(self._digest)


def test_never_and_always_also_at_the_end_of_the_range() -> None:
    """The lowest number that chance can draw is 0, and not below 0; the highest is below 1."""
    passage = Passage(Link(jitter=1, burst=GilbertElliott(0, 0)), 7, WAY)
    passage._luck = OneDraw(bytes(64))
    assert [passage.fate(0.0, n, ZEROS, HEADERS) for n in (1, 2, 3)] == [(((0, ZEROS),), None)] * 3
    passage = Passage(Link(duplicate=1, reorder=1, corrupt=1, garble=1, truncate=1, burst=GilbertElliott(1, 1)), 7, WAY)
    passage._luck = OneDraw(b"\xff" * 64)
    fates = [passage.fate(0.0, n, ZEROS, HEADERS) for n in (1, 2, 3)]
    assert [fate.dropped for fate in fates] == [None, "burst", None]
    assert [copy.time for copy in fates[0].copies] == [0.01, 0]
    assert len(fates[0].copies[0].data) == 99
    passage = Passage(Link(loss=1), 7, WAY)
    passage._luck = OneDraw(b"\xff" * 64)
    assert passage.fate(0.0, 1, ZEROS, HEADERS).dropped == "loss"


@given(SEEDS, PROBABILITY, PROBABILITY)
def test_a_lossier_link_loses_the_same_and_more(seed: int, one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    assert set(lost(story(100, seed=seed, loss=fewer))) <= set(lost(story(100, seed=seed, loss=more)))


def test_bursts_have_the_average_asked_for() -> None:
    fates = story(60_000, burst=GilbertElliott.average(0.1, 5))
    runs = [len(list(run)) for bad, run in groupby(fates, key=lambda fate: not fate.copies) if bad]
    assert sum(runs) / len(fates) == pytest.approx(0.1, abs=0.025)
    assert sum(runs) / len(runs) == pytest.approx(5, abs=0.8)


def test_bursts_step_by_step() -> None:
    """It begins in the good state, and changes after the datagram."""
    assert lost(story(6, burst=GilbertElliott(enter=1, leave=1))) == [2, 4, 6]
    assert lost(story(6, burst=GilbertElliott(enter=1, leave=0))) == [2, 3, 4, 5, 6]
    assert lost(story(6, burst=GilbertElliott(enter=0, leave=1))) == []
    assert lost(story(6, burst=GilbertElliott(1, 1, loss_in_bad=0))) == []
    assert lost(story(6, burst=GilbertElliott(1, 1, loss_in_bad=0, loss_in_good=1))) == [1, 3, 5]


def test_a_burst_goes_on_while_others_lose() -> None:
    """Its state is the link's, so it changes with datagrams that are lost for another reason, or spared."""
    burst = GilbertElliott(enter=1, leave=1)
    assert [fate.dropped for fate in story(4, loss=1, burst=burst)] == ["loss"] * 4
    assert [fate.dropped for fate in story(6, exact_loss=(1, 1), burst=burst)] == ["exact loss", "burst"] * 3
    always = GilbertElliott(1, 1, loss_in_bad=1, loss_in_good=1)
    assert lost(story(6, burst=always, in_a_row=2)) == [1, 2, 4, 5]


@given(SEEDS, st.integers(1, 40), st.data())
def test_exact_loss_is_exact(seed: int, size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, size))
    fates = story(size * 5, seed=seed, exact_loss=(count, size))
    for start in range(0, size * 5, size):
        assert len(lost(fates[start : start + size])) == count


def test_exact_loss_takes_every_choice_alike() -> None:
    fates = story(6 * 3000, exact_loss=(3, 6))
    choices = Counter(tuple(lost(fates[start : start + 6])) for start in range(0, len(fates), 6))
    assert len(choices) == 20
    assert all(90 <= count <= 210 for count in choices.values())  # 150 are expected of each


def test_exact_loss_counts_what_gets_there() -> None:
    """Numbers begin anywhere and have gaps; what mtu or the queue has dropped is not among the ten."""
    passage = Passage(Link(exact_loss=(3, 10), mtu=200), 7, WAY)
    fates = []
    for n in range(957, 957 + 80):
        size = 500 if n % 2 else 100
        fates.append(passage.fate(0.0, n, bytes(size), HEADERS))
    arrived = [fate for fate in fates if fate.dropped != "mtu"]
    assert len(arrived) == 40
    for start in range(0, 40, 10):
        assert len(lost(arrived[start : start + 10])) == 3


def test_exact_loss_of_many_takes_no_longer() -> None:
    """The first draft put a whole block into random order when its first datagram came."""
    assert lost(story(100, exact_loss=(1, 10**12))) == []
    assert len(lost(story(100, exact_loss=(10**12, 10**12)))) == 100


@given(SEEDS, st.integers(1, 5))
def test_at_most_so_many_in_a_row(seed: int, in_a_row: int) -> None:
    always = story(60, seed=seed, loss=1, in_a_row=in_a_row)
    assert [n for n in range(1, 61) if n not in lost(always)] == list(range(in_a_row + 1, 61, in_a_row + 1))
    link: dict[str, Any] = {"loss": 0.5, "burst": GilbertElliott(0.5, 0.2), "garble": 0.5, "truncate": 0.5}
    for bad, run in groupby(
        story(200, seed=seed, in_a_row=in_a_row, **link),
        key=lambda fate: not fate.copies or fate.copies[0].data != ZEROS,
    ):
        assert not bad or len(list(run)) <= in_a_row


def test_damages_count_as_losses_do() -> None:
    for fault in ("corrupt", "garble", "truncate"):
        link: dict[str, Any] = {fault: 1}
        harmed = [data != ZEROS for data in bytes_of(story(8, in_a_row=3, **link))]
        assert harmed == [True, True, True, False] * 2


def test_an_exact_loss_is_neither_counted_nor_spared() -> None:
    fates = story(5, loss=1, in_a_row=2, exact_loss=(1, 1))
    assert [fate.dropped for fate in fates] == ["loss", "loss", "exact loss", "exact loss", "exact loss"]


# Duplicates and order.


def test_duplicates_are_pinned() -> None:
    assert [n for n, fate in enumerate(story(20, duplicate=0.3), 1) if len(fate.copies) == 2] == [5, 13]


def test_a_duplicate_has_its_own_jitter() -> None:
    for fate in story(100, delay=1.0, duplicate=1, jitter=0.5, garble=0.5):
        first, second = fate.copies
        assert first.data == second.data
        assert first.time != second.time
        assert 1 <= first.time < 1.5
        assert 1 <= second.time < 1.5
    for fate in story(3, delay=1.0, duplicate=1):
        assert fate.copies == ((1, ZEROS), (1, ZEROS))


def test_reordering_is_pinned() -> None:
    arrivals = times(story(20, reorder=0.3))
    assert [n for n, time in enumerate(arrivals, 1) if time] == [2, 6, 15, 18, 19]
    assert set(arrivals) == {0, 0.01}


def test_reordering_by_how_much() -> None:
    """Held back by 2.5, sent every 1: the two behind it overtake it."""
    arrivals = times(story(20, reorder=0.3, reorder_delay=2.5, every=1.0))
    order = sorted(range(1, 21), key=lambda n: arrivals[n - 1])
    assert order == [1, 3, 4, 2, 5, 7, 8, 6, 9, 10, 11, 12, 13, 14, 16, 17, 15, 20, 18, 19]


def test_a_second_copy_is_not_held_back() -> None:
    for fate in story(5, delay=1.0, reorder=1, reorder_delay=0.5, duplicate=1):
        assert [copy.time for copy in fate.copies] == [1.5, 1]


# Damages.


def test_damages_are_pinned() -> None:
    def damaged(**link: Any) -> dict[int, bytes]:
        return {n: data for n, data in enumerate(bytes_of(story(20, **link)), 1) if data != ZEROS}

    assert list(damaged(corrupt=0.3)) == [6, 8, 9, 10, 13, 14, 20]
    assert {n: data.strip(b"\0").hex() for n, data in damaged(garble=0.3).items()} == {
        7: "f7146323d93a1ee2",
        8: "8dc0c3330d41c97a",
        9: "7b164e6bffec03be",
        18: "c415456c02011044",
        20: "d0c924a73ed8c394",
    }
    lengths = {n: len(data) for n, data in damaged(truncate=0.3).items()}
    assert lengths == {2: 37, 3: 28, 4: 86, 8: 8, 9: 0, 13: 51, 17: 48, 19: 8}


@given(SEEDS, st.binary(min_size=1, max_size=50))
def test_one_bit_is_flipped(seed: int, data: bytes) -> None:
    (damaged,) = bytes_of(story(1, seed=seed, data=data, corrupt=1))
    assert len(damaged) == len(data)
    assert sum((a ^ b).bit_count() for a, b in zip(data, damaged, strict=True)) == 1


def test_any_bit_may_be_flipped() -> None:
    assert len(set(bytes_of(story(500, data=b"abc", corrupt=1)))) == 24


@given(SEEDS, st.binary(min_size=1, max_size=50))
def test_a_run_of_bytes_is_garbled(seed: int, data: bytes) -> None:
    (damaged,) = bytes_of(story(1, seed=seed, data=data, garble=1))
    assert len(damaged) == len(data)
    where = [place for place in range(len(data)) if data[place] != damaged[place]]
    assert 1 <= len(where) <= 8
    assert where[-1] - where[0] < 8


def test_noise_that_is_what_was_there_is_changed() -> None:
    noise = Luck(7, WAY).draw(1).noise(8)[:1]
    assert noise == b"\x5d"
    assert bytes_of(story(1, data=noise, garble=1)) == [b"\x5c"]
    assert bytes_of(story(1, data=b"\x5c", garble=1)) == [noise]


def test_any_byte_may_be_garbled() -> None:
    damaged = bytes_of(story(2000, data=bytes(20), garble=1))
    first = Counter(len(data) - len(data.lstrip(b"\0")) for data in damaged)
    assert set(first) == set(range(20))
    assert max(len(data.strip(b"\0")) for data in damaged) == 8


@given(SEEDS, st.binary(min_size=1, max_size=50))
def test_the_end_is_missing(seed: int, data: bytes) -> None:
    (damaged,) = bytes_of(story(1, seed=seed, data=data, truncate=1))
    assert len(damaged) < len(data)
    assert data.startswith(damaged)


def test_any_length_may_be_left() -> None:
    assert {len(data) for data in bytes_of(story(500, data=bytes(20), truncate=1))} == set(range(20))


def test_nothing_cannot_be_damaged() -> None:
    """An empty datagram is data, and arrives as it is."""
    assert bytes_of(story(3, data=b"", corrupt=1, garble=1, truncate=1)) == [b""] * 3


# Rate, queue, size. 128 bytes with headers at 1024 bits per second take a second.


def test_rate_spaces_arrivals() -> None:
    assert times(story(4, rate=1024)) == [1, 2, 3, 4]
    assert times(story(4, rate=1024, delay=0.5, every=0.25)) == [1.5, 2.5, 3.5, 4.5]


def test_rate_counts_headers() -> None:
    passage = Passage(Link(rate=8), 7, WAY)
    assert times([passage.fate(0.0, 1, b"", 28), passage.fate(0.0, 2, b"", 48)]) == [28, 76]


def test_a_queue_that_is_empty_costs_nothing() -> None:
    assert times(story(3, rate=1024, every=5.0)) == [1, 6, 11]


def test_the_queue_drops_the_newest() -> None:
    """One is being sent, two wait; the next two are too many, until the first has left."""
    passage = Passage(Link(rate=1024, queue=2), 7, WAY)
    at_once = [passage.fate(0.0, n, ZEROS, HEADERS) for n in range(1, 6)]
    assert [fate.dropped for fate in at_once] == [None, None, None, "queue full", "queue full"]
    assert times(at_once[:3]) == [1, 2, 3]
    assert passage.fate(0.75, 6, ZEROS, HEADERS).dropped == "queue full"
    assert times([passage.fate(1.0, 7, ZEROS, HEADERS)]) == [4]
    assert passage.fate(1.0, 8, ZEROS, HEADERS).dropped == "queue full"


def test_no_queue() -> None:
    assert lost(story(9, rate=1024, queue=0, every=0.5)) == [2, 4, 6, 8]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1500)), min_size=1, max_size=60),
    st.floats(100, 1e6),
    st.integers(0, 5),
)
def test_the_rate_is_kept(sent: list[tuple[float, int]], rate: float, queue: int) -> None:
    passage = Passage(Link(rate=rate, queue=queue), 7, WAY)
    now, last = 0.0, 0.0
    arrivals: list[float] = []
    for n, (gap, size) in enumerate(sent, 1):
        now += gap
        inside = sum(time > now for time in arrivals)
        fate = passage.fate(now, n, bytes(size), HEADERS)
        assert (fate.dropped == "queue full") == (inside > queue)
        if fate.copies:
            assert fate.copies[0].time == max(now, last) + (size + HEADERS) * 8 / rate
            last = fate.copies[0].time
            arrivals.append(last)


@pytest.mark.parametrize(("headers", "largest"), [(28, 1472), (48, 1452)])
def test_mtu(headers: int, largest: int) -> None:
    """Ethernet's 1500 bytes, less the headers of IPv4 or IPv6."""
    passage = Passage(Link(mtu=1500), 7, WAY)
    assert passage.fate(0.0, 1, bytes(largest), headers).dropped is None
    assert passage.fate(0.0, 2, bytes(largest + 1), headers) == ((), "mtu")


# The order of faults.


def test_what_is_too_large_does_not_wait() -> None:
    passage = Passage(Link(mtu=1500, rate=1024, queue=0), 7, WAY)
    assert passage.fate(0.0, 1, bytes(2000), HEADERS).dropped == "mtu"
    assert times([passage.fate(0.0, 2, ZEROS, HEADERS)]) == [1]


def test_what_is_lost_has_taken_its_time() -> None:
    """A link loses what it has sent: the survivors of four arrive at those of the seconds 1 to 4 that are theirs."""
    fates = story(40, rate=1024, exact_loss=(2, 4))
    assert [fate.copies[0].time for fate in fates if fate.copies] == [n for n in range(1, 41) if n not in lost(fates)]


def test_damages_are_doubled() -> None:
    for fate in story(20, corrupt=1, garble=0.5, truncate=0.5, duplicate=1):
        assert fate.copies[0].data == fate.copies[1].data != ZEROS


@given(
    SEEDS,
    st.sampled_from(["loss", "duplicate", "reorder", "corrupt", "garble", "truncate", "jitter"]),
    PROBABILITY,
)
def test_a_fault_that_changes_leaves_the_others_alone(seed: int, fault: str, value: float) -> None:
    """What people do when they have found a bug is to take away faults until it is gone."""
    link: dict[str, Any] = dict.fromkeys(("duplicate", "reorder", "corrupt", "garble", "truncate"), 0.3)
    link.update(loss=0.2, jitter=0.5, reorder_delay=10.0, exact_loss=(1, 5), burst=GilbertElliott(0.1, 0.5))
    before = story(60, seed=seed, **link)
    after = story(60, seed=seed, **{**link, fault: value})
    if fault != "loss":
        assert [fate.dropped for fate in after] == [fate.dropped for fate in before]
    for old, new in zip(before, after, strict=True):
        if not (old.copies and new.copies):
            continue
        if fault not in ("corrupt", "garble", "truncate"):
            assert new.copies[0].data == old.copies[0].data
        if fault in ("corrupt", "garble"):
            assert len(new.copies[0].data) == len(old.copies[0].data)
        if fault not in ("reorder", "jitter"):
            assert new.copies[0].time == old.copies[0].time
        if fault == "reorder":
            assert new.copies[0].time % 10 == pytest.approx(old.copies[0].time % 10)
        if fault == "jitter":
            assert (new.copies[0].time >= 10) == (old.copies[0].time >= 10)
        if fault != "duplicate":
            assert len(new.copies) == len(old.copies)
        if fault not in ("duplicate", "jitter"):
            assert [copy.time for copy in new.copies[1:]] == [copy.time for copy in old.copies[1:]]


@given(
    SEEDS,
    st.floats(0, 1e6),
    st.floats(0, 10),
    st.floats(0, 10),
    st.sampled_from(["uniform", "normal", "exponential"]),
    PROBABILITY,
    PROBABILITY,
    st.none() | st.floats(1, 1e9),
)
def test_nothing_is_early(
    seed: int,
    sent: float,
    delay: float,
    jitter: float,
    shape: str,
    reorder: float,
    duplicate: float,
    rate: float | None,
) -> None:
    link = Link(delay, jitter, shape, reorder=reorder, duplicate=duplicate, rate=rate)
    passage = Passage(link, seed, WAY)
    for n in range(1, 20):
        for copy in passage.fate(sent, n, ZEROS, HEADERS).copies:
            assert sent + delay <= copy.time < math.inf


@given(SEEDS)
def test_the_same_seed_tells_the_same_story(seed: int) -> None:
    link: dict[str, Any] = {"loss": 0.3, "jitter": 0.1, "duplicate": 0.3, "garble": 0.3, "exact_loss": (1, 5)}
    assert story(50, seed=seed, **link) == story(50, seed=seed, **link)
    assert story(50, seed=seed, **link) != story(50, seed=seed + 1, **link)


def test_the_other_way_has_its_own_story() -> None:
    there, back = Passage(Link(loss=0.5), 7, WAY), Passage(Link(loss=0.5), 7, WAY[::-1])
    forward = [there.fate(0.0, n, ZEROS, HEADERS).dropped for n in range(1, 101)]
    backward = [back.fate(0.0, n, ZEROS, HEADERS).dropped for n in range(1, 101)]
    assert forward != backward
