"""``python -m tests.benchmarks``: everything side by side, tables on standard output, progress on standard error."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from . import machine
from .measures import Measure, client, echo, flow, importing
from .process import BenchmarkFailed
from .report import Report, as_json, as_markdown
from .results import make_rows, too_noisy
from .rounds import making_bench, measure
from .targets import judge

MEASURES: list[Measure] = [*echo.MEASURES, *flow.MEASURES, *client.MEASURES, *importing.MEASURES]
GROUPS = list(dict.fromkeys(measure.group for measure in MEASURES))
SUBJECTS = list(dict.fromkeys(subject for measure in MEASURES for subject in measure.subjects))

_LONGEST = 20.0  # seconds of a sample; well within launch.LIFE
_MOST_REQUESTS = 10_000  # at once: each may need a socket, with a port of its own


def _between(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:,} to {most:,}")
        return value

    return number


_PAGE = Path(__file__).parents[2] / "docs/explanation/performance"


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a directory: make it first")
    return path


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="What trio_udp costs, beside others and the limits of the machine, in one run.",
    )
    add = parser.add_argument
    add("--rounds", type=_between(int, 1, 1000), default=5, metavar="N", help="how many; default %(default)s")
    seconds = _between(float, 0.01, _LONGEST)
    add("--seconds", type=seconds, default=0.5, metavar="S", help="of a sample; default %(default)s")
    requests = _between(int, 1, _MOST_REQUESTS)
    help_requests = "of the clients, at once; default %(default)s"
    add("--requests", type=requests, default=_MOST_REQUESTS, metavar="N", help=help_requests)
    help_measure = f"only this, repeatable: {', '.join(GROUPS)}"
    add("--measure", action="append", choices=GROUPS, metavar="NAME", help=help_measure)
    help_only = "only this subject, repeatable; a wrong name tells which there are"
    add("--only", action="append", choices=SUBJECTS, metavar="NAME", help=help_only)
    add("--json", action="store_true", help="JSON instead of Markdown")
    help_write = (
        "write tables, plots and all numbers into this directory, too (needs matplotlib); a run of everything, "
        'without --json, writes them to where the page "Performance" shows them'
    )
    add("--write", type=_directory, metavar="DIRECTORY", help=help_write)
    return parser


def _choose(arguments: argparse.Namespace) -> tuple[list[Measure], dict[str, str]]:
    """The measures with the subjects that are asked for and can be had, and what is skipped, why."""
    skipped: dict[str, str] = {}
    chosen = []
    for each in MEASURES:
        if each.group not in (arguments.measure or GROUPS):
            continue
        subjects = {}
        for name, subject in each.subjects.items():
            if name not in (arguments.only or SUBJECTS):
                continue
            if subject.missing:
                skipped[name] = subject.missing
            else:
                subjects[name] = subject
        if subjects:
            chosen.append(replace(each, subjects=subjects))
    return chosen, skipped


def _why_nothing(arguments: argparse.Namespace, skipped: dict[str, str]) -> str:
    if skipped:
        return "; ".join(skipped.values())
    return f"{', '.join(arguments.measure)} has none of the subjects {', '.join(arguments.only)}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _command(words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "tests.benchmarks", *words])


def _run(arguments: argparse.Namespace) -> Report:
    machine.check()
    measures, skipped = _choose(arguments)
    if not measures:
        raise BenchmarkFailed(_why_nothing(arguments, skipped))
    others = machine.watch_others()
    with making_bench(arguments.seconds, arguments.requests) as bench:
        samples = measure(bench, measures, arguments.rounds, _tell)
    rows, used_by_others = make_rows(samples), others()
    described = {
        "command": _command(sys.argv[1:]),
        **machine.describe(),
        "rounds": f"{arguments.rounds}, samples of {arguments.seconds:g} s",
        "used by others": f"{used_by_others:.1%} of the cores' time",
    }
    if too_noisy(rows, used_by_others):
        described["believe it"] = "no: the machine was too noisy for the ratios"
    return Report(described, measures, rows, list(judge(samples)), skipped, used_by_others)


def _import_write() -> Callable[[Report, Path], None]:
    try:
        from .write import write
    except ImportError as error:
        raise BenchmarkFailed(f"--write needs matplotlib, which the extra `bench` has: {error}") from error
    return write


def main() -> None:
    """Measure what the command line asks for."""
    arguments = _make_parser().parse_args()
    if not (arguments.measure or arguments.only or arguments.json or arguments.write):
        arguments.write = _PAGE
    try:
        write = _import_write() if arguments.write else None  # what is missing is said before ten minutes have passed
        report = _run(arguments)
        if write:
            write(report, arguments.write)
            _tell(f"written to {arguments.write}")
    except BenchmarkFailed as failure:
        sys.exit(f"nothing was measured: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(*([as_json(report)] if arguments.json else as_markdown(report)), sep="\n")


if __name__ == "__main__":
    main()
