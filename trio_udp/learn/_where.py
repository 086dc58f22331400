"""Where in the learner's file something is: a task that waits, the program that runs, what was raised."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._played import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType, TracebackType

    import trio


def waiting(task: trio.lowlevel.Task, path: Path) -> Iterator[Waiting]:
    """The learner's tasks among a task and those below it, children before their parents."""
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda child: child.name):
            yield from waiting(child, path)
    if line := line_of(task, path):
        yield Waiting(task.name, line)


def line_of(task: trio.lowlevel.Task, path: Path) -> int | None:
    """In which line of the learner's file a task waits."""
    lines = [line for frame, line in task.iter_await_frames() if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else None


def waits_for_thread(task: trio.lowlevel.Task, path: Path) -> bool:
    """Does a line of the learner's wait for a thread, in this task or one below it?"""
    below = (child for nursery in task.child_nurseries for child in nursery.child_tasks)
    names = [frame.f_code.co_name for frame, _ in task.iter_await_frames()]
    return ("to_thread_run_sync" in names and line_of(task, path) is not None) or any(
        waits_for_thread(child, path) for child in below
    )


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


def _last_line(traceback: TracebackType | None, path: Path) -> int | None:
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
