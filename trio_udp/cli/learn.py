"""``learn``: lessons to work on, and what their runs say about them."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import trio

from ._common import ExitCode, Failure, plural, say
from ._learn_check import FOLDER, command, go_on, judge_file, passed_all, shown, start_command, tell
from ._stopping import ended_by_signals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..learn._folder import Progress
    from ..learn._lesson import Lesson

DESCRIPTION = """\
Learn it with programs that are broken in the way learners break them. Each is
a file, which says at its top what it should do. Repair it; `learn check` runs
it on a bad network in memory, and says what is wrong, with a picture of what
has happened. Without an action: the lessons, and which are done.
"""

EPILOG = """\
A lesson is called by its name, its number or its file.

A program runs in a process of its own, for 10 seconds at most, most of which
it never needs: the network's time is virtual. What you have written is never
written over; to begin a lesson anew, remove its file and start again.

examples:
  python -m trio_udp learn start          write the files to trio_udp_lessons
  cd trio_udp_lessons
  python -m trio_udp learn watch          check whenever a file is saved
  python -m trio_udp learn check          the first lesson that is not done
  python -m trio_udp learn check ping     this one; also 1, or 01_ping.py
  python -m trio_udp learn hint ping      what to think about
  python -m trio_udp learn solution ping  how it can be done, and why
  python -m trio_udp learn                what is done

exit codes: 0 passed, 1 not passed, or an error, 2 usage, 130 interrupted
"""


_UNLESS_GIVEN = f"unless given, here if they are here, else {FOLDER}"
_WHERE = f"where the files are; {_UNLESS_GIVEN}"

# What ends this process from outside; the one in which a program is played would go on without it.
ENDING = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if name in signal.Signals.__members__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``learn`` takes."""
    parser = subparsers.add_parser(
        "learn",
        help="lessons: broken programs to repair, checked by what they do",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_dir(parser, None)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION")

    start = actions.add_parser("start", help="write the files to work on")
    start.add_argument("folder", type=Path, nargs="?", metavar="DIR", help=f"where to; {_UNLESS_GIVEN}")

    check = actions.add_parser("check", help="play lessons, and say what is wrong")
    check.add_argument(
        "lessons",
        nargs="*",
        metavar="LESSON",
        help="which; unless given, from the first that is not done to one that fails",
    )
    check.add_argument("--whole", action="store_true", help="with all of the picture, however long that is")
    hint = actions.add_parser("hint", help="something to think about")
    hint.add_argument("lesson", nargs="?", metavar="LESSON", help="which; the first that is not done unless given")
    hint.add_argument("--more", action="store_true", help="all hints that there are, down to the plainest")
    solution = actions.add_parser("solution", help="how it can be done, and why")
    solution.add_argument("lesson", metavar="LESSON", help="which")
    watch = actions.add_parser("watch", help="check again whenever a file is saved; Ctrl-C ends it")
    for action in (check, hint, solution, watch):
        _add_dir(action, argparse.SUPPRESS)
    _add_dir(start, argparse.SUPPRESS, "the same, as other actions take it")
    parser.set_defaults(run=run)


def _add_dir(parser: argparse.ArgumentParser, default: str | None, words: str = _WHERE) -> None:
    parser.add_argument("--dir", type=Path, default=default, metavar="DIR", help=words)


async def run(args: argparse.Namespace) -> int:
    """Do what is asked for."""
    action = args.action or "list"
    with ended_by_signals(ENDING):
        return await _ACTIONS[action](args)
    return ExitCode.ERROR  # never seen: the signal has ended this process


# -- where things are --------------------------------------------------------------------------------------------------


def _folder(args: argparse.Namespace) -> Path:
    if args.dir is not None:
        return Path(args.dir)
    return Path() if _has_lessons(Path()) else Path(FOLDER)


def _has_lessons(folder: Path) -> bool:
    from ..learn._folder import has_lessons

    try:
        return has_lessons(folder)
    except OSError as problem:
        raise Failure(f"cannot look into {shown(folder)}: {problem.strerror or problem}") from None


def _progress(folder: Path) -> Progress:
    """Of a folder.

    Raises:
      Failure: there is nothing to check in it.
    """
    from ..learn._folder import Progress

    if not _has_lessons(folder):
        raise Failure(f"there are no lessons in {shown(folder)}; write them there with: {start_command(folder)}")
    progress = Progress(folder)
    if progress.remark:
        say(progress.remark)
    return progress


def _lesson(text: str) -> Lesson:
    from ..learn import find

    try:
        return find(Path(text).name)
    except ValueError as problem:
        raise Failure(str(problem), ExitCode.USAGE) from None


# -- actions -----------------------------------------------------------------------------------------------------------


async def _list(args: argparse.Namespace) -> int:
    from ..learn import LESSONS
    from ..learn._folder import Progress

    await trio.lowlevel.checkpoint()
    folder = _folder(args)
    progress = Progress(folder)
    if progress.remark:
        say(progress.remark)
    states = {lesson.name: progress.state(lesson) for lesson in LESSONS}
    longest = max(len(lesson.title) for lesson in LESSONS)
    for lesson in LESSONS:
        row = f"{lesson.number:3}  {lesson.name:12}{lesson.title:{longest}}  {states[lesson.name]}"
        tell(f"{row.rstrip()}\n")
    if not _has_lessons(folder):
        say("begin with: python -m trio_udp learn start")
    else:
        done = sum(state == "done" for state in states.values())
        say(f"{done} of {plural(len(LESSONS), 'lesson')} done, in {shown(folder)}")
    return ExitCode.ANSWERED


async def _start(args: argparse.Namespace) -> int:
    from ..learn._folder import start

    await trio.lowlevel.checkpoint()
    if args.folder and args.dir and args.folder != args.dir:
        words = f"two folders are named, {shown(args.folder)} and --dir {shown(args.dir)}: name the one to write to"
        raise Failure(words, ExitCode.USAGE)
    folder = args.folder or _folder(args)
    try:
        started = start(folder)
    except (FileExistsError, NotADirectoryError):
        raise Failure(f"{shown(folder)} is no folder: name one that is, or one that is not there yet") from None
    except OSError as problem:
        where = shown(Path(problem.filename)) if problem.filename else shown(folder)
        raise Failure(f"cannot write to {where}: {problem.strerror or problem}") from None
    if started.kept:
        say(f"kept as they are: {', '.join(started.kept)}")
    for name in started.dangling:
        say(f"{shown(folder / name)} is a link to nothing: remove it, and start again")
    if started.written:
        say(f"written to {shown(folder)}: {', '.join(started.written)}")
        say(f"Open {shown(folder / started.written[0])} in your editor, and let this run beside it:")
        say(f"  {command('watch', folder)}")
    return ExitCode.ANSWERED


async def _check(args: argparse.Namespace) -> int:
    if not args.lessons:
        return ExitCode.ANSWERED if await go_on(_progress(_folder(args)), whole=args.whole) else ExitCode.ERROR
    passed = []
    for lesson, named in [(_lesson(name), Path(name)) for name in args.lessons]:
        # A file that was named with its folder is that one, wherever the others are.
        progress = _progress(_folder(args) if named.parent == Path() else named.parent)
        passed.append(await judge_file(lesson, progress, whole=args.whole))
    return ExitCode.ANSWERED if all(passed) else ExitCode.ERROR


async def _hint(args: argparse.Namespace) -> int:
    from ..learn._folder import Progress

    await trio.lowlevel.checkpoint()
    lesson = Progress(_folder(args)).next() if args.lesson is None else _lesson(args.lesson)
    if lesson is None:
        say("all lessons are done")
        return ExitCode.ANSWERED
    tell(f"lesson {lesson.number}, {lesson.name}: {lesson.title}\n\n{lesson.question}\n")
    hints = lesson.hints if args.more else lesson.hints[:1]
    for number, hint in enumerate(hints, 1):
        tell("".join(f"{line}\n" for line in wrap(f"hint {number}: {hint}", 80)))
    if not args.more and len(lesson.hints) > 1:
        say(f"plainer: {command('hint', Path(), lesson.name, '--more')}")
    return ExitCode.ANSWERED


async def _solution(args: argparse.Namespace) -> int:
    await trio.lowlevel.checkpoint()
    tell(_lesson(args.lesson).solution)
    return ExitCode.ANSWERED


async def _watch(args: argparse.Namespace) -> int:
    from ..learn import LESSONS
    from ..learn._watch import Watched

    progress = _progress(_folder(args))
    by_path = {progress.path(lesson): lesson for lesson in LESSONS}
    watched = Watched(by_path)
    changed: Iterable[Path] = ()
    while True:
        if await passed_all(progress, [by_path[path] for path in changed]):
            return ExitCode.ANSWERED
        say("waiting for a file to be saved; Ctrl-C ends it")
        changed = await watched.changed()


_ACTIONS = {
    "list": _list,
    "start": _start,
    "check": _check,
    "hint": _hint,
    "solution": _solution,
    "watch": _watch,
}
