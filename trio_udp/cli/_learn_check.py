"""Playing lessons, and telling what their runs say: what ``learn check`` and ``learn watch`` do for each."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ._common import Failure, printable_text, say, write

if TYPE_CHECKING:
    from ..learn._folder import Progress
    from ..learn._lesson import Lesson

FOLDER = "trio_udp_lessons"

# A line that is longer than this nobody wants to read.
WIDEST = 100


async def go_on(progress: Progress, *, whole: bool = False, aloud: bool = False) -> bool:
    """From the first lesson that is not done to one that fails; True: there is none.

    Each is played once: a program that writes to its own file is never the one that has passed.
    """
    from ..learn import LESSONS

    for lesson in LESSONS:
        if progress.state(lesson) != "done" and not await judge_file(lesson, progress, whole=whole, aloud=aloud):
            return False
    tell("All lessons are done.\n")
    return True


async def judge_file(lesson: Lesson, progress: Progress, *, whole: bool = False, aloud: bool = False) -> bool:
    """Play it, and tell what is wrong, with all of the picture if wanted; True: nothing is.

    Aloud: say first that it is checked, as that may take 10 seconds, and nobody has just asked for it.
    """
    from ..learn._run import run_lesson
    from ..learn._source import read
    from ..learn._verdict import MOST_ROWS, judge, report

    path = progress.path(lesson)
    if aloud:
        say(f"checking {lesson.file}")
    try:
        source = read(path)
        run = await run_lesson(lesson, path, source)
    except FileNotFoundError:
        if path.is_symlink():
            again = start_command(progress.folder)
            raise Failure(f"{shown(path)} is a link to nothing; remove it, and {again} writes it") from None
        raise Failure(f"{shown(path)} is not there; {start_command(progress.folder)} writes it") from None
    except OSError as problem:
        raise Failure(f"cannot check {shown(path)}: {problem.strerror or problem}") from None
    finding = judge(lesson, run)
    if finding is None:
        tell(f"{lesson.file}: passed\n")
    else:
        width = min(shutil.get_terminal_size().columns, WIDEST)
        text = source.decode("utf-8", "backslashreplace")
        told = report(lesson, run, finding, text, width, sys.maxsize if whole else MOST_ROWS)
        tell(f"lesson {lesson.number}, {lesson.name}: {lesson.title}\n\n{told}")
        tell(f"\nWhat to do is at the top of the file. To think about it: {command('hint', Path(), lesson.name)}\n")
    try:
        progress.note(lesson, source, passed=finding is None)
    except OSError as problem:
        say(f"cannot remember that, in {shown(progress.folder)}: {problem.strerror or problem}")
    return finding is None


async def passed_all(progress: Progress, changed: list[Lesson]) -> bool:
    """What was saved first; then, if it is right, what comes next. True: all lessons are done."""
    try:
        for lesson in changed:
            if not await judge_file(lesson, progress, aloud=True):
                return False
        return await go_on(progress, aloud=True)
    except Failure as problem:
        say(str(problem))  # a file that was removed, and may come back
        return False


def shown(path: Path) -> str:
    return printable_text(str(path))


def tell(text: str) -> None:
    write(text.encode("utf-8", "backslashreplace"))


def command(action: str, folder: Path, *words: str) -> str:
    """What to type, for the files in a folder."""
    where = [] if folder in (Path(), Path(FOLDER)) else ["--dir", _typed(folder)]
    return " ".join(["python -m trio_udp learn", action, *words, *where])


def start_command(folder: Path) -> str:
    return "python -m trio_udp learn start" + ("" if folder == Path(FOLDER) else f" {_typed(folder)}")


def _typed(path: Path) -> str:
    """As the shell wants it; a name that begins with a hyphen would be an option."""
    text = f"./{path}" if str(path).startswith("-") else str(path)
    return printable_text(subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text))
