"""The soak runs, believes nothing wrong, and its sums add up; three seconds instead of five minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores")
def test_three_seconds_of_it() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.soak", "--minutes", "0.05", "--seed", "5"]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    first, last = ended.stdout.splitlines()
    told = json.loads(last)
    assert first.startswith("   3.")
    assert told["wrong"] == 0
    assert told["all adds up"]
    assert told["asked"] == told["answered"] + told["unanswered"] > 0
    assert {"loss", "doubled", "damaged"} <= told["faults"].keys()
    assert told["after 3 s"]["descriptors"] > 0
