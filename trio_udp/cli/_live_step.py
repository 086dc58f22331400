"""``--step``: a key for each event, and in between the world stands still.

Time is that of a clock that nobody moves but us: to the next deadline, when all tasks wait for one. Many things can
happen at one moment, though, and before a key is pressed they have. So what has happened is put aside, and shown piece
by piece; only when everything has been shown does time go on.
"""

from __future__ import annotations

import math
import signal
from collections import deque
from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from ._live_scene import Happening, Scene

GO_ON = " space: what happens next    q: quit"
NO_MORE = " that was all    q: the summary"  # whoever holds the space bar down should see the end


class Steps:
    """What has happened, and goes to a scene one by one.

    Args:
      scene: where.
      draw: called with the last line of the screen when there is something new.
      clock: the one that Trio runs on.
    """

    def __init__(self, scene: Scene, draw: Callable[[str], object], clock: MockClock) -> None:
        self._scene = scene
        self._draw = draw
        self._clock = clock
        self._pending: deque[Happening] = deque()
        self._footer = GO_ON
        self.is_over = False  # set by whoever sees the end of what there is to see
        self.all_seen = trio.Event()

    def put(self, happening: Happening) -> None:
        """This has happened."""
        self._pending.append(happening)

    @property
    def all_shown(self) -> bool:
        """Is there nothing more to come?"""
        return self.is_over and not self._pending

    async def walk(self, goes_on: Callable[[], Awaitable[bool]], is_ahead: Callable[[], bool]) -> None:
        """Show one event for each ``await goes_on()``, to the end; while ``is_ahead()``, nothing is drawn.

        Raises:
          KeyboardInterrupt: somebody wants to quit.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._draw_when_resized)
            await wait_all_tasks_blocked()
            while True:
                self._footer = NO_MORE if self.all_shown else GO_ON
                if not is_ahead():
                    self._draw(self._footer)
                if await goes_on():
                    await self.advance()
                elif self.all_shown:
                    break
                else:
                    raise KeyboardInterrupt
            nursery.cancel_scope.cancel()
        self.all_seen.set()

    async def advance(self) -> None:
        """Let the next thing happen that can be seen."""
        while True:
            while self._pending:
                if self._pending.popleft()(self._scene):
                    return await self._look_ahead()
            if self.is_over or not await self._let_time_pass():
                return None

    async def _look_ahead(self) -> None:
        """Find out whether that was all: the end itself takes no time."""
        if not self._pending:
            await wait_all_tasks_blocked()

    async def _let_time_pass(self) -> bool:
        """To the next deadline; False: there is none."""
        await wait_all_tasks_blocked()
        if self._pending or self.is_over:
            return True
        seconds = trio.lowlevel.current_statistics().seconds_to_next_deadline
        if seconds == math.inf:
            return False
        self._clock.jump(max(0.0, seconds))
        await wait_all_tasks_blocked()
        return True

    async def _draw_when_resized(self) -> None:
        number = getattr(signal, "SIGWINCH", None)  # Windows has none
        if number is None:
            return
        with trio.open_signal_receiver(number) as resized:
            async for _ in resized:
                self._draw(self._footer)
