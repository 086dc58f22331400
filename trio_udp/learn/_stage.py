"""`play`: one play of a lesson; and what runs it in a child process: ``python -m trio_udp.learn._stage``.

The lesson's ``stage`` runs with the learner's file on a virtual network, in virtual time, while it is recorded. Around
it is a deadline, an hour of that time: then whoever still waits will wait for ever, and in which line each task of the
learner's does is what a learner has to know. It is looked up just before everything is cancelled.

A loop that sends for ever would fill the memory before any deadline in virtual time comes, as that stands still
meanwhile; so what is sent is counted, and too much ends the play. A loop that goes round at one moment is given a
little time, as any clock would give it, and is told if it goes on. A loop without an `await` stops the clock, and this
process with it. So there are limits from outside as well: in real time Python's faulthandler writes where the loop is,
and ends the process; and the memory that it may take is bounded, where the system can do that.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import trio
from trio.testing import MockClock

from .._events import DatagramSent, observe
from ..tracing import record
from ._awaited import awaited
from ._bounds import bound_memory, refuse_real_network, refuse_real_sleep
from ._carried import carried, name_hosts, with_own_addresses
from ._clocks import clocks
from ._ending import ending_of
from ._learner import MODULE, Learner, NotAsAsked
from ._lessons import find
from ._played import Ending, Run, empty, write
from ._spins import TASKS, Spins
from ._started import started
from ._threads import threads
from ._unawaited import unawaited
from ._where import running_line, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._events import Event
    from ..testing import VirtualNetwork
    from ..tracing import Recording, Trace
    from ._lesson import Lesson

# Datagrams, by all sockets of a play, or of a part of one. No lesson needs a twentieth of them; each costs 0.2 ms, and
# is in the picture.
MOST_SENT = 4_000

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
        with unawaited(path) as found, threads(path) as the_play.threads, clocks(path) as the_play.clocks:
            run = trio.run(the_play.run, clock=the_play.clock)
        return replace(run, unawaited=tuple(found))
    except NotAsAsked as problem:  # a thread has done what none may, whatever the play has come to
        return empty(ending_of(problem, path, is_loaded=True), path.name)
    finally:
        sys.modules.pop(MODULE, None)


class _Play:
    def __init__(self, lesson: Lesson, path: Path, source: bytes, abandon: Callable[[Run], None] | None) -> None:
        self._lesson = lesson
        self._path = path
        self._source = source
        self._abandon = abandon
        self.clock = MockClock(autojump_threshold=0)
        self._standstill = Spins(self._spins, self.clock, path)
        self._life = trio.CancelScope()
        self._ending: Ending | None = None
        self._sent = Counter[int]()  # in each part
        self.threads: list[int] = []
        self.clocks: list[int] = []
        self._learner = Learner(path, source)

    def end(self, ending: Ending) -> None:
        """Cancel what goes on; the first to say so is right."""
        self._ending = self._ending or ending
        self._life.cancel()

    async def run(self) -> Run:
        trio.lowlevel.add_instrument(self._standstill)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, trio.lowlevel.current_task())
            # The watching task was there before, so it is in no picture.
            with observe(self._count), record() as self._recording:
                await self._act(nursery.cancel_scope)
            nursery.cancel_scope.cancel()
        return self._outcome()

    def _count(self, event: Event) -> None:
        if isinstance(event, DatagramSent):
            self._sent[part := len(self._learner.parts)] += 1
            self._standstill.goes_on()
            if self._sent[part] == MOST_SENT:
                self.end(Ending("floods", line=running_line(self._path)))

    async def _act(self, around: trio.CancelScope) -> None:
        try:
            with self._life:
                self._learner.load()
                await self._lesson.stage(self._learner)
        except BaseException as problem:  # a program may raise anything
            if around.cancel_called:  # which nobody but that program has done
                raise
            self.end(ending_of(problem, self._path, self._learner.is_loaded, self._source))

    async def _watch(self, main: trio.lowlevel.Task) -> None:
        await trio.sleep(self._lesson.longest)
        who = tuple(waiting(main, self._path))
        line = who[0].line if who else None
        self.end(Ending("waits", "", line, waiting=who, awaits=awaited(main, self._path)))
        await trio.sleep(self._lesson.longest)
        self._give_up()

    def _spins(self, words: str, line: int | None) -> None:
        if self._ending is None:
            self.end(Ending("spins", words, line))
        elif self._life.cancel_called:  # and still there
            if words != TASKS:  # whatever is raised in it, it goes on
                self._ending = self._ending._replace(catches=line)
            self._give_up()

    def _give_up(self) -> None:
        if self._abandon is not None:
            self._abandon(self._outcome())

    def _outcome(self) -> Run:
        learner = self._learner
        trace = _traced(self._recording, learner.networks)
        parts = {name: _traced(part, learner.networks[first:][:1]) for name, (part, first) in learner.parts.items()}
        datagrams = carried(learner.networks, trace, self._path.name)
        ending = self._ending or Ending("returned" if learner.is_over else "cut")
        return Run(
            trace,
            datagrams,
            ending,
            learner.notes,
            self._path.name,
            threads=tuple(self.threads),
            clocks=tuple(self.clocks),
            started=started(self._source),
            parts=parts,
        )


def _traced(recording: Recording, networks: Sequence[VirtualNetwork]) -> Trace:
    name_hosts(recording, networks)
    return with_own_addresses(recording.trace(), networks)


# -- the child process -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    """Play: the lesson's name, the learner's file, the folder to write to, and the real seconds that it may take.

    The program itself is in that folder.
    """
    name, file, place, limit = arguments
    path, folder = Path(file), Path(place)
    sys.argv = [file]  # as it would be for ``python file``; and the folder is nobody's business

    def leave(run: Run) -> NoReturn:
        """At once: a thread of the program's, or what it has left for the end, may never come to one."""
        write(run, folder)
        with suppress(Exception):  # it may have closed it
            sys.stdout.flush()
        os._exit(0)

    bound_memory()
    refuse_real_network()
    refuse_real_sleep(path)
    with open(folder / STUCK, "w") as stuck:
        faulthandler.dump_traceback_later(float(limit), exit=True, file=stuck)
        sys.path.append(str(path.parent))  # for what stands beside it; last, so that it hides nothing
        try:
            leave(play(find(name), path, (folder / SOURCE).read_bytes(), leave))
        except BaseException as problem:  # Trio's own stacks have limits, too
            leave(empty(_broken(problem, path), path.name))


def _broken(problem: BaseException, path: Path) -> Ending:
    words = f"your program has broken what plays it, which ended with {type(problem).__name__}"
    if not isinstance(problem, trio.TrioInternalError) or problem.__cause__ is None:
        return Ending("gone", words)
    inner = ending_of(problem.__cause__, path, is_loaded=True)
    if inner.line is not None:
        words = f"this has raised {inner.words}, in a task that is in no nursery of yours: nobody waits for such a task"
    return Ending("gone", words, inner.line)


if __name__ == "__main__":
    main(sys.argv[1:])
