"""Parts of a timeline: without the library's own tasks, or with what belongs to some tasks alone.

A learner's program has three tasks, and the library has ten more below them: handlers at work, a relay's ways, the
virtual network. All of them are in nurseries that one can see, as promised, and in a picture of three tasks they are
most of it. So a task that has a name of the library's is left out with all that is in it, unless something of the
program's is there: a task with another name, a scope that is marked, or an attempt. Trio calls a task by its function's
module unless told otherwise, so a program's module that is called ``trio_udp_bot`` must not be taken for ours.

The demo and ``serve`` are programs like any other, too; but what shows them live is not what one looks at, and is left
out with the nursery that it needs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ._timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._timeline import Bar

__all__ = ["count_library", "hidden_tasks", "is_library", "only_of", "without_library"]

# How the names begin that this library gives its tasks, and Trio those that it has for DTLS.
LIBRARY = ("trio_udp.", "trio_udp ", "the virtual network delivers datagrams", "trio._dtls.")
COMMANDS = "trio_udp.cli."
LIVE_VIEW = frozenset({"the live view", "the live view's output", "the live view's keys"})


def is_library(bar: Bar) -> bool:
    """Is it a task of the library's with nothing of the program's in it?"""
    return _is_live_view(bar) or (_has_name_of_library(bar) and not any(map(_is_of_program, bar.children)))


def _is_live_view(bar: Bar) -> bool:
    return bar.kind == "task" and bar.name in LIVE_VIEW


def _has_name_of_library(bar: Bar) -> bool:
    return bar.kind == "task" and bar.name.startswith(LIBRARY) and not bar.name.startswith(COMMANDS)


def _is_of_program(bar: Bar) -> bool:
    if _is_live_view(bar):
        return False
    if bar.kind == "nursery" or _has_name_of_library(bar):
        return any(map(_is_of_program, bar.children))
    return True


def without_library(timeline: Timeline) -> Timeline:
    """The same without the library's own tasks, and without nurseries that had nothing else in them."""
    return Timeline(_kept(timeline.bars, _without), timeline.left_out)


def count_library(timeline: Timeline) -> int:
    """How many tasks that are."""
    return sum(bar.kind == "task" for bar in timeline.walk()) - sum(
        bar.kind == "task" for bar in without_library(timeline).walk()
    )


def hidden_tasks(whole: Timeline, shown: Timeline, wanted: set[int | None]) -> dict[int, list[int]]:
    """Those of some tasks that are not shown, by the entry of the nearest bar around each that is."""
    in_sight = {bar.entry for bar in shown.walk()}
    found: dict[int, list[int]] = {}

    def look(bars: Iterable[Bar], nearest: int | None) -> None:
        for bar in bars:
            here = bar.entry if bar.entry in in_sight else nearest
            if bar.kind == "task" and bar.task in wanted and here is not None and here != bar.entry:
                found.setdefault(here, []).append(bar.task or 0)
            look(bar.children, here)

    look(whole.bars, None)
    return found


def only_of(timeline: Timeline, tasks: Iterable[int]) -> Timeline:
    """Some tasks, all that is in them, and what they are in."""
    wanted = set(tasks)

    def narrow(bar: Bar) -> Bar | None:
        if bar.kind == "task" and bar.task in wanted:
            return bar
        inside = _kept(bar.children, narrow)
        return replace(bar, children=inside) if inside else None

    return Timeline(_kept(timeline.bars, narrow), timeline.left_out)


def _kept(bars: Iterable[Bar], keep: Callable[[Bar], Bar | None]) -> list[Bar]:
    return [kept for bar in bars if (kept := keep(bar)) is not None]


def _without(bar: Bar) -> Bar | None:
    if is_library(bar):
        return None
    inside = _kept(bar.children, _without)
    if bar.kind == "nursery" and bar.children and not inside:
        return None
    if len(inside) == 1 and inside[0].kind == "nursery" and any(map(_is_live_view, bar.children)):
        return inside[0]
    return replace(bar, children=inside)
