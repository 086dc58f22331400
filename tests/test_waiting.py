"""Who is asleep, and until when: compared with the plain list that it stands for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_udp import _waiting
from trio_udp._request import Request
from trio_udp._waiting import Waiting

if TYPE_CHECKING:
    import pytest


def request(number: int, deadline: float) -> Request:
    made = Request(number, number, b"", None)
    made.deadline = deadline
    return made


def nobody() -> trio.lowlevel.Task:
    return cast(trio.lowlevel.Task, object())  # which nobody wakes


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "again", "due"]), st.integers(0, 9), st.integers(0, 5))))
def test_it_is_a_list_of_deadlines(steps: list[tuple[str, int, int]]) -> None:
    """Whoever left early, and came again with another deadline, is due at that one and not at the first."""
    waiting, expected = Waiting(), dict[int, Request]()
    for what, number, deadline in steps:
        if what == "add" and number not in expected:
            expected[number] = request(number, deadline)
            waiting.add(expected[number], nobody())
        elif what == "again" and number in expected:
            expected[number].deadline = deadline
            waiting.remove(expected[number])
            waiting.add(expected[number], nobody())
        elif what == "remove" and number in expected:
            waiting.remove(expected.pop(number))
        elif what == "due":
            due = {each.number for each in waiting.due(deadline)}
            assert due == {number for number, each in expected.items() if each.deadline <= deadline}
            for number in due:
                waiting.remove(expected.pop(number))
        assert len(waiting) == len(expected)
        assert waiting.first_deadline() == min((each.deadline for each in expected.values()), default=math.inf)


def test_due_in_order() -> None:
    waiting = Waiting()
    for number, deadline in enumerate([3, 1, 2, 5]):
        waiting.add(request(number, deadline), nobody())
    assert [each.number for each in waiting.due(3)] == [1, 2, 0]
    assert waiting.first_deadline() == 5


def test_what_is_left_over_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million answered requests with long deadlines leave no million entries."""
    monkeypatch.setattr(_waiting, "FEW", 10)
    waiting = Waiting()
    stays = request(0, 7.0)
    waiting.add(stays, nobody())
    for number in range(1, 1000):
        waiting.add(answered := request(number, 60.0), nobody())
        waiting.remove(answered)
        assert len(waiting._deadlines) <= 10 + 2 * 2 + 1
    assert waiting.first_deadline() == 7
    assert waiting.due(8) == [stays]


async def test_the_latest_is_woken_and_only_once() -> None:
    waiting, woken = Waiting(), list[int]()

    async def sleep(number: int) -> None:
        mine = request(number, 1.0)
        waiting.add(mine, trio.lowlevel.current_task())
        await trio.lowlevel.wait_task_rescheduled(mine.leave)
        woken.append(number)

    waiting.wake_one()  # nobody is there
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(sleep, number)
            await trio.testing.wait_all_tasks_blocked()
        waiting.wake_one()
        await trio.testing.wait_all_tasks_blocked()
        assert (woken, len(waiting)) == ([2], 2)
        for each in waiting.due(1.0):
            waiting.wake(each)
            waiting.wake(each)  # it is awake already
        await trio.testing.wait_all_tasks_blocked()
        assert (sorted(woken), len(waiting)) == ([0, 1, 2], 0)
        nursery.start_soon(sleep, 3)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert not waiting
