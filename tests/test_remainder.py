"""Whatever Trio sends, or throws, arrives in the coroutine."""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import Any

import pytest

from trio_udp._remainder import Remainder


@types.coroutine
def ask(question: str) -> Generator[str, Any, Any]:
    return (yield question)


def begin(log: list[object]) -> Any:
    """A coroutine whose first step was taken, inside one that awaits the rest."""

    async def inner() -> bytes:
        try:
            for number in range(3):
                log.append(await ask(f"question {number}"))
        except KeyError as error:
            log.append(error)
        finally:
            log.append("finally")
        return b"done"

    async def outer() -> bytes:
        coroutine: Any = inner()
        step = coroutine.send(None)
        assert step == "question 0"
        return await Remainder(coroutine, step) or b""

    return outer()


def test_the_scheduler_sees_every_step_and_its_answers_arrive() -> None:
    log: list[object] = []
    coroutine = begin(log)
    assert coroutine.send(None) == "question 0"
    assert coroutine.send("answer 0") == "question 1"
    assert coroutine.send("answer 1") == "question 2"
    with pytest.raises(StopIteration) as stop:
        coroutine.send("answer 2")
    assert stop.value.value == b"done"
    assert log == ["answer 0", "answer 1", "answer 2", "finally"]


@pytest.mark.parametrize("steps", [0, 1])
def test_what_is_thrown_in_arrives(steps: int) -> None:
    log: list[object] = []
    coroutine = begin(log)
    for _ in range(steps + 1):
        coroutine.send(None)
    with pytest.raises(StopIteration) as stop:
        coroutine.throw(KeyError("thrown"))
    assert stop.value.value == b"done"
    assert [repr(entry) for entry in log[-2:]] == ["KeyError('thrown')", "'finally'"]


def test_closing_closes() -> None:
    log: list[object] = []
    coroutine = begin(log)
    coroutine.send(None)
    coroutine.close()
    assert log == ["finally"]


def test_none_is_an_answer_like_any_other() -> None:
    """Trio never gives that one, but who has detached the coroutine from Trio may."""
    log: list[object] = []
    coroutine = begin(log)
    assert coroutine.send(None) == "question 0"
    assert coroutine.send(None) == "question 1"
    assert coroutine.send(None) == "question 2"
    assert log == [None, None]
