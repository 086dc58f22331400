from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp.cli import _bench_record
from trio_udp.cli._bench_record import ID_SIZE, Latencies, Payloads, Record, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence


def sums(record: Record) -> tuple[int, ...]:
    assert record.sent == record.answered + record.late + record.lost + record.waiting
    return record.sent, record.answered, record.late, record.lost, record.duplicates, record.unrelated


def start(count: int, wait: float = 1.0) -> tuple[Record, Waiting, list[bytes], list[bytes]]:
    """So many requests that were sent at 10 s, and their ids and payloads."""
    payloads = Payloads(20, token=7)
    record = Record(payloads, wait)
    waiting = Waiting(record)
    ids, data = payloads.make(count)
    waiting.sent_at_once(ids, 10.0)
    return record, waiting, ids, data


# -- payloads ----------------------------------------------------------------------------------------------------------


def test_the_id_is_text_at_the_end() -> None:
    payloads = Payloads(20, token=0xABCDEF)
    ids, data = payloads.make(2)
    assert data == [b"....ABCDEF0000000001", b"....ABCDEF0000000002"]
    assert ids == [each[-ID_SIZE:] for each in data]
    assert payloads.make(1)[1] == [b"....ABCDEF0000000003"]
    assert Payloads(ID_SIZE, token=1).make(1)[1] == [b"0000010000000001"]


def test_only_what_was_made_is_known() -> None:
    payloads = Payloads(20, token=0xABCDEF)
    payloads.make(2)
    assert payloads.made(b"ABCDEF0000000001")
    assert payloads.made(b"ABCDEF0000000002")
    for other in (b"ABCDEF0000000003", b"ABCDEF0000000000", b"ABCDEE0000000001", b"abcdef0000000001", b"short", b""):
        assert not payloads.made(other)
    assert not payloads.made(b" BCDEF0000000001")
    assert not payloads.made(b"ABCDE_0000000001")


def test_two_runs_differ() -> None:
    assert len({Payloads(20).make(1)[1][0] for _ in range(5)}) > 1


# -- what became of a request ------------------------------------------------------------------------------------------


def test_answered() -> None:
    record, waiting, _, data = start(3)
    waiting.received(data[:2], 10.25)
    assert sums(record) == (3, 2, 0, 0, 0, 0)
    assert len(waiting) == record.waiting == 1
    assert (record.latencies.count, record.latencies.mean, record.last_reply) == (2, 0.25, 10.25)


def test_what_comes_before_the_id_is_the_servers_business() -> None:
    record, waiting, _, data = start(2)
    waiting.received([b"OK..." + data[0], data[1].upper()], 10.25)
    assert sums(record) == (2, 2, 0, 0, 0, 0)


def test_a_reply_that_takes_as_long_as_it_may_is_in_time() -> None:
    record, waiting, _, data = start(2)
    waiting.received(data[:1], 11.0)
    waiting.received(data[1:], math.nextafter(11.0, 12))
    assert sums(record) == (2, 1, 1, 0, 0, 0)


def test_lost_and_then_late_after_all() -> None:
    record, waiting, _, data = start(2)
    assert waiting.next_to_expire() == 11.0
    waiting.expire(math.nextafter(11.0, 0))
    assert sums(record) == (2, 0, 0, 0, 0, 0)
    waiting.expire(11.0)
    assert sums(record) == (2, 0, 0, 2, 0, 0)
    assert (len(waiting), waiting.next_to_expire()) == (0, math.inf)
    waiting.received(data[:1], 13.0)
    assert sums(record) == (2, 0, 1, 1, 0, 0)
    assert (record.latencies.count, record.latencies.most) == (1, 3.0)
    waiting.received(data[:1], 14.0)
    assert sums(record) == (2, 0, 1, 1, 1, 0)


def test_duplicates_in_one_batch_and_later() -> None:
    record, waiting, _, data = start(1)
    waiting.received(data * 3, 10.5)
    waiting.received(data, 10.75)
    assert sums(record) == (1, 1, 0, 0, 3, 0)
    assert record.latencies.count == 1


def test_replies_to_somebody_else() -> None:
    record, waiting, _, _ = start(1)
    _, theirs = Payloads(20, token=8).make(1)
    waiting.received([*theirs, b"", b"junk", b"junk of the same length"], 10.5)
    assert sums(record) == (1, 0, 0, 0, 0, 4)


def test_each_has_its_own_time() -> None:
    payloads = Payloads(20)
    record = Record(payloads, 1.0)
    waiting = Waiting(record)
    ids, data = payloads.make(3)
    waiting.sent(zip(ids, (1.0, 1.25, 1.5), strict=True), 3, 2.0)
    waiting.expire(2.25)
    assert sums(record) == (3, 0, 0, 2, 0, 0)
    waiting.received(data, 2.375)
    assert sums(record) == (3, 1, 2, 0, 0, 0)
    assert list(record.latencies.counts()) == [(0.8759765625, 1), (1.126953125, 1), (1.375, 1)]


def test_what_was_not_sent_after_all_is_nothing() -> None:
    record, waiting, ids, _ = start(4)
    waiting.unsent(ids[3:])
    assert sums(record) == (3, 0, 0, 0, 0, 0)
    waiting.expire(11.0)
    waiting.unsent(ids[2:3])
    assert sums(record) == (2, 0, 0, 2, 0, 0)


def test_only_the_newest_lost_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bench_record, "REMEMBERED", 2)
    record, waiting, _, data = start(4)
    waiting.received(data[1:2], 10.5)
    waiting.expire(11.0)
    waiting.received(data, 12.0)
    # The first is forgotten: it was lost and is late, but that cannot be told from a duplicate any more. The second was
    # answered, and is known to be a duplicate, as nothing after the first is forgotten.
    assert sums(record) == (4, 1, 2, 1, 1, 1)


@given(st.data())
def test_the_sum_always_holds(data: st.DataObject) -> None:
    """Whatever comes, in whatever order: each request ends as one of three, and nothing is counted twice."""
    payloads = Payloads(16, token=1)
    record = Record(payloads, 1.0)
    clients = [Waiting(record), Waiting(record)]
    made: Sequence[bytes] = []
    now = 0.0
    for _ in range(data.draw(st.integers(1, 20))):
        now += data.draw(st.sampled_from([0.0, 0.3, 0.9]))
        waiting = data.draw(st.sampled_from(clients))
        match data.draw(st.sampled_from(["send", "receive", "expire"])):
            case "send":
                ids, more = payloads.make(data.draw(st.integers(1, 5)))
                waiting.sent_at_once(ids, now)
                made = [*made, *more]
            case "receive":
                waiting.received(data.draw(st.lists(st.sampled_from([b"junk", *made]), max_size=8)), now)
            case "expire":
                waiting.expire(now)
        sums(record)
        assert record.waiting == len(clients[0]) + len(clients[1])
        assert record.latencies.count == record.replies


# -- latencies ---------------------------------------------------------------------------------------------------------


def test_nothing_has_no_latency() -> None:
    latencies = Latencies()
    assert (latencies.count, latencies.mean, latencies.quantile(0.5), list(latencies.counts())) == (0, 0, 0, [])


def test_one_time_is_exact() -> None:
    latencies = Latencies()
    latencies.add(0.7, 4)
    assert (latencies.least, latencies.mean, latencies.most) == (0.7,) * 3
    assert latencies.quantile(0.5) == latencies.quantile(0.999) == 0.7


def test_no_time_at_all() -> None:
    latencies = Latencies()
    latencies.add(0.0, 1)
    latencies.add(1.0, 1)
    assert (latencies.least, latencies.most) == (0, 1)
    assert 0 <= latencies.quantile(0.5) < 1e-9


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=50), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1]))
def test_a_quantile_is_never_too_low_and_hardly_too_high(times: list[float], fraction: float) -> None:
    latencies = Latencies()
    for time in times:
        latencies.add(time, 1)
    true = sorted(times)[math.ceil(fraction * len(times)) - 1]
    assert true <= latencies.quantile(fraction) <= true * (1 + 1 / 512)


def test_a_million_different_times_take_little_room() -> None:
    latencies = Latencies()
    source = random.Random(1)
    for _ in range(20_000):
        latencies.add(source.uniform(0.0001, 0.01), 50)
    assert latencies.count == 1_000_000
    assert len(latencies._buckets) < 7 * 512  # seven powers of two
