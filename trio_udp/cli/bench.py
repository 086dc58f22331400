"""``bench``: how much can a server do, and how long do its clients wait then?

Any server will do that sends back what it gets, with something in front of it or not. What is measured hangs on the
kind of load, which `_bench_load` tells about, and so the report begins with it. What is reported is data, as with
`ping`, so it goes to standard output; how far it is, to standard error.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import shutil
import signal
import sys
from collections import Counter
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import trio

from .._address import HostPort, format_address, resolve
from .._errors import NoReply, bare_exceptions
from .._retry import Retry
from .._statistics import total
from ._bench_load import MOST_WAITING, ClosedLoop, Load, OpenLoop
from ._bench_record import ID_SIZE, LARGEST, Payloads, Record
from ._bench_report import Outcome, Setup, as_json, lines, progress_line
from ._common import ExitCode, Failure, count, plural, say, server_port, write
from ._faults import positive_seconds
from ._hosts import open_client, open_socket
from ._stopping import run_until_signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._batch import BatchSocket

REFUSED = "ECONNREFUSED", "ECONNRESET"  # the second is Windows' word for it

# Requests a second: one in 11 days, and more than any load sends.
LOWEST_RATE, HIGHEST_RATE = 1e-6, 1e9

DURATION = 5.0  # seconds, when nobody says how long or how many

DESCRIPTION = """\
Put a load on a UDP server that echoes, and measure how many requests it answers
and how long that takes.

Any server that sends back what it gets will do, also with something in front of
it; "python -m trio_udp serve PORT" is one.
"""

EPILOG = f"""\
Each client has a socket of its own. Without --open-loop it sends its next
request when the reply to an earlier one is there (with -q, at most so many a
second), and when the server stalls, so does the load. With one in flight for
each client, which is the default, a request costs the load as much as it costs
a fast server, or more, so both are measured. -w 16 costs it a quarter of that.
Where the load was busy nearly all the time, so that the server could do more
than it was asked to, the report says so. With --open-loop requests go out at
the rate of -q whatever the replies do, and the time of each runs from when it
was to go out: then a stall shows in the latencies of all who would have come
meanwhile.

answered    the reply came within --wait
late        it came after that
lost        it did not come before the end
duplicates  further replies to the same request

Each request ends as one of the first three: sent = answered + late + lost. The
latencies are those of all replies, late ones too, exact to 0.2 %. A request
that is not answered makes room for the next one of its client after --wait.
When all is sent, the replies are waited for, for --wait at most. The last {ID_SIZE}
bytes of a request tell which it is; a reply has to end with them.

Ctrl-C: send no more, wait for replies as at the end, and report. Ctrl-C
again: end at once. A name with several addresses gets one request beforehand,
to find the address at which somebody answers.

examples:
  python -m trio_udp bench localhost:10000
  python -m trio_udp bench localhost:10000 -c 100 -w 16 -z 10 -s 1200
  python -m trio_udp bench 192.0.2.1:7 -n 100000 --json
  python -m trio_udp bench "[::1]:10000" -q 20000 --open-loop

exit codes: 0 there was a reply, 3 there was none, 4 there was none and the
requests were refused, 1 error, 2 usage, 130 ended by Ctrl-C
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``bench`` takes."""
    parser = subparsers.add_parser(
        "bench",
        help="put a load on an echo server: throughput and latencies",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("server", type=server_port, metavar="[HOST:]PORT", help="an echo server; localhost without a host")
    add("-c", "--clients", type=count, default=10, metavar="N", help="sockets (default: 10)")
    add("-w", "--in-flight", type=count, metavar="N", help="requests that each client waits for at once (default: 1)")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("-n", "--requests", type=count, metavar="N", help="how many in all")
    how_long = f"how long to send (default: {DURATION:g})"
    ends.add_argument("-z", "--duration", type=positive_seconds, metavar="SECONDS", help=how_long)
    add("-q", "--rate", type=rate, metavar="N", help="requests a second in all (default: as the replies come)")
    sizes = f"of payload, {ID_SIZE} to {LARGEST} (default: 64)"
    add("-s", "--size", type=payload_size, default=64, metavar="BYTES", help=sizes)
    add("--open-loop", action="store_true", help="keep to the rate whatever the replies do")
    add("-W", "--wait", type=positive_seconds, default=1.0, metavar="SECONDS", help="then it is late (default: 1)")
    add("--json", action="store_true", help="the report as one JSON object")
    parser.set_defaults(run=run)


def rate(text: str) -> float:
    """So many a second."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not LOWEST_RATE <= number <= HIGHEST_RATE:
        wanted = f"a rate is a number of requests a second from {LOWEST_RATE:g} to {HIGHEST_RATE:g}, like 1000"
        raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}")
    return number


def payload_size(text: str) -> int:
    """A number of bytes that has room for the id and that UDP can carry."""
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or not ID_SIZE <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(
            f"a size is a number of bytes from {ID_SIZE} to {LARGEST}, not {text!r}"
            f" (the last {ID_SIZE} bytes tell which request it is)"
        )
    return int(text)


async def run(args: argparse.Namespace) -> int:
    """Put the load on until it is over or Ctrl-C comes; then report."""
    _check(args)
    payloads = Payloads(args.size)
    record = Record(payloads, args.wait)
    with ExitStack() as sockets:
        server = await _find(args.server, Payloads(args.size), args.wait)
        opened: list[BatchSocket] = []
        for number in range(1, args.clients + 1):
            opened.append(sockets.enter_context(closing(await open_socket(server, number))))
        load = (OpenLoop if args.open_loop else ClosedLoop)(args, opened, payloads, record)
        stopped = await _run_until_ctrl_c(load)
        outcome = _outcome(load, opened)
    in_flight = None if args.open_loop else args.in_flight
    assert opened[0].peer is not None
    setup = Setup(format_address(opened[0].peer), args.clients, in_flight, args.size, args.rate)
    text = [as_json(setup, outcome)] if args.json else lines(setup, outcome, shutil.get_terminal_size().columns or 80)
    write("".join(f"{line}\n" for line in text).encode())
    return ExitCode.INTERRUPTED if stopped else _verdict(outcome)


def _check(args: argparse.Namespace) -> None:
    if args.open_loop and args.rate is None:
        raise Failure("--open-loop needs a rate to keep to: -q N", ExitCode.USAGE)
    if args.open_loop and args.in_flight is not None:
        raise Failure("an open loop waits for no reply before it sends: leave -w out", ExitCode.USAGE)
    args.in_flight = args.in_flight or 1
    if args.clients * args.in_flight > MOST_WAITING:
        raise Failure(f"-c times -w is at most {MOST_WAITING}: so many are waited for at once", ExitCode.USAGE)
    if args.requests is None and args.duration is None:
        args.duration = DURATION


async def _find(server: HostPort, probe: Payloads, wait: float) -> HostPort:
    """The address to talk to, so that the name is resolved once: of several the first at which nobody refuses.

    A server often listens on one address of ``localhost``, and the system may name another one first.
    """
    async with await open_client(server, lambda data: data[-ID_SIZE:]) as client:
        if len(await resolve(server.host or "localhost", server.port)) > 1:
            _, (payload,) = probe.make(1)
            with suppress(NoReply):
                await client.request(payload, retry=Retry(1, first=wait, maximum=wait, jitter=0))
        host, port, *rest = client.remote_address
        scope = rest[1] if rest else 0
        return HostPort(f"{host}%{scope}" if scope and "%" not in host else host, port)


async def _run_until_ctrl_c(load: Load) -> bool:
    """Was it Ctrl-C that ended it?"""
    progress = Progress(load.record)

    async def work() -> None:
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(progress.run)
                await load.run()
                nursery.cancel_scope.cancel()

    def heard() -> None:
        progress.interrupted()
        load.stop()
        if waiting := load.record.waiting:
            say(f"stopping: {plural(waiting, 'request')} may still be answered; Ctrl-C again ends at once")

    return await run_until_signal(work, signal.SIGINT, stop=heard) is not None


class Progress:
    """A line every second: on a terminal always the same one, which is gone in the end, else one after the other."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._rewrites = sys.stderr.isatty()
        self._shown = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        replies, then = 0, trio.current_time()
        try:
            for second in itertools.count(1):
                await trio.sleep_until(self._record.started + second)
                now = trio.current_time()
                line = progress_line(self._record, now, (self._record.replies - replies) / (now - then))
                replies, then = self._record.replies, now
                if self._rewrites:
                    self._show(line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1])
                else:
                    say(line)
        finally:
            self._show("")

    def interrupted(self) -> None:
        """The terminal has written ^C, and what is shown now stays."""
        self._shown = 0

    def _show(self, line: str) -> None:
        if self._shown or line:
            say(f"\r{line:<{self._shown}}", end="" if line else "\r")
        self._shown = len(line)


def _outcome(load: Load, sockets: Sequence[BatchSocket]) -> Outcome:
    statistics = total([socket.statistics() for socket in sockets])
    errors = Counter(statistics.errors)
    return Outcome(
        load.record,
        load.lateness,
        cpu=load.cpu,
        received_bytes=statistics.received_bytes,
        refused=sum(errors.pop(name, 0) for name in REFUSED),
        errors=errors,
        kernel_drops=statistics.kernel_drops,
    )


def _verdict(outcome: Outcome) -> ExitCode:
    if outcome.record.replies:
        return ExitCode.ANSWERED
    return ExitCode.REFUSED if outcome.refused else ExitCode.NO_REPLY
