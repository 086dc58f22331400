from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp.cli._bench_record import Latencies, Payloads, Record
from trio_udp.cli._bench_report import MOST_ROWS, Outcome, Setup, as_json, lines, progress_line, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOSED = Setup("127.0.0.1:7", 10, 1, 64, None)
OPEN = Setup("127.0.0.1:7", 1, None, 64, 100.0)


def make_latencies(times: Iterable[float]) -> Latencies:
    latencies = Latencies()
    for time in times:
        latencies.add(time, 1)
    return latencies


def make_outcome(
    times: Iterable[float] = (), *, lost: int = 0, rate: float = 100, late_by: float = 0, cpu: float = 0
) -> Outcome:
    """Requests that began at 10 s and went out at such a rate; and the replies to the first of them."""
    record = Record(Payloads(64), 1.0)
    record.started = record.last_sent = record.last_reply = 10.0
    for number, time in enumerate(times):
        record.sent += 1
        record.last_sent = 10.0 + number / rate
        record.last_reply = max(record.last_reply, record.last_sent + time)
        record.reply(record.last_sent, record.last_sent + time, 1)
    record.sent += lost
    record.lost = lost
    lateness = make_latencies([late_by] * record.sent if late_by else [])
    return Outcome(record, lateness, cpu, received_bytes=64 * record.replies, refused=0, errors={}, kernel_drops=0)


def test_a_closed_loop() -> None:
    outcome = make_outcome([0.004] * 3 + [0.25], rate=4)
    assert lines(CLOSED, outcome, 60) == [
        "--- 127.0.0.1:7 bench statistics ---",
        "closed loop, 10 clients, 1 in flight each, 64 bytes, 1.00 s",
        "4 sent, 4 answered, 0 late, 0 lost, 0 duplicates",
        "4 replies/s, 0.0 Mbit/s of payload received",
        "",
        "latency",
        "  min      4.000 ms",
        "  mean    65.500 ms",
        "  max    250.000 ms",
        "  p50      4.005 ms",
        "  p90    250.000 ms",
        "  p95    250.000 ms",
        "  p99    250.000 ms",
        "  p99.9  250.000 ms",
        "",
        "      3 - 5 ms  3  75.00 %  ###############################",
        "      5 - 7 ms  0   0.00 %",
        "     7 - 10 ms  0   0.00 %",
        "    10 - 15 ms  0   0.00 %",
        "    15 - 20 ms  0   0.00 %",
        "    20 - 30 ms  0   0.00 %",
        "    30 - 50 ms  0   0.00 %",
        "    50 - 70 ms  0   0.00 %",
        "   70 - 100 ms  0   0.00 %",
        "  100 - 150 ms  0   0.00 %",
        "  150 - 200 ms  0   0.00 %",
        "  200 - 300 ms  1  25.00 %  ##########",
    ]


def test_an_open_loop_that_keeps_its_rate() -> None:
    text = lines(OPEN, make_outcome([0.004] * 101, late_by=0.0001), 80)
    assert text[1] == "open loop, 1 client, 64 bytes, 1.00 s"
    assert text[4:7] == [
        "asked for 100 requests/s, sent 100",
        "sends were late by 0.100 ms on average, p99 0.100 ms, at most 0.100 ms",
        "",
    ]


def test_a_rate_that_was_not_reached() -> None:
    assert lines(OPEN, make_outcome([0.004] * 101, rate=50, late_by=1.0), 80)[4:7] == [
        "asked for 100 requests/s, sent 50",
        "sends were late by 1000.000 ms on average, p99 1000.000 ms, at most 1000.000 ms",
        "the rate was not reached: this load or the server could not keep up",
    ]


def test_one_request_has_no_rate() -> None:
    """One reply after 5 ms is not 200 a second."""
    outcome = make_outcome([0.004])
    assert lines(OPEN, outcome, 80)[2:5] == [
        "1 sent, 1 answered, 0 late, 0 lost, 0 duplicates",
        "asked for 100 requests/s, sent ?",
        "",
    ]
    told = json.loads(as_json(OPEN, outcome))
    assert (told["replies_per_second"], told["received_bits_per_second"], told["sent_per_second"]) == (None, None, None)


def test_nothing_was_answered() -> None:
    record = make_outcome(lost=3).record
    outcome = Outcome(record, Latencies(), 0, 0, refused=1, errors={"EPERM": 2}, kernel_drops=None)
    assert lines(CLOSED, outcome, 80)[2:] == [
        "3 sent, 0 answered, 0 late, 3 lost (100 %), 0 duplicates",
        "refused 1 time: nobody listened there",
        "the system said EPERM 2 times",
    ]
    told = json.loads(as_json(CLOSED, outcome))
    assert (told["latency_ms"], told["histogram_ms"], told["kernel_drops"]) == (None, [], None)
    assert (told["replies_per_second"], told["sent_per_second"]) == (None, None)
    assert (told["refused"], told["errors"], told["load_busy"]) == (1, {"EPERM": 2}, None)


def test_a_load_that_got_no_reply_is_not_the_limit() -> None:
    """Its time ends with the last request then, and its work was the waiting for replies."""
    record = make_outcome([0.25] * 3, rate=4).record
    record.answered, record.lost, record.latencies = 0, 3, Latencies()
    outcome = Outcome(record, Latencies(), 1.0, 0, refused=3, errors={}, kernel_drops=None)
    assert outcome.seconds > 0
    assert lines(CLOSED, outcome, 80)[2:] == [
        "3 sent, 0 answered, 0 late, 3 lost (100 %), 0 duplicates",
        "refused 3 times: nobody listened there",
        "0 replies/s, 0.0 Mbit/s of payload received",
    ]
    told = json.loads(as_json(CLOSED, outcome))
    assert (told["replies_per_second"], told["load_busy"]) == (0, None)


def test_what_else_happened() -> None:
    record = make_outcome([0.5, 1.5, 0.5], lost=1).record
    record.unrelated, record.duplicates = 1, 1
    outcome = Outcome(record, Latencies(), 0, 256, refused=0, errors={}, kernel_drops=3)
    assert lines(CLOSED, outcome, 80)[2:5] == [
        "4 sent, 2 answered, 1 late, 1 lost (25 %), 1 duplicate",
        "1 datagram came that were no reply to this run",
        "3 times replies were lost at this end: too many for its buffers",
    ]


def test_a_load_that_may_be_the_limit_itself() -> None:
    seconds = make_outcome([0.25] * 4, rate=4).seconds
    busy, idle = (make_outcome([0.25] * 4, rate=4, cpu=share * seconds) for share in (0.76, 0.74))
    said = "this load was busy 76% of the time, so it may be the limit and not the server"
    said += ", and its own work is in the times below"
    assert lines(CLOSED, busy, 80)[4] == f"{said}; -w 16 takes it less time for each"
    assert lines(CLOSED._replace(in_flight=16), busy, 80)[4] == said
    assert lines(CLOSED, idle, 80)[4] == ""
    assert lines(OPEN, busy, 80)[4].startswith("asked for")  # it is always busy


def test_it_is_never_busier_than_always() -> None:
    """It also begins and ends, which is a good part of a very short run."""
    assert make_outcome([0.25] * 4, rate=4, cpu=3).busy == 1


def test_json_tells_the_same() -> None:
    told = json.loads(as_json(OPEN, make_outcome([0.004] * 101, late_by=0.0001, cpu=0.753)))
    assert told == {
        "server": "127.0.0.1:7",
        "loop": "open",
        "clients": 1,
        "in_flight": None,
        "size": 64,
        "seconds": 1.004,
        "sent": 101,
        "answered": 101,
        "late": 0,
        "lost": 0,
        "duplicates": 0,
        "unrelated": 0,
        "refused": 0,
        "errors": {},
        "kernel_drops": 0,
        "replies_per_second": 100.598,
        "received_bits_per_second": 51505.976,
        "asked_per_second": 100.0,
        "sent_per_second": 100.0,
        "load_busy": 0.75,
        "sent_late_ms": dict.fromkeys(("min", "mean", "max", "p50", "p90", "p95", "p99", "p99.9"), 0.1),
        "latency_ms": dict.fromkeys(
            ("min", "mean", "max", "p50", "p90", "p95", "p99", "p99.9"), pytest.approx(4, rel=1e-5)
        ),
        "histogram_ms": [[3.6, 4.0, 101]],
    }


def test_progress() -> None:
    record = make_outcome([0.004] * 5, lost=1).record
    record.sent += 2
    assert progress_line(record, 12.01, 2.4) == "2 s: 8 sent, 2 replies/s, 2 waiting, 1 lost"


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_histogram_is_as_wide_as_the_terminal(columns: int) -> None:
    outcome = make_outcome(number / 1000 for number in range(1, 100))
    widest = max(map(len, lines(CLOSED, outcome, columns)[-5:]))
    assert widest == max(columns - 1, 38)  # the numbers take 28, and a bar has at least 10


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=50))
def test_every_latency_is_in_its_row(times: list[float]) -> None:
    table = rows(make_latencies(times))
    assert [low for low, _, _ in table[1:]] == [high for _, high, _ in table[:-1]]
    for low, high, count in table:
        # What is known of a time is its bucket, so one at the very end of a row may be found in the next one.
        inside = sum(low < time < high * 0.998 for time in times)
        near = sum(low * 0.998 <= time <= high for time in times)
        assert inside <= count <= near
    assert sum(count for _, _, count in table) == len(times)
    assert table[0][0] <= min(times)
    assert max(times) <= table[-1][1]


@pytest.mark.parametrize("spread", [1.0001, 1.5, 3, 10, 100, 1e4, 1e9])
def test_few_rows_and_not_too_few(spread: float) -> None:
    table = rows(make_latencies([0.00012, 0.00012 * spread]))
    assert len(table) <= MOST_ROWS
    assert len(table) >= 4 or spread < 1.5
