"""``python -m tests.benchmarks.soak``: everything at once, for minutes, over networks that do everything wrong.

A leak of one task in ten thousand, or a reply in a million that is given to the wrong request, shows in no test that
lasts a second. Here, in one process and over real loopback sockets, for five minutes:

    Clients ask, are closed and opened again, through relays that lose, delay, reorder and damage, and retry. Half of
    them tell replies apart by ``correlate``, and their relay doubles datagrams as well. The others rely on the client's
    new sockets alone, and no doubling, which those cannot see through. A server answers each after a random wait.
    Peers of `serve_udp_peers` come, say something through such a relay, and go without a word.
    Strangers send garbage to all of them.

A request has its number and a checksum, and its reply is another one for each number: so a reply that was believed and
is wrong is noticed. Told are what was asked and what became of it, what the networks did, and tasks, descriptors and
memory: before the first client and when the last was forgotten, after a warm-up and at the end of the load. It fails if
a reply was wrong, a sum does not add up, or a descriptor is left. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import sys
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import NamedTuple

import trio

from trio_udp import (
    Datagram,
    NoReply,
    Retry,
    UDPChannel,
    UDPClient,
    UDPEndpoint,
    UDPStatistics,
    open_udp_channel,
    open_udp_client,
    open_udp_endpoint,
    serve_udp,
    serve_udp_peers,
)
from trio_udp.faults import Link
from trio_udp.relay import Relay, serve_relay

from .machine import describe
from .peers import resident

HOST = "127.0.0.1"

CLIENTS = 16  # of each kind, and as many peers
REQUESTS = 100  # of one client, until it is closed
WARM_UP = 30.0  # seconds at most, or a tenth of the time
EVERY = 30.0  # seconds between two lines
IDLE = 1.0  # seconds after which peers and clients of relays are forgotten
MOST = 280  # clients of a relay, each with a socket: three of them stay below the usual limit of 1024 open files

BAD = Link(delay=0.001, jitter=0.01, loss=0.03, reorder=0.02, corrupt=0.02, garble=0.01, truncate=0.01)
WORSE = Link(delay=0.001, jitter=0.01, loss=0.03, reorder=0.02, corrupt=0.02, garble=0.01, truncate=0.01, duplicate=0.1)
RETRY = Retry(8, first=0.05, maximum=0.4)

_HEADER = struct.Struct("!QI")  # number, checksum of all the rest


def _message(number: int, body: bytes) -> bytes:
    return _HEADER.pack(number, zlib.crc32(body, zlib.crc32(b"%d" % number))) + body


def _number(data: bytes) -> int | None:
    """The number of a message that is whole."""
    if len(data) < _HEADER.size:
        return None
    number: int = _HEADER.unpack_from(data)[0]
    return number if _message(number, data[_HEADER.size :]) == data else None


def _is_whole(data: bytes) -> bool:
    return _number(data) is not None


def _reply_to(data: bytes) -> bytes | None:
    number = _number(data)
    return None if number is None else _message(number, data[_HEADER.size :][::-1] + b"%d" % number)


class Resources(NamedTuple):
    """What a leak would make more."""

    tasks: int
    descriptors: int
    memory: int  # KiB, resident

    @classmethod
    def now(cls) -> Resources:
        tasks = trio.lowlevel.current_statistics().tasks_living
        return cls(tasks, len(os.listdir("/proc/self/fd")), resident() // 1024)


@dataclass
class Soak:
    """What runs, and what has become of it."""

    random: random.Random
    asked: int = 0
    answered: int = 0
    unanswered: int = 0
    wrong: int = 0
    conversations: int = 0
    garbage: int = 0
    clients: int = 0  # that were opened, one after another
    handled: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    relays: list[Relay] = field(default_factory=list)
    servers: list[UDPEndpoint] = field(default_factory=list)
    numbers: count[int] = field(default_factory=lambda: count(1))

    # -- who answers --------------------------------------------------------------------------------------------------

    async def answer(self, datagram: Datagram) -> bytes | None:
        """Some take no time, some a little, and a few so long that they are asked again."""
        self.handled += 1
        wait = self.random.choice((0, 0, 0.001, 0.01, 0.1))
        if wait:
            await trio.sleep(self.random.random() * wait)
        return _reply_to(datagram.data)

    async def talk(self, channel: UDPChannel) -> None:
        async for data in channel:
            self.handled += 1
            if (reply := _reply_to(data)) is not None:
                await channel.send(reply)

    # -- who asks -----------------------------------------------------------------------------------------------------

    def question(self) -> tuple[bytes, bytes]:
        """A new one, and the only right answer."""
        question = _message(next(self.numbers), self.random.randbytes(self.random.choice((0, 1, 20, 500, 1200))))
        answer = _reply_to(question)
        assert answer is not None
        return question, answer

    def count(self, wanted: bytes, got: bytes | None) -> None:
        self.asked += 1
        if got is None:
            self.unanswered += 1
        elif got == wanted:
            self.answered += 1
        else:
            self.wrong += 1

    async def ask(self, relay: Relay, *, correlated: bool) -> None:
        """A client after another, each with so many requests; where they can be told apart, four at once."""
        key = _number if correlated else None
        while True:
            async with await open_udp_client(*relay.address[:2], correlate=key, random=self.random) as client:
                self.clients += 1
                for _ in range(REQUESTS // 4):
                    async with trio.open_nursery() as nursery:
                        for _ in range(4):
                            nursery.start_soon(self._request, client)
                self.ignored.update(client.statistics().dropped)

    async def _request(self, client: UDPClient) -> None:
        question, wanted = self.question()
        try:
            self.count(wanted, await client.request(question, retry=RETRY, accept=_is_whole))
        except NoReply:
            self.count(wanted, None)

    async def converse(self, relay: Relay) -> None:
        """A peer after another; each asks a few things, until it hears the answer, and goes without a word."""
        while True:
            async with await open_udp_channel(*relay.address[:2]) as channel:
                self.conversations += 1
                for _ in range(self.random.randint(1, 10)):
                    question, wanted = self.question()
                    self.count(wanted, await self._say(channel, question))

    async def _say(self, channel: UDPChannel, question: bytes) -> bytes | None:
        """The answer, if one comes in time; others are of earlier questions."""
        for _ in range(RETRY.attempts):
            await channel.send(question)
            with trio.move_on_after(0.1):
                async for data in channel:
                    if _number(data) == _number(question):
                        return data
        return None

    async def throw_garbage(self) -> None:
        """Who does not belong here: at relays and servers, from ever new addresses."""
        while True:
            async with await open_udp_endpoint(HOST) as stranger:
                for to in [one.address for one in self.relays] + [one.address for one in self.servers]:
                    await stranger.send(self.random.randbytes(self.random.choice((0, 1, 12, 50, 1400))), to)
                    self.garbage += 1
            await trio.sleep(0.02)

    # -- all of it ----------------------------------------------------------------------------------------------------

    async def run(self, seconds: float) -> dict[str, object]:
        """Everything, for so long; what has become of it."""
        async with trio.open_nursery() as nursery:
            await self._start_servers(nursery)
            empty = Resources.now()
            async with trio.open_nursery() as clients:
                for _ in range(CLIENTS):
                    clients.start_soon(partial(self.ask, self.relays[0], correlated=True))
                    clients.start_soon(partial(self.ask, self.relays[1], correlated=False))
                    clients.start_soon(self.converse, self.relays[2])
                clients.start_soon(self.throw_garbage)
                started = trio.current_time()
                await trio.sleep(warm_up := min(WARM_UP, seconds / 10))
                before = Resources.now()
                await self._tell(started, started + seconds)
                after = Resources.now()
                clients.cancel_scope.cancel()
            await trio.sleep(3 * IDLE)
            empty_again = Resources.now()
            nursery.cancel_scope.cancel()
        return {
            **{name: getattr(self, name) for name in ("asked", "answered", "unanswered", "wrong")},
            **{name: getattr(self, name) for name in ("clients", "conversations", "garbage")},
            "replies not believed": dict(self.ignored),
            "faults": self._faults(),
            "before": empty._asdict(),
            f"after {warm_up:g} s": before._asdict(),
            f"after {seconds:g} s": after._asdict(),
            "at rest again": empty_again._asdict(),
            "all adds up": self._adds_up() and empty.descriptors == empty_again.descriptors,
        }

    async def _start_servers(self, nursery: trio.Nursery) -> None:
        echo = partial(serve_udp, self.answer, 0, host=HOST)
        talk = partial(serve_udp_peers, self.talk, 0, host=HOST, max_peers=10_000, idle_timeout=IDLE)
        for serve in (echo, talk):
            self.servers += await nursery.start(serve)
        for server, link in ((0, WORSE), (0, BAD), (1, WORSE)):
            target = self.servers[server].address
            relay = partial(
                serve_relay, HOST, 0, *target[:2], forward=link, backward=link, max_clients=MOST, idle_timeout=IDLE
            )
            self.relays.append(await nursery.start(partial(relay, seed=len(self.relays))))

    async def _tell(self, started: float, end: float) -> None:
        while (now := trio.current_time()) < end:
            await trio.sleep_until(min(now + EVERY, end))
            told = f"asked {self.asked}, answered {self.answered}, unanswered {self.unanswered}, wrong {self.wrong}"
            print(f"{trio.current_time() - started:6.1f} s: {told}; {_as_text(Resources.now())}", flush=True)

    def _faults(self) -> dict[str, int]:
        faults = Counter[str]()
        for relay in self.relays:
            counts = relay.statistics()
            for way in (counts.forward, counts.backward):
                faults.update(way.dropped)
                faults.update(doubled=way.duplicated, damaged=way.damaged)
        return dict(faults)

    def _adds_up(self) -> bool:
        """What was received was handled or dropped, and what came to a relay went on or was dropped."""
        ways = [way for relay in self.relays for way in (relay.statistics().forward, relay.statistics().backward)]
        counts: list[UDPStatistics] = [server.statistics() for server in self.servers]
        return (
            all(way.received + way.duplicated == way.forwarded + sum(way.dropped.values()) for way in ways)
            and sum(each.received for each in counts) == self.handled + sum(_unhandled(each) for each in counts)
            and self.asked == self.answered + self.unanswered + self.wrong
        )


def _unhandled(counts: UDPStatistics) -> int:
    """Datagrams that no handler has seen."""
    reasons = ("server stopped", "channel closed", "too many peers", "peer's buffer full")
    return sum(counts.dropped.get(reason, 0) for reason in reasons)


def _as_text(resources: Resources) -> str:
    return f"{resources.tasks} tasks, {resources.descriptors} descriptors, {resources.memory} KiB"


def main() -> int:
    """Run, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="what chance decides (default: 0)")
    args = parser.parse_args()
    told = trio.run(Soak(random.Random(args.seed)).run, args.minutes * 60)
    machine = {name: describe()[name] for name in ("date", "processor", "kernel", "interpreter")}
    print(json.dumps({**machine, "trio": trio.__version__, **told}))
    return 0 if told["all adds up"] and not told["wrong"] else 1


if __name__ == "__main__":
    sys.exit(main())
