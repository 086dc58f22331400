"""What comes out of a network that ends: what the program has raised, or a rule.

A rule is asked in the network's own task, or while the program does something quite different. So what it raises is
kept, the program is cancelled, and at the end there may be two exceptions. One of them comes out, bare.
"""

from __future__ import annotations

import sys

import trio

from .._errors import logger

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup


def raise_the_first(failure: BaseException, problem: BaseException | None, *, was_first: bool) -> None:
    """Raise what a rule has raised, unless the program's own exception came before it. The other of both is logged.

    The second may be a consequence of the first, and it may not. Ctrl-C is nobody's consequence.
    """
    own = _without_cancellation(problem)
    if own is None:
        raise failure
    was_first = was_first and isinstance(own, Exception)
    logger.error("a virtual network ends with two failures; this is the second", exc_info=own if was_first else failure)
    if was_first:
        raise failure


def _without_cancellation(problem: BaseException | None) -> BaseException | None:
    if isinstance(problem, BaseExceptionGroup):
        return problem.split(trio.Cancelled)[1]
    return None if isinstance(problem, trio.Cancelled) else problem
