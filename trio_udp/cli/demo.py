"""``demo``: a server, some clients, and a network that loses datagrams, in one nursery.

What is played is in ``_play.py``; here is what may be typed, and what is said before and afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from ..faults import PRESETS
from ._common import ExitCode, Failure, count, line_width, plural, say, say_prose
from ._faults import Network, add_link_options, add_preset, read_network
from ._live import demo_is_live, has_rich
from ._next import next_lines
from ._pace import add_pace, choose_clock, time_jumps
from ._play import play
from ._story import Story, print_summary, summary, tell_json, tell_line
from ._trace_file import add_trace, captured, clients_relay_and_server, is_capture, traced

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

DESCRIPTION = """\
See datagrams get lost, and every answer come all the same.

An echo server and some clients talk over real sockets, through a relay that loses datagrams on purpose, each way. The
clients wait, each attempt in a cancel scope of its own, and send again. Server, relay and clients live in one nursery:
when the last client is done, everything ends.
"""

EPILOG = """\
Without --loss and --preset three of ten datagrams are lost, each way. The same seed tells the same story: the same
datagrams of the same clients are lost, and each request takes as many attempts. This rests on a machine, and a reader
of the output, quick enough for every answer that is not lost to come in time: within 0.2 seconds, or 2 milliseconds per
client if that is longer, beyond what the network takes. When one did not, it is said at the end. With --virtual it
rests on nothing: no socket is real, and no second either.

On a terminal it is shown live, if rich is installed (python -m pip install "trio_udp[cli]"): the nurseries and their
tasks, each client's attempt with its deadline counting down, its datagrams on their way, with a cross where one is
lost, and totals. Then the relay takes 0.4 seconds each way, so that they can be seen on their way, unless --delay,
--jitter or --preset say what it takes; the same ones are lost. The lines and the summary follow. Otherwise, and with
--plain, --json, NO_COLOR or TERM=dumb, each event is a line at once.

--speed and --step are for looking closely, on the network in memory. With --speed its time takes so much longer, or
less; the story is that of --virtual, with the same delay, to the microsecond. With --step it stands still until a key
is pressed: space or enter for the next event, q to quit. Where the screen has no room for all clients, or all tasks,
j and k, the arrows and the keys for a page down and up scroll, without --step as well. With --virtual alone time waits
for nobody, and a picture would be gone at once: there are only the lines, unless it takes more than half a second. To
watch it as if the network were real there is --speed 1.

With --json each line is one JSON object, the last one {"summary": {...}}; times are seconds. With --trace all that has
happened is in a file at the end; its ending says what kind of file, and trace --help tells more. A file for Wireshark
(.pcap) has each datagram as it was sent, lost ones too: those of the clients to and from the relay, and what goes on.

exit code: 0 when every request was answered, 3 when one was not (with --loss 1 none can be), 130 when interrupted

examples:
  python -m trio_udp demo
  python -m trio_udp demo --loss 0.5 --seed 42
  python -m trio_udp demo --step
  python -m trio_udp demo --speed 0.25
  python -m trio_udp demo --delay 0.1 --jitter 0.05
  python -m trio_udp demo --preset interop-drop-rate
  python -m trio_udp demo --virtual --clients 20 --requests 10
  python -m trio_udp demo --json | tail -n 1
  python -m trio_udp demo --virtual --trace run.html
  python -m trio_udp demo --virtual --trace run.pcap
"""

LOSS = 0.3  # without a word about the network

# Seconds each way, where it is drawn: over loopback a datagram has arrived before anybody sees it leave. That is four
# pictures of its way from the relay on; the whole takes 11 seconds in the place of 2.
VISIBLE_DELAY = 0.4

# More would be no story that anybody reads; each has two sockets.
MOST_CLIENTS = 10_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what may be typed after ``demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="see datagrams get lost, and every answer come all the same (the default)",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seed", type=int, default=1, metavar="N", help="which story is told (default: 1)")
    add_link_options(parser, "loss", "delay", "jitter")
    add_preset(parser, "one of those that relay --help lists")
    add("--clients", type=some_clients, default=3, metavar="N", help="how many clients ask side by side (default: 3)")
    add("--requests", type=count, default=4, metavar="N", help="how many requests each makes (default: 4)")
    add_pace(parser)
    add("--plain", action="store_true", help="a line for each event, on a terminal as well")
    add("--json", action="store_true", help="one JSON object per line, for a program to read")
    add_trace(parser, virtual=True)
    parser.set_defaults(run=run, clock=choose_clock)


def some_clients(text: str) -> int:
    """How many a demonstration can have."""
    if (number := count(text)) > MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"there can be at most {MOST_CLIENTS} clients, not {text}")
    return number


async def run(args: argparse.Namespace) -> int:
    """Run the demo as the command line says, tell it, and return the exit code."""
    if is_capture(args.trace) and not args.virtual:
        why = "--trace FILE.pcap has what a network in memory carries: add --virtual, --speed or --step"
        raise Failure(why, ExitCode.USAGE)
    live = demo_is_live(args)
    network = choose_network(args, live)
    if not args.json:
        say_prose(introduction(args, network))
    tell = _tell_live if live else _tell
    with traced(args.trace, clients_relay_and_server, quiet=args.json):
        story, is_interrupted = await tell(args, network)
        _print_summary(story, args, network)  # where the file is, is said below it
    if is_interrupted:
        return ExitCode.INTERRUPTED
    _say_afterwards(args, network, story)
    return ExitCode.ANSWERED if story.answered == args.clients * args.requests else ExitCode.NO_REPLY


def _print_summary(story: Story, args: argparse.Namespace, network: Network) -> None:
    if args.json:
        print(json.dumps({"summary": summary(story, args, network)}), flush=True)
        return
    print_summary(story, args, network)
    if args.trace is not None and not is_capture(args.trace):
        sys.stdout.flush()
        say("")


def choose_network(args: argparse.Namespace, live: bool = False) -> Network:
    """The network that was asked for; a lossy one unless something else was, and a slow one where it is drawn."""
    if args.preset is None:
        args.loss = LOSS if args.loss is None else args.loss
        if live and not time_jumps(args) and args.delay is None and args.jitter is None:
            args.delay = VISIBLE_DELAY
    return read_network(args)


async def _tell(args: argparse.Namespace, network: Network) -> tuple[Story, bool]:
    """Each event is a line. The story, and whether it was interrupted."""
    story = Story(tell_json if args.json else tell_line)
    is_interrupted = await _play_until_interrupted(args, partial(performance(args, network), story))
    if is_interrupted and sys.stderr.isatty():
        say("")  # the terminal has written ^C where it was
    return story, is_interrupted


async def _tell_live(args: argparse.Namespace, network: Network) -> tuple[Story, bool]:
    """It is drawn; afterwards come the lines."""
    from ._live_demo import print_lines, watch  # needs rich
    from ._live_scene import Scene

    scene = Scene(args.clients, args.requests, trio.current_time())
    watching = partial(watch, args, scene, live_title(args, network), performance(args, network))
    is_interrupted = await _play_until_interrupted(args, watching)
    print_lines(scene)
    return scene.story, is_interrupted


async def _play_until_interrupted(args: argparse.Namespace, play: Callable[[], Awaitable[None]]) -> bool:
    """To the end; True: Ctrl-C came first. What has happened until then is to be told all the same.

    What else went wrong at that moment is raised, without the Ctrl-C.
    """
    try:
        async with sockets(args):
            await play()
    except KeyboardInterrupt:
        return True
    except BaseExceptionGroup as group:
        interrupts, others = group.split(KeyboardInterrupt)
        if interrupts is None:
            raise
        if others is not None:
            raise others from None
        return True
    return False


@asynccontextmanager
async def sockets(args: argparse.Namespace) -> AsyncIterator[None]:
    """While it lasts, sockets are virtual or what they always are."""
    if not args.virtual:
        yield
        return
    from ..testing import VirtualNetwork  # which nobody else waits for at the start

    async with VirtualNetwork(seed=args.seed) as network:
        with captured(args.trace, network, quiet=args.json):
            yield


def performance(args: argparse.Namespace, network: Network) -> Callable[[Story], Awaitable[None]]:
    """What plays the demo that was asked for."""

    async def perform(story: Story) -> None:
        await play(story, args.clients, args.requests, network, args.seed)

    return perform


def live_title(args: argparse.Namespace, network: Network) -> str:
    """The first line of the live view."""
    what = f"the network {character(args, network)}"
    if args.speed is None:
        return f"trio_udp demo: {what}, seed {args.seed}"
    pace = "at real speed" if args.speed == 1 else f"{args.speed:g} times as fast"
    return f"trio_udp demo, {pace}, seed {args.seed}: {what}"


def introduction(args: argparse.Namespace, network: Network) -> str:
    """What a person reads first."""
    what = character(args, network)
    clients = plural(args.clients, "client")
    where = ", in virtual time" if args.virtual else ""
    return f"""\
An echo server and {clients} in one nursery{where}, and between them a network that {what}.
The clients wait for each answer for a while, and when it does not come they send again.
"""


def character(args: argparse.Namespace, network: Network) -> str:
    """What the network does."""
    if args.preset:
        return f"is like {args.preset} ({PRESETS[args.preset].source})"
    link = network.forward
    longest = f" to {link.delay + link.jitter:g}" if link.jitter else ""
    takes = f" and takes {link.delay:g}{longest} s" if link.delay or link.jitter else ""
    return f"loses {link.loss * 100:.4g}%{takes} each way"


def _say_afterwards(args: argparse.Namespace, network: Network, story: Story) -> None:
    """What to try next; and an honest word, if there is need for one."""
    if not args.json:
        could_be_live = sys.stdout.isatty() and not has_rich()
        say("\n" + "\n".join(next_lines(line_width(sys.stderr), could_be_live=could_be_live)))
    slow = story.timed_out - sum(story.lost.values()) - story.damaged
    if slow > 0 and network.rebind is None and not args.virtual:  # at the old port some answers come too late
        say_prose(f"\nThis machine was too busy: {plural(slow, 'attempt')} timed out that nobody had lost.")
        say("Next time the same seed may tell another story.")
