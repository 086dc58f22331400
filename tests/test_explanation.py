"""What the pages of docs/explanation say happens, happens: each program there is run, and says what its page shows.

All of them run in virtual time, so what they say is the same on every machine, times included.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PROGRAMS = [*sorted((DOCS / "examples" / "explanation").glob("*.py")), DOCS / "examples" / "crew" / "side_by_side.py"]
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted((DOCS / "explanation").glob("*.rst"))}
PATIENCE = 60  # seconds; only a failure takes so long


def test_there_are_programs() -> None:
    assert len(PROGRAMS) > 20


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_says_what_the_page_shows(program: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    run = subprocess.run(
        [sys.executable, program], env=environment, timeout=PATIENCE, check=True, stdout=subprocess.PIPE
    )
    shown = program.with_suffix(".txt").read_text(encoding="utf-8")
    assert run.stdout.decode().splitlines() == shown.splitlines()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_one_page_shows_the_program_and_what_it_says(program: Path) -> None:
    """In this order, and nothing else of it: a program that no page shows explains nothing."""
    name = f"../examples/{program.parent.name}/{program.stem}"
    pattern = rf"^\.\. literalinclude:: {re.escape(name)}\.(py|txt)$"
    shown = [found for text in PAGES.values() if (found := re.findall(pattern, text, re.MULTILINE))]
    assert shown == [["py", "txt"]]
