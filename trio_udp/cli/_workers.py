"""``serve --workers N``: several processes behind one port, and one that supervises them and speaks for them.

Each process makes its handler itself, from what was typed: an open module or a counter cannot be sent to it. What it
has to say about a datagram it says itself, too, on the streams that it shares with the others. So a line has to be one
write, which the system keeps in one piece; but in a pipe only up to 4096 bytes (pipe(7), PIPE_BUF). Of lines of 60,000
bytes that four processes wrote into one, 102 of 800 were mixed up. `WholeLines` is for those.
"""

from __future__ import annotations

import atexit
import os
import stat
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TextIO

import trio

from .._address import format_address
from .._asked import is_available
from .._errors import bare_exceptions
from ..workers import Workers, serve_workers
from ._answering import make_answering
from ._common import plural, say, write_line
from ._hosts import opening
from ._limits import limit_requests
from ._stopping import STOP_SIGNALS, run_until_signal
from ._telling import in_words, say_failures, say_guards, say_statistics, say_where

if sys.platform != "win32":
    import fcntl  # used on Linux only; elsewhere `serve_workers` says what is missing

if TYPE_CHECKING:
    import argparse
    import signal

    from .._guards import Guard
    from ._metrics_page import MetricsPage


async def serve_in_workers(args: argparse.Namespace, page: MetricsPage | None = None) -> signal.Signals | None:
    """Serve until a signal comes, which is returned; then say how it went.

    Args:
      args: what was typed.
      page: where the statistics are shown meanwhile.

    Raises:
      Failure: there is no such handler, the port cannot be had, or the workers do not start.
    """
    limit_requests(make_answering(args), args)  # a mistake is a line here, not a traceback from each worker
    said = _SayWhere(args.print_only, page)
    serve_them = partial(
        serve_workers,
        AsTyped(args),
        args.address.port,
        host=args.address.host,
        workers=args.workers,
        max_tasks=args.max_tasks,
        grace_period=args.grace,
        reply_from_asked=is_available(),
        task_status=said,
    )

    async def serve() -> None:
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_with_the_reader, sys.stderr, said.where)
                if args.print_only:
                    nursery.start_soon(_end_with_the_reader, sys.stdout, said.where)
                await serve_them()

    try:
        with opening(args.address):
            return await run_until_signal(serve, *STOP_SIGNALS, heard=partial(said.stopping, args.grace))
    finally:
        if said.workers is not None:
            say_statistics(in_words(said.workers.addresses), said.workers.statistics())


class _SayWhere:
    """A ``trio.TaskStatus``: says where the workers listen, when they do."""

    def __init__(self, print_only: bool, page: MetricsPage | None) -> None:
        self.workers: Workers | None = None
        self.where = trio.Event()
        self._print_only = print_only
        self._page = page

    def started(self, workers: Workers | None = None) -> None:
        assert workers is not None
        self.workers = workers
        pids = workers.pids
        say(f"{plural(len(pids), 'worker')}: {' '.join(map(str, pids))}")
        if self._page is not None:
            _show(self._page, workers)
        say_where(workers.addresses, self._print_only)
        self.where.set()

    def stopping(self, grace: float) -> None:
        if self.workers is not None and grace:
            say(f"stopping: what is begun may go on for {grace:g} s, Ctrl-C again ends at once")


def _show(page: MetricsPage, workers: Workers) -> None:
    from ._metrics import render  # needs the extra

    where = " ".join(map(format_address, workers.addresses))
    page.show(lambda: render([(where, workers.statistics())], workers=workers))


async def _end_with_the_reader(stream: TextIO, serving: trio.Event) -> None:
    """End when whoever reads this stream has gone (``| head``). A worker that hears of it is just replaced."""
    await serving.wait()  # where this system has no workers, it has nothing of the following either
    try:
        fd = stream.fileno()
    except ValueError:  # something else is in its place
        return
    only_written = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
    if stat.S_ISFIFO(os.fstat(fd).st_mode) and only_written:
        await trio.lowlevel.wait_readable(fd)  # which a pipe's writing end is when it is broken
        raise BrokenPipeError


class AsTyped:
    """The handler of the command line on its way to a worker, which makes an `Answering` of it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args

    def __reduce__(self) -> tuple[object, ...]:
        return _answering_in_worker, (self._args,)

    async def __call__(self, _: object) -> NoReturn:
        raise AssertionError("the parent answers nothing")


def _answering_in_worker(args: argparse.Namespace) -> Guard:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed when the program was started (>&-)
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    answering = make_answering(args, WholeLines().write)
    guarded = limit_requests(answering, args)
    who = f"worker {os.getpid()}: "
    atexit.register(say_failures, answering.failures, who)
    atexit.register(say_guards, guarded, who)
    return guarded


class WholeLines:
    """Lines of data on a standard output that others write to as well, one after another.

    The lock is one on standard output itself (flock(2)). It belongs to whoever has opened a file and not to a process,
    so each opens it anew; and it ends with its process, where that dies in the middle of a line.
    """

    def __init__(self) -> None:
        self._lock: int | None = None
        with suppress(OSError):  # a socket cannot be opened like that: there, lines of 4096 bytes and more may mix
            self._lock = os.open("/proc/self/fd/1", os.O_WRONLY)

    def write(self, data: bytes) -> None:
        """`write_line`."""
        if self._lock is None:
            write_line(data)
            return
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            write_line(data)
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
