"""The peers of a server that are waited for, and for how long.

A cancel scope around each wait is the obvious way; it is also a quarter of the memory that a peer takes who has nothing
to say. But all waits are equally long. So who began to wait first is due first, and an ordered dict of those who wait
is a queue of deadlines that anybody may leave at any time. (A plain dict would do but for one thing: to find its first
entry it walks over all that were deleted before.)
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import trio

# How many that are due at the same time are told so before the other tasks of the program have their turn.
AT_ONCE = 100


class Waiter(Protocol):
    """Who waits."""

    def end_wait(self, reason: str) -> None:
        """It has been long enough."""


class Idle:
    """All who wait for their peer, in order.

    Args:
      timeout: seconds that each may wait; infinity: for ever.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._waiting: OrderedDict[Waiter, float] = OrderedDict()  # until when, on Trio's clock
        self._watching = trio.CancelScope()
        self.is_over = False  # the server is stopping: nobody need wait any more

    def add(self, waiter: Waiter) -> None:
        """It begins to wait."""
        self._waiting[waiter] = trio.current_time() + self._timeout

    def remove(self, waiter: Waiter) -> None:
        """It has heard of its peer, or has been cancelled."""
        del self._waiting[waiter]

    def start(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self._watch, name="trio_udp idle peers")

    def stop(self, deadline: float) -> None:
        """End all waits, now and from now on; those who have no time left are just cancelled."""
        self.is_over = True
        self._watching.cancel()
        while self._waiting and deadline > trio.current_time():
            self._end_first("server stopped")

    def discard(self) -> None:
        pass

    async def _watch(self) -> None:
        with self._watching:
            while True:
                now = trio.current_time()
                # Who begins to wait later is due later; so nobody need wake this task.
                await trio.sleep_until(next(iter(self._waiting.values()), now + self._timeout))
                self._end_due()

    def _end_due(self) -> None:
        now = trio.current_time()
        for _ in range(AT_ONCE):
            if not self._waiting or next(iter(self._waiting.values())) > now:
                return
            self._end_first("idle")

    @trio.lowlevel.enable_ki_protection
    def _end_first(self, reason: str) -> None:
        waiter, _ = self._waiting.popitem(last=False)
        waiter.end_wait(reason)
