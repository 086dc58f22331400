"""A seat: one share of the port, and the worker that serves it, until that dies and another one takes its place.

The sockets are the seat's and not the worker's. So the kernel's distribution of the peers over the sockets stays as it
is when a worker dies, and what comes meanwhile waits in the socket for the next worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._errors import logger
from .._statistics import Tally
from ._backoff import Backoff
from ._process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._endpoint import UDPEndpoint
    from .._retry import Retry
    from .._statistics import UDPStatistics
    from ._worker import Report

    StartWorker = Callable[[Callable[[Report], None]], WorkerProcess]


class Seat:
    """Sockets, one for each address, and who serves them.

    Args:
      endpoints: the sockets; they are not read here.
      start: starts a process for those sockets; takes what is to be called with its reports.
      restart: the waits before a worker is replaced.
    """

    def __init__(self, endpoints: Sequence[UDPEndpoint], start: StartWorker, restart: Retry) -> None:
        self.endpoints = endpoints
        self.pid: int | None = None
        self.taken = trio.Event()  # by a process that has been started
        self.served = trio.Event()
        self._start = start
        self._backoff = Backoff(restart)
        self._workers = 0
        self._previous_pid: int | None = None
        self._past = Tally()
        self._present: list[UDPStatistics] = []
        self._serving_since: float | None = None

    @trio.lowlevel.enable_ki_protection
    async def keep_filled(self) -> None:
        """One worker after another, until cancelled.

        Raises:
          ChildProcessError: the first one ended before it served.
          OSError: the first one could not be started.
        """
        while True:
            who, how = await self._employ()
            if not self.served.is_set():
                raise ChildProcessError(f"a worker {how} before it served anything")
            served = 0.0 if self._serving_since is None else trio.current_time() - self._serving_since
            wait = self._backoff.wait_after(served)
            logger.warning("%s %s; another one starts in %.3g s", who, how, wait)
            await trio.sleep(wait)

    async def _employ(self) -> tuple[str, str]:
        """One worker, from its start to its end."""
        self._serving_since = None
        try:
            process = self._start(self._hear)
        except OSError as error:
            if not self.served.is_set():
                raise
            return "a worker", f"could not be started: {error.strerror or error}"
        self._workers += 1
        self.pid = process.pid
        self.taken.set()
        try:
            await process.ended()
        finally:
            how = await process.finish()
            self.pid, self._previous_pid = None, process.pid
            for one in self._present:
                self._past.add(one)
            self._present = []
        return f"worker {process.pid}", how

    def _hear(self, report: Report) -> None:
        self._present = report.statistics
        if self._serving_since is None and report.failure is None:
            self._serving_since = trio.current_time()
            if self.served.is_set():
                logger.warning("worker %s serves in the place of worker %s", self.pid, self._previous_pid)
            self.served.set()

    @property
    def restarts(self) -> int:
        """How many workers there have been after the first."""
        return max(0, self._workers - 1)

    def add_to(self, tally: Tally) -> None:
        """Count what went through these sockets, as far as it was reported."""
        tally.add(self._past)
        for one in self._present:
            tally.add(one)
