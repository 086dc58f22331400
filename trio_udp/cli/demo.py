"""``demo``: a server, some clients, and a network that loses datagrams, in one nursery.

Everything but the network is the library as anybody would use it. The network is loopback, which never loses anything,
so the server's socket is one that does (``_lossy_socket.py``).
"""

from __future__ import annotations

import argparse
import json
import math
from random import Random
from typing import TYPE_CHECKING

import trio

from .._client import open_udp_client
from .._endpoint import UDPEndpoint
from .._errors import NoReply
from .._events import observe
from .._retry import Retry
from .._serve import serve_endpoints
from ._common import ExitCode, count, milliseconds, plural, probability, say
from ._lossy_socket import TO_CLIENT, TO_SERVER, LossySocket
from ._story import Story, payload, table, tell_json, tell_line

if TYPE_CHECKING:
    from .._batch import Datagram

DESCRIPTION = """\
See datagrams get lost, and every answer come all the same.

An echo server and some clients talk over a real socket that loses datagrams on purpose, each way. The clients wait,
each attempt in a cancel scope of its own, and send again. Server and clients live in one nursery: when the last client
is done, everything ends.
"""

EPILOG = """\
The same seed tells the same story: the same datagrams of the same clients are lost, and each request takes as many
attempts. This rests on a machine, and a reader of the output, quick enough for every answer that is not lost to come
in time: within 0.2 seconds, or 2 milliseconds per client if that is longer. When one did not, it is said at the end.

With --json each line is one JSON object, the last one {"summary": {...}}; times are seconds.

exit code: 0 when every request was answered, 3 when one was not (with --loss 1 none can be)

examples:
  python -m trio_udp demo
  python -m trio_udp demo --loss 0.5 --seed 42
  python -m trio_udp demo --clients 20 --requests 10
  python -m trio_udp demo --json | tail -n 1
"""

NEXT = """\

Try next:  python -m trio_udp demo --loss 0.5 --seed 7     a worse network, another story
           python -m trio_udp serve 10000                  a server of your own, and beside it
           python -m trio_udp ping localhost:10000         how long does it take to answer?"""

# Seconds; some hundred times what an answer over loopback was seen to take (0.2 to 2 ms), so that an attempt that times
# out is one that was lost, and short enough for the whole to take a few seconds.
FIRST_WAIT = 0.2
GROWTH = 1.5
LONGEST_WAIT = 0.5

# Seconds. Many clients are slower: they share one processor with the server. And they start one after another, because
# some hundred datagrams at once are more than the receive buffer holds by default, and nobody could tell the story of
# those that the kernel drops. This is some ten times what a client was seen to take.
PER_CLIENT = 0.002

# So many attempts that fewer than one request in a billion (1e9) fails.
ACCEPTED_FAILURES = 1e-9
MOST_ATTEMPTS = 1000
HOPELESS_ATTEMPTS = 5


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
    add("--seed", type=int, default=2, metavar="N", help="which story is told (default: 2)")
    add(
        "--loss",
        type=probability,
        default=0.3,
        metavar="P",
        help="the probability that a datagram is lost, each way, 0 to 1 (default: 0.3)",
    )
    add("--clients", type=count, default=3, metavar="N", help="how many clients ask side by side (default: 3)")
    add("--requests", type=count, default=4, metavar="N", help="how many requests each makes (default: 4)")
    add("--json", action="store_true", help="one JSON object per line, for a program to read")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    """Run the demo as the command line says, tell it, and return the exit code."""
    story = Story(tell_json if args.json else tell_line)
    if not args.json:
        clients = plural(args.clients, "client")
        say(f"An echo server and {clients} in one nursery, over a socket that loses {args.loss:.0%} of what comes in")
        say("and of what goes out. The clients time out, send again, and get every answer all the same.\n")
    await play(story, args.clients, args.requests, args.loss, args.seed)
    if args.json:
        print(json.dumps({"summary": summary(story, args)}), flush=True)
    else:
        print_summary(story, args)
        say(NEXT)
    if (slow := story.timed_out - sum(story.lost.values())) > 0:
        say(f"\nThis machine was too busy: {plural(slow, 'attempt')} timed out that nobody had lost.")
        say("Next time the same seed may tell another story.")
    return ExitCode.ANSWERED if story.answered == args.clients * args.requests else ExitCode.NO_REPLY


async def play(story: Story, clients: int, requests: int, loss: float, seed: int) -> None:
    """Server and clients in one nursery, until each client has done its requests."""
    socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await socket.bind(("127.0.0.1", 0))
    endpoint = UDPEndpoint(LossySocket(socket, loss, seed, story.concerns, story.loss))
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_endpoints, echo, [endpoint])
        busy = set(range(1, clients + 1))

        async def run_client(client: int) -> None:
            await trio.sleep(PER_CLIENT * (client - 1))
            await ask(story, client, requests, endpoint.address[1], retry_for(loss, clients), seed)
            busy.remove(client)
            if not busy:
                nursery.cancel_scope.cancel()  # the server would serve for ever

        for client in sorted(busy):
            nursery.start_soon(run_client, client)


async def echo(datagram: Datagram) -> bytes:
    """The whole server: it answers what it is asked."""
    return datagram.data


async def ask(story: Story, client: int, requests: int, port: int, retry: Retry, seed: int) -> None:
    """One client: one request after another, each until it is answered."""
    random = Random(f"{seed} client {client}")
    with observe(story.watch(client)):
        async with await open_udp_client("127.0.0.1", port, random=random) as udp_client:
            for request in range(1, requests + 1):
                question = payload(client, request)
                try:
                    await udp_client.request(question, retry=retry, accept=question.__eq__)
                except NoReply:
                    pass  # the story has told it


def retry_for(loss: float, clients: int) -> Retry:
    """A schedule with enough attempts for a network like this, as far as there are enough, and time for all clients."""
    failing = 1 - (1 - loss) ** 2  # the request gets lost, or its reply
    if failing == 1:
        attempts = HOPELESS_ATTEMPTS
    elif failing == 0:
        attempts = 1
    else:
        attempts = min(math.ceil(math.log(ACCEPTED_FAILURES) / math.log(failing)), MOST_ATTEMPTS)
    slower = max(1.0, PER_CLIENT * clients / FIRST_WAIT)
    return Retry(attempts=attempts, first=slower * FIRST_WAIT, multiplier=GROWTH, maximum=slower * LONGEST_WAIT)


def summary(story: Story, args: argparse.Namespace) -> dict[str, float | None]:
    """The totals, by the names that programs know them by; times in seconds."""
    median, high = story.round_trip(0.5), story.round_trip(0.99)
    return {
        "requests": args.clients * args.requests,
        "answered": story.answered,
        "attempts": story.attempts,
        "lost_to_server": story.lost[TO_SERVER],
        "lost_to_client": story.lost[TO_CLIENT],
        "seed": args.seed,
        "loss": args.loss,
        "clients": args.clients,
        "round_trip_median": None if median is None else round(median, 6),
        "round_trip_p99": None if high is None else round(high, 6),
        "duration": round(trio.current_time() - story.started, 6),
    }


def print_summary(story: Story, args: argparse.Namespace) -> None:
    """The same for a person."""
    totals = summary(story, args)
    rows = [(name.replace("_", " "), str(totals[name])) for name in ("requests", "answered", "attempts")]
    rows += [
        ("lost to the server", str(totals["lost_to_server"])),
        ("lost to the clients", str(totals["lost_to_client"])),
    ]
    for name, label in (("round_trip_median", "round trip, median"), ("round_trip_p99", "round trip, 99th percentile")):
        value = totals[name]
        rows.append((label, "-" if value is None else milliseconds(value)))
    rows.append(("duration", f"{totals['duration']:.2f} s"))
    print()
    for line in table(rows):
        print(line)
