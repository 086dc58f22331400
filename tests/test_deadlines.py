"""Hypothesis gives an example 200 ms of real time unless told otherwise, and a slow machine then fails a right test."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import hypothesis

ROOT = Path(__file__).parent.parent


def test_no_property_is_tested_against_the_clock_on_the_wall() -> None:
    """The tests' profile says so for all of them, and whatever has settings of its own says it again.

    Those may be in a text that another pytest is given. The examples in the docs are run without the profile.
    """
    assert hypothesis.settings.get_profile("steady").deadline is None
    seen = []
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("docs/**/*.py")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        seen += [f"{path}: {line}" for line in lines if line.startswith("@settings(")]
        if path.is_relative_to(ROOT / "docs"):
            behind = [before for before, line in pairwise(lines) if line.startswith("@given(")]
            seen += [f"{path}: {line} before @given" for line in behind]
    assert [line for line in seen if "deadline=None" not in line] == []
    assert len(seen) >= 8
