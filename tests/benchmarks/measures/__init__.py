"""What is measured: a `Measure` asks one question of several subjects, side by side.

A subject takes one sample at a time. For each it starts its processes afresh, because which addresses a process's
memory happens to get makes some per cent of difference, and the rounds are there to show such spread; and warms them
up, because Python specializes its bytecode while it runs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..process import Cores

Figures = Mapping[str, float]
"""What a sample says, by the names in `results.UNITS`."""

WARM_UP = 0.2  # seconds


@dataclass(frozen=True)
class Bench:
    """What is the same for all samples of a run."""

    directory: Path  # for what only this run needs
    programs: Mapping[str, Path]  # those of ``c/``, compiled, in there
    cores: Cores
    seconds: float  # of each sample
    requests: int  # at once, of the clients

    @property
    def warm_up(self) -> float:
        """Seconds of work before a sample is taken."""
        return min(WARM_UP, self.seconds)


@dataclass(frozen=True)
class Subject:
    """Somebody who is measured."""

    sample: Callable[[Bench], Figures]
    package: str | None = None  # the package that it needs, if not every installation has it

    @property
    def missing(self) -> str | None:
        """What is missing to measure it here, or None."""
        if self.package is None or importlib.util.find_spec(self.package):
            return None
        return f"{self.package} is not installed"


@dataclass(frozen=True)
class Measure:
    """A question and those it is asked of."""

    group: str  # what --measure calls it
    name: str
    question: str
    subjects: Mapping[str, Subject]
