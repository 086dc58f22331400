"""`started`: where a program takes what `start_soon` returns for the result of what it starts.

It returns None, and at once: the task has not even begun. What the task returns later goes to nobody. So whoever
keeps that None, awaits it, or hands it on has something else in mind; what comes of it looks like another mistake, in
another line. It is told besides whatever is found, as it may be harmless.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = (
    "None, always and at once: what the task returns later goes to nobody. The task itself has to do what is to be "
    "done with its result"
)


def started(source: bytes) -> tuple[int, ...]:
    """The lines that do, if this is a program at all.

    Only of nurseries that are seen to be such: there are libraries with a `start_soon` that returns something.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    nurseries = {"nursery", *_opened(tree)}
    used = (each for node in ast.walk(tree) for each in _used(node))
    return tuple(sorted({each.lineno for each in used if each is not None and _is_start(each, nurseries)}))


def _opened(tree: ast.AST) -> Iterator[str]:
    """What nurseries are called."""
    items = (node for node in ast.walk(tree) if isinstance(node, ast.withitem))
    for item in items:
        if isinstance(item.optional_vars, ast.Name) and "open_nursery" in ast.dump(item.context_expr):
            yield item.optional_vars.id


def _used(node: ast.AST) -> list[ast.expr | None]:
    """Of what this makes something."""
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Await)):
        return [node.value]
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        return [node.elt]
    return [*node.args] if isinstance(node, ast.Call) else []


def _is_start(node: ast.expr, nurseries: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "start_soon"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in nurseries
    )
