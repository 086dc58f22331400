"""The process of one worker: it serves its sockets until it is told to stop, or nobody is left to tell it.

Two things may keep a process alive that should end: a handler that blocks the loop (``time.sleep`` where ``trio.sleep``
was meant), and a parent that was killed and so cannot kill anybody. So what hears the parent is a thread, which no
handler blocks (but for one that never gives Python's lock back), and a worker that was told to stop winds up a clock:
`faulthandler`'s, which needs neither the loop nor that lock, and which shows where the process hangs when it ends it.

What is said between the two is little. To the worker: one message, stop. The end of the pipe means that the parent is
gone: that says stop too, and at once if it was said before. From the worker: a `Report` now and then, the first when it
serves and the last when it has ended.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

from .._asked import is_on
from .._endpoint import UDPEndpoint
from .._errors import bare_exceptions
from .._serve import serve_endpoints
from .._statistics import UDPStatistics

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from .._handler import Handler

# Seconds between reports.
INTERVAL = 1.0

# Seconds beyond the grace period that a worker has for its end. A reply may wait one for room in the send buffer (see
# SEND_PATIENCE in `_crew`); to end an interpreter takes some 0.05.
PATIENCE = 2.0

# Characters of what a worker failed with: with the rest of a `Report` they fit a pipe at once, and none is half there.
LONGEST = 2000

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1

# What a starting worker does not hear before it is prepared; see `_process`.
SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


class Report(NamedTuple):
    """What a worker tells: of each of its sockets; and once it has ended, what it failed with (``""``: nothing)."""

    statistics: list[UDPStatistics]
    failure: str | None = None


def work(
    pickled: bytes,
    sockets: Sequence[socket.socket],
    connection: Connection,
    max_tasks: int,
    grace_period: float,
) -> None:
    """All that the process does; ``pickled`` is the handler."""
    worker = _Worker(connection, grace_period)
    # Ctrl-C goes to every process of a terminal, and is the parent's part. (SIG_IGN would be handed on to programs that
    # a handler starts.)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _hear_of_parents_end()
    # multiprocessing could pass them only as what all children inherit; a handler's own children shall not.
    for fd in (connection.fileno(), *(each.fileno() for each in sockets)):
        os.set_inheritable(fd, False)
    threading.Thread(target=worker.heed_parent, daemon=True).start()
    failure = ""
    try:
        trio.run(partial(worker.serve, pickle.loads(pickled), sockets, max_tasks))
    except BaseException as error:
        failure = repr(error)[:LONGEST]  # one line, and nothing in it that a terminal obeys
        raise
    finally:
        worker.stop()  # the clock is for what may hang after this, too: a thread of the handler's
        worker.report(failure)


def _hear_of_parents_end() -> None:
    """Have the kernel send SIGTERM when the parent is gone: a child of the parent's may have inherited the pipe's end.

    To be exact, when the thread is gone that has started this process (PR_SET_PDEATHSIG, prctl(2)).
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _error_stream() -> int:
    """Where to show how the worker hangs; ``sys.stderr`` may be what a handler's module has put there."""
    try:
        assert sys.__stderr__ is not None
        return sys.__stderr__.fileno()
    except (AssertionError, OSError, ValueError):  # closed, now or when the program was started
        return os.open(os.devnull, os.O_WRONLY)


class _Worker:
    def __init__(self, connection: Connection, grace_period: float) -> None:
        self._connection = connection
        self._grace_period = grace_period
        self._endpoints: list[UDPEndpoint] = []
        self._cancel: Callable[[], None] = lambda: None
        self._stopping = False

    async def serve(self, handler: Handler, sockets: Sequence[socket.socket], max_tasks: int) -> None:
        self._endpoints = [
            UDPEndpoint(trio.socket.from_stdlib_socket(each), reply_from_asked=is_on(each)) for each in sockets
        ]
        crew = partial(serve_endpoints, handler, self._endpoints, max_tasks=max_tasks, grace_period=self._grace_period)
        with bare_exceptions():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                self._cancel = partial(trio.lowlevel.current_trio_token().run_sync_soon, nursery.cancel_scope.cancel)
                if self._stopping:  # asked before there was anything to cancel
                    return
                await nursery.start(crew)
                while True:
                    self.report()
                    await trio.sleep(INTERVAL)
                    # A parent that does not listen must not stop the worker: what fits the pipe does not block.
                    await trio.lowlevel.wait_writable(self._connection.fileno())

    def report(self, failure: str | None = None) -> None:
        statistics = [endpoint.statistics() for endpoint in self._endpoints]
        with suppress(OSError):  # the parent is gone; `heed_parent` knows
            self._connection.send(Report(statistics, failure))

    def stop(self, *_: object) -> None:
        """Receive no more, and be gone in time; for any thread, and for a signal."""
        if self._stopping:
            return
        self._stopping = True
        with suppress(trio.RunFinishedError):
            self._cancel()
        patience = min(self._grace_period + PATIENCE, threading.TIMEOUT_MAX)
        faulthandler.dump_traceback_later(patience, exit=True, file=_error_stream())

    def heed_parent(self) -> None:
        """A thread: wait for the word to stop."""
        try:
            self._connection.recv_bytes()
        except (EOFError, OSError):
            self.stop()
        else:
            self.stop()
            self._connection.poll(None)  # until the pipe ends: whoever wanted the rest is gone
            os._exit(1)
