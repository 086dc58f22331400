"""How a play has ended, told by what was raised.

It is the learner's program that has raised it, so nothing about it is sure: that it is an error, that it can say what
it is, or that its groups are not nested until Python's own stack is full.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import trio

from .._errors import NoReply
from ._elsewhere import elsewhere
from ._learner import ASYNC_ONLY, NotAsAsked
from ._played import Ending
from ._source import NoText
from ._where import raised_by, raised_line

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "trio.run is called here; the lesson runs your functions itself"
RUN_IN_RUN = (
    "trio.run is called here, and the lesson has called it already, for all of your program. Inside of it an async "
    "function is called with `await`, in a function that is `async def` itself"
)

GROUPED = (
    "It comes out of a nursery in an ExceptionGroup, which `except {}` around the nursery does not catch; `except*` "
    "does, from Python 3.11 on, and so does a plain `except` in the task that raises it"
)
CORRUPTED = "Cancel scope stack corrupted"
NO_RAISE = ". `trio.move_on_after` ends in time as well, and raises nothing"


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
        outside = f". {ASYNC_ONLY}" if "outside async function" in leaf.msg else ""
        return Ending("not loaded", f"this is no Python: {leaf.msg}{outside}", leaf.lineno)
    said, name = _said(leaf), type(leaf).__name__
    if said.startswith(CORRUPTED):  # a page of Trio's inside, and in no line of the learner's
        said, line = CORRUPTED, line or _first_yield(source)
    if "run() from inside a run()" in said:
        return Ending("not loaded", RUN_IN_RUN if is_loaded else RUN, line)
    words = f"{name}: {said}" if said else name
    if right := elsewhere(leaf, words):
        words = f"{words.rstrip('.')}. {right}"
    is_timeout = isinstance(leaf, trio.TooSlowError) and not isinstance(leaf, NoReply)
    is_meant = re.search(rb"\bexcept\b[^*\n]*\b%b\b" % name.encode(), source)
    if (is_meant or is_timeout) and _is_grouped(problem, path):
        words = f"{words.rstrip('.')}. {GROUPED.format(name)}{NO_RAISE if is_timeout else ''}"
    return Ending("raised" if is_loaded else "not loaded", words, line, name, gives_up=_gives_up(leaf, path))


def _gives_up(problem: BaseException, path: Path) -> bool:
    """On purpose: what `trio.fail_after` raises in the middle of it has most likely not been thought of."""
    is_own = raised_by(problem) == str(path)
    return isinstance(problem, NoReply) or (is_own and isinstance(problem, (trio.TooSlowError, TimeoutError)))


def _first_yield(source: bytes) -> int | None:
    lines = enumerate(source.splitlines(), 1)
    return next((number for number, line in lines if re.search(rb"^[^#]*\byield\b", line)), None)


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
