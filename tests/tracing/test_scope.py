"""Marked cancel scopes: told exactly, and no different from others."""

from __future__ import annotations

import math
import signal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_udp.tracing import (
    NurseryCancelled,
    Recording,
    ScopeCancelled,
    ScopeDeadlineMoved,
    ScopeEntered,
    ScopeExited,
    record,
    scope,
)
from trio_udp.tracing._open_scopes import FEW
from trio_udp.tracing._timeline import timeline


def scopes(recording: Recording) -> list[ScopeEntered | ScopeDeadlineMoved | ScopeCancelled | ScopeExited]:
    """What is told of scopes; the task is 1, whatever number pytest-trio has left for the test's own."""
    told = [
        entry._replace(task=1) if isinstance(entry, ScopeEntered) else entry
        for entry in recording.trace().entries
        if isinstance(entry, (ScopeEntered, ScopeDeadlineMoved, ScopeCancelled, ScopeExited))
    ]
    assert {entry.scope for entry in told} == set(range(1, len({entry.scope for entry in told}) + 1))
    return told


async def test_a_deadline_that_passes(autojump_clock: MockClock) -> None:
    await trio.sleep(1)
    with record() as recording:
        with scope("lunch", trio.move_on_after(2)) as cancel_scope:
            await trio.sleep_forever()
        assert cancel_scope.cancelled_caught
    assert scopes(recording) == [
        ScopeEntered(1, 1, "lunch", 1, 3),
        ScopeCancelled(3, 1),
        ScopeExited(3, 1, 3, True),
    ]


async def test_one_that_is_not_cancelled(autojump_clock: MockClock) -> None:
    with record() as recording, scope("quick") as cancel_scope:
        await trio.sleep(1)
        cancel_scope.deadline = 10
    assert scopes(recording) == [ScopeEntered(0, 1, "quick", 1, math.inf), ScopeExited(1, 1, 10, False)]


async def test_a_deadline_that_was_moved_is_told_while_the_scope_is_open(autojump_clock: MockClock) -> None:
    """Regression: what was seen at 5 seconds was a deadline of 1 second, and nobody had been cancelled."""
    with record() as recording:
        with scope("moved", trio.move_on_after(1)) as cancel_scope:
            cancel_scope.deadline = 50
            await trio.sleep(5)
            assert scopes(recording) == [ScopeEntered(0, 1, "moved", 1, 1), ScopeDeadlineMoved(0, 1, 50)]
            [bar] = [bar for bar in timeline(recording.trace()).walk() if bar.kind == "scope"]
            assert bar.deadline == 50
            await trio.sleep_forever()
    assert scopes(recording)[2:] == [ScopeCancelled(50, 1), ScopeExited(50, 1, 50, True)]


async def test_nor_is_it_forgotten_when_the_scope_is_cancelled_by_it(autojump_clock: MockClock) -> None:
    with record() as recording:
        with scope("moved", trio.move_on_after(1)) as cancel_scope, trio.CancelScope(shield=True):
            cancel_scope.deadline = 2
            await trio.sleep(5)
            assert scopes(recording)[1:] == [ScopeDeadlineMoved(0, 1, 2), ScopeCancelled(2, 1)]


async def test_each_move_is_told_unless_it_is_in_the_same_step(autojump_clock: MockClock) -> None:
    with record() as recording:
        with scope("moved", trio.move_on_after(1)) as cancel_scope:
            for deadline in (2, 3):
                cancel_scope.deadline = 50
                cancel_scope.deadline = deadline
                await trio.sleep(0.5)
            cancel_scope.deadline = 4
    assert scopes(recording)[1:] == [
        ScopeDeadlineMoved(0, 1, 2),
        ScopeDeadlineMoved(0.5, 1, 3),
        ScopeExited(1, 1, 4, False),
    ]


async def test_one_that_is_cancelled_by_another_task(autojump_clock: MockClock) -> None:
    async def cancel_later(cancel_scope: trio.CancelScope) -> None:
        await trio.sleep(2)
        cancel_scope.cancel()

    with record() as recording:
        async with trio.open_nursery() as nursery:
            with scope("it") as cancel_scope:
                nursery.start_soon(cancel_later, cancel_scope)
                await trio.sleep_forever()
    assert scopes(recording)[1:] == [ScopeCancelled(2, 1), ScopeExited(2, 1, math.inf, True)]


@pytest.mark.parametrize("by_deadline", [True, False])
async def test_it_is_seen_though_nobody_inside_can_take_a_step(autojump_clock: MockClock, by_deadline: bool) -> None:
    """What a shield makes of a deadline is what a learner wants to see."""
    with record() as recording:
        with scope("lunch", trio.CancelScope(deadline=1 if by_deadline else math.inf)) as cancel_scope:
            if not by_deadline:
                trio.lowlevel.current_trio_token().run_sync_soon(cancel_scope.cancel)
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            await trio.sleep(1)
    at = 1 if by_deadline else 0
    assert scopes(recording)[1:] == [
        ScopeCancelled(at, 1),
        ScopeExited(3, 1, 1 if by_deadline else math.inf, True),
    ]


async def test_one_that_is_cancelled_before_it_is_entered(autojump_clock: MockClock) -> None:
    await trio.sleep(1)
    with record() as recording, scope("too late", trio.CancelScope(deadline=0.5)):
        pass
    assert scopes(recording) == [
        ScopeEntered(1, 1, "too late", 1, 0.5),
        ScopeCancelled(1, 1),
        ScopeExited(1, 1, 0.5, False),
    ]


async def test_one_that_is_cancelled_too_late(autojump_clock: MockClock) -> None:
    with record() as recording, scope("done") as cancel_scope:
        await trio.sleep(1)
        cancel_scope.cancel()
    assert scopes(recording)[1:] == [ScopeCancelled(1, 1), ScopeExited(1, 1, math.inf, False)]


async def test_watching_cancels_nothing(mock_clock: MockClock) -> None:
    """A task that works beyond its deadline and then asks for more time gets it: only Trio decides that it is over."""

    async def story() -> bool:
        start = trio.current_time()
        with scope("work", trio.CancelScope(deadline=start + 1)) as cancel_scope:
            mock_clock.jump(2)
            with scope("something else"):
                pass
            recording = record()
            with recording:
                pass
            cancel_scope.deadline = math.inf
            await trio.lowlevel.checkpoint()
        return cancel_scope.cancelled_caught

    assert not await story()
    with record() as recording:
        assert not await story()
    assert not any(isinstance(entry, ScopeCancelled) for entry in scopes(recording))


async def test_without_knowing_trios_inside_it_is_told_at_the_end(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfAnotherTrio:
        """What it would be if Trio called its attribute something else."""

        deadline = 1.0
        cancel_called = True
        cancelled_caught = True

    with record() as recording:
        watch, other = recording._watch, OfAnotherTrio()
        number = watch.entered("it", other)  # type: ignore[arg-type]
        assert number is not None
        await trio.sleep(2)
        watch.exited(number, other)  # type: ignore[arg-type]
    assert scopes(recording)[1:] == [ScopeCancelled(2, 1), ScopeExited(2, 1, 1, True)]


@pytest.mark.parametrize("count", [1, FEW, 3 * FEW])
async def test_many_that_are_cancelled_together(autojump_clock: MockClock, count: int) -> None:
    """Each is told once, also where there are more than are looked at after a step."""

    async def wait(number: int) -> None:
        with scope(f"{number}", trio.CancelScope(deadline=5)):
            await trio.sleep_forever()

    with record() as recording:
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(wait, number)
    told = scopes(recording)
    for kind in (ScopeEntered, ScopeCancelled, ScopeExited):
        assert {entry.scope for entry in told if isinstance(entry, kind)} == set(range(1, count + 1))
    assert len(told) == 3 * count
    assert {entry.time for entry in told if isinstance(entry, ScopeCancelled)} == {5}


@pytest.mark.parametrize("count", [1, FEW, 100, 500])
async def test_among_many_it_is_told_when_it_is_cancelled(autojump_clock: MockClock, count: int) -> None:
    """Regression: where nothing else happened it was told when something did, ten seconds later."""
    victim, asked = trio.CancelScope(), []

    async def hold() -> None:
        async with trio.open_nursery() as nursery:
            with scope("other"):
                nursery.start_soon(trio.sleep_forever)
                await trio.sleep_forever()

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            asked.append(nursery.cancel_scope)
            with scope("victim", victim), trio.CancelScope(shield=True):
                await trio.sleep(10)

    with record() as recording:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(hold)
            nursery.start_soon(work)
            await trio.sleep(1)
            victim.cancel()
            asked[0].cancel()
            await trio.sleep(20)
            nursery.cancel_scope.cancel()
    told = scopes(recording)
    [number] = [entry.scope for entry in told if isinstance(entry, ScopeEntered) and entry.name == "victim"]
    assert [entry.time for entry in told if isinstance(entry, ScopeCancelled) and entry.scope == number] == [1]
    cancelled = [entry.time for entry in recording.trace().entries if isinstance(entry, NurseryCancelled)]
    assert cancelled == [1, 21], "and that of all, which the others follow"


async def test_tasks_that_were_there_before_count(autojump_clock: MockClock) -> None:
    async def work() -> None:
        await trio.sleep(1)
        with scope("work"):
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        with record() as recording:
            await trio.sleep(3)
    assert [type(entry) for entry in scopes(recording)] == [ScopeEntered, ScopeExited]


async def test_a_recording_that_ends_inside(autojump_clock: MockClock) -> None:
    with scope("outer, not told"):
        recorder = record()
        recording = recorder.__enter__()
        with scope("inner"):
            await trio.sleep(1)
            recorder.__exit__(None, None, None)
    assert [type(entry) for entry in scopes(recording)] == [ScopeEntered]
    assert recording.problems == {}


@pytest.mark.parametrize("recorded", [True, False])
async def test_it_is_a_scope_like_any_other(autojump_clock: MockClock, recorded: bool) -> None:
    recorder = record()
    if recorded:
        recorder.__enter__()
    given = trio.CancelScope(deadline=1)
    with scope("given", given) as cancel_scope:
        assert cancel_scope is given
        await trio.sleep(5)
    assert (given.cancelled_caught, trio.current_time()) == (True, 1)
    with pytest.raises(RuntimeError, match="Each CancelScope may only be used for a single 'with' block"):
        scope("again", given).__enter__()
    with pytest.raises(KeyError), scope("an error comes out"):
        raise KeyError
    with scope("outer") as outer, scope("inner") as inner:
        outer.cancel()
        await trio.sleep(1)
    assert (outer.cancelled_caught, inner.cancelled_caught) == (True, False)
    if recorded:
        recorder.__exit__(None, None, None)


async def test_what_fails_in_a_recording_does_not_fail_here(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    with record() as recording:
        with scope("outer"):
            monkeypatch.setattr(recording._watch, "entered", fail)
            monkeypatch.setattr(recording._watch, "exited", fail)
            with scope("inner"):
                await trio.sleep(1)
    assert recording.problems == {"ZeroDivisionError": 2}


def test_control_c_leaves_it() -> None:
    """Whenever it comes, a scope that was entered is left, and its task goes on with the one outside."""
    caught = 0

    async def main() -> None:
        nonlocal caught
        for moment in ("_scope_entered", "_scope_exited"):
            with record() as recording, pytest.MonkeyPatch.context() as patch:
                method = getattr(recording, moment)

                def interrupted(*args: Any, method: Any = method) -> Any:
                    signal.raise_signal(signal.SIGINT)
                    return method(*args)

                patch.setattr(recording, moment, interrupted)
                try:
                    with scope("interrupted"):
                        await trio.lowlevel.checkpoint()
                    await trio.lowlevel.checkpoint()
                except KeyboardInterrupt:
                    caught += 1
                await trio.lowlevel.checkpoint()  # a RuntimeError if the scope were still there
            last = scopes(recording)[-1]
            assert last == ScopeExited(last.time, 1, math.inf, False)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        trio.run(main)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((5,), "a scope's name must be text, not 5"),
        (("x", 5), "cancel_scope must be a trio.CancelScope, not 5"),
    ],
)
def test_what_is_none(arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        scope(*arguments)


def test_fail_after_is_no_scope() -> None:
    with pytest.raises(ValueError, match=r"^cancel_scope must be a trio\.CancelScope, not <contextlib\."):
        scope("x", trio.fail_after(5))  # type: ignore[arg-type]
