"""What an echo costs: one server, asked as much as it can take, or as little.

CPU time is what a server runs out of, and it moves less than throughput when the machine has other work. The load
polls on its own core and always asks, so the server should never be idle; `busy`, its CPU time over the time that
passed, shows whether that was so. Where it is well below 1, the load was not fast enough, or one of the cores was taken
by somebody else, and the server was measured with more wake-ups and smaller bursts than meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from ..process import BenchmarkFailed, Process, python, running
from . import Bench, Figures, Measure, Subject

SIZE = 42  # bytes of payload
_LOAD_GRACE = 10  # seconds that the load may take beyond what it was told


class Load(NamedTuple):
    """How much is asked at once: so many clients, each with so many requests in flight; or so many altogether."""

    clients: int
    window: int
    way: str = "each"

    def __str__(self) -> str:
        return f"{self.clients}x{self.window}"


Command = Callable[[Bench], Sequence[object]]


def _python(module: str, *arguments: object) -> Command:
    return lambda bench: python(f"echoes.{module}", *arguments)


def _c(way: str) -> Command:
    return lambda bench: [bench.programs["echo"], way]


C_ECHO = _c("recvmmsg")


def ask(bench: Bench, port: int, load: Load, seconds: float) -> dict[str, float]:
    """Ask the server at `port` for so long; what the load says."""
    command = [bench.programs["load"], load.way, port, load.clients, load.window, seconds, SIZE]
    with running("the load", command, bench.cores.load) as process:
        told: dict[str, float] = process.hear(within=seconds + _LOAD_GRACE)
    if not told["replies"] or told["wrong"]:
        raise BenchmarkFailed(f"no echo server answers on port {port}: {json.dumps(told)}")
    return told


def _measure_server(bench: Bench, server: Process, port: int, load: Load) -> Figures:
    ask(bench, port, load, bench.warm_up)
    before = server.spent()
    told = ask(bench, port, load, bench.seconds)
    spent = server.spent().since(before)
    asked = told["replies"] + told["lost"]
    figures = {"round trip": told["round_trip"] * 1e6} if load.clients == load.window == 1 else {}
    return figures | {
        "cpu": spent.cpu * 1e6 / told["replies"],
        "kernel": spent.kernel_share,
        "rate": told["replies"] / told["seconds"],
        "busy": spent.cpu / told["seconds"],
        "lost": told["lost"] / asked,
    }


@contextmanager
def serving(bench: Bench, name: str, command: Command, core: int) -> Iterator[tuple[Process, int]]:
    """An echo server and its port."""
    with running(name, command(bench), core) as server:
        port: Any = server.hear()
        yield server, port


def sample(name: str, command: Command, load: Load, bench: Bench) -> Figures:
    """Measure one echo server under one load."""
    with serving(bench, name, command, bench.cores.server) as (server, port):
        return _measure_server(bench, server, port, load)


def _sample_relay(load: Load, bench: Bench) -> Figures:
    with (
        serving(bench, "c-recvfrom", _c("recvfrom"), bench.cores.load) as (_, target),
        serving(bench, "relay", _python("relay", target), bench.cores.server) as (server, port),
    ):
        return _measure_server(bench, server, port, load)


_SERVERS: dict[str, tuple[Command, str | None]] = {
    "trio_udp": (_python("trio_udp"), None),
    "trio": (_python("trio"), None),
    "anyio-trio": (_python("anyio", "trio"), "anyio"),
    "anyio-asyncio": (_python("anyio", "asyncio"), "anyio"),
    "asyncio": (_python("asyncio"), None),
    "uvloop": (_python("uvloop"), "uvloop"),
    "asyncudp": (_python("asyncudp"), "asyncudp"),
    "asyncio-dgram": (_python("asyncio_dgram"), "asyncio_dgram"),
    "easynetwork": (_python("easynetwork"), "easynetwork"),
    "twisted": (_python("twisted"), "twisted"),
    "gevent": (_python("gevent"), "gevent"),
    "socketserver": (_python("socketserver"), None),
    "blocking": (_python("blocking"), None),
    "c-recvfrom": (_c("recvfrom"), None),
    "c-recvmmsg": (C_ECHO, None),
    "c-segments": (_c("segments"), None),
}


def _subject(name: str, load: Load) -> Subject:
    command, package = _SERVERS[name]
    return Subject(partial(sample, name, command, load), package)


def _watched(way: str, bench: Bench) -> Figures:
    """What one of the four events of an echo costs."""
    load = Load(16, 16)
    silent = sample("trio_udp", _python("trio_udp"), load, bench)["cpu"]
    watched = sample(f"trio_udp, {way}", _python("trio_udp", way), load, bench)["cpu"]
    return {"cpu": watched, "event": (watched - silent) / 4}


def _echo(load: Load) -> Measure:
    subjects = {name: _subject(name, load) for name in _SERVERS}
    for way in ("bulk", "asked"):
        name = f"trio_udp, {way}"
        subjects[name] = Subject(partial(sample, name, _python("trio_udp", way), load))
    subjects["relay"] = Subject(partial(_sample_relay, load))
    question = f"An echo, {load.clients} clients with {load.window} in flight each"
    return Measure("echo", f"echo {load}", question, subjects)


def _handlers(handler: str, load: Load, question: str) -> Measure:
    commands = {
        "trio_udp": _python("trio_udp", handler),
        "task per datagram": _python("spawning", handler),
        "task per datagram, trio": _python("spawning", handler, "trio"),
    }
    subjects = {name: Subject(partial(sample, name, command, load)) for name, command in commands.items()}
    return Measure("handlers", f"handler {handler}", question, subjects)


def _addresses(count: int) -> Measure:
    load = Load(count, 256, "rotate")
    subjects = {name: _subject(name, load) for name in ("trio_udp", "trio", "uvloop", "c-recvmmsg")}
    return Measure("addresses", f"addresses {count}", f"An echo, 256 in flight, client addresses: {count:,}", subjects)


def _ping_pong() -> Measure:
    names = ("trio_udp", "trio", "anyio-trio", "asyncio", "uvloop", "blocking", "c-recvfrom")
    subjects = {name: _subject(name, Load(1, 1)) for name in names}
    return Measure("ping-pong", "ping-pong", "An echo, one client with one in flight", subjects)


def _watching() -> Measure:
    subjects = {"trio_udp": Subject(partial(_watched, "observed"))}
    subjects["trio_udp, recorded"] = Subject(partial(_watched, "recorded"))
    return Measure("observing", "observing", "An echo that somebody observes, or records", subjects)


ADDRESSES = (1, 10, 100, 1000, 10_000)
MEASURES = [
    _echo(Load(16, 16)),
    _echo(Load(256, 1)),
    _handlers("checkpoint", Load(16, 16), "An echo whose handler awaits one checkpoint"),
    _handlers("sleep", Load(100, 10), "An echo whose handler sleeps 10 ms, 1,000 in flight"),
    *map(_addresses, ADDRESSES),
    _ping_pong(),
    _watching(),
]
