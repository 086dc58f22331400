"""What the page "Performance" shows: tables as CSV, plots as SVG, and the machine, written into one directory.

A chart is for the eye; the numbers beside it are in the tables. White ground and dark text, so that it can be read on a
dark page, too; text stays text, so that the files are small and can be searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .measures.echo import ADDRESSES
from .report import Report, as_csv, number, target_cells
from .results import Key, Row, as_dicts
from .targets import Verdict

_OURS, _OTHERS, _LIMITS = "#2f6f9f", "#a3abb5", "#d9a441"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trio_udp",  # the same numbers make the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
}
_BAR = 0.28  # inches
_WIDTH = 7.0  # inches


def write(report: Report, directory: Path) -> None:
    """Write everything; what an earlier run has written under these names is replaced."""
    for name, text in _texts(report):
        (directory / name).write_text(text, encoding="utf-8")
    with mpl.rc_context(_STYLE):
        for name, figure in _plots(report):
            figure.savefig(directory / name, metadata={"Date": None})
            _tidy(directory / name)


def _tidy(path: Path) -> None:
    # matplotlib ends lines with spaces.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(map(str.rstrip, lines)) + "\n", encoding="utf-8")


def _texts(report: Report) -> Iterator[tuple[str, str]]:
    yield "machine.txt", "".join(f":{name}: {_literal(name, value)}\n" for name, value in report.machine.items())
    yield "remarks.txt", "".join(f"* {remark}\n" for remark in report.remarks) or "* Nothing to doubt.\n"
    yield "missed.txt", "".join(_explain(report.verdicts)) or "* Nothing.\n"
    yield "results.csv", as_csv(_long(report.rows))
    yield "targets.csv", as_csv(report.target_cells())
    for each in report.measures:
        yield f"{each.name.replace(' ', '-')}.csv", as_csv(report.cells(each.name))


def _literal(name: str, value: str) -> str:
    return f"``{value}``" if name == "command" else value


def _explain(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What was missed, by the limit that was met, and what others' noise may be to blame for."""
    missed: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.word != "reached":
            what, bound, at_best, usually, _ = target_cells(verdict)
            why = f"The limit: {verdict.target.limit}"
            if verdict.word == "undecided":
                why = "Undecided, as one of the two is within the bound. " + why
            missed.setdefault(why, []).append(f"**{what}** ({at_best} at best, {usually} usually; {bound})")
    for why, which in missed.items():
        yield f"* {'; '.join(which)}. {why}.\n"


def _long(rows: Sequence[Row]) -> list[list[str]]:
    dicts = as_dicts(rows)
    return [list(dicts[0]), *([str(value) for value in each.values()] for each in dicts)]


def _plots(report: Report) -> Iterator[tuple[str, Figure]]:
    for each in report.measures:
        if each.group in ("echo", "ping-pong"):
            figure = "round trip" if each.group == "ping-pong" else "cpu"
            title = f"{each.question}: {'median round trip' if figure == 'round trip' else 'CPU time'}, us"
            yield f"{each.name.replace(' ', '-')}.svg", _bars(report, each.name, figure, title)
        elif each.group == "flow":
            yield "flow.svg", _bars(report, "flow", "rate", f"{each.question}: received a second")
    if any(each.group == "addresses" for each in report.measures):
        yield "addresses.svg", _lines(report)


def _colour(subject: str) -> str:
    if subject.startswith(("trio_udp", "channel", "endpoint", "relay", "c to channel", "c to endpoint")):
        return _OURS
    return _LIMITS if subject.startswith(("c-", "c to c")) else _OTHERS


def _short(value: float) -> str:
    return f"{value / 1e6:.2f} M" if value >= 1e5 else number(value)


def _bars(report: Report, measure: str, figure: str, title: str) -> Figure:
    """The best round of each subject as a bar, and its median as a line from there.

    The relay is no echo server, and its bar would make all others short: it is left to the table.
    """
    rows = [row for row in report.rows if (row.measure, row.figure) == (measure, figure) and row.subject != "relay"]
    rows.sort(key=lambda row: row.best, reverse=figure != "rate")
    drawing = Figure(figsize=(_WIDTH, 0.8 + _BAR * len(rows)), layout="constrained")
    axes = drawing.add_subplot()
    axes.barh([row.subject for row in rows], [row.best for row in rows], color=[_colour(row.subject) for row in rows])
    for height, row in enumerate(rows):
        axes.plot([row.best, row.median], [height, height], color="black", linewidth=1)
        end = (max(row.best, row.median), height)
        axes.annotate(_short(row.best), end, (4, 0), textcoords="offset points", va="center")
    axes.set_title(title)
    axes.margins(x=0.12, y=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    return drawing


def _lines(report: Report) -> Figure:
    """CPU time over the number of addresses, a line for each subject."""
    drawing = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
    axes = drawing.add_subplot(xscale="log")
    subjects = dict.fromkeys(row.subject for row in report.rows if row.measure.startswith("addresses"))
    for subject, marker in zip(subjects, "osv^dx", strict=False):
        points = [
            (count, row.best)
            for count in ADDRESSES
            if (row := report.value(Key(f"addresses {count}", subject, "cpu"))) is not None
        ]
        axes.plot(*zip(*points, strict=True), marker=marker, color=_colour(subject), label=subject)
    axes.set_title("An echo, 256 in flight: CPU time by the number of client addresses, us")
    axes.set_ylim(bottom=0)
    axes.set_xticks(ADDRESSES, [f"{count:,}" for count in ADDRESSES])
    axes.minorticks_off()
    drawing.legend(loc="outside right upper", frameon=False)
    return drawing
