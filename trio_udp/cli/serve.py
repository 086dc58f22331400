"""``serve``: a UDP server without programming, for a person at a terminal.

Stopping is part of serving: Ctrl-C and SIGTERM stop the receiving at once, what has been received is still answered
(``--grace``), and then come the statistics.
"""

from __future__ import annotations

import argparse
import signal
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from .._address import HostPort, format_address
from .._serve import serve_endpoints
from .._systemd import passed_to_us
from ._answering import make_answering
from ._common import ExitCode, Failure, count, host_port, seconds, text_bytes
from ._dtls import serve_in_secret
from ._hosts import take_or_open
from ._limits import add_limits, limit_requests
from ._live import View, check_live
from ._load_handler import handler_name
from ._metrics_page import MetricsPage, metrics_page
from ._stopping import STOP_SIGNALS, run_until_signal
from ._telling import say_failures, say_guards, say_statistics, say_where, say_who_is_busy
from ._trace_file import add_trace, client_and_server, traced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._endpoint import UDPEndpoint
    from .._guards import Guard
    from ._answering import Answering

SYSTEMD = "systemd"

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
one; which, is said at the start. The word systemd in the place of all this
means the sockets that systemd has opened (ListenDatagram= in a .socket unit):
they stay while the server is restarted, and so does what comes to them.

A handler is an async function that takes a datagram (.data, .address) and
returns the reply as bytes, or None for no reply. Its module is looked for in
the current directory first. When it raises, the traceback is shown and
counted, and the server goes on.

Anybody can put a forged source address on a datagram. So another machine gets
no reply of more than three times its request's bytes; it is dropped and
counted. An echo never has that many, and --prefix and --reply go out if they
have at most 56 bytes: that is less than the headers are worth. Behind a relay
or nginx on this machine all strangers look like this machine itself, which has
no limit unless you say --amplification 3: what is given there is for all. A
--rate is then one for all of them together, too.

How often somebody may ask is not limited, so that nothing is held back when you
measure; on the internet give --rate and --total-rate, a hundred times as much
or more (fewer addresses, each at its limit, would leave nothing to newcomers).
A second's worth may come
at once. What they drop has no line, and is counted. With --dtls they count what
is said in secret, and apart from that how often somebody begins: so many new
clients a second may one address have, and all together. A client keeps its
place as long as it says something once a minute, so that does not keep one
address from having all places in the end: --max-each does.

With --workers each client has one process that answers it, always the same. A
process that dies is replaced, which is said; what its clients send meanwhile
waits. --max-tasks and the limits are for each process. The statistics are the
sum of all, but for what a process that was killed had done in its last second.

With --metrics Prometheus can read the statistics while the server runs, at
http://HOST:PORT/metrics, of this machine only unless a host is given. It needs
the extra: python -m pip install "trio_udp[metrics]"

With --live the terminal shows the latest clients, with their datagrams and the
answers; the nurseries and their tasks; and the statistics, all as it happens.
It needs the extra: python -m pip install "trio_udp[cli]". What is said
meanwhile, a handler's traceback for example, follows at the end.

With --dtls the datagrams are encrypted, and the server needs a certificate and
its key, in PEM files. Datagrams of one client are handled one after another;
--max-tasks is how many clients there may be at once, --max-each how many of
them at one address (IPv6: one /64), and who is silent for a minute is
forgotten. A client with whom keys were agreed on has shown where it
is, so replies have no limit. A restart ends all conversations, on systemd's
sockets as well: the keys go with the server, and clients begin anew. It needs
the extra: python -m pip install "trio_udp[dtls]"

With --trace the first 100,000 things that happen, or 64 MB of payloads, are in
a file at the end: datagrams, handlers, tasks; what came later is counted.
A second Ctrl-C then does not end the server before the file is written; a third
one does. trace --help tells more.

Ctrl-C or SIGTERM: stop receiving, finish what is begun, print the statistics.
Ctrl-C or SIGTERM again: end at once, without statistics, even when a handler
keeps the whole server from running (time.sleep where trio.sleep was meant).

examples:
  python -m trio_udp serve 10000
  python -m trio_udp serve "*:8888" --prefix OK...
  python -m trio_udp serve 0.0.0.0:10000 --reply "Get off my lawn"
  python -m trio_udp serve "*:5000" --print > received.txt
  python -m trio_udp serve 7000 --handler mymodule:answer
  python -m trio_udp serve 7000 --handler mymodule:answer --workers 4
  python -m trio_udp serve "*:7" --echo --rate 10 --total-rate 1000
  python -m trio_udp serve "*:7000" --metrics 9100
  python -m trio_udp serve 7000 --live
  python -m trio_udp serve 4433 --dtls cert.pem key.pem
  python -m trio_udp serve 10000 --trace run.html
  systemd-socket-activate --datagram -l 127.0.0.1:7000 \\
      python -m trio_udp serve systemd
  systemd-socket-activate --datagram -l 127.0.0.1:4433 \\
      python -m trio_udp serve systemd --dtls cert.pem key.pem

To talk to the second:  ncat -vv localhost 8888 -u
For those with --handler, in mymodule.py:

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
    parser.add_argument("address", type=listen_address, metavar="[HOST:]PORT", help="where to listen; or: systemd")
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
    parser.add_argument("--dtls", nargs=2, metavar=("CERT", "KEY"), help="encrypted, with this certificate and its key")
    parser.add_argument("--max-each", type=count, metavar="N", help="with --dtls: clients of one address at once")
    parser.add_argument("--metrics", type=local_address, metavar="[HOST:]PORT", help="statistics for Prometheus")
    add_limits(parser)
    parser.add_argument("--quiet", action="store_true", help="no line per datagram")
    parser.add_argument("--live", action="store_true", help="a picture in the place of the lines: needs a terminal")
    add_trace(parser)
    parser.set_defaults(run=run)


def listen_address(text: str) -> HostPort | None:
    """``[HOST:]PORT``, and ``*:PORT`` for every interface; None: the sockets are systemd's."""
    return None if text == SYSTEMD else local_address(text)


def local_address(text: str) -> HostPort:
    """``[HOST:]PORT``, and ``*:PORT`` for every interface."""
    host, port = host_port(text)
    return HostPort(None if host == "*" else host, port)


async def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; then say how it went."""
    _check(args)
    with traced(args.trace, client_and_server):
        stopped_by = await _serve(args)
    return ExitCode.INTERRUPTED if stopped_by == signal.SIGINT else ExitCode.ANSWERED


async def _serve(args: argparse.Namespace) -> signal.Signals | None:
    async with metrics_page(args.metrics) as page:
        if args.dtls:
            return await serve_in_secret(args, page)
        return await (_serve_alone(args, page) if args.workers is None else _serve_in_workers(args, page))


def _check(args: argparse.Namespace) -> None:
    """What does not go together; and whose sockets: what was typed has to fit what systemd has done."""
    if args.live and args.workers is not None:
        raise Failure("--live and --workers do not go together: it shows the tasks of one process", ExitCode.USAGE)
    if args.live and args.dtls:
        raise Failure("--live and --dtls do not go together: it would show what is encrypted", ExitCode.USAGE)
    check_live(args)
    if args.dtls and args.workers is not None:
        raise Failure("--dtls and --workers do not go together: keys are agreed on with one process", ExitCode.USAGE)
    if args.trace is not None and args.workers is not None:
        raise Failure("--trace and --workers do not go together: the trace is of one process", ExitCode.USAGE)
    if args.max_each is not None and not args.dtls:
        raise Failure("--max-each needs --dtls: without it a client has no place once it is answered", ExitCode.USAGE)
    if args.dtls and args.amplification is not None:
        raise Failure(
            "--dtls and --amplification do not go together: the handshake shows where a client is, and replies to it "
            "have no limit",
            ExitCode.USAGE,
        )
    if args.address is None and args.workers is not None:
        raise Failure(
            "--workers opens a socket for each worker, and systemd has opened its own: leave one of them out, or have "
            "several .socket units with ReusePort=yes, each with a server",
            ExitCode.USAGE,
        )
    if args.address is not None and passed_to_us():
        raise Failure("systemd has opened sockets for this server, which nobody would read: serve systemd takes them")


async def _serve_in_workers(args: argparse.Namespace, page: MetricsPage | None) -> signal.Signals | None:
    from ._workers import serve_in_workers  # has what only Unix has, and multiprocessing, which is slow to import

    return await serve_in_workers(args, page)


async def _serve_alone(args: argparse.Namespace, page: MetricsPage | None) -> signal.Signals | None:
    answering = make_answering(args)
    guarded = limit_requests(answering, args)
    async with _opened(args, answering, guarded) as (endpoints, view):

        async def serve() -> None:
            # Not before signals are heard: who reads this may send one at once.
            if page is not None:
                page.show_server(endpoints, answering, guarded)
            say_where([endpoint.address for endpoint in endpoints], args.print_only)
            await serve_endpoints(guarded, endpoints, max_tasks=args.max_tasks, grace_period=args.grace)

        def stopping() -> None:
            view.close()
            say_who_is_busy(answering, args.grace)

        try:
            return await run_until_signal(serve, *STOP_SIGNALS, heard=stopping, at_once=view.release)
        finally:
            view.close()
            for endpoint in endpoints:
                say_statistics(format_address(endpoint.address), endpoint.statistics())
            say_guards(guarded)
            say_failures(answering.failures)


@asynccontextmanager
async def _opened(
    args: argparse.Namespace, answering: Answering, guarded: Guard
) -> AsyncIterator[tuple[list[UDPEndpoint], View]]:
    """The endpoints that were asked for, and the view of them."""
    if not args.live:
        yield await take_or_open(args.address), View()
        return
    from ._live_serve import watched_endpoints  # needs rich

    async with watched_endpoints(partial(take_or_open, args.address), answering, guarded) as opened:
        yield opened
