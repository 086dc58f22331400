"""A worker as its parent sees it: started, heard, told to stop, and seen to its end.

``multiprocessing`` starts it, by "spawn": a fresh interpreter that imports the handler. A fork of a process in which
Trio runs would have a copy of the loop, its descriptors and whatever its threads had locked.

That a process has ended is asked of the kernel by a descriptor for the process itself (pidfd_open(2), Linux 5.3).
``process.sentinel`` and the end of the pipe are the obvious signs, and both are late when a handler has started
processes of its own: those may have inherited the other end, and live on.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING

import trio

from .._errors import logger
from ._worker import PATIENCE, SIGNALS, Report, work

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from .._handler import Handler

SPAWN = multiprocessing.get_context("spawn")


class WorkerProcess:
    """A process that has been started.

    Args:
      handler: as `serve_workers` has it, and so are ``max_tasks`` and ``grace_period``.
      sockets: the worker gets duplicates.
      hear: called with each `Report`.

    Raises:
      OSError: the system would not start it.
      TypeError: the handler cannot be pickled.
    """

    def __init__(
        self,
        handler: Handler,
        sockets: Sequence[socket.socket],
        max_tasks: int,
        grace_period: float,
        hear: Callable[[Report], None],
    ) -> None:
        self._grace_period = grace_period
        self._hear = hear
        self._has_reported = False
        self._failure = ""
        self._connection, theirs = SPAWN.Pipe()
        os.set_blocking(self._connection.fileno(), False)  # half a report must not keep us waiting
        with theirs:
            arguments = (_Parcel(handler), sockets, theirs, max_tasks, grace_period)
            self._process = SPAWN.Process(target=work, args=arguments, name="trio_udp worker")
            try:
                _start(self._process)
                self._end = _end_of(self._process)
            except BaseException:
                self._connection.close()
                if self._process.pid is not None:  # no descriptor is left for it, for example
                    self._process.kill()
                    self._process.join()
                raise
        self.pid = self._process.pid or 0

    async def ended(self) -> None:
        """Hear its reports until it has ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_reports, name="trio_udp worker, its reports")
            await trio.lowlevel.wait_readable(self._end)
            nursery.cancel_scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def _hear_reports(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._connection.fileno())
            if not self._take_reports():
                return

    def _take_reports(self) -> bool:
        """Take what has come; False: there will be no more."""
        try:
            while self._connection.poll():
                report: Report = self._connection.recv()
                self._has_reported = True
                self._failure = report.failure or self._failure
                self._hear(report)
        except EOFError:
            return False
        except Exception as error:  # whatever a handler may have written there, or half of it
            self._failure = f"what it reported cannot be read ({type(error).__name__})"
            self._process.kill()
            return False
        return True

    async def finish(self) -> str:
        """See to it that it ends, with time for what it has begun, and say how it did; not to be cancelled."""
        with trio.CancelScope(shield=True):
            self._take_reports()
            if not self._has_reported:
                self._process.kill()  # it has begun nothing, and may be in the middle of a long import
            with suppress(OSError):  # it has ended
                self._connection.send_bytes(b"stop")
            with trio.move_on_after(self._grace_period + 2 * PATIENCE) as patience:  # it ends itself after less
                await self.ended()
            if patience.cancelled_caught:
                logger.warning("worker %s did not end when it was told to, and is killed", self.pid)
                self._process.kill()
                await trio.lowlevel.wait_readable(self._end)
        self._process.join()
        self._take_reports()
        self._connection.close()
        os.close(self._end)
        how = how_it_ended(self._process.exitcode)
        with suppress(ValueError):  # SIGCHLD is ignored: then the kernel buries it, and nobody hears its exit code
            self._process.close()
        return f"{how}: {self._failure}" if self._failure else how


class _Parcel:
    """The handler on its way: the worker gets it as bytes, so that it can say what is wrong when it cannot open them.

    Pickled while a process starts, as locks and shared values of ``multiprocessing`` want it.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        try:
            return bytes, (bytes(ForkingPickler.dumps(self._handler)),)
        except Exception as error:  # PicklingError, AttributeError, TypeError, and whatever a __reduce__ raises
            raise TypeError(
                f"the handler {self._handler!r} cannot be given to another process, as it cannot be pickled: {error}; "
                f"define it at the top of a module"
            ) from error


def _start(process: multiprocessing.process.BaseProcess) -> None:
    """Start it with the signals held back, for as long as it does not know yet what to do with them."""
    resource_tracker.ensure_running()  # which multiprocessing would do in the middle, and let the signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_of(process: multiprocessing.process.BaseProcess) -> int:
    """A descriptor that becomes readable when the process ends."""
    if hasattr(os, "pidfd_open"):  # not in a Python that was built for older systems
        try:
            return os.pidfd_open(process.pid or 0)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a sandbox that does not know it
                raise
    return os.dup(process.sentinel)


def how_it_ended(code: int | None) -> str:
    """``was killed by SIGKILL``, ``ended with exit code 1``."""
    if code is None:
        return "ended"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
