from __future__ import annotations

import errno
import gc
import itertools
import logging
import random
import signal
import socket as stdlib_socket
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from trio_udp import (
    Datagram,
    DatagramDropped,
    Event,
    Handler,
    Retry,
    UDPEndpoint,
    _crew,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_endpoints,
    serve_udp,
)
from trio_udp._batch import BATCH
from trio_udp._crew import Crew
from trio_udp._errors import bare_exceptions
from trio_udp._outgoing import SEND_PATIENCE
from trio_udp.faults import Link, drop_first
from trio_udp.testing import Host, VirtualNetwork

from .fakes import OtherSockets, echo, settled

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

LOCAL = "127.0.0.1"


def place(on: Host | None) -> dict[str, Any]:
    return {"port": 0, "host": LOCAL} if on is None else {"port": 7, "host": on.addresses[0]}


@asynccontextmanager
async def serving(handler: Handler, *, on: Host | None = None, **options: Any) -> AsyncIterator[UDPEndpoint]:
    """A server for as long as the ``async with`` lasts, then cancelled: on loopback, or at port 7 of a virtual host."""
    async with trio.open_nursery() as nursery:
        with on or nullcontext():
            [endpoint] = await nursery.start(partial(serve_udp, handler, **place(on), **options))
        yield endpoint
        nursery.cancel_scope.cancel()


async def collect(endpoint: UDPEndpoint, count: int) -> list[bytes]:
    """The payloads of the next ``count`` datagrams."""
    got: list[bytes] = []
    while len(got) < count:
        got += [data for data, _ in await endpoint.receive_many()]
    return got


class Gate:
    """A handler that waits until it is told, and knows how many wait with it."""

    def __init__(self) -> None:
        self.opened = trio.Event()
        self.inside = 0
        self.most = 0
        self.started = 0

    async def __call__(self, datagram: Datagram) -> bytes:
        self.inside += 1
        self.started += 1
        self.most = max(self.most, self.inside)
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        return datagram.data


async def slow(datagram: Datagram) -> bytes:
    """A handler that takes a second."""
    await trio.sleep(1)
    return datagram.data


# -- answering --------------------------------------------------------------------------------------------------------


async def test_echo(sockets: str, clock: trio.testing.MockClock) -> None:
    async with serving(echo) as server:
        with await open_udp_endpoint(LOCAL) as client:
            for data in (b"hello", b"", bytes(65507)):
                await client.send(data, server.address)
                assert await client.receive() == (data, server.address)
        await settled()
        statistics = server.statistics()
        assert (statistics.received, statistics.sent) == (3, 3)
        assert statistics.received_bytes == statistics.sent_bytes == 65512
    assert server.statistics() == statistics


async def test_both_families_on_one_port(ipv6: None) -> None:
    async with trio.open_nursery() as nursery:
        endpoints = await nursery.start(serve_udp, echo, 0)
        [port] = {endpoint.address[1] for endpoint in endpoints}
        for host in (LOCAL, "::1"):
            with await open_udp_endpoint(host) as client:
                await client.send(b"hello", (host, port))
                assert (await client.receive()).data == b"hello"
        nursery.cancel_scope.cancel()


async def test_none_is_silence(sockets: str) -> None:
    async def only_even(datagram: Datagram) -> bytes | None:
        return datagram.data if int(datagram.data) % 2 == 0 else None

    async with serving(only_even) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(b"%d" % number, server.address) for number in range(10)])
            assert await collect(client, 5) == [b"0", b"2", b"4", b"6", b"8"]


async def test_any_awaitable_will_do() -> None:
    class Handmade:
        def __init__(self, datagram: Datagram) -> None:
            self.datagram = datagram

        def __await__(self) -> Generator[Any, Any, bytes]:
            yield from trio.lowlevel.checkpoint().__await__()  # noqa: ASYNC105 - this is how a hand-made awaitable awaits
            return self.datagram.data

    async with serving(Handmade) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"hello", server.address)
            assert (await client.receive()).data == b"hello"


async def test_many_clients_at_once_get_each_their_own() -> None:
    async def slow_echo(datagram: Datagram) -> bytes:
        await trio.lowlevel.checkpoint()
        return datagram.data

    answered = []

    async def ask(port: int, number: int) -> None:
        async with await open_udp_client(LOCAL, port) as client:
            assert await client.request(b"%d" % number) == b"%d" % number
            answered.append(number)

    async with serving(slow_echo) as server, trio.open_nursery() as clients:
        for number in range(100):
            clients.start_soon(ask, server.address[1], number)
    assert sorted(answered) == list(range(100))


# -- the crew ---------------------------------------------------------------------------------------------------------


async def test_slow_handlers_run_side_by_side(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    network.link = Link(delay=0.25)
    async with serving(slow, on=server) as endpoint:
        with await open_udp_endpoint("0.0.0.0") as client:
            await client.send_many([Datagram(b"%d" % number, endpoint.address) for number in range(200)])
            got = await collect(client, 200)
            assert trio.current_time() == 1.5
            assert sorted(map(int, got)) == list(range(200))


async def test_a_slow_one_does_not_hold_up_the_quick(sockets: str) -> None:
    gate = Gate()

    async def handler(datagram: Datagram) -> bytes:
        return await gate(datagram) if datagram.data == b"slow" else datagram.data

    async with serving(handler, max_tasks=2) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"slow", server.address)
            for number in range(20):
                await client.send(b"%d" % number, server.address)
                assert (await client.receive()).data == b"%d" % number
            gate.opened.set()
            assert (await client.receive()).data == b"slow"


async def test_max_tasks_is_kept_and_the_rest_waits_outside(sockets: str, clock: trio.testing.MockClock) -> None:
    gate = Gate()
    async with serving(gate, max_tasks=5) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(b"%d" % number, server.address) for number in range(300)])
            await settled()
            assert gate.inside == 5
            assert server.statistics().received <= 5 + BATCH  # the kernel keeps the others
            gate.opened.set()
            assert sorted(map(int, await collect(client, 300))) == list(range(300))
        assert gate.most == 5


async def test_a_finished_reply_never_waits_for_another_handler(sockets: str, clock: trio.testing.MockClock) -> None:
    """One task, and the next datagram's handler blocks: the reply before it must be out already."""
    gate = Gate()

    async def handler(datagram: Datagram) -> bytes:
        return await gate(datagram) if datagram.data == b"block" else datagram.data

    async with serving(handler, max_tasks=1) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many(
                [
                    Datagram(b"quick", server.address),
                    Datagram(b"block", server.address),
                    Datagram(b"next", server.address),
                ]
            )
            assert (await client.receive()).data == b"quick"
            await settled()
            assert gate.inside == 1
            gate.opened.set()
            assert await collect(client, 2) == [b"block", b"next"]


async def test_handlers_that_never_wait_need_one_task() -> None:
    tasks = set()

    async def handler(datagram: Datagram) -> bytes:
        tasks.add(trio.lowlevel.current_task())
        return datagram.data

    async with serving(handler) as server:
        with await open_udp_endpoint(LOCAL) as client:
            for _ in range(5):
                await client.send_many([Datagram(b"x", server.address)] * 100)
                await collect(client, 100)
    assert len(tasks) == 1


async def test_endpoints_share_max_tasks_and_each_may_always_run_one() -> None:
    gate = Gate()
    endpoints = [await open_udp_endpoint(LOCAL) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_endpoints, gate, endpoints, max_tasks=5))
        with await open_udp_endpoint(LOCAL) as client:
            for endpoint in endpoints:
                await client.send_many([Datagram(b"x", endpoint.address)] * 10)
                await trio.testing.wait_all_tasks_blocked()
            # 3 + 1 + 1: two places are anybody's, the first endpoint has them, and each of the others has its own.
            assert [endpoint.statistics().received > 0 for endpoint in endpoints] == [True] * 3
            assert gate.inside == 5
            gate.opened.set()
            await collect(client, 30)
            assert gate.most == 5
        nursery.cancel_scope.cancel()


async def test_a_place_that_becomes_free_goes_to_the_endpoint_that_waits_for_it() -> None:
    """A long handler at one endpoint, and the places of another are given back: the queue must not wait for it."""
    gates = {b"a": Gate(), b"b": Gate()}

    async def handler(datagram: Datagram) -> bytes:
        if (gate := gates.get(datagram.data)) is not None:
            await gate(datagram)
        return datagram.data

    one, two = [await open_udp_endpoint(LOCAL) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_endpoints, handler, [one, two], max_tasks=3))
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(b"a", one.address)] * 2)
            await trio.testing.wait_all_tasks_blocked()
            await client.send_many([Datagram(b"b", two.address), Datagram(b"quick", two.address)])
            await trio.testing.wait_all_tasks_blocked()
            assert (gates[b"a"].inside, gates[b"b"].inside) == (2, 1)
            gates[b"a"].opened.set()
            assert sorted(await collect(client, 3)) == [b"a", b"a", b"quick"]
            gates[b"b"].opened.set()
            assert await collect(client, 1) == [b"b"]
        nursery.cancel_scope.cancel()


async def test_max_tasks_may_be_fewer_than_endpoints() -> None:
    gate = Gate()
    endpoints = [await open_udp_endpoint(LOCAL) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_endpoints, gate, endpoints, max_tasks=1))
        with await open_udp_endpoint(LOCAL) as client:
            for endpoint in endpoints:
                await client.send_many([Datagram(b"x", endpoint.address)] * 2)
            await trio.testing.wait_all_tasks_blocked()
            assert gate.inside == 2
            gate.opened.set()
            await collect(client, 4)
        nursery.cancel_scope.cancel()


async def test_a_waiting_handlers_frames_can_be_seen() -> None:
    """Task introspection looks through the piece of ours that drives the handler."""
    gate = Gate()
    found: list[str] = []

    async def deep_down(datagram: Datagram) -> bytes:
        return await gate(datagram)

    async with trio.open_nursery() as nursery:
        [endpoint] = await nursery.start(partial(serve_udp, deep_down, 0, host=LOCAL))
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"x", endpoint.address)
            await trio.testing.wait_all_tasks_blocked()
            pending = [trio.lowlevel.current_root_task()]
            for task in pending:
                assert task is not None
                pending += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
                names = [frame.f_code.co_name for frame, _ in task.iter_await_frames()]
                if "deep_down" in names:
                    found = names[names.index("_work") :]
                    assert task.name == f"trio_udp handlers at {LOCAL}:{endpoint.address[1]}"
        nursery.cancel_scope.cancel()
    assert found[:5] == ["_work", "_empty_queue", "deep_down", "__call__", "wait"]


def crew_tasks(endpoint: UDPEndpoint) -> list[trio.lowlevel.Task]:
    """The members of a server's crew, wherever they are in the tree of tasks."""
    found, pending = [], [trio.lowlevel.current_root_task()]
    for task in pending:
        assert task is not None
        pending += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        if task.name == f"trio_udp handlers at {endpoint.address[0]}:{endpoint.address[1]}":
            found.append(task)
    return found


async def test_the_crew_grows_only_when_a_handler_waits() -> None:
    gate = Gate()

    async def handler(datagram: Datagram) -> bytes:
        return await gate(datagram) if datagram.data == b"wait" else datagram.data

    async with serving(handler) as server:
        with await open_udp_endpoint(LOCAL) as client:
            for _ in range(5):
                await client.send_many([Datagram(b"x", server.address)] * 20)
                await collect(client, 20)
            assert len(crew_tasks(server)) == 1
            for waiting in range(1, 4):
                await client.send(b"wait", server.address)
                await trio.testing.wait_all_tasks_blocked()
                assert len(crew_tasks(server)) == 1 + waiting
            gate.opened.set()
            await collect(client, 3)
            await client.send_many([Datagram(b"wait", server.address)] * 3)
            await collect(client, 3)
            assert len(crew_tasks(server)) == 4  # who rested was woken, nobody new was needed


async def test_a_reply_that_waits_for_the_buffer_holds_up_nobody_else() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    async with serving(echo) as server:
        # Two tasks cannot wait for one socket to become writable, so what is tested is that the handlers go on.
        handled: list[bytes] = []

        async def handler(datagram: Datagram) -> bytes:
            handled.append(datagram.data)
            return datagram.data

        async with serving(handler) as other:
            socket, blocked = factory.made[1], trio.Event()
            sendto = socket.sendto

            async def blocked_at_first(*args: Any) -> int:
                await blocked.wait()
                return await sendto(*args)

            socket.sendto = blocked_at_first  # type: ignore[method-assign]
            with await open_udp_endpoint(LOCAL) as client:
                await client.send_many([Datagram(b"%d" % number, other.address) for number in range(3)])
                await trio.testing.wait_all_tasks_blocked()
                assert sorted(handled) == [b"0", b"1", b"2"]
                blocked.set()
                assert sorted(await collect(client, 3)) == [b"0", b"1", b"2"]
        assert server.statistics().received == 0


def test_ctrl_c_while_a_handler_begins_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: it was thrown into a handler that was still to be woken by somebody: a TrioInternalError later."""
    event, log = trio.Event(), list[str]()
    hand_over = Crew.hand_over

    def interrupted(self: Crew) -> None:
        signal.raise_signal(signal.SIGINT)
        hand_over(self)

    async def handler(datagram: Datagram) -> None:
        try:
            await event.wait()
        except trio.Cancelled:
            log.append("cancelled")
            raise

    async def main() -> None:
        try:
            with await open_udp_endpoint(LOCAL) as client:
                server = await open_udp_endpoint(LOCAL)
                await client.send(b"x", server.address)
                monkeypatch.setattr(Crew, "hand_over", interrupted)
                await serve_endpoints(handler, [server])
        finally:
            event.set()
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert log == ["cancelled"]


async def test_other_tasks_run_beside_a_saturated_server() -> None:
    """However fast the datagrams come, everybody else gets a turn after each batch."""
    turns = []

    async def handler(datagram: Datagram) -> None:
        turns.append("handler")

    async with serving(handler) as server:
        with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as client:
            for _ in range(200):  # as many as fit the smallest buffers that Linux systems have
                client.sendto(b"x", server.address)
            while turns.count("handler") < 200:
                await trio.lowlevel.checkpoint()
                turns.append("other")
    longest = max(len(run) for run in "".join(turn[0] for turn in turns).split("o"))
    assert longest <= 128


async def test_other_tasks_run_beside_handlers_that_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a batch of 64 handlers that take a millisecond each held everybody else up for 64."""
    monkeypatch.setattr(_crew, "perf_counter", partial(next, itertools.count(step=2 * _crew.TURN)))
    turns = []

    async def handler(datagram: Datagram) -> None:
        turns.append("handler")

    async with serving(handler) as server:
        with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as client:
            for _ in range(50):
                client.sendto(b"x", server.address)
            while turns.count("handler") < 50:
                await trio.lowlevel.checkpoint()
                turns.append("other")
    longest = max(len(run) for run in "".join(turn[0] for turn in turns).split("o"))
    assert longest <= 2  # the last of a round, and the first of the next


class Computing:
    """A clock that only handlers move, by computing; and the longest that others had to wait for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.longest = 0.0
        monkeypatch.setattr(_crew, "perf_counter", lambda: self.now)

    async def look_until(self, done: Callable[[], bool]) -> None:
        """Be one of the other tasks."""
        while not done():
            before = self.now
            await trio.lowlevel.checkpoint()
            self.longest = max(self.longest, self.now - before)


@pytest.mark.parametrize("then_waits", [False, True])
async def test_other_tasks_run_beside_many_members_that_compute(
    monkeypatch: pytest.MonkeyPatch, then_waits: bool
) -> None:
    """Regression: each of 64 members that were woken together took a datagram and computed for a millisecond."""
    gate, computing, done = Gate(), Computing(monkeypatch), 0

    async def handler(datagram: Datagram) -> None:
        nonlocal done
        if datagram.data == b"wait":
            await gate(datagram)
            return
        computing.now += 0.9e-3
        if then_waits:
            await trio.lowlevel.checkpoint()
        done += 1

    async with serving(handler) as server:
        with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as client:
            for _ in range(64):
                client.sendto(b"wait", server.address)
            await computing.look_until(lambda: gate.inside == 64)
            for _ in range(64):
                client.sendto(b"work", server.address)
            gate.opened.set()
            await computing.look_until(lambda: done == 64)
    assert computing.longest <= 6e-3  # of 58: four before the clock is read, and as much again in the next round


# -- handlers that go wrong -----------------------------------------------------------------------------------------


async def test_what_a_handler_raises_ends_the_server_and_comes_out_bare(sockets: str) -> None:
    """Replies that were finished before go out."""

    async def handler(datagram: Datagram) -> bytes:
        if datagram.data == b"boom":
            raise KeyError("boom")
        return datagram.data

    with await open_udp_endpoint(LOCAL) as client:
        with pytest.raises(KeyError, match="boom"):
            async with open_task(serve_udp, handler) as server:
                names = [b"1", b"2", b"boom", b"3"]
                await client.send_many([Datagram(name, server.address) for name in names])
                await trio.sleep_forever()
        # On sockets that are not Trio's own, other members are about while one sends: "3" may be handled, too.
        assert (await collect(client, 2))[:2] == [b"1", b"2"]
    with pytest.raises(trio.ClosedResourceError):
        await server.send(b"x", (LOCAL, 9))


@asynccontextmanager
async def open_task(
    serve: Callable[..., Awaitable[object]], handler: Handler, *, on: Host | None = None, **options: Any
) -> AsyncIterator[UDPEndpoint]:
    """As `serving`, but what the server raises is raised here without this nursery's group."""
    caught: list[BaseException] = []

    async def run(task_status: trio.TaskStatus[Any]) -> None:
        try:
            with on or nullcontext():
                await serve(handler, **place(on), task_status=task_status, **options)
        except Exception as error:
            caught.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        [endpoint] = await nursery.start(run)
        yield endpoint
        nursery.cancel_scope.cancel()
    for error in caught:
        raise error


async def test_a_failure_among_cancelled_handlers_with_nurseries_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    """Regression: a group of nothing but Cancelled was taken for the failure, and the real one was only logged."""

    async def handler(datagram: Datagram) -> None:
        if datagram.data == b"nursery":
            async with trio.open_nursery() as inner:
                inner.start_soon(trio.sleep_forever)
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("while being cancelled")

    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        with pytest.raises(KeyError, match="while being cancelled"), bare_exceptions():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_endpoints, handler, [server])
                await client.send_many([Datagram(b"nursery", server.address), Datagram(b"x", server.address)])
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
    assert caplog.records == []


async def test_cancelled_handlers_with_nurseries_are_no_failures(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(datagram: Datagram) -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)

    async with serving(handler) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(b"x", server.address)] * 3)
            await trio.testing.wait_all_tasks_blocked()
    assert caplog.records == []


async def test_a_handler_that_raises_after_waiting() -> None:
    async def handler(datagram: Datagram) -> bytes:
        await trio.lowlevel.checkpoint()
        raise KeyError("later")

    with await open_udp_endpoint(LOCAL) as client, pytest.raises(KeyError, match="later"):
        async with open_task(serve_udp, handler) as server:
            await client.send(b"x", server.address)
            await trio.sleep_forever()


async def test_a_group_that_the_handler_made_stays_one() -> None:
    async def handler(datagram: Datagram) -> bytes:
        async with trio.open_nursery():
            raise KeyError("inside")

    with await open_udp_endpoint(LOCAL) as client, pytest.raises(ExceptionGroup) as caught:
        async with open_task(serve_udp, handler) as server:
            await client.send(b"x", server.address)
            await trio.sleep_forever()
    [error] = caught.value.exceptions
    assert isinstance(error, KeyError)


@pytest.mark.parametrize("wait", [False, True])
async def test_a_reply_that_is_not_bytes(wait: bool, sockets: str) -> None:
    async def handler(datagram: Datagram) -> Any:
        if wait:
            await trio.lowlevel.checkpoint()
        return "text"

    with await open_udp_endpoint(LOCAL) as client:
        with pytest.raises(TypeError, match="a handler returns bytes or None, not str"):
            async with open_task(serve_udp, handler) as server:
                await client.send(b"x", server.address)
                await trio.sleep_forever()


@pytest.mark.parametrize("watched", [False, True])
async def test_a_handler_that_is_not_async(watched: bool) -> None:
    """Regression: with an observer it was another error, about an object that cannot be awaited."""

    def handler(datagram: Datagram) -> Any:
        return datagram.data

    events: list[Event] = []
    with await open_udp_endpoint(LOCAL) as client, observe(events.append) if watched else nullcontext():
        with pytest.raises(TypeError, match="must be an async function; this one returned b'x'"):
            async with open_task(serve_udp, handler) as server:
                await client.send(b"x", server.address)
                await trio.sleep_forever()


async def test_a_type_error_of_an_old_style_coroutine_is_its_own() -> None:
    """Regression: it was taken for a handler that is not async at all."""

    async def mistaken() -> bytes:
        await trio.lowlevel.checkpoint()
        raise TypeError("my own")

    @types.coroutine
    def handler(datagram: Datagram) -> Generator[Any, Any, bytes]:
        return (yield from mistaken().__await__())

    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send(b"x", server.address)
        with pytest.raises(TypeError, match="my own"):
            await serve_endpoints(handler, [server])


async def test_a_handler_may_cancel_itself() -> None:
    async def handler(datagram: Datagram) -> bytes:
        with trio.move_on_after(0):
            await trio.sleep_forever()
        return b"gave up"

    async with serving(handler, max_tasks=1) as server:
        with await open_udp_endpoint(LOCAL) as client:
            for _ in range(3):
                await client.send(b"x", server.address)
                assert (await client.receive()).data == b"gave up"


async def test_a_handler_that_catches_everything_and_goes_on_can_still_be_cancelled() -> None:
    async def handler(datagram: Datagram) -> None:
        try:
            await trio.sleep_forever()
        finally:
            finished.append(datagram.data)

    finished: list[bytes] = []
    async with serving(handler) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(b"%d" % number, server.address) for number in range(3)])
            await trio.testing.wait_all_tasks_blocked()
    assert sorted(finished) == [b"0", b"1", b"2"]


# -- what the network does --------------------------------------------------------------------------------------------


async def test_a_reply_too_large_is_measured_in_bytes(sockets: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(datagram: Datagram) -> Any:
        return memoryview(bytes(80000)).cast("I") if datagram.data == b"large" else b"small"

    async with serving(handler) as server:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"large", server.address)
            await client.send(b"small", server.address)
            assert (await client.receive()).data == b"small"
    assert "a datagram of 80000 bytes" in caplog.text


async def test_a_reply_too_large_is_dropped_counted_and_logged(sockets: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(datagram: Datagram) -> bytes:
        return bytes(65508) if datagram.data == b"large" else b"small"

    events: list[Event] = []
    with observe(events.append):
        async with serving(handler) as server:
            with await open_udp_endpoint(LOCAL) as client:
                await client.send(b"large", server.address)
                await client.send(b"small", server.address)
                assert (await client.receive()).data == b"small"
                here = client.address
            assert server.statistics().dropped == {"reply too large": 1}
            assert server.statistics().errors == {"EMSGSIZE": 1}
    [dropped] = [event for event in events if isinstance(event, DatagramDropped)]
    assert (dropped.remote, dropped.reason, dropped.outgoing, len(dropped.data)) == (
        here,
        "reply too large",
        True,
        65508,
    )
    [record] = caplog.records
    assert (record.name, record.levelno) == ("trio_udp", logging.ERROR)
    assert record.getMessage() == (
        f"a reply to {LOCAL}:{here[1]} was dropped: a datagram of 65508 bytes: UDP carries at most 65507"
    )


NETWORK_TROUBLE = [errno.ENOBUFS, errno.EPERM, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EINVAL]


@pytest.mark.parametrize("number", NETWORK_TROUBLE)
async def test_a_reply_that_cannot_be_sent_does_not_end_the_server(number: int) -> None:
    async with serving(echo) as server:
        write_now = server._io._write_now
        server._io.segments = None  # or both replies might go together

        def refuse_once(data: bytes, address: Any) -> int:
            server._io._write_now = write_now
            raise OSError(number, "trouble")

        server._io._write_now = refuse_once
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"lost", server.address)
            await client.send(b"fine", server.address)
            assert (await client.receive()).data == b"fine"
        assert server.statistics().errors == {errno.errorcode[number]: 1}


async def test_the_same_on_other_sockets() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    story = [OSError(errno.EPERM, "firewall")]

    def trouble() -> None:
        if story:
            raise story.pop()

    async with serving(echo) as server:
        factory.made[0].before_send = trouble
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"lost", server.address)
            await client.send(b"fine", server.address)
            assert (await client.receive()).data == b"fine"
        assert server.statistics().errors == {"EPERM": 1}


async def test_clients_that_vanish_before_the_reply(sockets: str) -> None:
    async def slow(datagram: Datagram) -> bytes:
        await trio.lowlevel.checkpoint()
        return datagram.data

    async with serving(slow) as server:
        for _ in range(20):
            with await open_udp_endpoint(LOCAL) as vanishing:
                await vanishing.send(b"x", server.address)
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"still there?", server.address)
            assert (await client.receive()).data == b"still there?"


async def test_a_reply_waits_for_room_in_the_buffer_but_not_for_ever(clock: trio.testing.MockClock) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    async with serving(echo) as server:
        socket = factory.made[0]

        async def never(*args: Any) -> int:
            await trio.sleep_forever()
            raise AssertionError

        socket.sendto = never  # type: ignore[method-assign]
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"x", server.address)
            await trio.sleep(SEND_PATIENCE - 0.01)
            assert server.statistics().dropped == {}
            await trio.sleep(0.02)
            assert server.statistics().dropped == {"send buffer full": 1}


async def test_twenty_clients_on_a_bad_network(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """Everybody gets their own, and every datagram that arrived was handled and answered, doubled ones too."""
    network.link = Link(delay=0.05, jitter=0.1, loss=0.3, duplicate=0.1)
    got: list[bytes] = []

    async def ask(host: Host) -> None:
        with host:
            client = await open_udp_client("server", 7, correlate=bytes, random=random.Random(0))
        async with client:
            for number in range(5):
                data = b"%s %d" % (host.name.encode(), number)
                assert await client.request(data, retry=Retry(attempts=50, maximum=2)) == data
                got.append(data)

    async with serving(slow, on=server) as endpoint:
        async with trio.open_nursery() as clients:
            for _ in range(20):
                clients.start_soon(ask, network.host())
        await trio.sleep(5)
        arrived = sum(len(each.delivered) for each in network.datagrams if each.destination == endpoint.address)
        assert endpoint.statistics().received == endpoint.statistics().sent == arrived
    assert len(set(got)) == len(got) == 100


async def test_what_does_not_fit_while_all_handlers_are_busy_is_counted(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """Nothing is lost in silence: each datagram was received, or is among the kernel's drops."""
    gate = Gate()
    with server:
        endpoint = await open_udp_endpoint("10.0.0.1", 7, receive_buffer=20_000)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_endpoints, gate, [endpoint], max_tasks=1))
        with await open_udp_endpoint("0.0.0.0") as client:
            await client.send(b"busy", endpoint.address)
            await settled()
            await client.send_many([Datagram(bytes(1000), endpoint.address)] * 100)
            await settled()
            drops = endpoint.statistics().kernel_drops
            assert drops == sum(datagram.dropped == "buffer full" for datagram in network.datagrams)
            gate.opened.set()
            await trio.sleep(1)
            assert drops
            assert endpoint.statistics().received == 1 + 100 - drops
            assert len(await collect(client, 101 - drops)) == 101 - drops
        nursery.cancel_scope.cancel()


async def test_a_hundred_thousand_random_datagrams() -> None:
    """Whatever comes: no exception, every datagram that was received is answered, and memory does not grow."""
    rng = random.Random(11)
    blocks: list[int] = []
    expected: set[bytes] = set()

    async def reverse(datagram: Datagram) -> bytes:
        return datagram.data[::-1]

    async with serving(reverse) as server:
        with await open_udp_endpoint(LOCAL) as client:
            for number in range(2000):
                payloads = [rng.randbytes(rng.choice([0, 1, 2, 64, 500, 1400])) for _ in range(50)]
                expected = {payload[::-1] for payload in payloads}
                await client.send_many([Datagram(payload, server.address) for payload in payloads])
                with trio.fail_after(60):
                    answered = 0
                    while answered < 50:
                        for data, _ in await client.receive_many():
                            assert data in expected
                            answered += 1
                if number in (400, 1999):
                    gc.collect()
                    blocks.append(sys.getallocatedblocks())
        await trio.testing.wait_all_tasks_blocked()
        statistics = server.statistics()
        assert (statistics.received, statistics.sent) == (100_000, 100_000)
        assert (statistics.dropped, statistics.errors) == ({}, {})
    assert blocks[1] - blocks[0] < 2000  # 80,000 datagrams later


# -- stopping ---------------------------------------------------------------------------------------------------------


async def test_without_grace_cancellation_is_at_once(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    gate = Gate()
    network.link = Link(delay=0.25)
    async with serving(gate, on=server) as endpoint:
        with await open_udp_endpoint("0.0.0.0") as client:
            await client.send(b"x", endpoint.address)
            await trio.sleep(0.5)
            assert gate.inside == 1
    assert trio.current_time() == 0.5
    assert gate.inside == 0


async def test_grace_lets_started_work_finish(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    network.link = Link(delay=0.25)
    with await open_udp_endpoint("0.0.0.0") as client:
        async with serving(slow, on=server, max_tasks=2, grace_period=5) as endpoint:
            await client.send_many([Datagram(b"%d" % number, endpoint.address) for number in range(6)])
            await trio.sleep(0.5)
        # Two at a time since 0.25, each takes a second, and then it ends: nobody sits out the rest of the five.
        assert trio.current_time() == 3.25
        assert sorted(await collect(client, 6)) == [b"%d" % number for number in range(6)]
        assert trio.current_time() == 3.5
        assert endpoint.statistics().received == 6


async def test_a_server_is_replaced_while_the_network_loses(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """The first server stops in the midst of its work. What it has begun it answers; what the network loses of that,
    and what it never got, is asked again, and answered by the server that has taken its place."""
    answered: dict[bytes, float] = {}

    async def ask(data: bytes) -> None:
        async with await open_udp_client("server", 7) as client:
            assert await client.request(data, retry=Retry(first=2, jitter=0)) == data
            answered[data] = trio.current_time()

    lost_request = drop_first(1, match=lambda flight: flight.data == b"lost request")
    lost_reply = drop_first(1, match=lambda flight: flight.source[1] == 7 and flight.data == b"lost reply")
    network.link = Link(delay=0.25)
    with network.rule(lost_request, lost_reply):
        async with trio.open_nursery() as clients:
            async with serving(slow, on=server, grace_period=5) as first:
                for data in (b"lucky", b"lost request", b"lost reply"):
                    clients.start_soon(ask, data)
                await trio.sleep(0.5)
            assert trio.current_time() == 1.25  # what came at 0.25 is done
            async with serving(slow, on=server, grace_period=5) as second:
                await trio.sleep(3)
    assert answered == {b"lucky": 1.5, b"lost request": 3.5, b"lost reply": 3.5}
    for endpoint in (first, second):
        assert (endpoint.statistics().received, endpoint.statistics().sent) == (2, 2)


async def test_resting_members_do_not_delay_the_end(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    with await open_udp_endpoint("0.0.0.0") as client:
        async with serving(slow, on=server, grace_period=50) as endpoint:
            await client.send_many([Datagram(b"x", endpoint.address)] * 5)
            await collect(client, 5)
            start = trio.current_time()
        assert trio.current_time() == start


async def test_max_tasks_is_kept_while_stopping(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """Regression: stopping woke resting members without a place, and they helped with the queue."""
    running: list[int] = []
    now = 0

    async def count(datagram: Datagram) -> bytes:
        nonlocal now
        now += 1
        running.append(now)
        await trio.sleep(1)
        now -= 1
        return datagram.data

    network.link = Link(delay=0.25)
    with server:
        one, two = [await open_udp_endpoint("10.0.0.1") for _ in range(2)]
    with await open_udp_endpoint("0.0.0.0") as client:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_endpoints, count, [one, two], max_tasks=4, grace_period=50))
            await client.send_many([Datagram(b"x", one.address)] * 3)
            await collect(client, 3)  # three members of the first crew rest now
            await client.send_many([Datagram(b"x", two.address)] * 9)
            await trio.sleep(0.5)
            await client.send_many([Datagram(b"x", one.address)] * 9)
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
        taken = one.statistics().received + two.statistics().received - 3
        await collect(client, taken)
        assert max(running) == 4
    assert len(running) == 3 + taken


async def test_places_are_given_back_while_stopping(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """Regression: one crew had ended, and the other one went on with as few tasks as it had had beside it."""
    network.link = Link(delay=0.25)
    with server:
        one, two = [await open_udp_endpoint("10.0.0.1") for _ in range(2)]
    with await open_udp_endpoint("0.0.0.0") as client:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_endpoints, slow, [one, two], max_tasks=6, grace_period=50))
            await client.send_many([Datagram(b"1", one.address)] * 5)
            await trio.testing.wait_all_tasks_blocked()
            await client.send_many([Datagram(b"2", two.address)] * 6)
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
        assert two.statistics().received == 6
        # Since 0.25 the first six take a second; then all places are there for the five that are left.
        assert trio.current_time() == 2.25
        await collect(client, 11)


async def test_a_blocked_reply_goes_out_while_the_server_is_cancelled(clock: trio.testing.MockClock) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    with await open_udp_endpoint(LOCAL) as client:
        async with serving(echo) as server:
            socket = factory.made[-1]
            sendto = socket.sendto

            async def slowly(*args: Any) -> int:
                await trio.sleep(0.5)
                return await sendto(*args)

            socket.sendto = slowly  # type: ignore[method-assign]
            await client.send(b"finished", server.address)
            await trio.testing.wait_all_tasks_blocked()
        assert (await client.receive()).data == b"finished"


async def test_a_full_buffer_does_not_hold_up_the_end(clock: trio.testing.MockClock) -> None:
    """Regression: each reply of the queue waited for its own second, one after another."""
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    gate = Gate()

    async def handler(datagram: Datagram) -> bytes:
        return await gate(datagram) if datagram.data == b"first" else datagram.data

    with await open_udp_endpoint(LOCAL) as client:
        async with serving(handler, max_tasks=1) as server:

            async def never(*args: Any) -> int:
                await trio.sleep_forever()
                raise AssertionError

            factory.made[-1].sendto = never  # type: ignore[method-assign]
            await client.send(b"first", server.address)
            await trio.testing.wait_all_tasks_blocked()
            await client.send_many([Datagram(b"x", server.address)] * 20)
            gate.opened.set()
            await trio.sleep(SEND_PATIENCE + 0.5)  # "first" is given up, and the others have been taken in one go
            assert server.statistics().received == 21
            start = trio.current_time()
        assert trio.current_time() - start <= SEND_PATIENCE
        assert server.statistics().dropped == {"send buffer full": 2, "server stopped": 19}


@pytest.mark.parametrize("grace_period", [0, 1])
@pytest.mark.parametrize("shielded", [False, True])
async def test_after_the_deadline_no_handler_begins(
    clock: trio.testing.MockClock, grace_period: float, shielded: bool
) -> None:
    """Regression: one that kept its cancellation to itself let its task take the next datagram, and the next."""
    begun: list[float] = []

    async def handler(datagram: Datagram) -> bytes:
        begun.append(trio.current_time())
        with trio.CancelScope(shield=shielded), suppress(trio.Cancelled):
            await trio.sleep(2 if shielded else 10)
        return b"late"

    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(b"x", server.address)] * 40)
        with trio.move_on_after(0.5):
            await serve_endpoints(handler, [server], max_tasks=2, grace_period=grace_period)
    assert begun == [0, 0]
    assert trio.current_time() == (2 if shielded else 0.5 + grace_period)
    assert server.statistics().sent == 2
    assert server.statistics().dropped == {"server stopped": 38}


async def test_after_a_failure_no_handler_begins(clock: trio.testing.MockClock) -> None:
    begun: list[bytes] = []

    async def handler(datagram: Datagram) -> None:
        begun.append(datagram.data)
        if datagram.data == b"fail":
            await trio.sleep(0.5)
            raise KeyError
        with trio.CancelScope(shield=True):
            await trio.sleep(1)

    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(data, server.address) for data in (b"fail", *[b"shield"] * 20)])
        with pytest.raises(KeyError):
            await serve_endpoints(handler, [server], max_tasks=2)
    assert begun == [b"fail", b"shield"]
    assert trio.current_time() == 1
    assert server.statistics().dropped == {"server stopped": 19}


async def test_a_reply_that_is_finished_after_the_deadline_still_has_a_moment(
    clock: trio.testing.MockClock,
) -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)

    async def slow_to_stop(datagram: Datagram) -> bytes:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        return datagram.data

    with await open_udp_endpoint(LOCAL) as client:
        async with serving(slow_to_stop) as server:
            socket = factory.made[-1]
            sendto = socket.sendto

            async def slowly(*args: Any) -> int:
                await trio.sleep(SEND_PATIENCE / 2)
                return await sendto(*args)

            socket.sendto = slowly  # type: ignore[method-assign]
            await client.send(b"finished", server.address)
            await trio.sleep(0.75)
        assert (await client.receive()).data == b"finished"


async def test_closing_while_datagrams_are_read_is_a_closed_resource() -> None:
    """Regression: on other sockets it came out as a ValueError about a file descriptor."""
    for steps in range(8):
        trio.socket.set_custom_socket_factory(OtherSockets())
        with await open_udp_endpoint(LOCAL) as client:
            with pytest.raises(trio.ClosedResourceError):
                async with open_task(serve_udp, echo) as server:
                    await trio.testing.wait_all_tasks_blocked()
                    for number in range(5):
                        client.socket.inner._sock.sendto(b"%d" % number, server.address)  # type: ignore[attr-defined]
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    server.close()
                    await trio.sleep_forever()


async def test_what_was_read_when_the_server_stopped_is_handled() -> None:
    """Regression: on other sockets a batch is read in several steps, and a stop in between lost what had been read."""
    for steps in range(12):
        factory = OtherSockets()
        trio.socket.set_custom_socket_factory(factory)
        handled: list[bytes] = []

        async def handler(datagram: Datagram) -> None:
            handled.append(datagram.data)  # noqa: B023

        with await open_udp_endpoint(LOCAL) as client:
            async with serving(handler, grace_period=5) as server:
                await trio.testing.wait_all_tasks_blocked()
                for number in range(5):
                    client.socket.inner._sock.sendto(b"%d" % number, server.address)  # type: ignore[attr-defined]
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
            assert server.statistics().received == len(handled)


async def test_a_stopping_server_receives_no_more(sockets: str, clock: trio.testing.MockClock) -> None:
    gate = Gate()
    with await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            stopping = trio.CancelScope()

            async def serve(task_status: trio.TaskStatus[Any]) -> None:
                with stopping:
                    await serve_udp(gate, 0, host=LOCAL, grace_period=5, task_status=task_status)

            [server] = await nursery.start(serve)
            await client.send(b"in time", server.address)
            await settled()
            stopping.cancel()
            await settled()
            await client.send(b"too late", server.address)
            await settled()
            assert gate.started == 1
            gate.opened.set()
        assert (await client.receive()).data == b"in time"
        assert server.statistics().received == 1


async def test_when_grace_is_over_it_is_over(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    events: list[Event] = []
    network.link = Link(delay=0.25)
    with observe(events.append), await open_udp_endpoint("0.0.0.0") as client:
        async with serving(Gate(), on=server, max_tasks=1, grace_period=2.5) as endpoint:
            await client.send_many([Datagram(b"%d" % number, endpoint.address) for number in range(3)])
            await trio.sleep(0.5)
        assert trio.current_time() == 3.0
    assert endpoint.statistics().dropped == {"handler cancelled": 1, "server stopped": 2}
    dropped = [event for event in events if isinstance(event, DatagramDropped)]
    assert [event.reason for event in dropped] == ["handler cancelled", "server stopped", "server stopped"]
    assert [event.time for event in dropped] == [3.0] * 3


async def test_an_exception_in_the_grace_period_comes_out(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    async def handler(datagram: Datagram) -> bytes:
        await trio.sleep(1)
        raise KeyError("late")

    with await open_udp_endpoint("0.0.0.0") as client, pytest.raises(KeyError, match="late"):
        async with open_task(serve_udp, handler, on=server, grace_period=5) as endpoint:
            network.link = Link(delay=0.25)
            await client.send(b"x", endpoint.address)
            await trio.sleep(0.5)
    assert trio.current_time() == 1.25


@pytest.mark.parametrize("error", [KeyboardInterrupt, KeyError])
async def test_a_failure_while_starting_ends_the_server(error: type[BaseException]) -> None:
    """Regression: Ctrl-C in the instant of starting left the shelter standing without a deadline, for ever."""

    class Status(trio.TaskStatus[Any]):
        def started(self, value: Any = None) -> None:
            raise error

    with trio.fail_after(30), pytest.raises(error):
        await serve_udp(echo, 0, host=LOCAL, grace_period=60, task_status=Status())


async def test_cancelled_before_it_has_begun() -> None:
    with trio.move_on_after(0) as scope:
        await serve_udp(echo, 0, host=LOCAL, grace_period=60)
    assert scope.cancelled_caught


async def test_a_deadline_around_the_server_works(network: VirtualNetwork, clock: trio.testing.MockClock) -> None:
    with pytest.raises(trio.TooSlowError):
        with trio.fail_after(3):
            await serve_udp(echo, 7)
    assert trio.current_time() == 3


async def test_closing_an_endpoint_ends_the_server(sockets: str, clock: trio.testing.MockClock) -> None:
    with pytest.raises(trio.ClosedResourceError):
        async with open_task(serve_udp, echo) as server:
            await settled()
            server.close()
            await trio.sleep_forever()


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tasks": 0}, "max_tasks must be a whole number of at least 1, not 0"),
        ({"max_tasks": 1.5}, r"max_tasks must be a whole number of at least 1, not 1\.5"),
        ({"grace_period": -1}, "grace_period must be a number of seconds of at least 0, not -1"),
        ({"grace_period": float("nan")}, "grace_period must be"),
    ],
)
async def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await serve_udp(echo, 0, host=LOCAL, **options)
    endpoint = await open_udp_endpoint(LOCAL)
    with pytest.raises(ValueError, match=message):
        await serve_endpoints(echo, [endpoint], **options)
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.receive()


async def test_nothing_to_serve() -> None:
    with pytest.raises(ValueError, match="endpoints must not be empty"):
        await serve_endpoints(echo, [])


async def test_a_port_in_use_is_an_os_error() -> None:
    with await open_udp_endpoint(LOCAL) as endpoint, pytest.raises(OSError, match="Address already in use"):
        await serve_udp(echo, endpoint.address[1], host=LOCAL)


async def test_what_is_no_handler_at_all() -> None:
    with pytest.raises(TypeError, match="a handler must be an async function, not None"):
        await serve_udp(None, 0, host=LOCAL)  # type: ignore[arg-type]


async def test_ctrl_c_before_the_first_handler_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: an AttributeError came out in its place, as it was not known yet when the turn had begun."""

    async def be_interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trio_udp._crew.Crew._empty_queue", be_interrupted)
    with await open_udp_endpoint("127.0.0.1") as server, await open_udp_endpoint("127.0.0.1") as client:
        await client.send(b"x", server.address)
        with pytest.raises(KeyboardInterrupt):
            await serve_endpoints(echo, [server])
