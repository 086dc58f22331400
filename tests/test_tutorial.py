"""Runs every program of the tutorial as the build of its pages does, and looks at what the pages say of them.

What a page relies on is asserted twice: in what the program says, and in which datagrams were sent and what became of
them. Those come from the trace that the page's ladder is drawn from. A program without a test fails.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from docs import _tutorial
from trio_udp import DatagramLost, DatagramReceived, DatagramSent, tracing
from trio_udp.tracing import Happened, Trace

PAGES = sorted((_tutorial.DOCS / "tutorial").glob("[0-9]*.rst"))
PROGRAMS = sorted(_tutorial.PROGRAMS.rglob("*.py"))
STOPPED = "[still waiting after 10 seconds: stopped here]\n"


class Ran(NamedTuple):
    """A run: what was said, what went by, and all the rest."""

    said: str
    sent: list[tuple[float, str]]
    lost: list[tuple[float, str]]
    arrived: list[tuple[float, str]]
    trace: Trace


@cache
def ran(name: str) -> Ran:
    """As the build runs it; times in seconds, to a hundredth."""
    with TemporaryDirectory() as folder:
        out = Path(folder, name)
        _tutorial.run(name, Path(folder))
        said, picture = (out.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".txt", ".svg"))
        trace = tracing.load(out.with_suffix(".jsonl"))
    assert picture == tracing.ladder_svg(trace)
    events = [entry.event for entry in trace.entries if isinstance(entry, Happened)]
    sent, lost, arrived = (
        [(round(event.time, 2), event.data.decode()) for event in events if isinstance(event, kind)]
        for kind in (DatagramSent, DatagramLost, DatagramReceived)
    )
    return Ran(said, sent, lost, arrived, trace)


# -- the programs, chapter by chapter ----------------------------------------------------------------------------------


def test_lost() -> None:
    run = ran("lost")
    assert run.said == "b'time' -> b'12:00:00'\n" + STOPPED
    assert run.sent == [(0, "time"), (0, "12:00:00"), (0, "one")]
    assert run.lost == [(0, "one")]


# -- all of them -------------------------------------------------------------------------------------------------------


def name_of(path: Path) -> str:
    return path.relative_to(_tutorial.PROGRAMS).with_suffix("").as_posix()


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_there_is_a_test_for(path: Path) -> None:
    """Here, or in a file beside this one."""
    files = Path(__file__).parent.glob("test_tutorial*.py")
    tests = {name for file in files for name in re.findall(r"def test_(\w+)\(", file.read_text(encoding="utf-8"))}
    assert name_of(path).replace("/", "_") in tests


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < (45 if path.parent.name == "solutions" else 40)
    assert max(map(len, lines)) <= 92, "more than a page shows without scrolling"


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_is_shown(path: Path) -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    name = name_of(path)
    words = (f".. solution:: {path.stem}\n",) if name.startswith("solutions/") else (f"tutorial/{name}.py\n",)
    assert any(word in text for text in texts for word in words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_chapter_has_all_its_parts(page: Path) -> None:
    """A program, its output, its ladder, the common mistake with what it looks like, two exercises with solutions."""
    text = page.read_text(encoding="utf-8")
    story, mistake, exercises = re.split(r"^(?:The common mistakes?|Exercises)\n-+$", text, flags=re.MULTILINE)
    assert "/examples/tutorial/" in story
    assert re.search(r"_pictures/tutorial/\w+\.txt", story)
    assert ".. ladder:: " in story
    assert "/examples/tutorial/mistakes/" in mistake
    assert re.search(r"_pictures/tutorial/mistakes/\w+\.txt|ladder:: mistakes/", mistake)
    assert exercises.count(".. solution:: ") >= 2
    assert 60 <= text.count("\n") <= 160


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_is_made(page: Path) -> None:
    """Output and ladders that the build makes, by the names by which it makes them."""
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"_pictures/tutorial/([\w/]+)\.txt|ladder:: ([\w/]+)", text)
    names = {name.removesuffix("_server") for pair in shown for name in pair if name}
    assert names <= set(_tutorial.names())
