"""Where what `start_soon` returns is taken for the result of a task."""

from __future__ import annotations

import pytest

from trio_udp.learn._started import started


@pytest.mark.parametrize(
    "line",
    [
        "answer = nursery.start_soon(work)",
        "answer: bytes = nursery.start_soon(work)",
        "await nursery.start_soon(work)",
        "answers = [nursery.start_soon(each) for each in works]",
        "answers.append(nursery.start_soon(work))",
        "while not (answer := tasks.start_soon(work)): pass",
    ],
)
def test_what_makes_something_of_it_is_told(line: str) -> None:
    source = f"async def f(nursery):\n  async with trio.open_nursery() as tasks:\n    {line}\n"
    assert started(source.encode()) == (3,)


@pytest.mark.parametrize(
    "line",
    [
        "nursery.start_soon(work)",
        "begin = nursery.start_soon",
        "begin = lambda: nursery.start_soon(work)",
        "return nursery.start_soon(work)",
        "result = ResultCapture.start_soon(nursery, work)",  # of aioresult, which returns one
        "answer = await nursery.start(work)",
    ],
)
def test_what_does_not_is_not(line: str) -> None:
    assert started(f"async def f(nursery):\n    {line}\n".encode()) == ()


@pytest.mark.parametrize("source", [b"def", b"\0", b"# coding: nonsense\n", b"\xff"])
def test_what_is_no_program_has_no_such_line(source: bytes) -> None:
    assert started(source) == ()
