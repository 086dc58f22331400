"""`play`: what the demo shows, the library as anybody would use it.

Loopback itself never loses anything, so between the clients and the server there is a relay that does (`serve_relay`).
What becomes of a datagram hangs on the number that the relay gives to its client, in the order in which they first
appear: so each client begins when the one before it has sent something. And each stays at one port until the end, which
``correlate`` allows it to do.
"""

from __future__ import annotations

import math
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio

from .._client import open_udp_client
from .._errors import NoReply
from .._events import DatagramSent, observe
from .._retry import Retry
from .._serve import serve_udp
from ..relay import serve_relay
from ._story import Story, payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._address import Address
    from .._batch import Datagram
    from .._events import Event
    from ..faults import Link
    from ._faults import Network

# Seconds; some hundred times what an answer over loopback was seen to take (0.2 to 2 ms), so that an attempt that times
# out is one that was lost, and short enough for the whole to take a few seconds.
FIRST_WAIT = 0.2
GROWTH = 1.5
LONGEST_WAIT = 0.5

# Seconds. Many clients are slower: they share one processor with the server. And they start one after another, because
# some hundred datagrams at once are more than the receive buffer holds by default, and nobody could tell the story of
# those that the kernel drops. This is some ten times what a client was seen to take.
PER_CLIENT = 0.002

# Anybody on this machine may send to the relay, and must not take a client's place.
STRANGERS = 1000

# So many attempts that fewer than one request in a billion (1e9) fails.
ACCEPTED_FAILURES = 1e-9
MOST_ATTEMPTS = 1000
HOPELESS_ATTEMPTS = 5

# What chance does not say: a preset's black hole takes everything for 2 seconds. These wait 4.45 seconds and more.
ATTEMPTS_THROUGH_OUTAGES = 10


async def play(story: Story, clients: int, requests: int, network: Network, seed: int) -> None:
    """Server, relay and clients in one nursery, until each client has done its requests."""
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, echo, 0, host="127.0.0.1"), name="server")
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
        relay = await nursery.start(bad_network, name="relay")
        retry = retry_for(network, clients)
        busy = set(range(1, clients + 1))

        def finish(client: int) -> None:
            busy.remove(client)
            if not busy:
                nursery.cancel_scope.cancel()  # server and relay would go on for ever

        for client in range(1, clients + 1):
            asking = partial(ask, story, client, requests, relay.address, retry, seed, finish)
            await nursery.start(asking, name=f"client {client}")
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
