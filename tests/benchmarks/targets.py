"""What trio_udp wants to reach, and whether it has.

A target is a number, or a ratio of two numbers of one run, and a bound. Each is judged twice. *At best*: the best round
of one over the best round of the other, which says what the code can do. *Usually*: the median of the ratios within the
rounds, whose two numbers were measured one after the other. It is "reached" where both are within the bound, "missed"
where neither is, and else "undecided". Ratios are judged as the page shows them, by three digits.

What was missed has to be explained: each target says what its `limit` is, for the page that shows the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from .results import Key, Samples, best


@dataclass(frozen=True)
class Target:
    """A bound for a number, or for its ratio to another one."""

    what: str
    key: Key
    bound: float
    against: Key | None = None
    at_least: bool = False  # a lower bound, not an upper one
    limit: str = field(kw_only=True)  # why it cannot be less, or more, should it be missed


@dataclass(frozen=True)
class Verdict:
    """A target, and how far it was reached."""

    target: Target
    at_best: float
    usually: float

    @property
    def word(self) -> str:
        """Whether it was reached."""
        within = {self._within(self.at_best), self._within(self.usually)}
        if len(within) == 2:
            return "undecided"
        return "reached" if True in within else "missed"

    def _within(self, value: float) -> bool:
        if self.target.against is not None:
            value = float(f"{value:.3g}")
        return value >= self.target.bound if self.target.at_least else value <= self.target.bound


def _cpu(what: str, measure: str, against: str, bound: float, limit: str) -> Target:
    key, other = Key(measure, "trio_udp", "cpu"), Key(measure, against, "cpu")
    return Target(f"{what}: CPU / {against}", key, bound, other, limit=limit)


def _flow(subject: str, figure: str = "rate") -> Key:
    return Key("flow", subject, figure)


_ECHO = "echo, 16 clients with 16 in flight"
_SINGLE = "echo, 256 clients with one in flight"
_SLEEP = "handler sleep"
_ADDRESSES = {count: Key(f"addresses {count}", "trio_udp", "cpu") for count in (100, 1000, 10_000)}

_KERNEL = (
    "the kernel, with one recvfrom for each datagram, and the interpreter. A program in C that makes two system calls "
    "for up to 64 echoes, c-segments in the same table, does not reach the bound either"
)
_SINGLES = (
    "one recvfrom and one sendto for each echo, and the interpreter, where uvloop has compiled code. A bare loop of "
    "the two calls, which is blocking in the same table, is already above the bound against uvloop"
)
_PARTS = (
    "C leaves what came together in one buffer. Here each datagram becomes an object of its own, which takes memory "
    "and a copy, as C with copies does, and the interpreter, which carries lists of them about"
)
_STEPS = (
    "the kernel and the interpreter share the time, as the profile below says: a handler, its coroutine and its "
    "datagram are taken one by one, where the others have no coroutine for each, or are compiled"
)
_PASSES = (
    "a checkpoint is a pass through Trio's scheduler, which costs the same in both ways. What a crew saves is the "
    "making of a task"
)
_STATES = (
    "a flow has two states on this machine, one twice to three times as fast as the other, also for C with C, and this "
    "run was in the slower one"
)
_SPREAD = "more addresses are more memory to go through, for the kernel as well, as c-recvmmsg in the same table shows"
_KEPT = "each event is an object that is made and kept; the rest is finding its task and the line of the program"
_FILES = "each module is a file that Python finds, reads and runs"
_SLEEPING = (
    "two thirds of the time are Trio's in both ways: a sleep is a cancel scope, a deadline and two passes through the "
    "scheduler. What a crew saves is the making of a task"
)
_WAKING = (
    "a round trip is the same two system calls and the same wake-up by Trio in both, and what is left is which of the "
    "two the machine disturbs"
)
_ASKING = (
    "Trio's scheduler, the tasks and its epoll_wait, more than half of the time, are the same in both ways; what one "
    "socket for all saves is the making of sockets"
)

TARGETS = [
    _cpu(_ECHO, "echo 16x16", "c-recvmmsg", 1.35, _STEPS),
    _cpu(_ECHO, "echo 16x16", "uvloop", 0.6, _STEPS),
    _cpu(_ECHO, "echo 16x16", "trio", 1 / 8, _KERNEL),
    _cpu(_ECHO, "echo 16x16", "anyio-trio", 1 / 8, _KERNEL),
    _cpu(_ECHO, "echo 16x16", "easynetwork", 1 / 16, _KERNEL),
    _cpu(_SINGLE, "echo 256x1", "c-recvmmsg", 1.8, _SINGLES),
    _cpu(_SINGLE, "echo 256x1", "uvloop", 0.8, _SINGLES),
    _cpu(_SINGLE, "echo 256x1", "trio", 1 / 6, _KERNEL),
    _cpu("handler that awaits a checkpoint", "handler checkpoint", "task per datagram", 0.75, _PASSES),
    Target(
        "handler that sleeps 10 ms: throughput / task per datagram",
        Key(_SLEEP, "trio_udp", "rate"),
        1.25,
        Key(_SLEEP, "task per datagram", "rate"),
        at_least=True,
        limit=_SLEEPING,
    ),
    Target("flow, endpoints: received a second", _flow("endpoint to endpoint"), 800_000, at_least=True, limit=_STATES),
    Target(
        "flow, endpoint: receive CPU / blocking recvfrom",
        _flow("c to endpoint", "receive cpu"),
        0.35,
        _flow("c to blocking", "receive cpu"),
        limit=_PARTS,
    ),
    Target("flow, channels: received a second", _flow("channel to channel"), 1_200_000, at_least=True, limit=_STATES),
    Target(
        "flow, channel: receive CPU / blocking recvfrom",
        _flow("c to channel", "receive cpu"),
        0.2,
        _flow("c to blocking", "receive cpu"),
        limit=_PARTS,
    ),
    Target(
        "flow, channel: receive CPU / C with GRO",
        _flow("c to channel", "receive cpu"),
        1.5,
        _flow("c to c", "receive cpu"),
        limit=_PARTS,
    ),
    Target(
        "ping-pong: median round trip / trio",
        Key("ping-pong", "trio_udp", "round trip"),
        1.0,
        Key("ping-pong", "trio", "round trip"),
        limit=_WAKING,
    ),
    Target(
        "requests at once: CPU / a task and socket each",
        Key("client", "trio_udp", "cpu"),
        0.5,
        Key("client", "a socket each", "cpu"),
        limit=_ASKING,
    ),
    Target(
        "a request that waits: bytes beyond its task",
        Key("client", "trio_udp, waiting", "memory"),
        2048,
        limit="a request that waits is an object with its payload, in a table and in a heap of deadlines",
    ),
    Target("1,000 addresses: CPU / with 100", _ADDRESSES[1000], 1.25, _ADDRESSES[100], limit=_SPREAD),
    Target("10,000 addresses: CPU / with 100", _ADDRESSES[10_000], 1.25, _ADDRESSES[100], limit=_SPREAD),
    Target("observing: us per event", Key("observing", "trio_udp", "event"), 5, limit=_KEPT),
    Target("recording: us per event", Key("observing", "trio_udp, recorded", "event"), 5, limit=_KEPT),
    Target("import trio_udp after trio: ms", Key("import", "trio_udp", "import"), 15, limit=_FILES),
]


def judge(samples: Samples) -> Iterator[Verdict]:
    """The verdict on each target whose numbers were measured."""
    for target in TARGETS:
        if target.key in samples and (target.against is None or target.against in samples):
            yield _judge(target, samples)


def _judge(target: Target, samples: Samples) -> Verdict:
    rounds = samples[target.key]
    if target.against is None:
        return Verdict(target, best(target.key, rounds), median(rounds))
    others = samples[target.against]
    ratios = [one / other for one, other in zip(rounds, others, strict=True)]
    return Verdict(target, best(target.key, rounds) / best(target.against, others), median(ratios))
