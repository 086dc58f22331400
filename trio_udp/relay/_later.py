"""Datagrams that wait until they are due.

A task for each that sleeps and sends is the obvious way, and costs more than all the rest that a relay does. Here they
lie in a heap, and one task sleeps until the first is due. Whoever puts a datagram in that is due sooner sets the alarm.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import trio

from .._batch import BATCH

if TYPE_CHECKING:
    from .._address import Address
    from ._way import Way

Waiting: TypeAlias = "tuple[float, int, Way, bytes, Address, int | None]"


class Later:
    """The heap; ``run`` is the task.

    Args:
      limit: how many may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[Waiting] = []
        self._order = itertools.count()  # of two that are due at once, the one that was put in first
        self._sleep = trio.CancelScope()

    def has_room_for(self, count: int) -> bool:
        """May so many more wait?"""
        return len(self._heap) + count <= self._limit

    def put(self, time: float, way: Way, data: bytes, source: Address, released: int | None = None) -> None:
        """Have ``way.send(data, source)`` called at that time, on Trio's clock.

        With ``released``, the number of a datagram that a rule had held back, it is ``way.go_on`` with that as well.
        """
        heapq.heappush(self._heap, (time, next(self._order), way, data, source, released))
        if time < self._sleep.deadline:
            self._sleep.deadline = time

    async def run(self) -> NoReturn:
        """Send what is due, for ever."""
        while True:
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else math.inf) as self._sleep:
                await trio.sleep_forever()
            await self._send_due()

    async def _send_due(self) -> None:
        sent = 0
        while self._heap and self._heap[0][0] <= trio.current_time():
            _, _, way, data, source, released = heapq.heappop(self._heap)
            if released is None:
                await way.send(data, source)
            else:
                await way.go_on(released, data, source)
            sent += 1
            if sent % BATCH == 0:
                await trio.lowlevel.checkpoint()

    def discard(self) -> None:
        """The relay has stopped: what still waits is at least counted."""
        for _, _, way, data, *_ in self._heap:
            way.drop(data, "relay stopped")
        self._heap.clear()
