"""How a play has ended, told by what was raised.

It is the learner's program that has raised it, so nothing about it is sure: that it is an error, that it can say what
it is, or that its groups are not nested until Python's own stack is full.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from ._learner import NotAsAsked
from ._played import Ending
from ._source import NoText
from ._where import raised_line, raised_within

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Not by importing it: that takes as long as all of Trio does.
_ASYNCIO = os.path.join(os.path.dirname(os.__file__), "asyncio") + os.sep

NOT_ASYNCIO = (
    "That is asyncio's, and your program runs in Trio, where nothing of asyncio works: use what is Trio's, such as "
    "trio.sleep, trio.fail_after, or a nursery"
)

NO_STATUS = (
    "`nursery.start` waits until what it starts calls `task_status.started()`, and gives it that argument. What does "
    "not take it is started with `start_soon`, which does not wait"
)

GROUPED = (
    "It comes out of a nursery in an ExceptionGroup, which `except {}` around the nursery does not catch; `except*` "
    "does, from Python 3.11 on"
)


def ending_of(problem: BaseException, path: Path, is_loaded: bool, source: bytes = b"") -> Ending:
    """What was raised, and in which line: in groups, the first thing that has one.

    Args:
      problem: it.
      path: of the learner's file.
      is_loaded: was it running, and not only being imported?
      source: what is in that file, to see whether it means to catch this.
    """
    found = list(_leaves(problem, path))
    asked, line_of_it = next((each for each in found if isinstance(each[0], (NotAsAsked, NoText))), (None, None))
    if isinstance(asked, (NotAsAsked, NoText)):
        return Ending("not loaded", str(asked), asked.line or line_of_it)
    leaf, line = next((each for each in found if each[1] is not None), found[0])
    if isinstance(leaf, SyntaxError) and leaf.filename == str(path):
        return Ending("not loaded", f"this is no Python: {leaf.msg}", leaf.lineno)
    said, name = _said(leaf), type(leaf).__name__
    if not is_loaded and "run() from inside a run()" in said:
        return Ending("not loaded", "trio.run is called here; the lesson runs your functions itself", line)
    words = f"{name}: {said}" if said else name
    if raised_within(leaf, _ASYNCIO) or "no running event loop" in said or "framework like asyncio" in said:
        words = f"{words.rstrip('.')}. {NOT_ASYNCIO}"
    if "unexpected keyword argument 'task_status'" in said:
        words = f"{words}. {NO_STATUS}"
    if re.search(rb"\bexcept\b[^*\n]*\b%b\b" % name.encode(), source) and _is_grouped(problem, path):
        words = f"{words.rstrip('.')}. {GROUPED.format(name)}"
    return Ending("raised" if is_loaded else "not loaded", words, line, name)


def _said(problem: BaseException) -> str:
    try:
        return str(problem)
    except Exception as another:
        return f"(its words are not known, as its __str__ raises {type(another).__name__})"


def _is_grouped(problem: BaseException, path: Path) -> bool:
    """Has a nursery of the learner's put something into a group?"""
    left = [problem]
    while left:
        inner = left.pop()
        if isinstance(inner, BaseExceptionGroup):
            if raised_line(inner, path) is not None:
                return True
            left += inner.exceptions
    return False


def _leaves(problem: BaseException, path: Path) -> Iterator[tuple[BaseException, int | None]]:
    """What is in a group, in groups inside it too, each with the innermost line of the learner's that it came by."""
    left: list[tuple[BaseException, int | None]] = [(problem, None)]
    while left:
        inner, line = left.pop()
        line = raised_line(inner, path) or line
        if isinstance(inner, BaseExceptionGroup):
            left += [(each, line) for each in reversed(inner.exceptions)]
        else:
            yield inner, line
