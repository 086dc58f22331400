"""`play`: one play of a lesson; and what runs it in a child process: ``python -m trio_udp.learn._stage``.

The lesson's ``stage`` runs with the learner's file on a virtual network, in virtual time, while it is recorded. Around
it is a deadline, an hour of that time: then whoever still waits will wait for ever, and in which line each task of the
learner's does is what a learner has to know. It is looked up just before everything is cancelled.

A loop that never waits stops the clock, and this process with it. So there is a limit from outside as well: in real
time Python's faulthandler writes where the loop is, and ends the process.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import trio
from trio.testing import MockClock

from ..tracing import record
from ._bounds import bound_memory, refuse_real_network, refuse_real_sleep
from ._carried import carried, name_hosts, with_own_addresses
from ._learner import MODULE, Learner, NotAsAsked
from ._lessons import find
from ._played import Ending, Run, Waiting, write
from ._unawaited import unawaited

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType, TracebackType

    from ._lesson import Lesson

# Of tasks, at one moment of virtual time: no lesson comes near it.
MOST_STEPS = 50_000

# In the child's folder: the program; and where it was when its time was over.
SOURCE, STUCK = "source.py", "stuck.txt"


def play(lesson: Lesson, path: Path, source: bytes, abandon: Callable[[Run], None] | None = None) -> Run:
    """Play a lesson with a program, in this process; it may never end, if that has an endless loop.

    Args:
      lesson: which one.
      path: the learner's file; it is not read, as somebody may be saving it just now.
      source: what was in it.
      abandon: called if the program cannot be cancelled, as something in it is shielded; it should end the process.

    Returns:
      What happened, without what was printed.
    """
    path = path.absolute()
    the_play = _Play(lesson, path, source, abandon)
    try:
        with unawaited(path) as found:
            run = trio.run(the_play.run, clock=MockClock(autojump_threshold=0))
        return replace(run, unawaited=tuple(found))
    finally:
        sys.modules.pop(MODULE, None)


class _Play:
    def __init__(self, lesson: Lesson, path: Path, source: bytes, abandon: Callable[[Run], None] | None) -> None:
        self._lesson = lesson
        self._path = path
        self._abandon = abandon
        self._life = trio.CancelScope()
        self._ending: Ending | None = None
        self._learner = Learner(path, source, flooded=lambda: self.end(Ending("floods", line=_running_line(path))))

    def end(self, ending: Ending) -> None:
        """Cancel what goes on; the first to say so is right."""
        self._ending = self._ending or ending
        self._life.cancel()

    async def run(self) -> Run:
        trio.lowlevel.add_instrument(Spins(self.end, self._path))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, trio.lowlevel.current_task())
            with record() as self._recording:  # the watching task was there before, so it is in no picture
                await self._act()
            nursery.cancel_scope.cancel()
        return self._outcome()

    async def _act(self) -> None:
        try:
            with self._life:
                self._learner.load()
                await self._lesson.stage(self._learner)
        except BaseException as problem:  # a program may raise anything
            self.end(_ending_of(problem, self._path, self._learner))

    async def _watch(self, main: trio.lowlevel.Task) -> None:
        await trio.sleep(self._lesson.longest)
        waiting = tuple(_waiting(main, self._path))
        self.end(Ending("waits", line=waiting[0].line if waiting else None, waiting=waiting))
        await trio.sleep(self._lesson.longest)
        if self._abandon is not None:
            self._abandon(self._outcome())

    def _outcome(self) -> Run:
        learner = self._learner
        name_hosts(self._recording, learner.networks)
        trace = with_own_addresses(self._recording.trace(), learner.networks)
        datagrams = carried(learner.networks, trace, self._path.name)
        return Run(trace, datagrams, self._ending or Ending("returned"), learner.notes, self._path.name)


class Spins(trio.abc.Instrument):
    """Ends a play in which time stands still, since somebody always has something to do."""

    def __init__(self, end: Callable[[Ending], None], path: Path) -> None:
        self._end = end
        self._path = path
        self._time = -1.0
        self._steps = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps += 1
        if self._steps >= MOST_STEPS and (line := _line_of(task, self._path)):
            self._steps = 0
            self._end(Ending("spins", line=line))

    def before_io_wait(self, timeout: float) -> None:
        if (now := trio.current_time()) > self._time:
            self._time = now
            self._steps = 0


def _waiting(task: trio.lowlevel.Task, path: Path) -> Iterator[Waiting]:
    """The learner's tasks, children before their parents."""
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda child: child.name):
            yield from _waiting(child, path)
    if line := _line_of(task, path):
        yield Waiting(task.name, line)


def _line_of(task: trio.lowlevel.Task, path: Path) -> int | None:
    """In which line of the learner's file a task waits."""
    lines = [line for frame, line in task.iter_await_frames() if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else None


def _running_line(path: Path) -> int | None:
    """Where the learner's program is just now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != str(path):
        frame = frame.f_back
    return None if frame is None else frame.f_lineno


# -- how it ended ------------------------------------------------------------------------------------------------------


def _ending_of(problem: BaseException, path: Path, learner: Learner) -> Ending:
    """What was raised, and in which line: in groups, the first thing that has one."""
    found = list(_leaves(problem, path))
    asked, line_of_it = next((each for each in found if isinstance(each[0], NotAsAsked)), (None, None))
    if isinstance(asked, NotAsAsked):
        return Ending("not loaded", str(asked), asked.line or line_of_it)
    leaf, line = next((each for each in found if each[1] is not None), found[0])
    if isinstance(leaf, SyntaxError) and leaf.filename == str(path):
        return Ending("not loaded", f"this is no Python: {leaf.msg}", leaf.lineno)
    if not learner.is_loaded and "run() from inside a run()" in str(leaf):
        return Ending("not loaded", "trio.run is called here; the lesson runs your functions itself", line)
    words = f"{type(leaf).__name__}: {leaf}" if str(leaf) else type(leaf).__name__
    return Ending("raised" if learner.is_loaded else "not loaded", words, line, type(leaf).__name__)


def _leaves(problem: BaseException, path: Path, line: int | None = None) -> Iterator[tuple[BaseException, int | None]]:
    """What is in a group, in groups inside it too, each with the innermost line of the learner's that it came by."""
    line = _last_line(problem.__traceback__, path) or line
    if not isinstance(problem, BaseExceptionGroup):
        yield problem, line
        return
    for inner in problem.exceptions:
        yield from _leaves(inner, path, line)


def _last_line(traceback: TracebackType | None, path: Path) -> int | None:
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


# -- the child process -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    """Play: the lesson's name, the learner's file, the folder to write to, and the real seconds that it may take.

    The program itself is in that folder.
    """
    name, file, place, limit = arguments
    path, folder = Path(file), Path(place)

    def abandon(run: Run) -> NoReturn:
        write(run, folder)
        sys.stdout.flush()
        os._exit(0)

    bound_memory()
    refuse_real_network()
    refuse_real_sleep(path)
    with open(folder / STUCK, "w") as stuck:
        faulthandler.dump_traceback_later(float(limit), exit=True, file=stuck)
        sys.path.append(str(path.parent))  # for what stands beside it; last, so that it hides nothing
        write(play(find(name), path, (folder / SOURCE).read_bytes(), abandon), folder)
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(sys.argv[1:])
