"""The still in README.rst is what the real program shows; the one in the documentation needs nothing from elsewhere."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from trio_udp.cli._live_still import still_svg, still_text, take_still

README = (Path(__file__).parents[2] / "README.rst").read_text(encoding="utf-8")


def test_the_readme_shows_what_the_program_shows() -> None:
    blocks = re.findall(r"^\.\. code-block:: text\n\n((?: {4}.*\n)+)", README, re.MULTILINE)
    [block] = [block for block in blocks if "nurseries and tasks" in block]
    assert dedent(block) == still_text(take_still())


def test_it_tells_nothing_twice() -> None:
    """Regression: what happened last stood among what happened, and again above the keys."""
    told = still_text(take_still()).partition("what happened")[2].splitlines()[1:]
    assert len(told) > 5
    assert len(set(told)) == len(told)


def test_another_story_is_another_still() -> None:
    shown = still_text(take_still(["--loss", "0", "--clients", "1", "--requests", "1"], events=100))
    assert "all tasks have ended" in shown
    assert "answered            1 of 1\n" in shown
    assert "that was all" in shown


def test_it_needs_no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says on Windows that a terminal has another size now."""
    expected = take_still()
    monkeypatch.delattr(signal, "SIGWINCH")
    assert take_still() == expected


def test_the_picture_stands_alone() -> None:
    svg = still_svg(take_still())
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "font-face" not in svg
    assert not re.search(r"url\((?!#)|href", svg)
    assert svg == still_svg(take_still())
