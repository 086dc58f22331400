"""Values of the learner's cross from the child process to its parent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.learn.judged import played
from tests.learn.test_run import ran
from trio_udp.learn import find
from trio_udp.learn._played import _packed, _unpacked, plain, read, write

if TYPE_CHECKING:
    from pathlib import Path


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


endless: list[Any] = []
endless.append(endless)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1.5,
        "é\udc80",
        b"\x00\xff",
        (1, b"x"),
        [(), []],
        {},
        {"bytes": 5},
        {"bytes": "x"},
        {"tuple": 3},
        {"dict": {"bytes": b"x"}},
        {"a": 1, "b": (2,)},
        {1: 2, b"x": 3, ("a", 4): {None: 5}},
    ],
    ids=ascii,
)
def test_it_is_the_same_at_the_other_end(value: object) -> None:
    assert plain(value) == value
    assert _unpacked(json.loads(json.dumps(_packed(value)))) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (bytearray(b"x"), b"x"),
        ({frozenset({1}): 2}, {"frozenset({1})": 2}),
        ({1}, "{1}"),
        (10**5000, "a value of type int that cannot be shown"),
        ({10**5000: 1}, "a value of type dict that cannot be shown"),
        (endless, "a value of type list that cannot be shown"),
        (Odd(), "a value of type Odd that cannot be shown"),
    ],
    ids=["bytearray", "names", "set", "number", "name", "endless", "odd"],
)
def test_what_cannot_is_shown(value: object, shown: object) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("10**5000", "a value of type int that cannot be shown"),
        ("{1}", "{1}"),
        ("[(each for each in ())]", "[<generator object ping.<locals>.<genexpr>>]"),
        ("{'bytes': 5}", "{'bytes': 5}"),
        ("(b'x', ('1.2.3.4', 5))", "(b'x', ('1.2.3.4', 5))"),
    ],
)
async def test_what_a_program_returns_is_told_as_it_is(value: str, shown: str, tmp_path: Path) -> None:
    source = f"""\
import trio
async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"ping", server)
        await sock.recvfrom(100)
        return {value}
"""
    run, _ = await ran(source, tmp_path)
    assert repr(run.notes["pings"][0][1]) == shown


def test_the_parts_of_a_play_are_the_same_at_the_other_end(tmp_path: Path) -> None:
    run = played("virtual", find("virtual").exercise, tmp_path)
    write(run, tmp_path)
    again = read(tmp_path, "")
    assert again is not None
    assert list(again.parts) == list(run.parts)
    assert next(iter(again.parts)) == "test_ask with program 0"
    assert again.parts == run.parts
