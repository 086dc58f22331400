"""Every public async function, cancelled at every moment that it has, and interrupted by Ctrl-C at every one.

Each scenario is played again and again, and its call is cancelled at the first moment of any task, then at the second,
and so on, until the call is over before its moment comes. Each time the same must hold:

    Nothing but a cancellation comes out of the call, or it has done what it was asked to.
    No task is left that was not there before, and no socket open that nobody has.
    Nothing is lost that need not be, and what was called can still be used: that is what each scenario looks at.

A scenario is an async function with ``@scenario("what it is about")``: it sets up what it needs, makes one call through
``cut``, and looks at what has become of it. What is public, is awaited and has none fails the last tests here:
functions and methods, those of the rooms as well, and whatever makes an object that is called like one (guards). Where
a room has a test of its own for it, `ELSEWHERE` says which.
"""

from __future__ import annotations

import inspect
import pkgutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trio
import trio.testing

import trio_udp
import trio_udp.relay
from trio_udp import (
    Datagram,
    NoReply,
    Retry,
    UDPChannel,
    UDPEndpoint,
    UDPStatistics,
    cache_replies,
    first_reply,
    limit_amplification,
    limit_rate,
    log_errors,
    open_udp_channel,
    open_udp_client,
    open_udp_endpoint,
    open_udp_endpoints,
    serve_endpoints,
    serve_peers,
    serve_udp,
    serve_udp_peers,
)
from trio_udp._crew import Crew
from trio_udp._idle import Idle
from trio_udp._peer import Peer
from trio_udp._replies import Replies
from trio_udp._shelter import serve_in_shelter
from trio_udp._waiting import Waiting
from trio_udp.faults import Link
from trio_udp.relay import Relay, WayStatistics, serve_relay
from trio_udp.testing import VirtualNetwork

from .cancelling import KINDS, MANY, Cut, Result, at_every_moment, at_line, play
from .fakes import closed_port, echo, settled

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

HOST = "127.0.0.1"

Scenario: TypeAlias = Callable[[Cut], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}
ABOUT: set[str] = set()


def scenario(*about: str) -> Callable[[Scenario], Scenario]:
    """These are the public functions that it calls, as `trio_udp` has them."""

    def register(play: Any) -> Scenario:
        SCENARIOS[play.__name__] = play
        ABOUT.update(about)
        return play  # type: ignore[no-any-return]

    return register


async def receive_all(endpoint: UDPEndpoint) -> list[bytes]:
    """What has arrived, and nothing else comes."""
    await settled()
    got: list[bytes] = []
    with trio.move_on_after(0.001):
        while True:
            got += [data for data, _ in await endpoint.receive_many()]
    return got


# -- an endpoint ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_endpoints() -> AsyncIterator[tuple[UDPEndpoint, UDPEndpoint]]:
    with await open_udp_endpoint(HOST) as one, await open_udp_endpoint(HOST) as other:
        yield one, other


async def check_opened(endpoints: list[UDPEndpoint]) -> None:
    with ExitStack() as stack:
        for endpoint in endpoints:
            stack.enter_context(endpoint)
        for endpoint in endpoints:
            here = "::1" if ":" in endpoint.address[0] else HOST
            await endpoint.send(b"x", (here, endpoint.address[1]))
            assert (await endpoint.receive()).data == b"x"


@scenario("open_udp_endpoint")
async def open_one(cut: Cut) -> None:
    if result := await cut(open_udp_endpoint, HOST):
        await check_opened([result.value])


@scenario("open_udp_endpoints")
async def open_several(cut: Cut) -> None:
    if result := await cut(open_udp_endpoints):
        await check_opened(result.value)


@scenario("UDPEndpoint.send")
async def send(cut: Cut) -> None:
    async with two_endpoints() as (one, other):
        result = await cut(one.send, b"1", other.address)
        assert one.statistics().sent == (1 if result else 0)
        await one.send(b"2", other.address)
        assert await receive_all(other) == ([b"1", b"2"] if result else [b"2"])


@scenario("UDPEndpoint.send_many")
async def send_many(cut: Cut) -> None:
    """More than one batch: between two batches it is a checkpoint."""
    wanted = [b"%d" % number * (number % 3) for number in range(70)]
    async with two_endpoints() as (one, other):
        result = await cut(one.send_many, [Datagram(data, other.address) for data in wanted])
        sent = one.statistics().sent
        assert sent == 70 or not result
        await one.send(b"more", other.address)
        assert await receive_all(other) == [*wanted[:sent], b"more"]


async def _receive(cut: Cut, call: Callable[[UDPEndpoint], Awaitable[Any]], *, wait: bool) -> None:
    """Three datagrams are there, or come while it waits: none is lost, and the order is kept."""
    async with two_endpoints() as (one, other), trio.open_nursery() as nursery:

        async def send_three() -> None:
            await trio.sleep(1 if wait else 0)
            await one.send_many([Datagram(b"%d" % number, other.address) for number in range(3)])

        nursery.start_soon(send_three)
        if not wait:
            await settled()
        result = await cut(call, other)
        got = result.value if result else []
        got = [data for data, _ in (got if isinstance(got, list) else [got])]
        await trio.sleep(2)
        assert got + await receive_all(other) == [b"0", b"1", b"2"]
        assert other.statistics().received == 3


CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "receive": lambda endpoint: endpoint.receive(),
    "receive_many": lambda endpoint: endpoint.receive_many(),
    "receive_many_of_two": lambda endpoint: endpoint.receive_many(2),
    "__anext__": lambda endpoint: endpoint.__anext__(),
}

for _name, _call in CALLS.items():
    ABOUT.add(f"UDPEndpoint.{_name.removesuffix('_of_two')}")
    SCENARIOS[f"{_name}_what_is_there"] = partial(_receive, call=_call, wait=False)
    SCENARIOS[f"{_name}_what_comes"] = partial(_receive, call=_call, wait=True)


@scenario("UDPEndpoint.aclose")
async def close_an_endpoint(cut: Cut) -> None:
    """It is closed in any case."""
    endpoint = await open_udp_endpoint(HOST)
    await cut(endpoint.aclose)
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.receive()


# -- servers ----------------------------------------------------------------------------------------------------------


class Started(trio.TaskStatus[Any]):
    """Where a server tells that it has started."""

    def __init__(self) -> None:
        self.value: Any = None
        self._event = trio.Event()

    def started(self, value: Any = None) -> None:
        self.value = value
        self._event.set()

    async def wait(self) -> Any:
        await self._event.wait()
        return self.value


class Asker:
    """Two clients of a server, who ask three things each; then the server may end."""

    def __init__(self, cut: Cut, started: Started) -> None:
        self.replies: list[bytes] = []
        self._cut = cut
        self._started = started

    async def run(self, *endpoints: UDPEndpoint) -> None:
        value = await self._started.wait()
        to = (value if isinstance(value, Relay) else value[0]).address
        for question in (b"1", b"slow", b"3"):
            for endpoint in endpoints:
                await endpoint.send(question, to)
            for endpoint in endpoints:
                with trio.move_on_after(1):
                    self.replies.append((await endpoint.receive()).data)
        await trio.sleep(0.1)
        self._cut.end()


class Handler:
    """Echoes, sometimes slowly, and counts."""

    def __init__(self) -> None:
        self.begun = self.done = 0

    async def __call__(self, datagram: Datagram) -> bytes:
        self.begun += 1
        if datagram.data == b"slow":
            await trio.sleep(0.1)
        self.done += 1
        return datagram.data


async def _serve(cut: Cut, serve: Any, grace_period: float = 0.0, **options: Any) -> None:
    """Whatever was received was handled or is counted as dropped, and each finished reply was sent."""
    started, handler = Started(), Handler()
    async with two_endpoints() as clients, trio.open_nursery() as nursery:
        nursery.start_soon((asker := Asker(cut, started)).run, *clients)
        await cut(serve, handler, grace_period=grace_period, task_status=started, **options)
        nursery.cancel_scope.cancel()
    if started.value is None:
        return
    counts: UDPStatistics = started.value[0].statistics()
    lost = counts.dropped.get("server stopped", 0) + counts.dropped.get("channel closed", 0)
    assert counts.received == handler.begun + lost
    assert counts.errors == {}
    if grace_period:
        assert counts.sent == handler.done == counts.received
    if not cut.has_come:
        assert asker.replies == [b"1", b"1", b"slow", b"slow", b"3", b"3"]


@scenario("serve_udp")
async def serve_a_port(cut: Cut) -> None:
    await _serve(cut, partial(serve_udp, port=0, host=HOST))


@scenario("serve_udp")
async def serve_a_port_with_grace(cut: Cut) -> None:
    await _serve(cut, partial(serve_udp, port=0, host=HOST), grace_period=5)


@scenario("serve_udp")
async def serve_a_port_with_one_task(cut: Cut) -> None:
    await _serve(cut, partial(serve_udp, port=0, host=HOST, max_tasks=1))


@scenario("serve_endpoints")
async def serve_two_endpoints(cut: Cut) -> None:
    await _serve(cut, serve_endpoints, endpoints=[await open_udp_endpoint(HOST) for _ in range(2)])


async def _talk(handler: Handler, channel: UDPChannel) -> None:
    async for data in channel:
        await channel.send(await handler(Datagram(data, channel.peer_address)))


async def _serve_peers(serve: Any, handler: Handler, **options: Any) -> None:
    await serve(partial(_talk, handler), **options)


@scenario("serve_udp_peers", "UDPChannel.send", "UDPChannel.__anext__")
async def serve_peers_at_a_port(cut: Cut) -> None:
    await _serve(cut, partial(_serve_peers, serve_udp_peers, port=0, host=HOST))


@scenario("serve_udp_peers")
async def serve_peers_with_grace(cut: Cut) -> None:
    await _serve(cut, partial(_serve_peers, serve_udp_peers, port=0, host=HOST), grace_period=5)


@scenario("serve_peers")
async def serve_peers_who_go_when_idle(cut: Cut) -> None:
    endpoints = [await open_udp_endpoint(HOST) for _ in range(2)]
    await _serve(cut, partial(_serve_peers, serve_peers), endpoints=endpoints, idle_timeout=0.05)


@scenario("relay.serve_relay", "relay.relay_endpoints")
async def relay(cut: Cut) -> None:
    """Whatever came to it went on or is counted as dropped, in both directions; the first does it by the second."""
    started, slow = Started(), Link(delay=0.01, jitter=0.02, duplicate=0.3, reorder=0.3)
    async with two_endpoints() as clients, trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, Handler(), 0, host=HOST))
        nursery.start_soon(Asker(cut, started).run, *clients)
        serve = partial(serve_relay, HOST, 0, *server.address, forward=slow, backward=slow)
        await cut(serve, idle_timeout=1.5, task_status=started)
        nursery.cancel_scope.cancel()
    if started.value is not None:
        counts = started.value.statistics()
        assert counts.clients == 0
        for way in (counts.forward, counts.backward):
            _check_way(way)


def _check_way(way: WayStatistics) -> None:
    assert way.received + way.duplicated == way.forwarded + sum(way.dropped.values())


# -- guards ------------------------------------------------------------------------------------------------------------

SLOW, QUICK = Datagram(b"slow", ("192.0.2.1", 7)), Datagram(b"quick", ("192.0.2.1", 7))


@scenario("log_errors", "Guard.__call__")
async def guard_against_errors(cut: Cut) -> None:
    """A cancellation is none, and a failure is one."""
    handler = Handler()

    async def fail_slowly(datagram: Datagram) -> bytes:
        data = await handler(datagram)
        if datagram == SLOW:
            raise ValueError("a bug")
        return data

    guarded = log_errors(fail_slowly)
    result = await cut(guarded, SLOW)
    assert result == (Result(None) if handler.done else None)
    assert guarded.statistics() == ({"ValueError": 1} if result else {})
    assert await guarded(QUICK) == b"quick"


@scenario("limit_amplification")
async def guard_against_amplification(cut: Cut) -> None:
    handler = Handler()

    async def answer(datagram: Datagram) -> bytes:
        return await handler(datagram) * (10 if datagram == SLOW else 3)

    guarded = limit_amplification(answer)
    result = await cut(guarded, SLOW)
    assert result == (Result(None) if handler.done else None)
    assert guarded.statistics() == ({"amplifying reply": 1} if result else {})
    assert await guarded(QUICK) == b"quick" * 3


DAYS = 1e6  # seconds: longer than clocks jump here


@scenario("limit_rate")
async def guard_against_many(cut: Cut) -> None:
    """What was let in has taken its token, whatever becomes of it."""
    guarded = limit_rate(Handler(), rate=1e-6, burst=2)  # one in eleven days: clocks jump here
    result = await cut(guarded, SLOW)
    assert result in (Result(b"slow"), None)
    assert await guarded(QUICK) == b"quick"
    assert await guarded(QUICK) is None
    assert guarded.statistics() == {"over rate": 1}


@scenario("cache_replies")
async def guard_against_duplicates(cut: Cut) -> None:
    """It is cancelled when one waits for its reply, or before: it was not executed, and the next one is."""
    guarded = cache_replies(handler := Handler(), key=lambda datagram: datagram, ttl=DAYS)
    replies: list[bytes | None] = []

    async def come_again() -> None:
        await trio.sleep(0.05)
        replies.append(await guarded(SLOW))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_again)
        result = await cut(guarded, SLOW)
    assert replies == [b"slow"] or (replies == [None] and not result)
    assert await guarded(SLOW) == b"slow"
    assert handler.done == 1
    assert handler.begun == (1 if result else 2)


@scenario("cache_replies")
async def one_that_waits_for_the_reply_to_another(cut: Cut) -> None:
    """That one gets it in any case."""
    guarded = cache_replies(handler := Handler(), key=lambda datagram: datagram, ttl=DAYS)
    replies: list[bytes | None] = []

    async def come_first() -> None:
        replies.append(await guarded(SLOW))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_first)
        await trio.sleep(0.05)
        result = await cut(guarded, SLOW)
    assert replies == [b"slow"]
    assert result in (Result(b"slow"), None)
    assert await guarded(SLOW) == b"slow"
    assert handler.begun == 1
    assert guarded.statistics() == {"duplicate": 2}


async def _serve_guarded(handler: Handler, **options: Any) -> None:
    guarded = log_errors(limit_amplification(cache_replies(handler, key=lambda datagram: datagram)))
    await serve_udp(limit_rate(guarded, rate=1000, burst=1000), 0, host=HOST, **options)


@scenario("serve_udp", "limit_rate", "log_errors", "limit_amplification", "cache_replies")
async def serve_a_guarded_port(cut: Cut) -> None:
    await _serve(cut, _serve_guarded)


# -- channels ---------------------------------------------------------------------------------------------------------


@scenario("open_udp_channel")
async def open_a_channel(cut: Cut) -> None:
    async with two_endpoints() as (one, _):
        if result := await cut(open_udp_channel, *one.address):
            with result.value as channel:
                await channel.send(b"x")
                assert (await one.receive()).data == b"x"


@scenario("UDPChannel.send_many")
async def send_many_through_a_channel(cut: Cut) -> None:
    wanted = [b"%d" % number for number in range(70)]
    async with two_endpoints() as (one, _):
        with await open_udp_channel(*one.address) as channel:
            result = await cut(channel.send_many, wanted)
            sent = channel.statistics().sent
            assert sent == 70 or not result
            await channel.send(b"more")
            assert await receive_all(one) == [*wanted[:sent], b"more"]


async def _receive_from_channel(cut: Cut, channel: UDPChannel, call: Callable[[Any], Awaitable[Any]]) -> None:
    """Three datagrams come, at once or one after another."""
    result = await cut(call, channel)
    got = [] if result is None else result.value if isinstance(result.value, list) else [result.value]
    with trio.move_on_after(5):
        while len(got) < 3:
            got.append(await channel.receive())
    assert got == [b"0", b"1", b"2"]
    assert channel.statistics().received == 3
    assert channel.statistics().dropped == {}


async def _receive_with_a_channel(cut: Cut, call: Callable[[Any], Awaitable[Any]], *, wait: float) -> None:
    async with two_endpoints() as (one, _), trio.open_nursery() as nursery:
        with await open_udp_channel(*one.address) as channel:
            await channel.send(b"where am I?")
            to = (await one.receive()).address

            async def send_three() -> None:
                for number in range(3):
                    await trio.sleep(wait)
                    await one.send(b"%d" % number, to)

            nursery.start_soon(send_three)
            await settled()
            await _receive_from_channel(cut, channel, call)


async def _receive_from_a_peer(cut: Cut, call: Callable[[Any], Awaitable[Any]], *, wait: float) -> None:
    """The same at a server, with a channel of its own kind."""
    over = trio.Event()

    async def handler(channel: UDPChannel) -> None:
        await trio.sleep(0.5)
        await _receive_from_channel(cut, channel, call)
        over.set()

    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp_peers, handler, 0, host=HOST))
        with await open_udp_endpoint(HOST) as one:
            for number in range(3):
                await one.send(b"%d" % number, server.address)
                await trio.sleep(wait)
            await over.wait()
        nursery.cancel_scope.cancel()


for _name, _call in CALLS.items():
    ABOUT.add(f"UDPChannel.{_name.removesuffix('_of_two')}")
    for _wait in (0, 1):
        _when = "what_comes" if _wait else "what_is_there"
        SCENARIOS[f"{_name}_{_when}_to_a_channel"] = partial(_receive_with_a_channel, call=_call, wait=_wait)
        SCENARIOS[f"{_name}_{_when}_from_a_peer"] = partial(_receive_from_a_peer, call=_call, wait=_wait)


@scenario("UDPChannel.aclose")
async def close_a_channel(cut: Cut) -> None:
    async with two_endpoints() as (one, _):
        channel = await open_udp_channel(*one.address)
        await cut(channel.aclose)
        with pytest.raises(trio.ClosedResourceError):
            await channel.receive()


# -- clients ----------------------------------------------------------------------------------------------------------


@scenario("open_udp_client")
async def open_a_client(cut: Cut) -> None:
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, echo, 0, host=HOST))
        if result := await cut(open_udp_client, *server.address):
            with result.value as client:
                assert await client.request(b"x") == b"x"
        nursery.cancel_scope.cancel()


def _key(data: bytes) -> bytes:
    return data[:1]


async def _request(cut: Cut, retry: Retry, seconds: dict[bytes, float], *, others: int = 0, **options: Any) -> None:
    """Whether its reply comes at once, late, at a second attempt or never, it is no other request's."""

    async def answer(datagram: Datagram) -> bytes:
        await trio.sleep(seconds.get(datagram.data, 0))
        return datagram.data

    async def ask(number: int) -> None:
        assert await client.request(b"%d" % number, retry=Retry(3, first=5)) == b"%d" % number

    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, answer, 0, host=HOST))
        async with await open_udp_client(*server.address, **options) as client:
            async with trio.open_nursery() as asking:
                for number in range(others):
                    asking.start_soon(ask, number)
                try:
                    result = await cut(client.request, b"cut", retry=retry)
                except NoReply:
                    assert cut.has_come or retry.span < seconds[b"cut"]
                else:
                    assert result is None or result.value == b"cut"
                    assert await client.request(b"next", retry=Retry(3, first=5)) == b"next"
            await trio.sleep(20)
            assert await client.request(b"last") == b"last"
        nursery.cancel_scope.cancel()


ONCE, TWICE = Retry(1, first=1, jitter=0), Retry(2, first=0.5, jitter=0)

_HOW: dict[str, dict[str, Any]] = {"plain": {}, "correlated": {"correlate": _key}}
for _how, _options in _HOW.items():
    ABOUT.add("UDPClient.request")
    for _others in (0, 3):
        _request_with = partial(_request, others=_others, **_options)
        _name = f"{_how}_request{'_beside_others' if _others else ''}"
        SCENARIOS[_name] = partial(_request_with, retry=ONCE, seconds={})
        SCENARIOS[f"{_name}_sent_twice"] = partial(_request_with, retry=TWICE, seconds={b"cut": 0.6, b"1": 6})
        SCENARIOS[f"{_name}_without_reply"] = partial(_request_with, retry=TWICE, seconds={b"cut": 10, b"next": 2})


@scenario("UDPClient.request")
async def refused_request(cut: Cut) -> None:
    async with await open_udp_client(HOST, await closed_port()) as client:
        with suppress(NoReply):
            assert await cut(client.request, b"cut", retry=TWICE) is None
        with pytest.raises(NoReply):
            await client.request(b"next", retry=TWICE)


@scenario("UDPClient.aclose")
async def close_a_client(cut: Cut) -> None:
    client = await open_udp_client(HOST, 9)
    await cut(client.aclose)
    with pytest.raises(trio.ClosedResourceError):
        await client.request(b"x")


@scenario("first_reply")
async def the_first_reply(cut: Cut) -> None:
    """One that refuses, one that is slow, and one that answers."""
    async with trio.open_nursery() as nursery:
        servers = [(HOST, await closed_port())]
        for handler in (Handler(), echo):
            [server] = await nursery.start(partial(serve_udp, handler, 0, host=HOST))
            servers.append(server.address[:2])
        result = await cut(first_reply, servers, b"slow", stagger=0.05, retry=Retry(2, first=0.3, jitter=0))
        assert result is None or result.value.data == b"slow"
        nursery.cancel_scope.cancel()


# -- a virtual network ------------------------------------------------------------------------------------------------


@scenario("testing.VirtualNetwork.__aenter__", "testing.VirtualNetwork.__aexit__", "testing.Host.run")
async def a_network(cut: Cut) -> None:
    """When it is over, sockets are made as before."""

    async def use() -> None:
        async with VirtualNetwork(Link(delay=0.1)) as network, trio.open_nursery() as nursery:
            server = network.host("10.0.0.1")
            nursery.start_soon(server.run, partial(serve_udp, echo, 7))
            async with await open_udp_client("10.0.0.1", 7) as client:
                assert await client.request(b"x") == b"x"
            server.crash()
            nursery.cancel_scope.cancel()

    async with two_endpoints() as (one, other):
        await cut(use)
    async with two_endpoints() as (three, _):
        assert type(three.socket) is type(one.socket) is type(other.socket)


@scenario("testing.VirtualNetwork.getaddrinfo", "testing.VirtualNetwork.getnameinfo")
async def names_of_a_network(cut: Cut) -> None:
    async def look_up() -> None:
        [(*_, address)] = await network.getaddrinfo("server", 7, 0, trio.socket.SOCK_DGRAM)
        assert await network.getnameinfo(address, trio.socket.NI_NUMERICSERV) == ("server", "7")

    async with VirtualNetwork() as network:
        network.host("10.0.0.1", name="server")
        await cut(look_up)
        await look_up()


# -- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelled_at_every_moment(name: str, kind: str) -> None:
    assert at_every_moment(SCENARIOS[name], kind) > 0


@pytest.mark.parametrize("kind", ["virtual", "fast"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_interrupted_at_every_moment(name: str, kind: str) -> None:
    """Ctrl-C comes out, and nothing else; what was open is closed."""

    def attempt(n: int) -> bool:
        return _has_come(partial(play, SCENARIOS[name], kind, n, _interrupt))

    assert at_every_moment(SCENARIOS[name], kind, attempt) > 0


# What must not be left half-way: what is done to Trio's tasks and nurseries by hand, and in which scenario.
BY_HAND: list[tuple[Callable[..., object], str]] = [
    (Crew._work, "serve_a_port"),
    (Crew._wake_one, "serve_a_port"),
    (Crew._rest, "serve_a_port"),
    (Idle._end_first, "serve_peers_who_go_when_idle"),
    (Peer.close, "serve_peers_at_a_port"),
    (Peer.deliver, "serve_peers_at_a_port"),
    (Peer.receive_one, "serve_peers_at_a_port"),
    (Relay._run, "relay"),
    (Replies.wait, "correlated_request_beside_others"),
    (Waiting.wake, "correlated_request_beside_others"),
    (first_reply, "the_first_reply"),
    (serve_in_shelter, "serve_a_port_with_grace"),
]


@pytest.mark.parametrize(("function", "name"), BY_HAND, ids=lambda each: getattr(each, "__qualname__", ""))
def test_interrupted_at_every_line(function: Callable[..., object], name: str) -> None:
    """Ctrl-C comes out, and not a TrioInternalError later on, when it comes between two lines of what is done by hand.

    Regression: in `Peer.deliver` it left a task asleep that nobody knew of, and in `Relay._run` and
    `first_reply` it broke Trio's stack of nurseries.
    """

    def attempt(n: int) -> bool:
        with at_line(n, function, _interrupt) as has_come:
            _has_come(partial(play, SCENARIOS[name], "virtual", MANY))
            return has_come()

    assert at_every_moment(SCENARIOS[name], "virtual", attempt) > 0


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def _has_come(attempt: Callable[[], bool]) -> bool:
    """What it returns; that Ctrl-C comes out says so, too, and nothing else may."""
    try:
        return attempt()
    except BaseException as error:
        if _leaves(error) != {KeyboardInterrupt}:
            raise
        return True


def _leaves(error: BaseException) -> set[type[BaseException]]:
    if isinstance(error, BaseExceptionGroup):
        return {kind for each in error.exceptions for kind in _leaves(each)}
    return {type(error)}


# -- nothing is forgotten ----------------------------------------------------------------------------------------------

# The rooms that have such a test of their own: with certificates, or with processes.
ELSEWHERE = {
    "dtls.open_dtls_channel": "dtls/test_cancellation.py::test_opening",
    "dtls.serve_dtls": "dtls/test_cancellation.py::test_serving",
    "dtls.serve_dtls_peers": "dtls/test_cancellation.py::test_serving",
    "workers.serve_workers": "test_workers.py::test_cancelled_at_every_moment",
}

PROGRAMS = {"cli"}  # nothing to be called from outside


def _rooms() -> Iterator[tuple[str, Any]]:
    """What is public, and how its names begin."""
    yield "", trio_udp
    for _, name, _ in pkgutil.iter_modules(trio_udp.__path__):
        if not name.startswith("_") and name not in PROGRAMS:
            yield f"{name}.", import_module(f"trio_udp.{name}")


def test_every_async_function_has_a_scenario() -> None:
    found = {prefix + name for prefix, module in _rooms() for name in _async_functions(module)}
    assert found == ABOUT | set(ELSEWHERE)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_or_a_test_of_its_own(name: str) -> None:
    file, _, test = ELSEWHERE[name].partition("::")
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    body = text.partition(f"\ndef {test}(")[2].partition("\n\n\n")[0]
    assert "at_every_moment(" in body
    assert name.partition(".")[2] in body


def _async_functions(module: Any) -> set[str]:
    public = {name: getattr(module, name) for name in module.__all__}
    found = set()
    for name, value in public.items():
        if inspect.isclass(value):
            ours = [each for each in value.__mro__ if each.__module__.startswith("trio_udp")]
            members = {member: function for each in ours for member, function in vars(each).items()}
            found |= {f"{name}.{member}" for member, function in members.items() if _is_async(function)}
        elif _is_async(value):
            found.add(name)
    makers = {f"{name}.__call__": name for name in public if f"{name}.__call__" in found}
    for name, value in public.items():
        if inspect.isfunction(value) and f"{inspect.signature(value).return_annotation}.__call__" in makers:
            found.add(name)
    return found


def _is_async(member: object) -> bool:
    if not inspect.isfunction(member) or (member.__name__.startswith("_") and member.__name__ not in SPECIAL):
        return False
    returns = str(inspect.signature(member).return_annotation)
    return inspect.iscoroutinefunction(member) or returns.startswith(("Coroutine", "Awaitable"))


SPECIAL = {"__aenter__", "__aexit__", "__anext__", "__call__"}
