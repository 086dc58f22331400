"""From samples to rows, and the rows as Markdown or JSON.

The ratio of a peer is the median of its rounds' ratios: each round divides two numbers
that were measured one after the other, so a machine that is slow for a while is slow
above and below the line. The median says what to expect, the least what the machine can
do when nobody disturbs it, and the spread, (most - least) / median, how far to believe
either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from .measure import Load, Sample, Samples

BASELINE = "serve_udp"
NOISY_SPREAD = 0.25
IDLE_BELOW = 0.9

_HEADINGS = (
    "server",
    "CPU us/echo",
    "least",
    "spread",
    "echoes/s",
    f"x {BASELINE}",
    "busy",
    "lost",
)


@dataclass(frozen=True)
class Row:
    """One server under one load, all rounds together."""

    load: str
    server: str
    microseconds: float  # of CPU time per echo, the median of the rounds
    least: float  # microseconds of the best round
    spread: float  # of the microseconds: (most - least) / median
    echoes_per_second: float  # median
    ratio: float | None  # CPU time over the baseline's; None without a baseline
    busy: float  # median
    lost: int  # requests, in all rounds
    refilled: int  # times, in all rounds

    @property
    def name(self) -> str:
        """What to call the row outside of its table."""
        return f"{self.server} {self.load}"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of the headings."""
        return (
            self.server,
            f"{self.microseconds:.2f}",
            f"{self.least:.2f}",
            f"{self.spread:.0%}",
            f"{self.echoes_per_second:,.0f}",
            "-" if self.ratio is None else f"{self.ratio:.2f}",
            f"{self.busy:.0%}",
            str(self.lost),
        )


def make_rows(samples: Samples) -> list[Row]:
    """One row per load and server, in the order in which they were measured."""
    return [_make_row(load, name, rounds, samples.get((load, BASELINE))) for (load, name), rounds in samples.items()]


def _make_row(load: Load, name: str, rounds: Sequence[Sample], baseline: Sequence[Sample] | None) -> Row:
    costs = [sample.microseconds for sample in rounds]
    middle = median(costs)
    return Row(
        load=str(load),
        server=name,
        microseconds=middle,
        least=min(costs),
        spread=(max(costs) - min(costs)) / middle,
        echoes_per_second=median(sample.echoes_per_second for sample in rounds),
        ratio=_ratio(costs, baseline),
        busy=median(sample.busy for sample in rounds),
        lost=sum(sample.lost for sample in rounds),
        refilled=sum(sample.refilled for sample in rounds),
    )


def _ratio(costs: Sequence[float], baseline: Sequence[Sample] | None) -> float | None:
    if baseline is None:
        return None
    return median(cost / base.microseconds for cost, base in zip(costs, baseline, strict=True))


def doubts(rows: Sequence[Row]) -> list[str]:
    """What makes these numbers less than trustworthy, one sentence for each kind of doubt."""
    noisy = [f"{row.name} ({row.spread:.0%})" for row in rows if row.spread > NOISY_SPREAD]
    idle = [f"{row.name} ({row.busy:.0%})" for row in rows if row.busy < IDLE_BELOW]
    lossy = [f"{row.name} ({row.lost} lost)" for row in rows if row.lost]
    found = (
        (noisy, "The machine was too noisy, rounds differ widely"),
        (idle, "Not busy all the time: too small or too slow a load, or a core used by somebody else"),
        (lossy, "Requests were lost, silent clients asked anew"),
    )
    return [f"{doubt}: {', '.join(which)}." for which, doubt in found if which]


def as_markdown(title: str, rows: Sequence[Row], skipped: Mapping[str, str]) -> Iterator[str]:
    """The report as lines of Markdown: a table per load, then what to doubt."""
    yield title
    for load in dict.fromkeys(row.load for row in rows):
        cells = [row.cells for row in rows if row.load == load]
        cells += [_skipped_cells(name) for name in skipped]
        yield from ("", f"{load} requests in flight (clients x window)", "")
        yield from _table([_HEADINGS, *cells])
    remarks = [f"{name} was skipped: {reason}." for name, reason in skipped.items()]
    remarks += doubts(rows)
    if remarks:
        yield ""
    yield from (f"- {remark}" for remark in remarks)


def _skipped_cells(name: str) -> tuple[str, ...]:
    return (name, "skipped", *["-"] * (len(_HEADINGS) - 2))


def _table(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in (lines[0], rule, *lines[1:]):
        first, *others = zip(line, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        yield f"| {' | '.join(padded)} |"


def as_json(title: str, rows: Sequence[Row], skipped: Mapping[str, str]) -> dict[str, object]:
    """The same report for a program."""
    return {
        "title": title,
        "rows": [asdict(row) for row in rows],
        "skipped": dict(skipped),
        "doubts": doubts(rows),
    }
