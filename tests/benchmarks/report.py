"""The report: tables for people, as Markdown or CSV, and everything for programs, as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .measures import Measure
from .results import UNITS, Key, Row, as_dicts, doubts
from .targets import Verdict

BASELINE = "trio_udp"
_TARGET_HEADINGS = ("target", "bound", "at best", "usually", "verdict")

Table = Iterable[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """All that one run has to say."""

    machine: Mapping[str, str]
    measures: Sequence[Measure]
    rows: Sequence[Row]
    verdicts: Sequence[Verdict]
    skipped: Mapping[str, str]  # subject to reason
    others: float  # the share of the machine's time that others have used

    @property
    def remarks(self) -> list[str]:
        """What was left out, and what to doubt."""
        said = [f"Skipped: {name}, {reason}." for name, reason in self.skipped.items()]
        return [*said, *doubts(self.rows, self.others)]

    def cells(self, measure: str) -> list[tuple[str, ...]]:
        """The table of one measure, headings first: for each subject its figures, "best (median)", and their noise.

        Where trio_udp is one of several subjects, also how many times its first figure each of them has.
        """
        by_subject: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            if row.measure == measure:
                by_subject.setdefault(row.subject, {})[row.figure] = row
        figures = list(dict.fromkeys(figure for rows in by_subject.values() for figure in rows))
        times = _times_ours(by_subject, figures[0])
        lines = [("subject", *map(_heading, figures), *([f"x {BASELINE}"] if times else []), "noise")]
        for name, rows in by_subject.items():
            cells = (_cell(rows.get(figure)) for figure in figures)
            lines.append((name, *cells, *([times[name]] if times else []), _noise(rows)))
        return lines

    def target_cells(self) -> list[tuple[str, ...]]:
        """The table of the targets, headings first."""
        return [_TARGET_HEADINGS, *map(target_cells, self.verdicts)]

    def value(self, key: Key) -> Row | None:
        """The row about this."""
        return next((row for row in self.rows if (row.measure, row.subject, row.figure) == key), None)


def number(value: float) -> str:
    """Three digits that matter, and no exponents."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _heading(figure: str) -> str:
    unit = UNITS[figure]
    return figure if unit == "share" else f"{figure}, {unit}"


def _times_ours(by_subject: Mapping[str, Mapping[str, Row]], figure: str) -> dict[str, str]:
    ours = by_subject.get(BASELINE, {}).get(figure)
    if ours is None or len(by_subject) < 2 or not all(figure in rows for rows in by_subject.values()):
        return {}
    return {name: f"{rows[figure].best / ours.best:.2f}" for name, rows in by_subject.items()}


def _noise(rows: Mapping[str, Row]) -> str:
    noise = max(row.noise for row in rows.values() if row.judged)
    return f"{noise:.0%}{' !' if any(row.noisy for row in rows.values()) else ''}"


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if row.unit == "share":
        return f"{row.median:.1%}" if 0 < row.median < 0.1 else f"{row.median:.0%}"
    return f"{number(row.best)} ({number(row.median)})"


def target_cells(verdict: Verdict) -> tuple[str, ...]:
    """The line of one target."""
    sign = ">=" if verdict.target.at_least else "<="
    bound = f"{sign} {number(verdict.target.bound)}"
    return (verdict.target.what, bound, number(verdict.at_best), number(verdict.usually), verdict.word)


def as_markdown(report: Report) -> Iterator[str]:
    """The report as lines: a table for each measure, the targets, and what to doubt."""
    for name, value in report.machine.items():
        yield f"- {name}: {value}"
    for each in report.measures:
        yield from ("", f"## {each.question}", "", *_markdown_table(report.cells(each.name)))
    if report.verdicts:
        yield from ("", "## Targets", "", *_markdown_table(report.target_cells()))
    if report.remarks:
        yield ""
    yield from (f"- {remark}" for remark in report.remarks)


def _markdown_table(table: Table) -> Iterator[str]:
    lines = list(table)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in (lines[0], rule, *lines[1:]):
        first, *others = zip(line, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        yield f"| {' | '.join(padded)} |"


def as_csv(table: Table) -> str:
    """A table for Sphinx, or a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def as_json(report: Report) -> str:
    """The same for a program."""
    verdicts = [
        {
            "target": verdict.target.what,
            "bound": verdict.target.bound,
            "at_least": verdict.target.at_least,
            "at_best": verdict.at_best,
            "usually": verdict.usually,
            "verdict": verdict.word,
        }
        for verdict in report.verdicts
    ]
    return json.dumps(
        {
            "machine": report.machine,
            "rows": as_dicts(report.rows),
            "targets": verdicts,
            "skipped": report.skipped,
            "others": report.others,
            "remarks": report.remarks,
        },
        indent=1,
    )
