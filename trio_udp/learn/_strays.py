"""`Strays`: notes tasks that a program has started in no nursery of its own; and what there is to say of them.

Trio's system tasks are in a nursery of Trio's. A lesson that is about nurseries, or about who is cancelled and when,
has not been done with them. A stage notes them with ``trio.lowlevel.add_instrument(Strays(learner))``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._learner import Learner
    from ._played import Run


class Strays(trio.abc.Instrument):
    """Notes the lines that start one.

    Args:
      learner: whose they are.

    ``tasks`` are those tasks.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._root = trio.lowlevel.current_root_task()
        self.tasks: set[trio.lowlevel.Task] = set()

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        nursery, line = task.parent_nursery, self._learner.line()
        if line and nursery is not None and nursery.parent_task is self._root:
            self._learner.note("strays", line)
            self.tasks.add(task)


def strayed(run: Run, function: str) -> Iterator[Finding]:
    """That there was one, in a program of which this function is called."""
    for line in run.notes.get("strays", ()):
        yield Finding(
            f"this line starts a system task, which is in no nursery of your program: who cancels `{function}` does "
            "not end it, nobody waits for it, and if it raises anything Trio itself ends. Tasks belong in a nursery",
            line,
        )
