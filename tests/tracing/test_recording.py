"""What a recording gathers, with exact times, and that it changes nothing of what it records."""

from __future__ import annotations

import gc
import math
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes import echo
from trio_udp import (
    DatagramArrived,
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    Retry,
    open_udp_client,
    open_udp_endpoint,
    serve_udp,
)
from trio_udp.faults import Link, drop_first
from trio_udp.testing import Host, VirtualNetwork
from trio_udp.tracing import (
    Entry,
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryDeadlineMoved,
    NurseryOpened,
    Recording,
    ScopeCancelled,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
    Trace,
    record,
    scope,
)

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

LOCAL = "127.0.0.1"


def in_virtual_time(main: Callable[[], Awaitable[Trace]], **options: Any) -> Trace:
    return trio.run(main, clock=MockClock(autojump_threshold=0), **options)


def structure(trace: Trace) -> list[Entry]:
    return [entry for entry in trace.entries if not isinstance(entry, Happened)]


def of_nurseries(trace: Trace) -> list[Entry]:
    kinds = (NurseryOpened, NurseryDeadlineMoved, NurseryCancelled, NurseryClosed)
    return [entry for entry in trace.entries if isinstance(entry, kinds)]


def named(entries: list[Entry]) -> list[str]:
    return [entry.name.rpartition(".")[2] for entry in entries if isinstance(entry, TaskStarted)]


# -- tasks and nurseries -----------------------------------------------------------------------------------------------


def test_every_task_is_in_its_nursery() -> None:
    async def child(seconds: float) -> None:
        await trio.sleep(seconds)

    async def main() -> Trace:
        await trio.sleep(1)
        with record() as recording:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child, 2, name="two")
                await trio.sleep(1)
                nursery.start_soon(child, 3, name="three")
            await trio.sleep(1)
        return recording.trace()

    trace = in_virtual_time(main)
    assert (trace.started, trace.ended, trace.forgotten) == (1, 6, 0)
    main_task, *others = trace.entries
    assert isinstance(main_task, TaskStarted)
    assert (main_task.time, main_task.task, main_task.nursery) == (1, 1, None)
    assert main_task.name.endswith("main")
    assert others == [
        NurseryOpened(1, 1, 1),
        TaskStarted(1, 2, "two", 1),
        TaskStarted(2, 3, "three", 1),
        TaskEnded(3, 2),
        TaskEnded(5, 3),
        NurseryClosed(5, 1),
    ]


def test_nurseries_inside_each_other_and_empty_ones() -> None:
    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery():
                await trio.sleep(1)
                async with trio.open_nursery():
                    pass
                async with trio.open_nursery():
                    await trio.sleep(1)
        return recording.trace()

    assert structure(in_virtual_time(main))[1:] == [
        NurseryOpened(0, 1, 1),
        NurseryOpened(1, 2, 1),
        NurseryClosed(1, 2),
        NurseryOpened(1, 3, 1),
        NurseryClosed(2, 3),
        NurseryClosed(2, 1),
    ]


def test_what_was_there_before() -> None:
    """All of the program's tasks, also those of tasks that the recording task knows nothing of."""

    async def parent() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 5, name="grandchild")

    async def main() -> Trace:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(parent, name="parent")
            nursery.start_soon(trio.sleep, 3, name="sibling")
            await trio.sleep(1)
            with record() as recording:
                await trio.sleep(10)
            return recording.trace()

    trace = in_virtual_time(main)
    assert structure(trace)[1:] == [
        NurseryOpened(1, 1, 1),
        TaskStarted(1, 2, "parent", 1),
        NurseryOpened(1, 2, 2),
        TaskStarted(1, 3, "grandchild", 2),
        TaskStarted(1, 4, "sibling", 1),
        TaskEnded(3, 4),
        TaskEnded(5, 3),
        NurseryClosed(5, 2),
        TaskEnded(5, 2),
    ]


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_a_task_that_is_started_is_where_it_came_to(seconds: float) -> None:
    """Regression: ``nursery.start`` has a nursery of its own, and the task seemed to outlive that."""

    async def server(task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(1)
        task_status.started()
        if seconds:
            await trio.sleep(seconds)

    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                await nursery.start(server, name="server")
        return recording.trace()

    trace = in_virtual_time(main)
    assert structure(trace)[1:] == [
        NurseryOpened(0, 1, 1),
        TaskStarted(0, 2, "server", 1),
        TaskEnded(1 + seconds, 2),
        NurseryClosed(1 + seconds, 1),
    ]


def test_a_task_that_never_said_that_it_has_started_stays_where_it_was() -> None:
    async def server(task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(1)
        raise KeyError

    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                with pytest.raises(KeyError):
                    await nursery.start(server, name="server")
        return recording.trace()

    assert structure(in_virtual_time(main))[1:] == [
        NurseryOpened(0, 1, 1),
        NurseryOpened(0, 2, 1),
        TaskStarted(0, 2, "server", 2),
        TaskEnded(1, 2),
        NurseryCancelled(1, 2),
        NurseryClosed(1, 2),
        NurseryClosed(1, 1),
    ]


def test_a_nursery_that_is_cancelled_says_so_at_once() -> None:
    """By somebody, or by Trio; one that ends by itself, or has been left, does not."""

    async def fail() -> None:
        await trio.sleep(1)
        raise KeyError

    async def slow() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(slow)
                nursery.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
            with pytest.raises(ExceptionGroup):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fail)
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = 4
                await trio.sleep_forever()
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = 4.5
        return recording.trace()

    assert of_nurseries(in_virtual_time(main)) == [
        *(NurseryOpened(0, 1, 1), NurseryCancelled(0, 1), NurseryClosed(2, 1)),
        *(NurseryOpened(2, 2, 1), NurseryCancelled(3, 2), NurseryClosed(3, 2, math.inf, False)),
        *(NurseryOpened(3, 3, 1, 4), NurseryCancelled(4, 3), NurseryClosed(4, 3, 4, True)),
        *(NurseryOpened(4, 4, 1, 4.5), NurseryClosed(4, 4, 4.5, False)),
    ]


def test_a_deadline_of_a_nursery_that_is_moved() -> None:
    """It is told when it is moved, and once."""
    traces = []

    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever, name="t")
                nursery.cancel_scope.deadline = 2
                await trio.sleep(1)
                traces.extend([recording.trace(), recording.trace()])
                nursery.cancel_scope.deadline = 3
        return recording.trace()

    trace = in_virtual_time(main)
    opened, moved = NurseryOpened(0, 1, 1), NurseryDeadlineMoved(0, 1, 2)
    assert [of_nurseries(each) for each in traces] == [[opened, moved]] * 2
    again, cancelled = NurseryDeadlineMoved(1, 1, 3), NurseryCancelled(3, 1)
    assert of_nurseries(trace) == [opened, moved, again, cancelled, NurseryClosed(3, 1, 3, True)]


def test_what_is_cancelled_last_of_all() -> None:
    """Regression: nobody looked at nurseries and scopes between the last step and the end of the recording."""

    async def main() -> Trace:
        async with trio.open_nursery() as nursery:
            with ExitStack() as stack:
                with record() as recording:
                    cancel_scope = stack.enter_context(scope("it"))
                    nursery.start_soon(trio.sleep, 5, name="t")
                    await trio.sleep(1)
                    cancel_scope.cancel()
                    nursery.cancel_scope.cancel()
        return recording.trace()

    assert structure(in_virtual_time(main))[-2:] == [ScopeCancelled(1, 1), NurseryCancelled(1, 1)]


@pytest.mark.parametrize("deep", [False, True])
def test_a_nursery_in_a_scope_that_is_cancelled_only_follows(deep: bool) -> None:
    """Regression: Trio cancels it as a task of it ends by that, and that looked as if somebody had."""

    async def child() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            if not deep:
                nursery.cancel_scope.shield = True
                await trio.sleep(1)
                nursery.cancel_scope.cancel()

    async def main() -> Trace:
        with record() as recording:
            with trio.move_on_after(0.5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(child)
                    await trio.sleep_forever()
            with trio.move_on_after(0.5), suppress(ExceptionGroup):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(trio.sleep, 0.25))
                    await trio.sleep(0.25)
                    raise KeyError
        return recording.trace()

    cancelled = [entry for entry in structure(in_virtual_time(main)) if isinstance(entry, NurseryCancelled)]
    assert cancelled == ([NurseryCancelled(0.75, 3)] if deep else [NurseryCancelled(1, 2), NurseryCancelled(1.25, 3)])


def test_a_task_whose_child_says_that_it_has_started_is_where_it_came_to() -> None:
    """Regression: the nursery of ``nursery.start`` was closed when the task took its next step, and stayed."""

    async def child(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep(1)

    async def service(task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, task_status)
            await trio.sleep(2)

    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                await nursery.start(service, name="service")
        return recording.trace()

    entries = structure(in_virtual_time(main))
    opened = [entry for entry in entries if isinstance(entry, NurseryOpened)]
    assert [(entry.task, entry.time) for entry in opened] == [(1, 0), (2, 0)]
    started = {entry.name: entry.nursery for entry in entries if isinstance(entry, TaskStarted)}
    assert started["service"] == opened[0].nursery


def test_trios_own_tasks_are_left_out_until_something_happens_in_them() -> None:
    async def system(done: trio.Event) -> None:
        with scope("in a system task"):
            await trio.sleep(1)
        done.set()

    async def main() -> Trace:
        with record() as recording:
            await trio.to_thread.run_sync(int)
            trio.lowlevel.spawn_system_task(trio.sleep, 3, name="not told")
            done = trio.Event()
            trio.lowlevel.spawn_system_task(system, done, name="told")
            await done.wait()
            await trio.sleep(1)
        return recording.trace()

    assert named(structure(in_virtual_time(main))) == ["main", "told"]


# -- events ------------------------------------------------------------------------------------------------------------


async def test_another_run_in_a_thread_is_not_in_it() -> None:
    """Regression: it was, as the thread has inherited the observer, with times of another clock."""

    async def ask_itself() -> None:
        async with trio.open_nursery() as nursery:
            [server] = await nursery.start(partial(serve_udp, echo, 0, host="127.0.0.1"))
            async with await open_udp_client("127.0.0.1", server.address[1]) as client:
                assert await client.request(b"hi", retry=Retry(first=60)) == b"hi"
            nursery.cancel_scope.cancel()

    with record() as recording:
        await trio.to_thread.run_sync(trio.run, ask_itself)
        assert not any(isinstance(entry, Happened) for entry in recording.trace().entries)
        await ask_itself()
    assert sum(isinstance(entry, Happened) for entry in recording.trace().entries) > 5
    assert recording.problems == {}


async def test_events_with_their_tasks_and_lines(
    network: VirtualNetwork, server: Host, clock: MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(delay=0.25)
    with record() as recording, network.rule(drop_first(1)):
        await nursery.start(server.run, partial(serve_udp, echo, 7, host="10.0.0.1"))
        async with await open_udp_client("server", 7) as client:
            line = test_events_with_their_tasks_and_lines.__code__.co_firstlineno + 8
            assert await client.request(b"ping", retry=Retry(first=1, jitter=0)) == b"ping"
    happened = [entry for entry in recording.trace().entries if isinstance(entry, Happened)]
    assert [(type(entry.event).__name__, entry.time) for entry in happened] == [
        ("AttemptStarted", 0),
        ("DatagramSent", 0),
        ("DatagramLost", 0),
        ("AttemptTimedOut", 1),
        ("AttemptStarted", 1),
        ("DatagramSent", 1),
        ("DatagramArrived", 1.25),
        ("DatagramReceived", 1.25),
        ("HandlerStarted", 1.25),
        ("HandlerFinished", 1.25),
        ("DatagramSent", 1.25),
        ("DatagramArrived", 1.5),
        ("DatagramReceived", 1.5),
        ("ReplyAccepted", 1.5),
    ]
    here = f"tests/tracing/test_recording.py:{line}"
    by_network = [entry for entry in happened if isinstance(entry.event, (DatagramLost, DatagramArrived))]
    assert {(entry.task, entry.source) for entry in by_network} == {(None, None)}
    ours = [entry for entry in happened if entry.event.local[0] == "192.0.2.1" and entry not in by_network]
    by_server = [entry for entry in happened if entry not in ours and entry not in by_network]
    assert {entry.source for entry in ours} == {here}
    assert {entry.source for entry in by_server} == {None}
    [task] = {entry.task for entry in ours}
    assert {entry.task for entry in by_server}.isdisjoint({task, None})
    assert recording.problems == {}


async def test_what_was_lost_is_where_it_was_lost(autojump_clock: MockClock) -> None:
    """Though the network tells it when it would have arrived."""
    async with VirtualNetwork(Link(loss=1, delay=5)) as network:
        network.host("10.0.0.1")
        with record() as recording, await open_udp_endpoint("192.0.2.1") as endpoint:
            await endpoint.send(b"1", ("10.0.0.1", 7))
            await trio.sleep(1)
            with scope("meanwhile"):
                await trio.sleep(1)
            await trio.sleep(5)
    told = [
        (entry.time, type(entry.event if isinstance(entry, Happened) else entry)) for entry in recording.trace().entries
    ]
    assert told[-4:] == [(0, DatagramSent), (0, DatagramLost), (1, ScopeEntered), (2, ScopeExited)]


async def test_over_real_loopback(nursery: trio.Nursery) -> None:
    with record() as recording:
        [endpoint] = await nursery.start(partial(serve_udp, echo, 0, host=LOCAL))
        async with await open_udp_client(LOCAL, endpoint.address[1]) as client:
            assert await client.request(b"ping", retry=Retry(first=60)) == b"ping"
    trace = recording.trace()
    events = [entry.event for entry in trace.entries if isinstance(entry, Happened)]
    assert [type(event) for event in events if isinstance(event, (DatagramSent, DatagramReceived))] == [
        *(DatagramSent, DatagramReceived, DatagramSent, DatagramReceived),
    ]
    times = [entry.time for entry in trace.entries]
    assert times == sorted(times)
    assert trace.started <= times[0] <= times[-1] <= trace.ended <= trio.current_time()


async def test_only_what_is_opened_inside(autojump_clock: MockClock) -> None:
    async with VirtualNetwork():
        before = await open_udp_endpoint(LOCAL)
        with record() as recording:
            inside = await open_udp_endpoint(LOCAL)
            await inside.send(b"1", before.address)
            await before.send(b"2", inside.address)
        await inside.send(b"3", before.address)
    events = [entry.event for entry in recording.trace().entries if isinstance(entry, Happened)]
    assert events == [DatagramSent(0, inside.address, before.address, b"1")]


# -- its limit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 4, 5, 9])
def test_at_the_limit_the_newest_are_forgotten(limit: int) -> None:
    def main(limit: int) -> Callable[[], Awaitable[Trace]]:
        async def run() -> Trace:
            async with VirtualNetwork():
                with record(limit=limit) as recording:
                    async with trio.open_nursery() as nursery:
                        endpoint = await open_udp_endpoint(LOCAL)
                        for _ in range(3):
                            await endpoint.send(b"x", endpoint.address)
                        nursery.start_soon(trio.sleep, 1, name="child")
                return recording.trace()

        return run

    whole, some = in_virtual_time(main(1000)), in_virtual_time(main(limit))
    assert len(whole.entries) == 13
    assert (len(some.entries), some.forgotten) == (limit, 13 - limit)
    assert some.entries == whole.entries[:limit]


def test_nothing_comes_after_the_end() -> None:
    """Regression: a nursery that the last step had left was closed some microseconds after the end."""

    async def main() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 0.001)
        return recording.trace()

    trace = trio.run(main)
    assert any(isinstance(entry, NurseryClosed) for entry in trace.entries)
    assert max(entry.time for entry in trace.entries) <= trace.ended


def test_a_scope_is_cancelled_before_the_task_that_it_ends() -> None:
    """Regression: at one instant, the effect came before its cause."""

    async def main() -> Trace:
        with record() as recording:
            with scope("all", trio.move_on_after(1)):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep_forever)
        return recording.trace()

    kinds = [type(entry) for entry in structure(in_virtual_time(main))]
    assert kinds.index(ScopeCancelled) < kinds.index(TaskEnded)


@pytest.mark.parametrize(("max_bytes", "kept"), [(1, 0), (9, 0), (10, 1), (29, 2), (30, 4), (39, 4), (40, 5)])
async def test_payloads_have_a_limit_too(max_bytes: int, kept: int, autojump_clock: MockClock) -> None:
    """Regression: 100,000 datagrams of a stranger's could take 6 GB. After a gap nothing is kept, if it fits or not."""
    payloads = [b"x" * 10, b"x" * 10, b"x" * 10, b"", b"x" * 10]
    async with VirtualNetwork():
        with record(max_bytes=max_bytes) as recording:
            endpoint = await open_udp_endpoint(LOCAL)
            for data in payloads:
                await endpoint.send(data, endpoint.address)
    trace = recording.trace()
    events = [entry.event for entry in trace.entries if isinstance(entry, Happened)]
    assert [event.data for event in events if isinstance(event, DatagramSent)] == payloads[:kept]
    assert len(events) == kept
    assert trace.forgotten == len(payloads) - kept
    assert recording.problems == {}


async def test_it_is_full_for_tasks_and_scopes_as_well(autojump_clock: MockClock) -> None:
    async with VirtualNetwork():
        with record(max_bytes=1) as recording:
            endpoint = await open_udp_endpoint(LOCAL)
            await endpoint.send(b"xx", endpoint.address)
            with scope("too late"):
                await trio.sleep(1)
    trace = recording.trace()
    assert {type(entry) for entry in trace.entries} == {TaskStarted, NurseryOpened}
    assert trace.forgotten == 4  # the datagram, twice, and the scope's beginning and end


@pytest.mark.parametrize("limit", range(1, 13))
def test_a_full_one_does_not_grow(limit: int) -> None:
    """Regression: nurseries of ``nursery.start`` were remembered for ever. Those that entries name still have to be."""

    async def server(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    async def main(limit: int) -> tuple[Trace, int]:
        with record(limit=limit) as recording:
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    await nursery.start(server)
        return recording.trace(), len(recording._log._passages)

    (whole, all_of_them), (some, remembered) = (
        trio.run(main, each, clock=MockClock(autojump_threshold=0)) for each in (10_000, limit)
    )
    assert all_of_them == 100
    assert remembered <= limit
    assert [entry.nursery for entry in some.entries if isinstance(entry, NurseryOpened)] == [1] * (limit > 1)
    assert len(whole.entries) == 1 + 2 + 200


def test_events_are_nothing_to_the_garbage_collector() -> None:
    """What is kept for a whole run would be gone through again and again."""

    async def main() -> list[bool]:
        with record() as recording:
            async with await open_udp_endpoint(LOCAL) as a, await open_udp_endpoint(LOCAL) as b:
                await a.send(b"", b.address)
                await b.receive()
                events = [entry for entry in recording._log.kept if type(entry) is tuple]
        gc.collect()  # lets go of the addresses,
        gc.collect()  # and then of what has them
        return [gc.is_tracked(event) for event in events]

    assert trio.run(main) == [False, False]


@pytest.mark.parametrize("limit", [0, -1, True, 1.0, "5", None])
def test_a_limit_is_a_number(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"^limit must be a whole number of at least 1, not "):
        record(limit=limit)
    with pytest.raises(ValueError, match=r"^max_bytes must be a whole number of at least 1, not "):
        record(max_bytes=limit)


# -- its life ----------------------------------------------------------------------------------------------------------


async def test_a_snapshot_stays_as_it_is(autojump_clock: MockClock) -> None:
    with record() as recording:
        await trio.sleep(1)
        first = recording.trace()
        entries = first.entries
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)
        recording.name("10.0.0.1", "server")
        second = recording.trace()
    await trio.sleep(5)
    assert (first.ended, first.entries, first.names) == (1, entries, {})
    assert (second.ended, len(second.entries)) == (2, len(entries) + 4)
    assert recording.trace() == second


async def test_nothing_is_left_behind(autojump_clock: MockClock) -> None:
    with pytest.raises(KeyError), record() as recording:
        watch = recording._watch
        raise KeyError
    with pytest.raises(KeyError):
        trio.lowlevel.remove_instrument(watch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 1)
        with scope("nobody is told"):
            pass
    assert [type(entry) for entry in recording.trace().entries].count(TaskEnded) == 0
    assert recording.trace().ended == 0
    assert watch._tasks == {}


async def test_several_at_once(autojump_clock: MockClock) -> None:
    """In any order, each with numbers of its own."""
    first, second = ExitStack(), ExitStack()
    one = first.enter_context(record())
    await trio.sleep(1)
    other = second.enter_context(record())
    with scope("both"):
        await trio.sleep(1)
    first.close()
    with scope("the second only"):
        await trio.sleep(1)
    second.close()
    assert (one.trace().started, one.trace().ended) == (0, 2)
    assert (other.trace().started, other.trace().ended) == (1, 3)
    assert [entry.name for entry in one.trace().entries if isinstance(entry, ScopeEntered)] == ["both"]
    assert [entry.scope for entry in other.trace().entries if isinstance(entry, ScopeEntered)] == [1, 2]


async def test_it_is_made_once(autojump_clock: MockClock) -> None:
    recorder = record()
    with recorder:
        pass
    with pytest.raises(RuntimeError, match=r"^a recording can be made only once: call record\(\) anew$"):
        recorder.__enter__()


def test_it_needs_trio() -> None:
    with pytest.raises(RuntimeError, match=r"^record\(\) has to be entered inside Trio: in what trio\.run runs$"):
        record().__enter__()


def test_a_run_that_ends_while_it_is_recorded() -> None:
    stack = ExitStack()

    async def main() -> Recording:
        recording = stack.enter_context(record())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 2)
        return recording

    recording = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert recording.trace().ended == 2
    assert structure(recording.trace())[-1] == TaskEnded(2, 1)

    async def other() -> None:
        await trio.sleep(50)
        assert recording.trace().ended == 2  # this run has another clock
        stack.close()

    trio.run(other, clock=MockClock(autojump_threshold=0))
    assert recording.trace().ended == 2
    assert recording.problems == {}


def test_one_that_is_ended_in_another_thread() -> None:
    """The run that it is in gets rid of it as soon as it can."""

    async def main() -> dict[str, int]:
        stack = ExitStack()
        recording = stack.enter_context(record())
        await trio.to_thread.run_sync(stack.close)
        await trio.sleep(0.01)
        with pytest.raises(KeyError):
            trio.lowlevel.remove_instrument(recording._watch)
        return dict(recording.problems)

    assert trio.run(main) == {}


def test_with_a_guest() -> None:
    """A host loop of our own: Trio's steps come from a queue."""
    steps: list[Callable[[], object]] = []
    news = threading.Semaphore(0)
    over: list[Trace] = []
    stack = ExitStack()

    def soon(step: Callable[[], object]) -> None:
        steps.append(step)
        news.release()

    async def main() -> Trace:
        recording = stack.enter_context(record())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0.01, name="child")
        steps.append(stack.close)  # the host ends it, between two steps of Trio's
        news.release()
        await trio.sleep(0.05)
        with pytest.raises(KeyError):
            trio.lowlevel.remove_instrument(recording._watch)
        assert recording.problems == {}
        return recording.trace()

    trio.lowlevel.start_guest_run(
        main, run_sync_soon_threadsafe=soon, done_callback=lambda outcome: over.append(outcome.unwrap())
    )
    while not over:
        assert news.acquire(timeout=60)
        steps.pop(0)()
    assert named(structure(over[0])) == ["main", "child"]
    assert [type(entry) for entry in structure(over[0])][-2:] == [TaskEnded, NurseryClosed]


def test_control_c_comes_out_and_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it comes: here in the middle of beginning, of taking notes, and of ending."""
    removed: list[bool] = []

    async def main(moment: str) -> None:
        recording: Recording | None = None

        def interrupted(method: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any) -> Any:
                signal.raise_signal(signal.SIGINT)
                return method(*args)

            return wrapper

        cls, _, name = moment.rpartition(".")
        owner = Recording if cls == "Recording" else type(Recording(1, 1)._watch)
        monkeypatch.setattr(owner, name, interrupted(getattr(owner, name)))
        try:
            with record() as recording:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep, 0)
        finally:
            monkeypatch.undo()
            with suppress(KeyError, AttributeError):
                trio.lowlevel.remove_instrument(recording._watch)  # type: ignore[union-attr]
                removed.append(False)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for moment in ("Recording._begin", "Recording._leave", "Watch._start", "Watch._spawned", "Watch._close"):
            with pytest.raises(BaseException) as caught:  # noqa: PT011
                trio.run(main, moment)
            kinds = caught.value.exceptions if isinstance(caught.value, BaseExceptionGroup) else [caught.value]
            assert any(isinstance(each, KeyboardInterrupt) for each in kinds)
    finally:
        signal.signal(signal.SIGINT, before)
    assert removed == []


# -- what goes wrong in it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["_spawned", "_compare", "_moved", "_close", "_number", "_start", "current"])
async def test_the_instrument_never_raises(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """Trio would remove it. Here it fails in each of its parts, and is still installed at the end."""

    async def server(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep(1)

    def fail(*args: object) -> None:
        raise ZeroDivisionError

    async with VirtualNetwork():
        with record() as recording:
            with monkeypatch.context() as patch:
                patch.setattr(recording._watch, method, fail)
                with scope("here"):
                    async with trio.open_nursery() as nursery:
                        await nursery.start(server)
                        endpoint = await open_udp_endpoint(LOCAL)
                        await endpoint.send(b"x", endpoint.address)
                        await endpoint.receive()
            trio.lowlevel.remove_instrument(recording._watch)  # KeyError if it were not there
            trio.lowlevel.add_instrument(recording._watch)
    assert recording.problems.keys() == {"ZeroDivisionError"}
    assert recording.problems["ZeroDivisionError"] > 0
    assert not caplog.records


async def test_a_beginning_that_fails(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio.lowlevel, "current_root_task", lambda: 5)
    with record() as recording:
        await trio.sleep(1)
    assert recording.problems == {"AttributeError": 1}


async def test_if_trio_has_removed_the_instrument_that_is_told(autojump_clock: MockClock) -> None:
    with record() as recording:
        trio.lowlevel.remove_instrument(recording._watch)
    assert recording.problems == {"removed": 1}


# -- names -------------------------------------------------------------------------------------------------------------


async def test_names(autojump_clock: MockClock) -> None:
    with record() as recording:
        recording.name(("10.0.0.1", 7), "server")
        recording.name("10.0.0.1", "that machine")
    recording.name(("2001:0db8::0001", 7, 0, 0), "six")
    recording.name("FE80::1%eth0", "scoped")
    recording.name("::ffff:10.0.0.1", "mapped")
    assert recording.trace().names == {
        "10.0.0.1:7": "server",
        "10.0.0.1": "that machine",
        "[2001:db8::1]:7": "six",
        "fe80::1%eth0": "scoped",
        "::ffff:10.0.0.1": "mapped",
    }


@pytest.mark.parametrize(
    ("address", "name", "complaint"),
    [
        ("10.0.0.1", "", "a name must be text, not ''"),
        ("10.0.0.1", " ", "a name must be text, not ' '"),
        ("10.0.0.1", 5, "a name must be text, not 5"),
        ("server", "s", "a host is an IP address here, like '10.0.0.1', not 'server'"),
        ("10.0.0.1:7", "s", "a host is an IP address here, like '10.0.0.1', not '10.0.0.1:7'"),
        ("10.1", "s", "a host is an IP address here, like '10.0.0.1', not '10.1'"),
        (("server", 7), "s", "a host is an IP address here, like '10.0.0.1', not 'server'"),
        (("10.0.0.1", "7"), "s", "a port is from 0 to 65535, not '7'"),
        (("10.0.0.1", 65536), "s", "a port is from 0 to 65535, not 65536"),
        (("10.0.0.1",), "s", r"an address is a host and a port, like \('10.0.0.1', 7\), not \('10.0.0.1',\)"),
        (7, "s", r"an address is a host and a port, like \('10.0.0.1', 7\), not 7"),
    ],
)
async def test_what_is_no_name_or_address(address: Any, name: Any, complaint: str) -> None:
    with record() as recording, pytest.raises(ValueError, match=f"^{complaint}$"):
        recording.name(address, name)


async def test_what_is_watched_takes_the_same_course(autojump_clock: MockClock) -> None:
    """The same steps at the same times, watched and not."""

    async def story() -> list[tuple[float, str]]:
        told: list[tuple[float, str]] = []
        start = trio.current_time()

        async def work(name: str, seconds: float) -> None:
            with scope(name, trio.CancelScope(deadline=start + 2)):
                await trio.sleep(seconds)
            told.append((trio.current_time() - start, name))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(work, f"work {number}", 0.75 * number)
        await wait_all_tasks_blocked()
        return sorted(told)

    alone = await story()
    with record() as recording:
        assert await story() == alone
    assert recording.problems == {}
