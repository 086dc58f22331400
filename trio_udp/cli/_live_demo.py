"""The demo, watched: it runs as it does without, beside it runs a task that draws.

The task is in a nursery around that of the demo, so the picture has the demo's nurseries and tasks, and not the one
that draws it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import trio

from ._live_held import held_streams
from ._live_refresh import News, keep_drawing
from ._live_scene import WatchedStory
from ._live_scene_page import draw_scene
from ._live_screen import Screen
from ._live_scroll import Scroll
from ._live_signals import handing_back
from ._live_step import Steps
from ._live_tree import tree_of
from ._pace import time_jumps

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterator

    from rich.text import Text
    from trio.testing import MockClock

    from ._live_keys import Keys
    from ._live_look import Look
    from ._live_scene import Happening, Scene
    from ._live_screen import Draw
    from ._live_tree import Node
    from ._story import Story

    Play = Callable[[Story], Awaitable[None]]


class Watched:
    """A scene, and whose tasks are shown with it: made by the task that will run the demo, in the nursery around it."""

    def __init__(self, scene: Scene, title: str) -> None:
        self.scene = scene
        self._title = title
        self._task = trio.lowlevel.current_task()
        self._outer = len(self._task.child_nurseries)
        self.scroll = Scroll()

    def tree(self) -> tuple[Node, ...]:
        """The demo's nurseries and tasks."""
        return tree_of(self._task, self._outer)

    def page(self, width: int, height: int, look: Look, keys: str = "") -> Text:
        """The screen as it is now."""
        now = trio.current_time()
        return draw_scene(self.scene, self.tree(), now, width, height, look, self._title, keys, self.scroll)


async def watch(args: argparse.Namespace, scene: Scene, title: str, play: Play) -> None:
    """Play, and show it.

    Args:
      args: what was typed.
      scene: what is shown; it knows as much as has been shown.
      title: the first line of the screen.
      play: plays the demo that the story is about.
    """
    file = sys.stdout
    with held_streams(), Screen(file) as screen:
        async with trio.open_nursery() as nursery:
            watched = Watched(scene, title)
            nursery.start_soon(screen.keep_up, name="the live view's output")
            play_on = _step if args.step else _run
            await play_on(watched, screen, play, args, nursery)
            nursery.cancel_scope.cancel()


async def _run(watched: Watched, screen: Screen, play: Play, args: argparse.Namespace, nursery: trio.Nursery) -> None:
    """In its own time."""

    def draw() -> float:
        return screen.draw(watched.page)

    def show(happening: Happening) -> None:
        happening(watched.scene)
        if news is not None:
            news.tell()

    news = News(draw) if time_jumps(args) else None
    if news is None:
        nursery.start_soon(keep_drawing, draw, args.speed or 1.0, name="the live view")
    else:
        nursery.start_soon(news.keep_drawing, name="the live view")
    with _handing_back(watched, screen, nursery):
        await play(WatchedStory(show))


@contextmanager
def _handing_back(watched: Watched, screen: Screen, nursery: trio.Nursery) -> Iterator[None]:
    """The screen, as signals want it; if there are keys, those, too, when something is cut off."""
    from ._live_keys import keys_are_ours  # not for everybody

    if keys_are_ours():
        with _keys(watched, screen) as keys:
            nursery.start_soon(_scroll_when_needed, watched, keys, name="the live view's keys")
            yield
        return
    with handing_back(screen.release, screen.suspend, screen.resume):
        yield


async def _scroll_when_needed(watched: Watched, keys: Keys) -> None:
    """Who has all in sight may type what is for the shell."""
    from ._live_keys import SCROLL_KEYS

    await watched.scroll.needed.wait()
    await keys.take_when_ours()
    watched.scroll.keys = SCROLL_KEYS
    await keys.keep_scrolling()


async def _step(watched: Watched, screen: Screen, play: Play, args: argparse.Namespace, nursery: trio.Nursery) -> None:
    """One event after another."""
    from ._live_keys import SCROLL_KEYS  # not for everybody

    with _keys(watched, screen) as keys:
        keys.take()
        watched.scroll.keys = SCROLL_KEYS
        await step_through(watched, screen.draw, keys.goes_on, play, nursery, keys.is_ahead)


@contextmanager
def _keys(watched: Watched, screen: Screen) -> Iterator[Keys]:
    """The terminal's keys, which also scroll, once they are taken; both are given back as signals want it."""
    from ._live_keys import Keys, keys_are_ours  # not for everybody

    def scroll(lines: int) -> None:
        watched.scroll.by(lines)
        screen.draw_again()

    def release() -> None:
        screen.release()
        keys.restore()

    def suspend() -> None:
        screen.suspend()
        keys.restore()

    def resume() -> None:
        if keys.are_taken and keys_are_ours():
            keys.take()
        screen.resume()

    with Keys(scroll) as keys, handing_back(release, suspend, resume):
        yield keys


async def step_through(
    watched: Watched,
    show: Callable[[Draw], object],
    goes_on: Callable[[], Awaitable[bool]],
    play: Play,
    nursery: trio.Nursery,
    is_ahead: Callable[[], bool] = lambda: False,
) -> None:
    """Play, on a clock that stands still, one event after another.

    Args:
      watched: what is shown.
      show: shows what is drawn.
      goes_on: waits until the next event is wanted; False: none is.
      play: plays the demo.
      nursery: where the one who shows it goes.
      is_ahead: has somebody asked for more than one? Then not each is drawn.
    """

    def draw(keys: str) -> None:
        show(lambda width, height, look: watched.page(width, height, look, keys))

    steps = Steps(watched.scene, draw, cast("MockClock", trio.lowlevel.current_clock()))
    nursery.start_soon(steps.walk, goes_on, is_ahead, name="the live view")
    await play(WatchedStory(steps.put))
    steps.is_over = True
    await steps.all_seen.wait()


def print_lines(scene: Scene) -> None:
    """What would have been printed without a screen to draw on; the latest, if it is much."""
    if scene.lines_in_all > len(scene.lines):
        print(f"({scene.lines_in_all - len(scene.lines)} lines before these were not kept)")
    for line in scene.lines:
        print(line)
