"""What it is that a program waits for, and what has not happened, if it is no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import played, refused

if TYPE_CHECKING:
    from pathlib import Path

SEND, RECEIVE = "send, receive = trio.open_memory_channel(0)", "trio.MemoryReceiveChannel"


@pytest.mark.parametrize(
    ("waits", "kind", "words"),
    [
        ("await trio.Event().wait()", "trio.Event", "an event, and nobody has called its `set()`"),
        (
            f"{SEND}; await send.send(1)",
            "trio.MemorySendChannel",
            "a memory channel that is full, and nobody receives from it",
        ),
        (f"{SEND}; await receive.receive()", RECEIVE, "a memory channel, from which nothing more comes. It comes to "),
        (f"{SEND}; print([each async for each in receive])", RECEIVE, "a memory channel, from which nothing more "),
    ],
)
def test_what_has_not_happened_is_told(waits: str, kind: str, words: str, tmp_path: Path) -> None:
    source = f"import trio\nasync def ask(server):\n    {waits}\n"
    assert played("backoff", source, tmp_path).ending.awaits == kind
    told = f"3: your program waits for ever in this line. What it waits for is {words}"
    assert refused("backoff", source, tmp_path).startswith(told)


@pytest.mark.parametrize(
    ("waits", "kind"),
    [
        ("await trio.sleep_forever()", ""),
        ("lock = trio.Lock(); await lock.acquire(); await trio.Condition(lock).wait()", "trio.Condition"),
        ("await trio.socket.socket(type=trio.socket.SOCK_DGRAM).recv(9)", "trio_udp.testing._socket.VirtualSocket"),
    ],
)
def test_what_is_not_known_is_not_told(waits: str, kind: str, tmp_path: Path) -> None:
    source = f"import trio\nasync def ask(server):\n    {waits}\n"
    assert played("backoff", source, tmp_path).ending.awaits == kind
    assert refused("backoff", source, tmp_path) == "3: your program waits for ever in this line"


def test_the_first_task_is_meant_as_its_line_is(tmp_path: Path) -> None:
    source = """\
import trio
async def wait():
    await trio.Event().wait()
async def ask(server):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep_forever()
"""
    told = "3: your program waits for ever in this line, and in line 7. What it waits for is an event, "
    assert refused("backoff", source, tmp_path).startswith(told)
