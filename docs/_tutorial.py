"""The tutorial's part of the build: it runs every program of ``docs/examples/tutorial`` and shows what came of it.

Output that was pasted into a page is true on that day. So the pages have none: each program is run, in a child process
by ``_tutorial_stage.py`` or, if two talk, by ``_tutorial_talk.py``; and the pages include what it said and the ladder
of what it did, from ``docs/_pictures/tutorial/``. A program that is new there is run by itself, in virtual time; only
those that need another one to talk to are named here. tests/test_tutorial.py runs them by the same function, and
``_tutorial_directives.py`` has it done in a build.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).resolve().parent
PROGRAMS = DOCS / "examples" / "tutorial"
PICTURES = DOCS / "_pictures" / "tutorial"


class Talk(NamedTuple):
    """Two programs in real time, and what the client is told to ask.

    It is stopped after so many seconds of silence. One that ends by itself has time for that on a busy machine, too.
    """

    server: str
    client: str
    words: tuple[str, ...] = ("time", "hello")
    silence: int = 30


# By the name of the output, which is the client's; the server's is beside it, as NAME_server.txt.
TALKS = {
    "blocking_client": Talk("blocking_server", "blocking_client"),
    "mistakes/blocking": Talk("blocking_server", "mistakes/blocking", (), silence=3),
    "solutions/blocking_1": Talk("blocking_server", "solutions/blocking_1"),
    "solutions/blocking_2": Talk("solutions/blocking_2", "blocking_client", ("hello", "hello", "count")),
    "trio_server": Talk("trio_server", "blocking_client"),
    "mistakes/trio_server": Talk("mistakes/trio_server", "blocking_client", silence=3),
    "solutions/trio_1": Talk("trio_server", "solutions/trio_1"),
    "solutions/trio_2": Talk("solutions/trio_2", "blocking_client", ("hello", "stop")),
    "real_world": Talk("real_world", "blocking_client", ("0 toast", "1 egg", "2 tea")),
}

# What is not run alone: the halves of those, and what waits for dig, which may not be here.
NOT_ALONE: set[str] = {name for talk in TALKS.values() for name in (talk.server, talk.client)} | {"time_for_dig"}


def names() -> list[str]:
    """What there is to run, by the names of the outputs: ``lost``, ``mistakes/lost``, ``solutions/lost_1``."""
    files = (path.relative_to(PROGRAMS).with_suffix("").as_posix() for path in PROGRAMS.rglob("*.py"))
    return sorted({*TALKS, *files} - (NOT_ALONE - TALKS.keys()))


def run(name: str, folder: Path) -> None:
    """Write ``name``.txt, the output, and ``name``.svg and ``name``.jsonl, the ladder and the trace, to the folder."""
    out = folder / name
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.name.startswith("test_"):
        run_tests(name, out)
        return
    script, arguments = "_tutorial_stage.py", [program(name)]
    if (talk := TALKS.get(name)) is not None:
        script, arguments = "_tutorial_talk.py", [program(talk.server), program(talk.client), talk.silence, *talk.words]
    importable = os.pathsep.join([str(DOCS.parent), str(PROGRAMS)])  # a mistake may import what is right in it
    run_bounded(
        [sys.executable, str(DOCS / script), str(out), *map(str, arguments)],
        {**os.environ, "PYTHONPATH": importable, "PYTHONUTF8": "1", "PYTHONHASHSEED": "0"},
    )


def run_bounded(command: list[str], env: Mapping[str, str], limit: float = 60) -> None:
    """Run it for so many seconds at most; what it has started itself ends with it then.

    Raises:
      subprocess.TimeoutExpired: it has taken longer.
      subprocess.CalledProcessError: it has failed.
    """
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(limit)
    except BaseException:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def program(name: str) -> Path:
    """Where it is."""
    return PROGRAMS / f"{name}.py"


def run_tests(name: str, out: Path) -> None:
    """Write ``name``.txt, what pytest says of these tests in a folder that has the tutorial's programs and no more."""
    options = ["-v", "--no-header", "--color=no", "-p", "no:cacheprovider"]
    with TemporaryDirectory() as folder:
        for path in {*PROGRAMS.glob("*.py"), program(name)}:
            shutil.copy(path, folder)
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"{out.name}.py"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(DOCS.parent), "COLUMNS": "80"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
    text = re.sub(r"=+ (\d+ passed) in \S+ =+", r"\1", ran.stdout)  # the time it takes is different in every build
    out.with_suffix(".txt").write_text(text, encoding="utf-8")
