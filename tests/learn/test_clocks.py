"""A look at the real clock is told, if the program has not passed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, played, refused
from tests.learn.test_run import ran
from trio_udp.learn import find
from trio_udp.learn._clocks import CLOCKS, REAL_CLOCK

if TYPE_CHECKING:
    from pathlib import Path


PING = """\
import time, trio
async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            await sock.sendto(b"ping", server)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                with trio.move_on_after(LEFT):
                    return await sock.recv(100)
"""


def test_what_waits_until_real_time_is_over(tmp_path: Path) -> None:
    source = PING.replace("LEFT", "until - time.monotonic()")
    assert refused("ping", source, tmp_path) == f"6: {REAL_CLOCK}"


async def test_what_looks_again_and_again_is_stopped(tmp_path: Path) -> None:
    """In a child: all that comes from there is what is told."""
    _, said = await ran(PING.replace("LEFT", "0.001"), tmp_path)
    assert said == f"6: {REAL_CLOCK}"
    assert (await ran("import time\nwhile time.time():\n    pass\n", tmp_path))[1] == f"2: {REAL_CLOCK}"


def test_a_deadline_that_is_never(tmp_path: Path) -> None:
    source = find("scope").exercise.replace(
        "        with trio.move_on_after(1):\n",
        "        nursery.cancel_scope.deadline = time() + 1\n        if True:\n",
    )
    assert refused("scope", f"from time import time\n{source}", tmp_path) == f"23: {REAL_CLOCK}"


def test_a_test_that_measures_it(tmp_path: Path) -> None:
    """It is the exercise's own ladder that is shown."""
    source = find("virtual").solution.replace("trio.current_time()", "time.perf_counter()")
    finding = judged("virtual", f"import time\n{source}", tmp_path)
    assert finding is not None
    assert (finding.message, finding.line, finding.within) == (REAL_CLOCK, 35, "test_late with program 0")


def test_who_passes_all_the_same_has_passed(tmp_path: Path) -> None:
    source = find("ping").solution.replace(
        "        while True", "        print(time.ctime(time.time()))\n        while True"
    )
    run = played("ping", f"import time\n{source}", tmp_path)
    assert run.ending.kind == "returned"
    assert run.clocks == (13,)
    assert judged("ping", f"import time\n{source}", tmp_path) is None


def test_a_library_may_look(tmp_path: Path) -> None:
    assert played("ping", f"import logging\nlogging.warning('x')\n{find('ping').solution}", tmp_path).clocks == ()


@pytest.mark.parametrize("name", CLOCKS)
def test_they_are_pythons_own_again(name: str, tmp_path: Path) -> None:
    before = getattr(time, name)
    assert played("ping", f"import time\ntime.{name}()\n{find('ping').solution}", tmp_path).clocks == (2,)
    assert getattr(time, name) is before
