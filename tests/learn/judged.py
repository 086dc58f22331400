"""A lesson played with a program, in this process: what a learner is told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_udp.learn import find
from trio_udp.learn._stage import play
from trio_udp.learn._verdict import Finding, judge

if TYPE_CHECKING:
    from pathlib import Path

    from trio_udp.learn._played import Run


def played(name: str, source: str, folder: Path) -> Run:
    """Play a lesson with this program."""
    return play(find(name), folder / find(name).file, source.encode())


def judged(name: str, source: str, folder: Path) -> Finding | None:
    """What is wrong with this program; None: it passes."""
    return judge(find(name), played(name, source, folder))


def refused(name: str, source: str, folder: Path) -> str:
    """The message with which this program fails, after the line of the program that it is about: ``14: it ...``."""
    finding = judged(name, source, folder)
    assert finding is not None, "it has passed"
    return finding.message if finding.line is None else f"{finding.line}: {finding.message}"
