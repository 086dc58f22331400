"""`unawaited`: calls that have done nothing, since nobody has awaited what they gave.

Python says so, but late and aside: when the coroutine is thrown away, on standard error, with the line that was running
just then. What a learner sees is the consequence: nothing was sent, or a coroutine is no tuple. So while a program is
played Python keeps where each coroutine was made, and what it has to say is kept as well, with the line that is meant.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._played import Unawaited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Calls between a coroutine and the line of the learner's that has led to it: a decorator or two.
DEPTH = 8

_LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@contextmanager
def unawaited(path: Path) -> Iterator[list[Unawaited]]:
    """Note them in the list, at the end of the block; all other warnings are shown then, as always.

    Args:
      path: of the file whose lines are meant.
    """
    found: list[Unawaited] = []
    before = sys.get_coroutine_origin_tracking_depth()
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("default", r"(?s)coroutine '.*' was never awaited", RuntimeWarning)
        sys.set_coroutine_origin_tracking_depth(DEPTH)
        try:
            yield found
        finally:
            gc.collect()  # some are in a frame that an exception keeps
            sys.set_coroutine_origin_tracking_depth(before)
    for one in told:
        coroutine: Any = one.source  # if it is that
        line = _made_in(coroutine, path)
        if _called_back(coroutine, path):
            found.insert(0, Unawaited(coroutine.cr_code.co_firstlineno, coroutine.__qualname__, is_called_back=True))
        elif line is None:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
        else:
            found.append(Unawaited(line, coroutine.__qualname__))


def _made_in(coroutine: Any, path: Path) -> int | None:
    """The innermost line of the file that a coroutine comes from."""
    origin = getattr(coroutine, "cr_origin", None) or ()
    return next((line for file, line, _ in origin if file == str(path)), None)


def _called_back(coroutine: Any, path: Path) -> bool:
    """Is it the learner's, and was it the library that has called it?"""
    origin: Any = getattr(coroutine, "cr_origin", None) or ()
    is_own = getattr(getattr(coroutine, "cr_code", None), "co_filename", "") == str(path)
    return is_own and bool(origin) and origin[0][0].startswith(_LIBRARY)
