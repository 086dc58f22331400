"""What ``bench`` prints: lines and a histogram for a person, or JSON for a program. The same things in both.

A histogram with rows of equal width is what most tools draw, and latencies are not made for it: one that took a hundred
times as long as the others, and all the others are in the first row. So the ends of the rows are round numbers that
grow by a factor, the smallest factor of which no more than `MOST_ROWS` rows come.
"""

from __future__ import annotations

import bisect
import json
import math
from typing import TYPE_CHECKING, NamedTuple

from ._common import milliseconds, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._bench_record import Latencies, Record

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

MOST_ROWS = 16

# Where a row may end, in each power of ten: series of round numbers, from fine to coarse, each some equal factor apart
# (ISO 3 has such series, less round). The finest with which the rows are few enough is taken.
_SERIES = (
    (1, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2, 2.2, 2.4, 2.7, 3, 3.3, 3.6, 4, 4.5, 5, 5.5, 6, 6.5, 7, 8, 9),
    (1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 4, 5, 6, 7, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1,),
)

# From this part of the time on that a closed loop was at work itself, the report says that it may be what limits. (An
# open loop is always at work: it spins to be in time, and says how late it was.)
BUSY = 0.75

# With so many in flight for each client they share system calls, and one costs the load a quarter of what it costs
# alone.
ENOUGH = 16

# Below this part of the rate that was asked for the report says that it was not reached.
REACHED = 0.99


class Setup(NamedTuple):
    """What was asked for."""

    server: str
    clients: int
    in_flight: int | None  # of each client; None: an open loop
    size: int  # bytes of payload
    rate: float | None  # a second

    @property
    def loop(self) -> str:
        """Which kind of load."""
        return "open" if self.in_flight is None else "closed"


class Outcome(NamedTuple):
    """What came of it, beside the record."""

    record: Record
    lateness: Latencies  # of sending, in an open loop
    cpu: float  # seconds that this process has worked
    received_bytes: int
    refused: int  # times that the system said so: not each datagram's refusal is told
    errors: Mapping[str, int]  # what else it said, and how often
    kernel_drops: int | None  # replies, or runs of replies, that it dropped at this end; None if it does not tell

    @property
    def seconds(self) -> float:
        """From the first request to the last reply, or to the last request if that came later."""
        record = self.record
        return max(record.last_sent, record.last_reply, record.started) - record.started

    @property
    def busy(self) -> float | None:
        """For what part of that time this process was at work, 0 to 1; None in no time, or without replies.

        Where nothing came back, that time is over before the waiting for it has begun.
        """
        if not self.record.replies or self.seconds <= 0:
            return None
        return min(self.cpu / self.seconds, 1.0)  # it also had to begin, and to wait for what was lost

    @property
    def sent_per_second(self) -> float | None:
        """From the first request to the last one, both included; None of fewer than two, or in no time."""
        record = self.record
        took = record.last_sent - record.started
        return (record.sent - 1) / took if record.sent > 1 and took > 0 else None

    def per_second(self, number: float) -> float | None:
        """None of fewer than two requests, or in no time: how long one took is no throughput."""
        return number / self.seconds if self.record.sent > 1 and self.seconds > 0 else None


def progress_line(record: Record, now: float, rate: float) -> str:
    """A line while it runs; ``rate``: replies per second lately."""
    sums = f"{record.sent} sent, {rate:.0f} replies/s, {record.waiting} waiting, {record.lost} lost"
    return f"{now - record.started:.0f} s: {sums}"


# -- for a person ----------------------------------------------------------------------------------------------------


def lines(setup: Setup, outcome: Outcome, columns: int) -> list[str]:
    """All of the report, as wide as the terminal is."""
    record = outcome.record
    text = [f"--- {setup.server} bench statistics ---", _asked(setup, outcome.seconds), _sums(record)]
    text += _troubles(outcome)
    if (rate := outcome.per_second(outcome.record.replies)) is not None:
        bits = outcome.per_second(outcome.received_bytes * 8) or 0
        text.append(f"{rate:.0f} replies/s, {bits / 1e6:.1f} Mbit/s of payload received")
    text += _limits(setup, outcome)
    if setup.rate is not None:
        text += _rates(setup.rate, outcome)
    if record.latencies.count:
        text += ["", *_latencies(record.latencies), "", *_histogram(record.latencies, columns)]
    return text


def _asked(setup: Setup, seconds: float) -> str:
    each = "" if setup.in_flight is None else f", {setup.in_flight} in flight each"
    return f"{setup.loop} loop, {plural(setup.clients, 'client')}{each}, {setup.size} bytes, {seconds:.2f} s"


def _sums(record: Record) -> str:
    loss = f" ({100 * record.lost / record.sent:.3g} %)" if record.lost else ""
    sums = f"{record.sent} sent, {record.answered} answered, {record.late} late, {record.lost} lost{loss}"
    return f"{sums}, {plural(record.duplicates, 'duplicate')}"


def _troubles(outcome: Outcome) -> list[str]:
    text = []
    if outcome.refused:
        text.append(f"refused {plural(outcome.refused, 'time')}: nobody listened there")
    if outcome.record.unrelated:
        text.append(f"{plural(outcome.record.unrelated, 'datagram')} came that were no reply to this run")
    if outcome.errors:
        text.append("the system said " + ", ".join(f"{name} {plural(n, 'time')}" for name, n in outcome.errors.items()))
    if outcome.kernel_drops:
        text.append(f"{outcome.kernel_drops} times replies were lost at this end: too many for its buffers")
    return text


def _limits(setup: Setup, outcome: Outcome) -> list[str]:
    """What throughput and times may be a measure of, if not of the server."""
    if setup.in_flight is None or (busy := outcome.busy or 0) < BUSY:
        return []
    why = f"; -w {ENOUGH} takes it less time for each" if setup.in_flight < ENOUGH else ""
    it = "it may be the limit and not the server, and its own work is in the times below"
    return [f"this load was busy {busy:.0%} of the time, so {it}{why}"]


def _rates(asked: float, outcome: Outcome) -> list[str]:
    sent = outcome.sent_per_second
    text = [f"asked for {asked:g} requests/s, sent {'?' if sent is None else format(sent, '.6g')}"]
    if (late := outcome.lateness).count:
        p99, most = milliseconds(late.quantile(0.99)), milliseconds(late.most)
        text.append(f"sends were late by {milliseconds(late.mean)} on average, p99 {p99}, at most {most}")
    if sent is not None and sent < REACHED * asked:
        text.append("the rate was not reached: this load or the server could not keep up")
    return text


def _latencies(latencies: Latencies) -> list[str]:
    names = ["min", "mean", "max", *QUANTILES]
    values = [latencies.least, latencies.mean, latencies.most, *map(latencies.quantile, QUANTILES.values())]
    shown = [milliseconds(value) for value in values]
    width = max(map(len, shown))
    return ["latency", *(f"  {name:<5}  {value:>{width}}" for name, value in zip(names, shown, strict=True))]


def _histogram(latencies: Latencies, columns: int) -> list[str]:
    table = [
        (f"{low * 1000:.4g} - {high * 1000:.4g} ms", str(count), f"{100 * count / latencies.count:.2f} %", count)
        for low, high, count in rows(latencies)
    ]
    widths = [max(len(row[column]) for row in table) for column in range(3)]  # type: ignore[arg-type]
    largest = max(row[3] for row in table)
    room = max(columns - sum(widths) - 9, 10)
    return [
        f"  {span:>{widths[0]}}  {count:>{widths[1]}}  {part:>{widths[2]}}  {'#' * round(room * n / largest)}".rstrip()
        for span, count, part, n in table
    ]


def rows(latencies: Latencies) -> list[tuple[float, float, int]]:
    """From, to (in seconds) and how many; the rows follow each other without a gap."""
    ends = next((ends for series in _SERIES if len(ends := _ends(latencies, series)) <= MOST_ROWS + 1), None)
    ends = ends or _ends(latencies, _SERIES[-1])
    counts = [0] * (len(ends) - 1)
    for top, count in latencies.counts():
        counts[min(max(bisect.bisect_left(ends, top) - 1, 0), len(counts) - 1)] += count
    return list(zip(ends, ends[1:], counts, strict=False))


def _ends(latencies: Latencies, series: tuple[float, ...]) -> list[float]:
    least, most = max(latencies.least, 1e-9), max(latencies.most, 1e-9)
    powers = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 2)
    ends = [float(f"{step}e{power}") for power in powers for step in series]
    first = bisect.bisect_right(ends, least) - 1
    return ends[first : max(bisect.bisect_left(ends, most), first + 1) + 1]


# -- for a program ---------------------------------------------------------------------------------------------------


def as_json(setup: Setup, outcome: Outcome) -> str:
    """One object; times in milliseconds, null where unknown."""
    record = outcome.record
    names = ("sent", "answered", "late", "lost", "duplicates", "unrelated")
    return json.dumps(
        {
            "server": setup.server,
            "loop": setup.loop,
            "clients": setup.clients,
            "in_flight": setup.in_flight,
            "size": setup.size,
            "seconds": round(outcome.seconds, 6),
            **{name: getattr(record, name) for name in names},
            "refused": outcome.refused,
            "errors": dict(outcome.errors),
            "kernel_drops": outcome.kernel_drops,
            "replies_per_second": _rounded(outcome.per_second(outcome.record.replies)),
            "received_bits_per_second": _rounded(outcome.per_second(outcome.received_bytes * 8)),
            "asked_per_second": setup.rate,
            "sent_per_second": _rounded(outcome.sent_per_second),
            "load_busy": _rounded(outcome.busy),
            "sent_late_ms": _times(outcome.lateness),
            "latency_ms": _times(record.latencies),
            "histogram_ms": [[_ms(low), _ms(high), count] for low, high, count in rows(record.latencies)]
            if record.latencies.count
            else [],
        }
    )


def _times(latencies: Latencies) -> dict[str, float] | None:
    if not latencies.count:
        return None
    times = {"min": latencies.least, "mean": latencies.mean, "max": latencies.most}
    times |= {name: latencies.quantile(fraction) for name, fraction in QUANTILES.items()}
    return {name: _ms(value) for name, value in times.items()}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 6)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
