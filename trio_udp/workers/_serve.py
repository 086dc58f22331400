"""`serve_workers`: what may be asked of it, the sockets, and the nursery of all seats."""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn, final

import trio

from .._address import Address
from .._checks import is_count
from .._counted import raw_socket
from .._errors import bare_exceptions
from .._handler import Handler
from .._opening import open_udp_endpoints
from .._retry import Retry
from .._serve import check_arguments
from .._statistics import Tally, UDPStatistics, total
from ._process import WorkerProcess
from ._seat import Seat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._endpoint import UDPEndpoint

# Waits of about 0.1, 0.2, 0.4 ... 6.4 and then 10 seconds: one that died by chance is replaced at once, as people see
# it, and one that dies at its start, over and over, costs a start (some 0.2 s of CPU) every ten seconds.
RESTART = Retry(attempts=8, first=0.1, maximum=10.0)


@final
class Workers:
    """The processes that serve a port, as `serve_workers` tells of them.

    Made by it, not by you.
    """

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = seats
        self._addresses = [endpoint.address for endpoint in seats[0].endpoints]

    @property
    def addresses(self) -> list[Address]:
        """Where they listen, all of them."""
        return list(self._addresses)

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that there are now; one that waits to be started again is missing."""
        return [seat.pid for seat in self._seats if seat.pid is not None]

    @property
    def restarts(self) -> int:
        """How many processes were started in the place of one that had ended."""
        return sum(seat.restarts for seat in self._seats)

    def statistics(self) -> UDPStatistics:
        """What has gone through all of them together, those that have died included.

        Each reports once a second and at its end, so this is late by up to a second; of one that was killed, what came
        after its last report is missing. ``kernel_drops`` and ``receive_buffer`` are those of all sockets together, and
        never late.
        """
        tally = Tally()
        for seat in self._seats:
            seat.add_to(tally)
        sockets = total([endpoint.statistics() for seat in self._seats for endpoint in seat.endpoints])
        return tally.with_kernels(sockets.kernel_drops, sockets.receive_buffer)


@trio.lowlevel.enable_ki_protection  # Ctrl-C ends the waiting; it must not fall into what starts and ends processes
async def serve_workers(
    handler: Handler,
    port: int,
    *,
    workers: int | None = None,
    host: str | None = None,
    max_tasks: int = 1000,
    grace_period: float = 0.0,
    restart: Retry = RESTART,
    reply_from_asked: bool = False,
    task_status: trio.TaskStatus[Workers] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_udp` in several processes at once, until cancelled.

    Linux gives each peer to one of them, always the same. A process that dies is replaced, and what its peers send
    meanwhile waits for its successor. Works on Linux only.

    Args:
      handler: as `serve_udp` has it. Each process imports it by its name, so it must be defined at the top of a module,
        or be an object that can be pickled; and a program that calls this needs its ``if __name__ == "__main__":``, as
        each process imports that, too.
      port: 0 lets the system choose. A port that another program has is an error, even if that one shares it.
      workers: how many processes, at least 1; None: as many as there are cores that this process may use.
      host: None listens on every interface, IPv4 and IPv6; ``"localhost"`` for this machine only.
      max_tasks: of each process.
      grace_period: seconds. When this is cancelled, or one of the processes gets SIGTERM, it stops receiving at once;
        datagrams that it has taken off the socket by then get this much time to be handled and answered. A process that
        has not ended two seconds later is ended, and shows where it hung.
      restart: the waits before a process is replaced. After the last attempt of the schedule the waits stay as long as
        the last one was, for ever; they begin anew after a process that has served for longer than ``maximum``.
      reply_from_asked: as `serve_udp` has it.
      task_status: ``await nursery.start(partial(serve_workers, ...))`` returns the `Workers`, once all of them serve.

    Returns:
      Never; it ends by being cancelled or by an exception.

    Error handling:
      What the handler raises ends its process, not this; that a process has ended, with what, and that another one
      serves in its place is logged as a warning, on the logger ``trio_udp``.

    Resource handling:
      However this ends, the processes have ended before, and the sockets are closed. They end as well when the process
      that called this is killed. What stays until that one ends is the resource tracker of ``multiprocessing``.

    Raises:
      ChildProcessError: a process ended before it had ever served; the message says why.
      OSError: the port could not be opened, or a process not be started; or this is not Linux.
      TypeError: the handler cannot be pickled.
      ValueError: an argument is out of range.
    """
    await trio.lowlevel.checkpoint()
    _check(handler, workers, max_tasks, grace_period, restart)
    groups: list[list[UDPEndpoint]] = []
    try:
        await _open(groups, port, host, workers or len(os.sched_getaffinity(0)), reply_from_asked)
        with bare_exceptions():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                seats = [
                    Seat(group, partial(WorkerProcess, handler, _sockets(group), max_tasks, grace_period), restart)
                    for group in groups
                ]
                for seat in seats:
                    nursery.start_soon(seat.keep_filled, name="trio_udp worker")
                    await seat.taken.wait()  # what cannot be started at all shall fail once
                for seat in seats:
                    await seat.served.wait()
                task_status.started(Workers(seats))
    finally:
        for endpoint in (endpoint for group in groups for endpoint in group):
            endpoint.close()
    raise AssertionError("workers do not end by themselves")


def _check(handler: object, workers: object, max_tasks: int, grace_period: float, restart: object) -> None:
    if sys.platform != "linux":
        raise OSError(
            errno.EOPNOTSUPP,
            f"several workers on one UDP port need Linux, which spreads the peers over them; on {sys.platform} run one "
            "process (serve_udp)",
        )
    if workers is not None and not is_count(workers):
        raise ValueError(f"workers must be a whole number of at least 1, or None for one per core, not {workers!r}")
    if not isinstance(restart, Retry):
        raise ValueError(f"restart must be a Retry, not {restart!r}")
    check_arguments(handler, max_tasks, grace_period)


async def _open(
    groups: list[list[UDPEndpoint]], port: int, host: str | None, count: int, reply_from_asked: bool
) -> None:
    """Open the sockets of so many workers.

    The first group is bound as its port's only owner and shares it afterwards. With SO_REUSEPORT from the beginning a
    second server that is started by mistake would take half of the peers and nobody would be told; and port 0 could
    be a port that another program of the same user shares (Linux, udp_lib_lport_inuse in net/ipv4/udp.c).
    """
    open_group = partial(open_udp_endpoints, host=host, reply_from_asked=reply_from_asked)
    groups.append(await open_group(port))
    for endpoint in groups[0]:
        endpoint.socket.setsockopt(trio.socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
    for _ in range(count - 1):
        groups.append(await open_group(groups[0][0].address[1], reuse_port=True))


def _sockets(endpoints: Sequence[UDPEndpoint]) -> list[stdlib_socket.socket]:
    """What can be given to another process."""
    sockets = [raw_socket(endpoint.socket) for endpoint in endpoints]
    found = [each for each in sockets if each is not None]
    if len(found) < len(sockets):
        raise OSError(errno.ENOTSOCK, "workers need sockets of the system, and trio.socket's factory makes others here")
    return found
