"""``relay``: a bad network in front of any program, for a person at a terminal.

Clients talk to the relay instead of to the server, and every fault that the library knows is an option here. What the
relay loses or damages is told at once, since a network that loses is otherwise hard to tell from a program that does.
"""

from __future__ import annotations

import argparse
import signal
import socket
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

import trio

from .._address import format_address
from .._statistics import UDPStatistics
from ..relay import Relay, Relayed, relay_endpoints
from ..relay._serve import IDLE_TIMEOUT, MAX_CLIENTS, MAX_WAITING
from ._common import ExitCode, Failure, count, plural, say, server_port, statistics_lines
from ._faults import (
    PRESET_LINES,
    Network,
    add_link_options,
    add_preset,
    positive_seconds,
    read_network,
    rebind_every,
)
from ._hosts import open_endpoints
from ._live import View, check_live
from ._stopping import STOP_SIGNALS, run_until_signal
from .serve import listen_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from .._address import Address, HostPort
    from ..relay import RelayStatistics, WayStatistics

    Tell = Callable[[Relayed], None]

DESCRIPTION = """\
Put a bad network in front of a server: clients talk to this relay instead of to
the server, and their datagrams get lost, late, doubled or damaged on the way.

Without options it loses nothing. Each datagram that this network loses or
damages is told in a line on standard error; what could not be carried for
another reason, because there were too many clients for example, is counted.
"""

EPILOG = f"""\
Without a host the relay is for this machine only; *:PORT listens on every
interface. Port 0 lets the system choose a free one; which, is said at the
start. Each client has a socket of its own towards the server, so to the server
they look like as many clients.

A server on this machine takes all of them for this machine itself. If it is
"serve", give it --amplification 3: by default its limit on large replies, which
is there for forged addresses, is only for other machines. The relay itself
limits no replies, so do not leave it on the internet in front of a server whose
replies are large.

The fate of a datagram hangs on the seed, on which client it belongs to (1, 2, 3
in the order in which they first appear), on its direction, and on how many
datagrams of that client went that way before. The same seed loses the same
ones, whatever ports the clients have. Each client has a network of its own: the
rate is not shared.

A preset is a network that somebody else has measured or standardised; options
beside it replace its values.
{PRESET_LINES}

A server of TFTP answers from another port than it was asked at, and wants to go
on there. That needs --follow-port: the first port of the server's host that
answers a client is then the one it talks to. It is not the default because that
may be any program there.

With --live the terminal shows the latest clients' datagrams on their way, with
a cross where one is lost; the nurseries and their tasks; and the statistics. It
needs the extra: python -m pip install "trio_udp[cli]"

Ctrl-C or SIGTERM: stop, and print what came, what went on, and what did not.

examples:
  python -m trio_udp relay 5001 localhost:5000 --loss 0.3
  python -m trio_udp relay 5300 192.0.2.1:53 --drop-first 2
  python -m trio_udp relay "*:5001" "[::1]:5000" --preset mobile --seed 7
  python -m trio_udp relay 5001 localhost:5000 --delay .05 --jitter .02 --quiet
  python -m trio_udp relay 5001 localhost:5000 --loss 0.3 --delay 0.2 --live
  python -m trio_udp relay 6900 localhost:69 --exact-loss 1/5 --follow-port

exit codes: 0 stopped by SIGTERM, 1 error, 2 usage, 130 stopped by Ctrl-C
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``relay`` takes."""
    parser = subparsers.add_parser(
        "relay",
        help="a bad network in front of any server",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", type=listen_address, metavar="[HOST:]PORT", help="where to listen")
    parser.add_argument("target", type=server_port, metavar="HOST:PORT", help="the server")
    network = parser.add_argument_group("the network, each way; by default it is perfect")
    add_link_options(network)
    add_preset(network, "see below")
    what = network.add_argument
    what("--drop-first", type=count, metavar="N", help="lose the first N on the way to the server, whoever sent them")
    what("--rebind", type=rebind_every, metavar="SECONDS", help="new ports towards the server, every so often")
    one_way = network.add_mutually_exclusive_group()
    one_way.add_argument("--forward-only", action="store_true", help="all this on the way to the server")
    one_way.add_argument("--backward-only", action="store_true", help="all this on the way back")
    add = parser.add_argument
    add("--seed", type=int, default=0, metavar="N", help="which of all possible stories (default: 0)")
    add("--follow-port", action="store_true", help="the server may answer from any of its ports (TFTP)")
    add("--max-clients", type=count, default=MAX_CLIENTS, metavar="N", help=f"at once (default: {MAX_CLIENTS})")
    add(
        "--max-waiting",
        type=count,
        default=MAX_WAITING,
        metavar="N",
        help=f"datagrams that may be on their way at once (default: {MAX_WAITING})",
    )
    add(
        "--idle-timeout",
        type=positive_seconds,
        default=IDLE_TIMEOUT,
        metavar="SECONDS",
        help=f"forget a client that has been silent for so long (default: {IDLE_TIMEOUT:g})",
    )
    add("--quiet", action="store_true", help="no line per datagram")
    add("--live", action="store_true", help="a picture in the place of the lines: needs a terminal")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    """Relay until a signal comes; then say how it went."""
    check_live(args)
    relay_there = _set_up(args, read_network(args))
    endpoints = await open_endpoints(args.address)
    async with _shown(args) as (tell, show, view):
        began = _Began(args.target, show)

        async def carry() -> None:
            with _told_as_failures(began, args.target):
                await relay_there(endpoints, *args.target, tell=tell, task_status=began)

        try:
            stopped_by = await run_until_signal(carry, *STOP_SIGNALS, heard=view.close, at_once=view.release)
        finally:
            view.close()
            if began.relay is not None:
                _say_statistics(began.relay.statistics())
    return ExitCode.INTERRUPTED if stopped_by == signal.SIGINT else ExitCode.ANSWERED


def _set_up(args: argparse.Namespace, network: Network) -> partial[Coroutine[Any, Any, NoReturn]]:
    """`relay_endpoints` with what was asked for."""
    return partial(
        relay_endpoints,
        forward=network.forward,
        backward=network.backward,
        forward_rules=network.forward_rules,
        backward_rules=network.backward_rules,
        seed=args.seed,
        rebind=network.rebind,
        max_clients=args.max_clients,
        max_waiting=args.max_waiting,
        idle_timeout=args.idle_timeout,
        follow_port=args.follow_port,
    )


class _Began(trio.TaskStatus[Relay]):
    """Takes the relay when it listens: it is told where, and not before signals are heard, as somebody may send one."""

    def __init__(self, target: HostPort, show: Callable[[Relay], None]) -> None:
        self.relay: Relay | None = None
        self._target = target
        self._show = show

    def started(self, relay: Relay) -> None:
        self.relay = relay
        self._show(relay)
        where = " and ".join(format_address(address) for address in relay.addresses)
        say(f"relaying {where} to {format_address(cast('Address', self._target))}")


@contextmanager
def _told_as_failures(began: _Began, target: HostPort) -> Iterator[None]:
    """What was typed wrong; afterwards it is a bug."""
    try:
        yield
    except (socket.gaierror, ValueError) as error:
        if began.relay is not None:
            raise
        if isinstance(error, socket.gaierror):
            raise Failure(f"cannot find the host {target.host!r}: {error.strerror}") from None
        raise Failure(str(error)) from None


@asynccontextmanager
async def _shown(args: argparse.Namespace) -> AsyncIterator[tuple[Tell | None, Callable[[Relay], None], View]]:
    """What each datagram is told to, what the relay is shown to, and the view."""
    if not args.live:
        yield None if args.quiet else _tell, lambda _: None, View()
        return
    from ._live_serve import watched_relay  # needs rich

    async with watched_relay(f"trio_udp relay to {format_address(cast('Address', args.target))}") as (live, view):
        yield live.tell, live.show, view


# -- what to say -----------------------------------------------------------------------------------------------------


def _tell(relayed: Relayed) -> None:
    if relayed.dropped is not None:
        outcome = f"dropped: {relayed.dropped}"
    elif relayed.damaged:
        outcome = "damaged"
    else:
        return
    who = f"client {relayed.client}, {format_address(relayed.address)}"
    what = f"datagram {relayed.n}, {plural(len(relayed.data), 'byte')}"
    say(f"{who} {'->' if relayed.forward else '<-'} {what}, {outcome}")


def _say_statistics(statistics: RelayStatistics) -> None:
    say(f"--- {plural(statistics.clients_in_all, 'client')} ---")
    for name, way in (("to the server", statistics.forward), ("to the clients", statistics.backward)):
        say(f"--- {name} ---")
        for line in _way_lines(way):
            say(line)


def _way_lines(way: WayStatistics) -> list[str]:
    received, *rest = statistics_lines(
        UDPStatistics(
            way.received,
            way.received_bytes,
            way.forwarded,
            way.forwarded_bytes,
            way.dropped,
            way.errors,
            way.kernel_drops,
            receive_buffer=0,
        )
    )
    counts = [("doubled ", way.duplicated), ("damaged ", way.damaged)]
    return [received, *rest[:1], *(f"{name} {plural(n, 'datagram')}" for name, n in counts if n), *rest[1:]]
