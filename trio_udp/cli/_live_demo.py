"""The demo, watched: it runs as it does without, beside it runs a task that draws.

The task is in a nursery around that of the demo, so the picture has the demo's nurseries and tasks, and not the one
that draws it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import trio

from ._live_held import held_streams
from ._live_refresh import News, keep_drawing
from ._live_scene import Scene, WatchedStory
from ._live_scene_page import draw_scene
from ._live_screen import Screen
from ._live_signals import handing_back
from ._live_step import Steps
from ._live_tree import nurseries_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from rich.text import Text
    from trio.testing import MockClock

    from ._live_look import Look
    from ._live_scene import Happening
    from ._live_screen import Draw
    from ._live_tree import Node
    from ._story import Story

    Play = Callable[[Story], Awaitable[None]]


class Watched:
    """A scene, and whose tasks are shown with it: made by the task that will run the demo, in the nursery around it."""

    def __init__(self, args: argparse.Namespace, title: str) -> None:
        self.scene = Scene(args.clients, args.requests, trio.current_time())
        self._title = title
        self._task = trio.lowlevel.current_task()
        self._outer = len(self._task.child_nurseries)

    def tree(self) -> tuple[Node, ...]:
        """The demo's nurseries and tasks."""
        return nurseries_of(self._task, self._outer)

    def page(self, width: int, height: int, look: Look, keys: str = "") -> Text:
        """The screen as it is now."""
        now = trio.current_time()
        return draw_scene(self.scene, self.tree(), now, width, height, look, self._title, keys)


async def watch(args: argparse.Namespace, title: str, play: Play) -> Story:
    """Play, and show it; afterwards its lines are printed.

    Args:
      args: what was typed.
      title: the first line of the screen.
      play: plays the demo that the story is about.

    Returns:
      The story.
    """
    file = sys.stdout
    with held_streams(), Screen(file) as screen:
        async with trio.open_nursery() as nursery:
            watched = Watched(args, title)
            nursery.start_soon(screen.keep_up, name="the live view's output")
            play_on = _step if args.step else _run
            story = await play_on(watched, screen, play, args, nursery)
            nursery.cancel_scope.cancel()
    _print_lines(watched.scene)
    return story


async def _run(watched: Watched, screen: Screen, play: Play, args: argparse.Namespace, nursery: trio.Nursery) -> Story:
    """In its own time."""

    def draw() -> float:
        return screen.draw(watched.page)

    def show(happening: Happening) -> None:
        happening(watched.scene)
        if news is not None:
            news.tell()

    news = News(draw) if args.virtual and args.speed is None else None
    if news is None:
        nursery.start_soon(keep_drawing, draw, args.speed or 1.0, name="the live view")
    else:
        nursery.start_soon(news.keep_drawing, name="the live view")
    story = WatchedStory(show)
    with handing_back(screen.release, screen.suspend, screen.resume):
        await play(story)
    return story


async def _step(watched: Watched, screen: Screen, play: Play, args: argparse.Namespace, nursery: trio.Nursery) -> Story:
    """One event after another."""
    from ._live_keys import Keys  # not for everybody

    def release() -> None:
        screen.release()
        keys.restore()

    def suspend() -> None:
        screen.suspend()
        keys.restore()

    def resume() -> None:
        keys.take()
        screen.resume()

    with Keys() as keys, handing_back(release, suspend, resume):
        return await step_through(watched, screen.draw, keys.goes_on, play, nursery, keys.is_ahead)


async def step_through(
    watched: Watched,
    show: Callable[[Draw], object],
    goes_on: Callable[[], Awaitable[bool]],
    play: Play,
    nursery: trio.Nursery,
    is_ahead: Callable[[], bool] = lambda: False,
) -> Story:
    """Play, on a clock that stands still, one event after another.

    Args:
      watched: what is shown.
      show: shows what is drawn.
      goes_on: waits until the next event is wanted; False: none is.
      play: plays the demo.
      nursery: where the one who shows it goes.
      is_ahead: has somebody asked for more than one? Then not each is drawn.

    Returns:
      The story.
    """

    def draw(keys: str) -> None:
        show(lambda width, height, look: watched.page(width, height, look, keys))

    steps = Steps(watched.scene, draw, cast("MockClock", trio.lowlevel.current_clock()))
    story = WatchedStory(steps.put)
    nursery.start_soon(steps.walk, goes_on, is_ahead, name="the live view")
    await play(story)
    steps.is_over = True
    await steps.all_seen.wait()
    return story


def _print_lines(scene: Scene) -> None:
    """What would have been printed without a screen to draw on; the latest, if it is much."""
    if scene.lines_in_all > len(scene.lines):
        print(f"({scene.lines_in_all - len(scene.lines)} lines before these were not kept)")
    for line in scene.lines:
        print(line)
