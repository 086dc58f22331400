"""From samples to rows.

Noise only adds to CPU time, and only takes from throughput (not so where a figure is the difference of two: there, all
numbers are the median). So there are two numbers for each figure: the *best* of the
rounds (the least, or the most where more is better) is what the machine can do when nobody disturbs it, the *median*
says what to expect. How far the median is from the best is how noisy it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import NamedTuple

UNITS = {
    "cpu": "us",
    "receive cpu": "us",
    "send cpu": "us",
    "round trip": "us",
    "event": "us",
    "rate": "1/s",
    "import": "ms",
    "memory": "bytes",
    "busy": "share",
    "kernel": "share",
    "receive kernel": "share",
    "send kernel": "share",
    "lost": "share",
}
_DIFFERENCES = {"event"}
_MORE_IS_BETTER = {"rate", "busy"}

# A ratio with one side 15 % off is off by as much, and most targets are not further from their bound than that. In
# rounds that nobody disturbed, medians were within 5 % of their best.
NOISY = 0.15

# Of the machine's time. Where it has two cores, this is a tenth of one of them, and both are needed.
_MOST_FOR_OTHERS = 0.05

_MOST_NAMES = 10  # in one remark

# What is no cost in itself: how a sample was taken, a part of another figure, a difference of two.
_NEVER_NOISY = {"busy", "lost", "kernel", "receive kernel", "send kernel", "event"}
_IDLE_BELOW = 0.9
_ALWAYS_BUSY = ("echo", "handler checkpoint", "addresses")


class Key(NamedTuple):
    """What a number is about."""

    measure: str
    subject: str
    figure: str


Samples = Mapping[Key, Sequence[float]]
"""The rounds of each, in order: the same round has the same index everywhere."""


@dataclass(frozen=True)
class Row:
    """All rounds of one figure."""

    measure: str
    subject: str
    figure: str
    unit: str
    best: float
    median: float
    rounds: int
    noise: float  # how far the median is from the best, as a share of the best
    noisy: bool

    @property
    def judged(self) -> bool:
        """Whether its noise says something about the machine."""
        return self.figure not in _NEVER_NOISY

    @property
    def name(self) -> str:
        """What to call it outside of its table."""
        return f"{self.measure}: {self.subject}, {self.figure}"


def best(key: Key, rounds: Sequence[float]) -> float:
    """The round with the least noise; of a difference, whose two halves were disturbed apart, there is none."""
    if key.figure in _DIFFERENCES:
        return median(rounds)
    return max(rounds) if key.figure in _MORE_IS_BETTER else min(rounds)


def make_rows(samples: Samples) -> list[Row]:
    """One row for each figure of each subject, in the order in which they were measured."""
    return [_make_row(key, rounds) for key, rounds in samples.items()]


def _make_row(key: Key, rounds: Sequence[float]) -> Row:
    least, middle = best(key, rounds), median(rounds)
    noise = abs(middle - least) / least if least else 0.0
    return Row(
        **key._asdict(),
        unit=UNITS[key.figure],
        best=least,
        median=middle,
        rounds=len(rounds),
        noise=noise,
        noisy=noise > NOISY and key.figure not in _NEVER_NOISY,
    )


def doubts(rows: Sequence[Row], others: float) -> list[str]:
    """What makes these numbers less than trustworthy, one sentence for each kind of doubt.

    Args:
      rows: the results.
      others: the share of the machine's time that others have used, 0 to 1; see `machine`.

    """
    noisy = [f"{row.name} ({row.noise:.0%})" for row in rows if row.noisy]
    idle = [
        f"{row.measure}: {row.subject} ({row.median:.0%})"
        for row in rows
        if row.figure == "busy" and row.median < _IDLE_BELOW and row.measure.startswith(_ALWAYS_BUSY)
    ]
    lossy = [
        f"{row.measure}: {row.subject} ({row.median:.1%})"
        for row in rows
        if row.figure == "lost" and row.median > 0 and row.measure != "flow"
    ]
    found = (
        (noisy, f"Noisy, the median is more than {NOISY:.0%} from the best round"),
        (idle, "Not busy all the time: the load is too slow for it, or a core was used by somebody else"),
        (lossy, "Requests were lost, and asked anew"),
    )
    said = [f"{doubt}: {_list(which)}." for which, doubt in found if which]
    if too_noisy(rows, others):
        said.insert(0, "THE MACHINE WAS TOO NOISY: do not believe the ratios, measure again.")
    return said


def _list(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return "; ".join(names[:_MOST_NAMES]) + (f"; and {more} more" if more > 0 else "")


def too_noisy(rows: Sequence[Row], others: float) -> bool:
    """Whether so much was disturbed that the ratios say nothing."""
    judged = [row for row in rows if row.judged]
    return others > _MOST_FOR_OTHERS or sum(row.noisy for row in judged) > len(judged) / 4


def as_dicts(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows for a program."""
    return [asdict(row) for row in rows]
