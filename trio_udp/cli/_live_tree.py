"""The tree of nurseries and tasks, as it is right now, in as few lines as there are.

Trio shows it to whoever asks: a task has ``child_nurseries``, a nursery has ``child_tasks``. What is drawn is looked up
each time, so it cannot be wrong; nothing has to be installed, and nothing happens between two looks.

A task that opens a nursery inside another one has two, and Trio lists them side by side. But the outer one cannot end
before the inner one has, as the task has to come back to it; so the inner one is drawn inside the outer one.

A crew of a hundred tasks does not fit, and a hundred equal lines tell no more than one. So siblings with one name
become one line, and so do, if need be, those whose names differ only in numbers: the longest rows first. If that is not
enough, a nursery that is the only one of its task shares the task's line, ``relay (nursery)``, and then the rest is cut
off, which is said. In a line that is too long a name is cut, and never a number: half of one would be another.
"""

from __future__ import annotations

import math
import re
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ._common import printable_text
from ._live_look import BOLD, DIM, Look, line, with_number
from ._live_scroll import shown_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import trio
    from rich.text import Text

    from ._live_scroll import Scroll

NURSERY = "nursery"
OF_THE_MAIN_TASK = "nursery of the main task"

# Nurseries inside each other that are looked at; nobody reads a line that begins further to the right.
DEEPEST = 8

# The number that a name ends with: a port, or "1-20" of those that are alike.
NUMBER = re.compile(r":?\d+(-\d+)?$")

# Siblings that are still listed one by one, from the most generous view to the tightest; and have nurseries own lines?
VIEWS = ((math.inf, True), (3, True), (1, True), (1, False))


class Node(NamedTuple):
    """A task, or a nursery, or so many tasks that are alike; or a task and its nursery, and the tasks in that."""

    name: str
    children: tuple[Node, ...] = ()
    is_nursery: bool = False
    alike: int = 1
    has_nursery: bool = False


Shape: TypeAlias = "tuple[object, ...]"


# -- looking ---------------------------------------------------------------------------------------------------------


def tree_of(main: trio.lowlevel.Task, skip: int) -> tuple[Node, ...]:
    """What the main task has opened, without its first ``skip`` nurseries, and all that is in there."""
    return tuple(root._replace(name=OF_THE_MAIN_TASK) for root in nursery_of(main, skip))


def nursery_of(task: trio.lowlevel.Task, skip: int = 0, depth: int = DEEPEST) -> tuple[Node, ...]:
    """The outermost nursery that a task is in, or none: its tasks, and last the next one that the task is in."""
    if depth == 0 or skip >= len(task.child_nurseries):
        return ()
    children = task.child_nurseries[skip].child_tasks
    tasks = [Node(short_name(child.name), nursery_of(child, 0, depth - 1)) for child in children]
    inside = nursery_of(task, skip + 1, depth - 1)
    return (Node(NURSERY, (*sorted(tasks, key=_in_order), *inside), is_nursery=True),)


def short_name(name: str) -> str:
    """A task's name without what goes without saying: ``trio_udp._serve.serve_udp`` is ``serve_udp``."""
    if re.fullmatch(r"[\w.<>]+", name):
        name = name.removeprefix("<").rpartition(".")[2] or name
    return printable_text(name.removeprefix("trio_udp "))


def _in_order(node: Node) -> tuple[list[str | int], Shape]:
    """Trio's sets have no order: by name, and client 2 before client 10."""
    parts: list[str | int] = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", node.name)]
    return parts, shape(node)


def shape(node: Node) -> Shape:
    """Equal for those who differ in numbers only."""
    return re.sub(r"\d+", "#", node.name), node.has_nursery, *map(shape, node.children)


# -- fitting ---------------------------------------------------------------------------------------------------------


def grouped(nodes: Iterable[Node], most: float) -> tuple[Node, ...]:
    """The same with one node in the place of siblings of one name, or of more than ``most`` that are alike."""
    result: list[Node] = []
    for _, group in groupby(nodes, shape):
        alike = list(group)
        if len(alike) > (most if alike[0].name != alike[-1].name else 1):
            first = alike[0]
            name = _name_of_all(first.name, alike[-1].name)
            alike = [first._replace(name=name, alike=sum(node.alike for node in alike))]
        result += (node._replace(children=grouped(node.children, most)) for node in alike)
    return tuple(result)


def _name_of_all(first: str, last: str) -> str:
    """``client 1-20``, if there is one number that makes the difference."""
    one, other = re.split(r"(\d+)", first), re.split(r"(\d+)", last)
    places = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(places) == 1:
        one[places[0]] += f"-{other[places[0]]}"
        return "".join(one)
    return re.sub(r"\d+", "N", first) if places else first


def with_nurseries_beside(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The same with one node for a task and a nursery that is its only one."""
    result = []
    for node in nodes:
        children = with_nurseries_beside(node.children)
        if not node.is_nursery and len(children) == 1 and children[0].is_nursery:
            node, children = node._replace(has_nursery=True), children[0].children
        result.append(node._replace(children=children))
    return tuple(result)


def size(nodes: Iterable[Node]) -> int:
    """How many lines that takes."""
    return sum(1 + size(node.children) for node in nodes)


def fitting(nodes: Sequence[Node], height: float) -> tuple[Node, ...]:
    """The most generous view that takes no more lines than this, or else the tightest."""
    for most, nurseries_have_lines in VIEWS:
        view = grouped(nodes if nurseries_have_lines else with_nurseries_beside(nodes), most)
        if size(view) <= height:
            break
    return view


# -- drawing ---------------------------------------------------------------------------------------------------------


def tree_lines(
    nodes: Sequence[Node], width: int, height: int, look: Look, scroll: Scroll, keys: str = ""
) -> list[Text]:
    """A tree that should fit (`fitting`) in at most so many lines of so many cells; keys to say, if it does not."""
    if not nodes:
        return [line(("all tasks have ended", DIM))][:height]
    return shown_lines(list(_lines(nodes, "", width, look)), width, height, scroll, look, keys)


def _lines(nodes: Sequence[Node], indent: str, width: int, look: Look, *, is_root: bool = True) -> Iterator[Text]:
    for number, node in enumerate(nodes):
        is_last = number == len(nodes) - 1
        branch = "" if is_root else look.elbow if is_last else look.tee
        below = indent if is_root else indent + ("   " if is_last else look.pipe)
        name, its_number = _split(node.name)
        style = DIM if node.is_nursery else ""
        how_many = (f" {look.times} {node.alike}", BOLD) if node.alike > 1 else ""
        words = line((indent + branch, DIM), (name, style))
        nursery = f" ({NURSERY})" if node.has_nursery else ""
        yield with_number(words, line((its_number, style), (nursery, DIM), how_many), width, look)
        yield from _lines(node.children, below, width, look, is_root=False)


def _split(name: str) -> tuple[str, str]:
    """Its words, and the number at its end."""
    found = NUMBER.search(name)
    end = found.start() if found else len(name)
    return name[:end], name[end:]
