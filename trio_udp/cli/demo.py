"""``demo``: a server, some clients, and a network that loses datagrams, in one nursery.

All of it is the library as anybody would use it. Loopback itself never loses anything, so between the clients and the
server there is a relay that does (`serve_relay`). What becomes of a datagram hangs on the number that the relay gives
to its client, in the order in which they first appear: so each client begins when the one before it has sent something.
And each stays at one port until the end, which ``correlate`` allows it to do.
"""

from __future__ import annotations

import argparse
import json
import math
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio

from .._client import open_udp_client
from .._errors import NoReply
from .._events import DatagramSent, observe
from .._retry import Retry
from .._serve import serve_udp
from ..faults import PRESETS
from ..relay import serve_relay
from ._common import ExitCode, count, plural, say
from ._faults import Network, add_link_options, add_preset, read_network
from ._story import Story, payload, print_summary, summary, tell_json, tell_line
from ._trace_file import add_trace, clients_relay_and_server, traced

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._address import Address
    from .._batch import Datagram
    from .._events import Event
    from ..faults import Link

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

With --json each line is one JSON object, the last one {"summary": {...}}; times are seconds. With --trace all that has
happened is in a file at the end; its ending says what kind of file, and trace --help tells more.

exit code: 0 when every request was answered, 3 when one was not (with --loss 1 none can be)

examples:
  python -m trio_udp demo
  python -m trio_udp demo --loss 0.5 --seed 42
  python -m trio_udp demo --delay 0.1 --jitter 0.05
  python -m trio_udp demo --preset interop-drop-rate
  python -m trio_udp demo --virtual --clients 20 --requests 10
  python -m trio_udp demo --json | tail -n 1
  python -m trio_udp demo --virtual --trace run.html
"""

NEXT = """\

Try next:  python -m trio_udp demo --loss 0.5 --seed 7     a worse network, another story
           python -m trio_udp serve 10000                  a server of your own, and beside it
           python -m trio_udp ping localhost:10000         how long does it take to answer?
           python -m trio_udp relay 10001 localhost:10000 --loss 0.5   a bad network in front of it"""

LOSS = 0.3  # without a word about the network

# Seconds; some hundred times what an answer over loopback was seen to take (0.2 to 2 ms), so that an attempt that times
# out is one that was lost, and short enough for the whole to take a few seconds.
FIRST_WAIT = 0.2
GROWTH = 1.5
LONGEST_WAIT = 0.5

# Seconds. Many clients are slower: they share one processor with the server. And they start one after another, because
# some hundred datagrams at once are more than the receive buffer holds by default, and nobody could tell the story of
# those that the kernel drops. This is some ten times what a client was seen to take.
PER_CLIENT = 0.002

# More would be no story that anybody reads; each has two sockets.
MOST_CLIENTS = 10_000

# Anybody on this machine may send to the relay, and must not take a client's place.
STRANGERS = 1000

# So many attempts that fewer than one request in a billion (1e9) fails.
ACCEPTED_FAILURES = 1e-9
MOST_ATTEMPTS = 1000
HOPELESS_ATTEMPTS = 5

# What chance does not say: a preset's black hole takes everything for 2 seconds. These wait 4.45 seconds and more.
ATTEMPTS_THROUGH_OUTAGES = 10


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
    add("--virtual", action="store_true", help="on a network in memory, in virtual time: the same, without waiting")
    add("--json", action="store_true", help="one JSON object per line, for a program to read")
    add_trace(parser)
    parser.set_defaults(run=run)


def some_clients(text: str) -> int:
    """How many a demonstration can have."""
    if (number := count(text)) > MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"there can be at most {MOST_CLIENTS} clients, not {text}")
    return number


async def run(args: argparse.Namespace) -> int:
    """Run the demo as the command line says, tell it, and return the exit code."""
    if args.loss is None and args.preset is None:
        args.loss = LOSS
    network = read_network(args)
    story = Story(tell_json if args.json else tell_line)
    if not args.json:
        say(introduction(args, network))
    with traced(args.trace, clients_relay_and_server):
        async with _sockets(args):
            await play(story, args.clients, args.requests, network, args.seed)
    if args.json:
        print(json.dumps({"summary": summary(story, args, network)}), flush=True)
    else:
        print_summary(story, args, network)
        say(NEXT)
    slow = story.timed_out - sum(story.lost.values()) - story.damaged
    if slow > 0 and network.rebind is None and not args.virtual:  # at the old port some answers come too late
        say(f"\nThis machine was too busy: {plural(slow, 'attempt')} timed out that nobody had lost.")
        say("Next time the same seed may tell another story.")
    return ExitCode.ANSWERED if story.answered == args.clients * args.requests else ExitCode.NO_REPLY


def _sockets(args: argparse.Namespace) -> AbstractAsyncContextManager[object]:
    """While it lasts, sockets are virtual or what they always are."""
    if not args.virtual:
        return nullcontext()
    from ..testing import VirtualNetwork  # which nobody else waits for at the start

    return VirtualNetwork(seed=args.seed)


def introduction(args: argparse.Namespace, network: Network) -> str:
    """What a person reads first."""
    what = f"loses {network.forward.loss * 100:.4g}% each way"
    if args.preset:
        what = f"is like {args.preset} ({PRESETS[args.preset].source})"
    clients = plural(args.clients, "client")
    where = ", in virtual time" if args.virtual else ""
    return f"""\
An echo server and {clients} in one nursery{where}, and between them a network that {what}.
The clients wait for each answer for a while, and when it does not come they send again.
"""


async def play(story: Story, clients: int, requests: int, network: Network, seed: int) -> None:
    """Server, relay and clients in one nursery, until each client has done its requests."""
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, echo, 0, host="127.0.0.1"))
        bad_network = partial(
            serve_relay,
            "127.0.0.1",
            0,
            *server.address,
            forward=network.forward,
            backward=network.backward,
            rules=network.forward_rules,  # for both ways: there are no options here that make a difference
            rebind=network.rebind,
            seed=seed,
            max_clients=clients + STRANGERS,
            tell=story.relayed,
        )
        relay = await nursery.start(bad_network)
        retry = retry_for(network, clients)
        busy = set(range(1, clients + 1))

        def finish(client: int) -> None:
            busy.remove(client)
            if not busy:
                nursery.cancel_scope.cancel()  # server and relay would go on for ever

        for client in range(1, clients + 1):
            await nursery.start(ask, story, client, requests, relay.address, retry, seed, finish)
            await trio.sleep(PER_CLIENT)


async def echo(datagram: Datagram) -> bytes:
    """The whole server: it answers what it is asked."""
    return datagram.data


async def ask(
    story: Story,
    client: int,
    requests: int,
    server: Address,
    retry: Retry,
    seed: int,
    finish: Callable[[int], None],
    task_status: trio.TaskStatus[None],
) -> None:
    """One client: one request after another, each until it is answered; started when one is sent, or at the end."""
    random = Random(f"{seed} client {client}")
    begun = False

    def note_begin(event: Event) -> None:
        nonlocal begun
        if isinstance(event, DatagramSent) and not begun:
            begun = True
            task_status.started()

    with observe(story.watch(client)), observe(note_begin):
        async with await open_udp_client(*server[:2], correlate=bytes, random=random) as udp_client:
            for request in range(1, requests + 1):
                try:
                    await udp_client.request(payload(client, request), retry=retry)
                except NoReply:
                    pass  # the story has told it
            if not begun:
                task_status.started()  # nothing could be sent, and the next client must not wait for that
            finish(client)
            await trio.sleep_forever()  # to the relay, whoever got this port next would be the same client


def retry_for(network: Network, clients: int) -> Retry:
    """A schedule with enough attempts for a network like this, as far as there are enough, and time for all clients."""
    failing = 1 - survival(network.forward) * survival(network.backward)
    if failing == 1:
        attempts = HOPELESS_ATTEMPTS
    elif failing == 0:
        attempts = 1
    else:
        attempts = min(math.ceil(math.log(ACCEPTED_FAILURES) / math.log(failing)), MOST_ATTEMPTS)
    if network.forward_rules or network.backward_rules or network.rebind:
        attempts = max(attempts, ATTEMPTS_THROUGH_OUTAGES)
    slower = max(1.0, PER_CLIENT * clients / FIRST_WAIT)
    round_trip = sum(link.delay + link.jitter for link in (network.forward, network.backward))
    return Retry(
        attempts=attempts,
        first=slower * FIRST_WAIT + round_trip,
        multiplier=GROWTH,
        maximum=slower * LONGEST_WAIT + round_trip,
    )


def survival(link: Link) -> float:
    """The probability that a datagram arrives unharmed, by the options that there are here and the presets."""
    return (1 - link.loss) * (1 - link.garble)
