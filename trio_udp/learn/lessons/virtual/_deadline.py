"""`deadline_around`: the deadline of a test's own that a call stands in.

`trio.fail_after` raises what `ask` raises, too, when it gives up. Inside of what catches that the two look alike, and a
program that never ends passes a test which is there to fail it. So when a deadline has ended a call, its line is told.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._learner import Learner

RAISES, SILENT = ("fail_after", "fail_at"), ("move_on_after", "move_on_at", "CancelScope")


class Deadline(NamedTuple):
    """Its line, and whether it raises when it is over."""

    line: int
    raises: bool


def deadline_around(learner: Learner) -> Deadline | None:
    """The innermost one in the file around the call that somebody is in just now; None, if none is seen."""
    deadlines = list(_deadlines(ast.parse(learner.source)))
    for line in _lines(learner):
        around = [deadline for first, last, deadline in deadlines if first <= line <= last]
        if around:
            return max(around)
    return None


def _lines(learner: Learner) -> Iterator[int]:
    """Where the learner's functions are that call each other, the innermost first."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == str(learner.path):
            yield frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]


def _deadlines(tree: ast.AST) -> Iterator[tuple[int, int, Deadline]]:
    """The first line and the last of each `with` that has one."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                name = _name(item.context_expr)
                if name in RAISES + SILENT:
                    yield (
                        node.lineno,
                        node.end_lineno or node.lineno,
                        Deadline(item.context_expr.lineno, name in RAISES),
                    )


def _name(call: ast.expr) -> str:
    if not isinstance(call, ast.Call):
        return ""
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")
