"""How the build of the tutorial runs programs: what of them is shown, and what ends the build."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from docs import _tutorial, _tutorial_talk
from trio_udp.faults._passage import Copy
from trio_udp.relay import Relayed
from trio_udp.tracing import ladder_svg

STAGE = _tutorial.DOCS / "_tutorial_stage.py"
HEAD = "import sys, trio\nasync def main():\n    print('hello')\n    await trio.sleep(1)\n"


def staged(source: str, folder: Path) -> tuple[int, str]:
    """The exit code, and what would be on the page."""
    program, out = folder / "program.py", folder / "out"
    program.write_text(source, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(_tutorial.DOCS.parent)}
    command = [sys.executable, str(STAGE), str(out), str(program)]
    ran = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    shown = out.with_suffix(".txt")
    return ran.returncode, shown.read_text(encoding="utf-8") if shown.exists() else ""


@pytest.mark.parametrize(
    ("end", "shown"),
    [
        ("trio.run(main, strict_exception_groups=True)", "hello\n"),  # regression: our own TypeError was on the page
        ("trio.run(main); sys.exit('bye')", "hello\nbye\n"),  # regression: all that it had said was lost
        ("trio.run(main); sys.exit(3)", "hello\n"),
        ("trio.run(main); sys.exit()", "hello\n"),
    ],
)
def test_what_a_program_may_do(tmp_path: Path, end: str, shown: str) -> None:
    assert staged(f"{HEAD}{end}\n", tmp_path) == (0, shown)


def test_what_trio_does_not_know_ends_the_build(tmp_path: Path) -> None:
    """It would be shown as if the stage were a part of the program."""
    assert staged(f"{HEAD}trio.run(main, no_such_option=1)\n", tmp_path) == (1, "")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups")
def test_what_takes_too_long_leaves_nothing_behind(tmp_path: Path) -> None:
    """Regression: the stage was killed, and the server that it had started stayed."""
    number = tmp_path / "number"
    inner = f"import os, time; open({str(number)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"

    def run(limit: float) -> None:
        with pytest.raises(subprocess.TimeoutExpired):
            _tutorial.run_bounded([sys.executable, "-c", outer], os.environ, limit)

    limit = 2.0
    while not number.exists() or not number.read_text().endswith("."):
        assert limit < 60
        run(limit)
        limit *= 2
    child = int(number.read_text().rstrip("."))
    for _ in range(500):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{child}/stat").exists() and ") Z " in Path(f"/proc/{child}/stat").read_text():
            return  # dead, and nobody has asked after it: its parent is dead, too
        time.sleep(0.02)
    raise AssertionError(f"process {child} still runs")


def test_a_server_that_never_says_that_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: that was waited for as long as the whole run may take, and nobody said what it was."""
    program = tmp_path / "silent.py"
    program.write_text("import time; time.sleep(60)", encoding="utf-8")
    monkeypatch.setattr(_tutorial_talk, "PROMPT", 0.25)
    with pytest.raises(SystemExit, match=r"^silent\.py has not said a line in 0\.25 seconds; a server says when it is"):
        trio.run(_tutorial_talk.talk, program, program, 1, ())


def test_what_fails_ends_the_build() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        _tutorial.run_bounded([sys.executable, "-c", "raise SystemExit(3)"], os.environ)


def test_what_a_relay_saw_is_said_to_have_arrived_and_not_to_have_been_read() -> None:
    """Regression: below chapter 1's first picture stood that an arrow ends where its datagram was read."""
    there = ("127.0.0.1", 50001)
    question = Relayed(10.0, 1, there, True, 1, b"hello", (Copy(10.0, b"hello"),), None)
    answer = Relayed(11.0, 1, there, False, 1, b"HELLO", (Copy(11.0, b"HELLO"),), None)
    picture = ladder_svg(_tutorial_talk._relayed_trace([question, answer], 12.0))
    assert "arrived at 0.001000 s" in picture
    assert "arrived at 1.001000 s" in picture
    assert "was read" not in picture
    assert "read at" not in picture
