"""``ping``: how long does a server take to echo a datagram, and how many get lost on the way?

ping(8) asks the machine. This asks a program: any UDP server that sends back what it gets. Each ping is a request of
its own task, so a slow answer never delays the next ping. All go through one socket, told apart by the number
that they carry, and an answer that comes too late or twice is recognised by it as well. Only the very bytes that were
sent are an answer: an echo that arrives broken is reported as such, and the wait goes on.

What is reported is data here, as it is with ping(8), so it goes to standard output.
"""

from __future__ import annotations

import argparse
import itertools
import signal
from typing import TYPE_CHECKING

import trio

from .._address import format_address
from .._errors import DatagramTooLarge, NoReply, bare_exceptions
from .._events import AttemptStarted, Event, ReplyAccepted, ReplyIgnored, observe
from .._retry import Retry
from ._common import ExitCode, Failure, count, seconds, server_port
from ._hosts import open_client
from ._ping_record import LARGEST, RESERVOIR, SMALLEST, Payloads, Record, Sending
from ._ping_report import Echo, JSONReport, Report
from ._stopping import run_until_signal

if TYPE_CHECKING:
    from .._client import UDPClient

# Pings that are waited for at once. With more than that on their way, the next one is sent when one of them is done.
MOST_AT_ONCE = 1000

DESCRIPTION = """\
Send datagrams to an echo server at regular intervals, and measure how long
their echoes take.

Any UDP echo server will do; "python -m trio_udp serve PORT" is one.
"""

EPILOG = f"""\
Shown for each ping is its echo, with the round-trip time in milliseconds, or
that there was none within -W seconds. An echo that comes after that is shown
as "late", a second one of the same ping as "duplicate", and one with other
bytes than were sent as "corrupt"; none of these counts as received. With
--attempts above 1 a ping that is not answered in time is sent again, and the
time shown is that since the last sending. When no ping is waited for any more,
ping ends, and does not see what comes after that.

At the end, or at Ctrl-C: how many were sent, received, late and lost, and the
least, median, mean, 99th percentile and largest round-trip time. (Median and
percentile are exact for {RESERVOIR} echoes; of more, those of a fair sample.)

With --json each of these is a JSON object on a line of its own, times in
milliseconds, null where unknown; the last is {{"summary": ...}}.

examples:
  python -m trio_udp ping localhost:10000
  python -m trio_udp ping "[::1]:10000" -c 10 -i 0.1
  python -m trio_udp ping localhost:10000 -c 1000 -i 0 -s 1400 --json

exit codes: 0 there was an echo, 3 there was none, 4 there was none and the
last ping was refused, 1 error, 2 usage, 130 ended by Ctrl-C
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``ping`` takes."""
    parser = subparsers.add_parser(
        "ping",
        help="measure the round-trip time to an echo server",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    sizes = f"{SMALLEST} to {LARGEST}"
    add("server", type=server_port, metavar="[HOST:]PORT", help="an echo server; localhost without a host")
    add("-c", "--count", type=count, metavar="N", help="stop after N pings (default: go on until Ctrl-C)")
    add("-i", "--interval", type=seconds, default=1.0, metavar="SECONDS", help="between two pings (default: 1)")
    add("-s", "--size", type=payload_size, default=56, metavar="BYTES", help=f"of payload, {sizes} (default: 56)")
    add("-W", "--wait", type=seconds, default=1.0, metavar="SECONDS", help="how long each attempt waits (default: 1)")
    add("--attempts", type=count, default=1, metavar="N", help="datagrams sent for one ping at most (default: 1)")
    add("--json", action="store_true", help="one JSON object per line")
    parser.set_defaults(run=run)


def payload_size(text: str) -> int:
    """A number of bytes that has room for the header and that UDP can carry."""
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or not SMALLEST <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(
            f"a size is a number of bytes from {SMALLEST} to {LARGEST}, not {text!r}"
            f" (the first {SMALLEST} bytes are the ping's token and number)"
        )
    return int(text)


async def run(args: argparse.Namespace) -> int:
    """Ping until the count is reached or Ctrl-C comes; then the statistics."""
    record = Record()
    report = JSONReport() if args.json else Report()
    pinger = Pinger(args, record, report)
    stopped_by = await run_until_signal(pinger.run, signal.SIGINT)
    report.summary(format_address(args.server), record)
    return _verdict(record) if stopped_by is None else ExitCode.INTERRUPTED


def _verdict(record: Record) -> ExitCode:
    if record.received or record.late:
        return ExitCode.ANSWERED
    return ExitCode.REFUSED if record.ended_refused else ExitCode.NO_REPLY


class Pinger:
    """Sends the pings, and has recorded and reported what becomes of them."""

    def __init__(self, args: argparse.Namespace, record: Record, report: Report) -> None:
        self._args = args
        self._record = record
        self._report = report
        self._payloads = Payloads(args.size)
        self._retry = Retry(args.attempts, first=args.wait, multiplier=1, maximum=args.wait, jitter=0)
        self._room = trio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Send as many as were asked for, each in a task of its own."""
        with observe(self._notice), bare_exceptions():
            client = await open_client(self._args.server, self._payloads.number)
            async with client, trio.open_nursery() as listening:
                listening.start_soon(client._listen)  # late and doubled echoes come when no ping is waited for
                await self._ping_all(client)
                listening.cancel_scope.cancel()

    async def _ping_all(self, client: UDPClient) -> None:
        with bare_exceptions():
            async with trio.open_nursery() as nursery:
                due = trio.current_time()
                for number in itertools.count(1):
                    await self._room.acquire()
                    nursery.start_soon(self._ping, client, number)
                    if number == self._args.count:
                        break
                    due = self._next_due(due)
                    await trio.sleep_until(due)

    def _next_due(self, due: float) -> float:
        """When the next one is: lateness does not add up, and what is late by an interval is not made up for."""
        interval, now = self._args.interval, trio.current_time()
        return float((due if now - due < interval else now) + interval)

    async def _ping(self, client: UDPClient, number: int) -> None:
        payload = self._payloads.make(number)
        self._record.started(number, self._args.attempts)
        try:
            # A broken echo has the number and not the bytes; without `accept` it would pass for the answer.
            await client.request(payload, retry=self._retry, accept=lambda reply: reply == payload)
        except NoReply as error:
            refused = error.refused
            self._record.unanswered(number, refused=refused)
            self._report.unanswered(number, error, refused=refused)
        except DatagramTooLarge as error:
            raise Failure(str(error)) from None
        finally:
            self._room.release()

    def _notice(self, event: Event) -> None:
        """Echoes are taken from the events, which tell even of those that nobody waits for."""
        if isinstance(event, AttemptStarted):
            number = self._payloads.number(event.data)
            assert number is not None
            self._record.sent_now(number, Sending(event.number, event.time))
        elif isinstance(event, ReplyAccepted):
            number = self._payloads.number(event.data)
            assert number is not None
            self._record.answered(number, event.attempt, event.elapsed)
            echo = Echo("reply", number, len(event.data), event.remote, event.attempt, event.elapsed)
            self._report.echo(echo)
        elif isinstance(event, ReplyIgnored):
            self._unexpected(event)

    def _unexpected(self, event: ReplyIgnored) -> None:
        number = self._payloads.number(event.data)
        if number is None or number > self._record.sent or event.data != self._payloads.make(number):
            self._record.corrupt += 1
            kind = "corrupt"
        else:
            kind = self._record.surplus(number)
        attempt, elapsed = None, None
        if (sending := self._record.sending(number)) is not None:
            attempt, elapsed = sending.attempt, event.time - sending.time
        self._report.echo(Echo(kind, number, len(event.data), event.remote, attempt, elapsed))
