"""`Lesson`: what a lesson is made of.

How a lesson is made. It is a folder in ``lessons``, of the lesson's name, with three files (a long check has one more):

``exercise.py``
    What the learner gets: a program of 15 to 40 lines that is broken in the way learners break it. A comment at its top
    says the task in 3 to 6 lines. It has the functions that the stage calls, with their types.

``solution.py``
    The same, right, with a comment at its top that says why it is. Both are data: shown, copied, and never imported.

``__init__.py``
    ``LESSON``, and with it two functions.

    ``async def stage(learner)`` plays: it makes a network with ``learner.network(link, seed=...)``, hosts on it and
    whoever the learner's program talks to, and calls the learner's functions with ``await learner.call("ping", ...)``,
    inside ``with host:``. It ends by itself if the program is right, cancelling what serves for ever. What only it can
    know, such as a result or that the work was done, it notes: ``learner.note("result", value)``. The last thing is
    ``learner.over(1)``, with how many calls must have returned: a play that does not come there has not passed. It
    asserts nothing, may be cancelled at any await, and does not catch what the learner's program raises.

    ``def check(run)`` is a generator of `Finding`: what is wrong, the most helpful first, as only that one is shown. No
    finding: passed. It is asked whenever the file could be loaded and the play came to an end, also if the program
    waits for ever (``run.ending.kind`` is ``"waits"``), goes on without end (``"floods"``, ``"spins"``) or has raised
    (``"raised"``). So the check says what only this lesson knows; if it finds nothing in such a run, what happened is
    said in general words. ``yield from went_wrong(run, "raised", ...)`` says those at once. It asks `_look` what has
    happened, and never what was printed; nor does it compare with the solution: any program that does what the task
    says passes. What a program could get by without doing it must be refused: let answers be something that nobody can
    know who has not asked.

Messages are for somebody who has never seen Trio: what happened, when and where, and why that is wrong, in a line or
three. Not what to type: that is what the hints are for, two to four, from vague to plain. The tests of a lesson are in
``tests/learn/test_<name>.py``: the exercise fails with that message, the solution passes, so does another program in
another style, and each way around the task is refused. Nothing else has to be changed for a new lesson.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._learner import Learner
    from ._played import Run
    from ._verdict import Finding


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Args:
      number: its place among the others, from 1.
      name: what it is called by, and its folder.
      title: what it is about, in a few words.
      question: what to do, 5 to 12 lines.
      hints: from vague to plain.
      stage: plays it.
      check: what is wrong with a play; nothing if it is right.
      longest: seconds of virtual time after which whoever still waits is taken to wait for ever.
    """

    number: int
    name: str
    title: str
    question: str
    hints: tuple[str, ...]
    stage: Callable[[Learner], Awaitable[None]]
    check: Callable[[Run], Iterator[Finding]]
    longest: float = 3600.0

    @property
    def file(self) -> str:
        """What the learner's file is called."""
        return f"{self.number:02}_{self.name}.py"

    @property
    def exercise(self) -> str:
        """The program to begin with."""
        return self._read("exercise.py")

    @property
    def solution(self) -> str:
        """One that is right."""
        return self._read("solution.py")

    def _read(self, name: str) -> str:
        return files(__package__).joinpath("lessons").joinpath(self.name).joinpath(name).read_text("utf-8")
