"""``serve``: a UDP server without programming, for a person at a terminal.

Stopping is part of serving: Ctrl-C and SIGTERM stop the receiving at once, what has been received is still answered
(``--grace``), and then come the statistics.
"""

from __future__ import annotations

import argparse
import signal

from .._address import HostPort, format_address
from .._serve import serve_endpoints
from ._answering import Answering, make_answering
from ._common import ExitCode, count, host_port, plural, say, seconds, text_bytes
from ._hosts import open_endpoints
from ._load_handler import handler_name
from ._stopping import STOP_SIGNALS, run_until_signal
from ._telling import say_failures, say_statistics, say_where

DESCRIPTION = """\
Answer datagrams until Ctrl-C.

Each datagram is told in a line on standard error when its handler has ended:
from whom, how many bytes, what was answered.
"""

EPILOG = """\
Without a host the server is for this machine only: it listens on all addresses
that "localhost" has. *:PORT listens on every interface, IPv4 and IPv6; so do
0.0.0.0:PORT and [::]:PORT, each for its own family. Replies leave from the
address that was asked (Linux, macOS). Port 0 lets the system choose a free
one; which, is said at the start.

A handler is an async function that takes a datagram (.data, .address) and
returns the reply as bytes, or None for no reply. Its module is looked for in
the current directory first. When it raises, the traceback is shown and
counted, and the server goes on.

With --workers each client has one process that answers it, always the same. A
process that dies is replaced, which is said; what its clients send meanwhile
waits. --max-tasks is for each process. The statistics are the sum of all, but
for what a process that was killed had done in its last second.

Ctrl-C or SIGTERM: stop receiving, finish what is begun, print the statistics.
Ctrl-C or SIGTERM again: end at once, without statistics, even when a handler
keeps the whole server from running (time.sleep where trio.sleep was meant).

examples:
  python -m trio_udp serve 10000
  python -m trio_udp serve '*:8888' --prefix OK...
  python -m trio_udp serve 0.0.0.0:10000 --reply 'Get off my lawn!'
  python -m trio_udp serve '*:5000' --print > received.txt
  python -m trio_udp serve 7000 --handler mymodule:answer
  python -m trio_udp serve 7000 --handler mymodule:answer --workers 4

To talk to the second:  ncat -vv localhost 8888 -u
For the last two, in mymodule.py:

  async def answer(datagram):
      return datagram.data.upper()

exit codes: 0 stopped by SIGTERM, 1 error, 2 usage, 130 stopped by Ctrl-C
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``serve`` takes."""
    parser = subparsers.add_parser(
        "serve",
        help="a UDP server: echo, a fixed reply, or a handler of yours",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", type=listen_address, metavar="[HOST:]PORT", help="where to listen")
    answers = parser.add_mutually_exclusive_group()
    answers.add_argument("--echo", action="store_true", help="answer with the same bytes (the default)")
    answers.add_argument("--prefix", type=text_bytes, metavar="TEXT", help="answer with TEXT and the same bytes")
    answers.add_argument("--reply", type=text_bytes, metavar="TEXT", help="answer TEXT, whatever comes")
    answers.add_argument(
        "--print", action="store_true", dest="print_only", help="answer nothing; datagrams go to standard output"
    )
    answers.add_argument("--handler", type=handler_name, metavar="MODULE:FUNCTION", help="your own async function")
    parser.add_argument(
        "--max-tasks", type=count, default=1000, metavar="N", help="handlers that may wait at once (default: 1000)"
    )
    parser.add_argument(
        "--grace",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long handlers may go on, at most, once the server has been asked to stop (default: 5)",
    )
    parser.add_argument("--workers", type=count, metavar="N", help="answer in so many processes (Linux only)")
    parser.add_argument("--quiet", action="store_true", help="no line per datagram")
    parser.set_defaults(run=run)


def listen_address(text: str) -> HostPort:
    """``[HOST:]PORT``, and ``*:PORT`` for every interface."""
    host, port = host_port(text)
    return HostPort(None if host == "*" else host, port)


async def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; then say how it went."""
    stopped_by = await (_serve_alone(args) if args.workers is None else _serve_in_workers(args))
    return ExitCode.INTERRUPTED if stopped_by == signal.SIGINT else ExitCode.ANSWERED


async def _serve_in_workers(args: argparse.Namespace) -> signal.Signals | None:
    from ._workers import serve_in_workers  # has what only Unix has, and multiprocessing, which is slow to import

    return await serve_in_workers(args)


async def _serve_alone(args: argparse.Namespace) -> signal.Signals | None:
    answering = make_answering(args)
    endpoints = await open_endpoints(args.address)

    async def serve() -> None:
        # Not before signals are heard: who reads this may send one at once.
        say_where([endpoint.address for endpoint in endpoints], args.print_only)
        await serve_endpoints(answering, endpoints, max_tasks=args.max_tasks, grace_period=args.grace)

    try:
        return await run_until_signal(serve, *STOP_SIGNALS, heard=lambda: _say_who_is_busy(answering, args.grace))
    finally:
        for endpoint in endpoints:
            say_statistics(format_address(endpoint.address), endpoint.statistics())
        say_failures(answering.failures)


def _say_who_is_busy(answering: Answering, grace: float) -> None:
    if answering.busy and grace:
        handlers = plural(answering.busy, "handler")
        say(f"stopping: {handlers} may go on for {grace:g} s, Ctrl-C again ends at once")
