"""The requests that are asleep until there is news for them, each until its own deadline at the latest.

A cancel scope around each wait is the obvious way, and right; it is also a third of the time and of the memory that
ten thousand waiting requests take. But one of them is awake, and reads the socket for all. So the deadlines lie in one
heap, and the only cancel scope is the reader's: it ends when the first of them is due.

Who wakes up early leaves an entry in the heap. It is skipped when its time comes; should most of the heap be such
entries, it is made anew.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from ._request import Request

# Entries that may be left over before it is worth looking.
FEW = 1000


class Waiting:
    """Who is asleep."""

    def __init__(self) -> None:
        self._asleep: dict[int, Request] = {}  # by the request's number
        self._deadlines: list[tuple[float, int]] = []  # a heap: on Trio's clock, and whose it is

    def __len__(self) -> int:
        return len(self._asleep)

    def add(self, request: Request, task: trio.lowlevel.Task) -> None:
        """This task is going to sleep."""
        request.waiting, request.task = self, task
        self._asleep[request.number] = request
        if len(self._deadlines) > FEW + 2 * len(self._asleep):
            self._deadlines = [(request.deadline, number) for number, request in self._asleep.items()]
            heapq.heapify(self._deadlines)
        else:
            heapq.heappush(self._deadlines, (request.deadline, request.number))

    def remove(self, request: Request) -> None:
        """It is not asleep any more, for another reason than `wake`."""
        del self._asleep[request.number]

    @trio.lowlevel.enable_ki_protection
    def wake(self, request: Request) -> None:
        """Wake it, if it is asleep."""
        if self._asleep.pop(request.number, None) is not None:
            assert request.task is not None
            trio.lowlevel.reschedule(request.task)

    @trio.lowlevel.enable_ki_protection
    def wake_one(self) -> Request | None:
        """Wake any of them, if there are any: the latest, which a dict has at hand. Returns which."""
        if not self._asleep:
            return None
        _, request = self._asleep.popitem()
        assert request.task is not None
        trio.lowlevel.reschedule(request.task)
        return request

    def first_deadline(self) -> float:
        """When the first of them will have waited long enough."""
        heap = self._deadlines
        while heap and not self._is_asleep_until(*heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf

    def due(self, now: float) -> list[Request]:
        """Those that have waited long enough, in order; they are still asleep."""
        due: list[Request] = []
        while self.first_deadline() <= now:
            due.append(self._asleep[heapq.heappop(self._deadlines)[1]])
        return due

    def _is_asleep_until(self, deadline: float, number: int) -> bool:
        request = self._asleep.get(number)
        return request is not None and request.deadline == deadline
