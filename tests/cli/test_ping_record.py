from __future__ import annotations

import json

import pytest

from trio_udp.cli._ping_record import WINDOW, Payloads, Record, RoundTrips, Sending
from trio_udp.cli._ping_report import Echo, JSONReport, Report


def test_a_payload_is_recognised_by_its_token() -> None:
    ours, theirs = Payloads(56, token=1), Payloads(56, token=2)
    assert len(ours.make(5)) == 56
    assert len(Payloads(8).make(2**32 - 1)) == 8
    assert ours.number(ours.make(5)) == 5
    assert theirs.number(ours.make(5)) is None
    assert ours.number(b"short") is None
    assert Payloads(8).make(1) != Payloads(8).make(1)


def test_few_times_are_summed_up_exactly() -> None:
    times = RoundTrips()
    assert times.summary() == {}
    for elapsed in (0.004, 0.001, 0.003, 0.002):
        times.add(elapsed)
    assert times.summary() == pytest.approx(
        {"min": 0.001, "median": 0.0025, "mean": 0.0025, "p99": 0.00397, "max": 0.004}
    )


def test_many_times_are_sampled_and_take_no_more_room() -> None:
    times = RoundTrips(size=1000)
    for number in range(20_000):
        times.add(number / 20_000)
    assert len(times._sample) == 1000
    summary = times.summary()
    assert (summary["min"], summary["max"]) == (0, 0.99995)
    assert summary["mean"] == pytest.approx(0.5, abs=0.001)
    assert summary["median"] == pytest.approx(0.5, abs=0.15)  # nine standard deviations of the sample's median
    assert summary["p99"] > 0.95


def test_a_long_run_remembers_the_latest_pings_only() -> None:
    record = Record()
    for number in range(1, WINDOW + 2):
        record.started(number, 1)
    assert len(record._pings) == WINDOW
    record.answered(1, 1, 0.5)  # which is not remembered any more
    assert (record.received, record.waiting) == (1, WINDOW)
    assert record.surplus(1) == "late"
    assert (record.late, record.duplicates) == (0, 0)


def test_what_is_not_remembered_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    record = Record()
    record.sent_now(1, Sending(1, 0.5))
    assert record.sending(1) is None
    for report in (Report(), JSONReport()):
        report.echo(Echo("late", 1, 56, ("::1", 7, 0, 0), None, None))
    line, object_ = capsys.readouterr().out.splitlines()
    assert line == "56 bytes from [::1]:7: seq=1 late"
    fields = {"event": "late", "seq": 1, "attempt": None, "bytes": 56, "time_ms": None, "from": "[::1]:7"}
    assert json.loads(object_) == fields


def test_refused_is_what_the_newest_was() -> None:
    record = Record()
    for number in (1, 2, 3):
        record.started(number, 1)
    record.unanswered(1, refused=True)
    assert record.ended_refused
    record.unanswered(3, refused=False)
    record.unanswered(2, refused=True)
    assert not record.ended_refused


def test_nothing_sent_is_nothing_lost(capsys: pytest.CaptureFixture[str]) -> None:
    Report().summary("[::1]:7", Record())
    lines = ["--- [::1]:7 ping statistics ---", "0 sent, 0 received, 0 duplicates, 0 late, 0 % loss"]
    assert capsys.readouterr().out.splitlines() == lines
