"""Where in the learner's file something is: a task that waits, the program that runs, what was raised."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._played import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import CodeType, FrameType, TracebackType

    import trio


def waiting(task: trio.lowlevel.Task, path: Path) -> Iterator[Waiting]:
    """The learner's tasks among a task and those below it, children before their parents."""
    for each, line in tasks_of(task, path):
        yield Waiting(each.name, line)


def tasks_of(task: trio.lowlevel.Task, path: Path) -> Iterator[tuple[trio.lowlevel.Task, int]]:
    """The same tasks themselves, each with the line in which it waits."""
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda child: (child.name, line_of(child, path) or 0)):
            yield from tasks_of(child, path)
    if line := line_of(task, path):
        yield task, line


def line_of(task: trio.lowlevel.Task, path: Path) -> int | None:
    """In which line of the learner's file a task waits."""
    lines = _lines(task, path)
    return lines[-1] if lines else None


def standing_line(task: trio.lowlevel.Task, path: Path) -> int | None:
    """The same, of the function that others were called by, if it waits in them."""
    return next(iter(_lines(task, path)), None)


def _lines(task: trio.lowlevel.Task, path: Path) -> list[int]:
    return [line for frame, line in task.iter_await_frames() if frame.f_code.co_filename == str(path)]


def running_line(path: Path) -> int | None:
    """Where the learner's program is just now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != str(path):
        frame = frame.f_back
    return None if frame is None else frame.f_lineno


def raised_line(problem: BaseException, path: Path) -> int | None:
    """The innermost line that an exception has come by; if it has come by none, the one that it was made of.

    Python itself makes a RuntimeError of a StopIteration that leaves a coroutine, outside of that.
    """
    return _last_line(problem.__traceback__, path) or (
        _last_line(problem.__cause__.__traceback__, path) if problem.__cause__ is not None else None
    )


def raised_within(problem: BaseException, place: str) -> bool:
    """Has it come by this file, or by one of this folder, whose path ends with a separator?"""
    return any(code.co_filename.startswith(place) for code, _ in _came_by(problem.__traceback__))


def raised_by(problem: BaseException) -> str:
    """The file that has raised it."""
    return next((code.co_filename for code, _ in reversed([*_came_by(problem.__traceback__)])), "")


def _last_line(traceback: TracebackType | None, path: Path) -> int | None:
    lines = [line for code, line in _came_by(traceback) if code.co_filename == str(path)]
    return lines[-1] if lines else None


def _came_by(traceback: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lineno
        traceback = traceback.tb_next


def in_lines(lines: Iterable[int]) -> str:
    """In words: ``in line 3``, ``in lines 3, 7 and 9``."""
    *others, last = map(str, sorted(set(lines)))
    return f"in lines {', '.join(others)} and {last}" if others else f"in line {last}"
