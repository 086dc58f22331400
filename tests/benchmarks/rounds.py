"""The rounds: everything once, then everything again.

A B C, A B C, and not A A, B B, C C: a machine that is slow for a while is then slow for all, and two numbers of one
round may be divided by each other.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .measures import Bench, Figures, Measure, Subject
from .process import BenchmarkFailed, Cores
from .programs import NAMES, compile_program
from .results import UNITS, Key

_TRIES = 3  # a process may get no core for longer than a short sample takes

Tell = Callable[[str], None]


@contextmanager
def making_bench(seconds: float, requests: int) -> Iterator[Bench]:
    """Compile the programs in C, and remove them afterwards."""
    with TemporaryDirectory() as directory:
        try:
            programs = {name: compile_program(name, directory) for name in NAMES}
        except subprocess.SubprocessError as error:
            raise BenchmarkFailed(f"{error}; see its error above") from error
        yield Bench(Path(directory), programs, Cores.choose(), seconds, requests)


def measure(bench: Bench, measures: Sequence[Measure], rounds: int, tell: Tell) -> dict[Key, list[float]]:
    """Take a sample of each subject of each measure, `rounds` times, in turns.

    Args:
      bench: what is the same for all.
      measures: with the subjects that can be measured here.
      rounds: how often.
      tell: gets one line of progress at a time.

    """
    samples: dict[Key, list[float]] = {}
    for number in range(1, rounds + 1):
        for each in measures:
            for name, subject in each.subjects.items():
                figures = _sample(subject, bench, tell)
                for figure, value in figures.items():
                    samples.setdefault(Key(each.name, name, figure), []).append(value)
                tell(f"round {number} of {rounds}: {each.name}: {name}: {_in_words(figures)}")
    return samples


def _sample(subject: Subject, bench: Bench, tell: Tell) -> Figures:
    for _ in range(_TRIES - 1):
        try:
            return subject.sample(bench)
        except BenchmarkFailed as failure:
            tell(f"once more, as {failure}")
    return subject.sample(bench)


def _in_words(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.4g} {UNITS[name]}" for name, value in figures.items())
