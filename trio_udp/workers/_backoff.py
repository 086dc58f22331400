"""How long a place stays empty when its worker has died."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._retry import Retry


class Backoff:
    """The waits of a schedule, one after another; its last wait from then on.

    A worker that has served for longer than the schedule's ``maximum`` has shown that it can: the waits begin anew.
    """

    def __init__(self, schedule: Retry) -> None:
        self._schedule = schedule
        self._waits = schedule.timeouts()
        self._wait = 0.0

    def wait_after(self, served: float) -> float:
        """Seconds to wait, after a worker that has served for so many."""
        if served > self._schedule.maximum:
            self._waits = self._schedule.timeouts()
        self._wait = next(self._waits, self._wait)
        return self._wait
