"""`run_lesson`: plays a lesson in a child process, and understands whatever becomes of that.

Code of a learner has every right to be wrong: to loop for ever, to fill the memory, to end its process, to print
without end. In our own process any of that would be the end of us, and of what we have to say about it. So it runs in
a child, in a session of its own, with nothing to read from, a bound on what it may print, and a limit in real time. A
little earlier the child itself writes down in which line it is; if even that fails, it is killed from here.

The child imports from where this process does, and not from the learner's folder: a file there that is called
``random.py`` is nobody's mistake yet.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import trio

from ._played import Ending, Run, empty, read
from ._stage import SOURCE, STUCK

if TYPE_CHECKING:
    from ._lesson import Lesson

# Seconds of real time. A play takes half of one, most of it to start Python.
LIMIT = 10.0

# Seconds for Python to start, on a machine that has a lot to do; and for the child to say where it is and end.
GRACE = 30.0
LAST_WORDS = 5.0

# What holds its output open once it has ended is something that it has started.
AFTERWARDS = 0.5

# Bytes that are kept of what it prints.
MOST_OUTPUT = 20_000

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from trio_udp.learn._stage import main
main(sys.argv[2:])
"""


async def run_lesson(lesson: Lesson, path: Path, source: bytes, *, limit: float = LIMIT) -> Run:
    """Play a lesson with a program.

    Args:
      lesson: which one.
      path: the learner's file.
      source: what is in it, read once: what is played is then what is shown, and what is noted as passed.
      limit: seconds of real time that it may take.

    Returns:
      What happened; also if it did not come to its end.

    Raises:
      OSError: no process can be started.
    """
    path = path.absolute()  # noqa: ASYNC240 - looks nothing up
    with TemporaryDirectory(prefix="trio_udp_learn") as folder:
        Path(folder, SOURCE).write_bytes(source)  # noqa: ASYNC240 - some 1,000 bytes
        arguments = [json.dumps(_import_path()), lesson.name, str(path), folder, str(limit)]
        # -I: nothing of the environment, and not the current folder; what to import from is the first argument.
        child = _Child([sys.executable, "-X", "utf8", "-I", "-c", _START, *arguments], path.parent)
        code = await child.run(Path(folder, STUCK), limit)
        try:
            run = read(Path(folder), child.output)
        except Exception:  # the child is the program's as much as ours: it may have written anything
            words = "what your program has left of its run cannot be read: it has written over the lesson's own files"
            return empty(Ending("gone", words), path.name, child.output)
        return run or empty(_ended_otherwise(Path(folder), path, code, limit), path.name, child.output)


def _import_path() -> list[str]:
    """Where this process imports from, for one in another folder."""
    package = Path(__file__).parents[2]
    return list(dict.fromkeys(os.path.abspath(place) for place in (*sys.path, str(package))))


class _Child:
    """A process, and what it prints."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._printed = bytearray()
        self._too_much = 0

    @property
    def output(self) -> str:
        text = self._printed.decode("utf-8", "backslashreplace")
        return text + (f"\n... and {self._too_much:,} bytes more\n" if self._too_much else "")

    async def run(self, begun: Path, limit: float) -> int | None:
        """Until it ends; returns its exit code, None if it had to be killed.

        Args:
          begun: a file that is there as soon as the child keeps the time by itself.
          limit: the seconds that it takes then at most.
        """
        process = await trio.lowlevel.open_process(
            self._command,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        code: int | None = None
        try:
            with trio.move_on_after(GRACE) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read, process.stdout)
                    nursery.start_soon(_bound, scope, begun, limit + LAST_WORDS)
                    code = await process.wait()
                    nursery.cancel_scope.deadline = trio.current_time() + AFTERWARDS
        finally:
            with trio.CancelScope(shield=True):
                _kill(process)
                await process.wait()
                await process.stdout.aclose()
        return code

    async def _read(self, stream: trio.abc.ReceiveStream) -> None:
        while data := await stream.receive_some(65536):
            room = MOST_OUTPUT - len(self._printed)
            self._printed += data[:room]
            self._too_much += len(data[room:])


async def _bound(scope: trio.CancelScope, begun: Path, limit: float) -> None:
    while not begun.exists():  # noqa: ASYNC110, ASYNC240 - a file tells nobody that it is there
        await trio.sleep(0.05)
    scope.deadline = trio.current_time() + limit


def _kill(process: trio.Process) -> None:
    """It, and what it has started; nothing, if that is over."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


# -- if it has not written how it ended --------------------------------------------------------------------------------


def _ended_otherwise(folder: Path, path: Path, code: int | None, limit: float) -> Ending:
    stuck = folder / STUCK
    text = stuck.read_text("ascii", "replace") if stuck.exists() else ""
    if "Timeout" in text or code is None:
        words = (
            f"your program was still at it after {limit:g} seconds, and was stopped here: a loop without an end, "
            "or without anything in it that waits (an await)"
        )
        return Ending("too long", words, _line(text, path))
    if code < 0:
        return Ending("gone", f"your program's process was killed by {_signal_name(-code)}")
    return Ending("gone", f"your program has ended its own process, with exit code {code}: let your functions return")


def _line(text: str, path: Path) -> int | None:
    """The innermost line of the learner's file in what faulthandler has written, in ASCII."""
    file = str(path).encode("ascii", "backslashreplace").decode()
    found = re.search(rf'File "{re.escape(file)}", line (\d+)', text)
    return int(found[1]) if found else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
