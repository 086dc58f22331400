"""A call without `await` is told first, whatever comes of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, played, refused
from trio_udp.learn import find
from trio_udp.learn._played import Unawaited

if TYPE_CHECKING:
    from pathlib import Path

SEND = (
    "`sendto(...)` without `await` does nothing: it gives a coroutine object, which is always true, and equal to no "
    "answer. Python's words for that are: coroutine 'VirtualSocket.sendto' was never awaited"
)
RECEIVE = SEND.replace("sendto", "recvfrom")


def without(name: str, call: str) -> str:
    """The solution, without the `await` of this call."""
    source = find(name).solution
    assert f"await {call}" in source
    return source.replace(f"await {call}", call, 1)


@pytest.mark.parametrize(
    ("name", "call", "words"),
    [
        ("ping", "sock.sendto", SEND),  # has sent nothing
        ("ping", "sock.recvfrom", RECEIVE),  # cannot unpack non-iterable coroutine object
        ("two", "sock.sendto", SEND),
        ("slow", "sock.sendto", SEND),
        ("stop", "sock.sendto", SEND),
        ("scope", "sock.recvfrom", RECEIVE),
        ("backoff", "sock.sendto", SEND),
        ("hedging", "trio.sleep", SEND.partition(" Python's")[0].replace("sendto", "sleep")),
    ],
)
def test_a_call_without_await_is_told(name: str, call: str, words: str, tmp_path: Path) -> None:
    source = without(name, call)
    line = 1 + source[: source.index(call if f" {call}" not in source else f" {call}")].count("\n")
    assert refused(name, source, tmp_path).startswith(f"{line}: {words}")


def test_a_function_of_the_learners_own_through_another(tmp_path: Path) -> None:
    source = """\
async def answer(server):
    return b"pong"

def ask(server):
    return answer(server)

async def ping(server):
    result = ask(server)
    return result[0]
"""
    assert refused("ping", source, tmp_path).startswith("5: `answer(...)` without `await` does nothing")


def test_a_coroutine_that_somebody_keeps(tmp_path: Path) -> None:
    """In a variable of a frame that an exception keeps."""
    source = "import trio\nasync def ping(server):\n    rest = trio.sleep(1)\n    rest[0]\n"
    assert refused("ping", source, tmp_path).startswith("3: `sleep(...)` without `await`")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("await trio.fail_after(0.5, sock.recvfrom(100))", "TypeError: fail_after() takes 1 positional argument"),
        ("print(trio.sleep(1), 1 / 0)", "ZeroDivisionError: division by zero"),
    ],
)
def test_who_hands_it_to_what_raises_is_told_that(line: str, words: str, tmp_path: Path) -> None:
    """Whoever writes an `await` there has the same problem again."""
    source = f"""\
import trio

async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"ping", server)
        {line}
"""
    assert refused("ping", source, tmp_path).startswith(f"6: your program raised {words}")


def test_who_passes_all_the_same_has_passed(tmp_path: Path) -> None:
    source = find("ping").solution.replace("        while True:", "        trio.sleep(1)\n        while True:", 1)
    run = played("ping", source, tmp_path)
    line = 1 + source[: source.index("        trio.sleep")].count("\n")
    assert run.unawaited == (Unawaited(line, "sleep"),)
    assert judged("ping", source, tmp_path) is None


def test_other_warnings_are_shown(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="mine"):
        played("ping", "import warnings\nwarnings.simplefilter('always')\nwarnings.warn('mine')\n", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played("ping", find("ping").solution, tmp_path)
