"""``serve``: a UDP server without programming, for a person at a terminal.

The library's rule is that a handler's exception ends the server: in a program that is right, a bug should not hide. A
server that was started by hand to be talked to is better off going on. So the handler here is wrapped in another one,
`Answering`, that keeps what goes wrong away from the server, shows it with its traceback and counts it; and that tells
the person about every datagram.

Stopping is part of serving: Ctrl-C and SIGTERM stop the receiving at once, what has been received is still answered
(``--grace``), and then come the statistics.
"""

from __future__ import annotations

import argparse
import math
import signal
import socket
import traceback
from collections import Counter
from typing import TYPE_CHECKING

import trio

from .._address import HostPort, format_address, payload_limit
from .._crew import Handler
from .._serve import serve_endpoints
from ._common import (
    ExitCode,
    count,
    host_port,
    plural,
    printable,
    printable_text,
    say,
    seconds,
    statistics_lines,
    text_bytes,
    write_line,
)
from ._hosts import open_endpoints
from ._load_handler import handler_name, load_handler
from ._stopping import STOP_SIGNALS, run_until_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._batch import Datagram
    from .._endpoint import UDPEndpoint

    Tell = Callable[[Datagram, "bytes | str | None"], None]

# Bytes of a datagram that are shown at most: each may become four characters, and anybody may send 65,507 of them.
SHOWN = 500

DESCRIPTION = """\
Answer datagrams until Ctrl-C.

Each datagram is told in a line on standard error when its handler has ended:
from whom, how many bytes, what was answered.
"""

EPILOG = """\
Without a host the server is for this machine only: it listens on all addresses
that "localhost" has. *:PORT listens on every interface, IPv4 and IPv6; so do
0.0.0.0:PORT and [::]:PORT, each for its own family. Port 0 lets the system
choose a free one; which, is said at the start.

A handler is an async function that takes a datagram (.data, .address) and
returns the reply as bytes, or None for no reply. Its module is looked for in
the current directory first. When it raises, the traceback is shown and
counted, and the server goes on.

Ctrl-C or SIGTERM: stop receiving, finish what is begun, print the statistics.
Ctrl-C or SIGTERM again: end at once, without statistics, even when a handler
keeps the whole server from running (time.sleep where trio.sleep was meant).

examples:
  python -m trio_udp serve 10000
  python -m trio_udp serve '*:8888' --prefix OK...
  python -m trio_udp serve 0.0.0.0:10000 --reply 'Get off my lawn!'
  python -m trio_udp serve '*:5000' --print > received.txt
  python -m trio_udp serve 7000 --handler mymodule:answer

To talk to the second:  ncat -vv localhost 8888 -u
For the last, in mymodule.py:

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
    parser.add_argument("--quiet", action="store_true", help="no line per datagram")
    parser.set_defaults(run=run)


def listen_address(text: str) -> HostPort:
    """``[HOST:]PORT``, and ``*:PORT`` for every interface."""
    host, port = host_port(text)
    return HostPort(None if host == "*" else host, port)


async def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; then say how it went."""
    answering = Answering(_choose_handler(args), _choose_tell(args))
    endpoints = await open_endpoints(args.address)

    async def serve() -> None:
        _say_where(endpoints, args)  # not before signals are heard: who reads this may send one at once
        await serve_endpoints(answering, endpoints, max_tasks=args.max_tasks, grace_period=args.grace)

    try:
        stopped_by = await run_until_signal(serve, *STOP_SIGNALS, heard=lambda: _say_who_is_busy(answering, args.grace))
    finally:
        _say_statistics(endpoints, answering)
    return ExitCode.INTERRUPTED if stopped_by == signal.SIGINT else ExitCode.ANSWERED


# -- what to answer --------------------------------------------------------------------------------------------------


class Answering:
    """A handler around a handler: what goes wrong inside is shown and counted, and does not end the server.

    Args:
      handler: the one inside.
      tell: called when a handler has ended, with the datagram and the reply, or in words how else it ended, unless it
        raised. What ``tell`` raises does end the server: nobody is reading any more.
    """

    def __init__(self, handler: Handler, tell: Tell) -> None:
        self._handler = handler
        self._tell = tell
        self.busy = 0  # handlers that have begun and not ended
        self.failures: Counter[str] = Counter()

    async def __call__(self, datagram: Datagram) -> bytes | None:
        """What the inner handler returns; None if it raised, or if that is not a reply."""
        self.busy += 1
        try:
            reply = _as_reply(await self._handler(datagram))
        except Exception as error:
            self._failed(datagram, error)
            return None
        except BaseException as error:  # it goes on its way, but no datagram is without its line
            self._tell(datagram, _how_it_ended(error))
            raise
        finally:
            self.busy -= 1
        self._tell(datagram, reply)
        return reply

    def _failed(self, datagram: Datagram, error: Exception) -> None:
        self.failures[type(error).__name__] += 1
        what = plural(len(datagram.data), "byte")
        say(f"{format_address(datagram.address)} -> {what}, and the handler raised {type(error).__name__}:")
        # A stranger's bytes are often part of the message, and the terminal would obey them there too.
        for line in "".join(traceback.format_exception(error)).splitlines():
            say("  " + printable_text(line))


def _how_it_ended(error: BaseException) -> str:
    # Not by the error's type: a nursery of the handler's own may have wrapped what cancelled it in a group.
    cancelled = trio.current_effective_deadline() == -math.inf
    return "cancelled" if cancelled else f"ended by {type(error).__name__}"


def _as_reply(reply: object) -> bytes | None:
    if reply is None or isinstance(reply, bytes):
        return reply
    if isinstance(reply, (bytearray, memoryview)):
        return bytes(reply)
    raise TypeError(f"a handler returns bytes or None, not {type(reply).__name__}")


def _choose_handler(args: argparse.Namespace) -> Handler:
    if args.handler is not None:
        return load_handler(*args.handler)
    if args.print_only:
        return _stay_silent
    if args.reply is not None:
        return _replying(args.reply)
    if args.prefix is not None:
        return _prefixing(args.prefix)
    return _echo


async def _echo(datagram: Datagram) -> bytes:
    return datagram.data


async def _stay_silent(_: Datagram) -> None:
    pass


def _replying(text: bytes) -> Handler:
    async def reply(_: Datagram) -> bytes:
        return text

    return reply


def _prefixing(prefix: bytes) -> Handler:
    async def reply(datagram: Datagram) -> bytes:
        return prefix + datagram.data

    return reply


# -- what to say -----------------------------------------------------------------------------------------------------


def _choose_tell(args: argparse.Namespace) -> Tell:
    describe = _bytes_line if args.prefix is None else _message_line

    def tell(datagram: Datagram, outcome: bytes | str | None) -> None:
        if args.print_only:
            write_line(datagram.data)
        if not args.quiet:
            say(describe(datagram, outcome))

    return tell


def _bytes_line(datagram: Datagram, outcome: bytes | str | None) -> str:
    received = f"{format_address(datagram.address)} -> {plural(len(datagram.data), 'byte')}"
    if outcome is None:
        return f"{received}, not answered"
    if isinstance(outcome, str):
        return f"{received}, {outcome}"
    if len(outcome) > payload_limit(socket.AF_INET6 if ":" in datagram.address[0] else socket.AF_INET):
        return f"{received}, and a reply that is too large"  # the server logs the details
    return f"{received}, answered {plural(len(outcome), 'byte')}"


def _message_line(datagram: Datagram, _: bytes | str | None) -> str:
    text = printable(datagram.data[:SHOWN].strip())
    more = f"... ({len(datagram.data)} bytes)" if len(datagram.data) > SHOWN else ""
    return f"Message[{format_address(datagram.address)}] - {text}{more}"


def _say_where(endpoints: Sequence[UDPEndpoint], args: argparse.Namespace) -> None:
    where = " and ".join(format_address(endpoint.address) for endpoint in endpoints)
    if args.print_only:
        say(f"waiting on port: {endpoints[0].address[1]} ({where})")
    else:
        say(f"listening on {where}")


def _say_who_is_busy(answering: Answering, grace: float) -> None:
    if answering.busy and grace:
        handlers = plural(answering.busy, "handler")
        say(f"stopping: {handlers} may go on for {grace:g} s, Ctrl-C again ends at once")


def _say_statistics(endpoints: Sequence[UDPEndpoint], answering: Answering) -> None:
    for endpoint in endpoints:
        say(f"--- {format_address(endpoint.address)} statistics ---")
        for line in statistics_lines(endpoint.statistics()):
            say(line)
    if answering.failures:
        kinds = ", ".join(f"{number} {name}" for name, number in answering.failures.items())
        say(f"the handler raised {plural(answering.failures.total(), 'time')}: {kinds}")
