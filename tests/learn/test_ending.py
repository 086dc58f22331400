"""How a play has ended, told by what was raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import refused

if TYPE_CHECKING:
    from pathlib import Path

NOT_ASYNCIO = (
    "That is asyncio's, and your program runs in Trio, where nothing of asyncio works: use what is Trio's, such as "
    "trio.sleep, trio.fail_after, or a nursery"
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("await asyncio.sleep(1)", "RuntimeError: no running event loop"),
        ("asyncio.get_running_loop()", "RuntimeError: no running event loop"),
        ("await asyncio.wait_for(trio.sleep(1), 0.5)", "RuntimeError: "),
        ("asyncio.create_task(trio.sleep(1))", "RuntimeError: no running event loop"),
        (
            "await type('Future', (), {'__await__': lambda self: iter([self])})()",
            "TypeError: trio.run received unrecognized yield",
        ),
    ],
)
def test_what_is_asyncios_is_said_to_be(line: str, words: str, tmp_path: Path) -> None:
    source = f"import asyncio, trio\nasync def ping(server):\n    {line}\n"
    message = refused("ping", source, tmp_path)
    assert message.startswith(f"3: your program raised {words}")
    assert message.endswith(f". {NOT_ASYNCIO}")


def test_what_is_not_is_not(tmp_path: Path) -> None:
    source = "import asyncio\nasync def ping(server):\n    raise asyncio.TimeoutError\n"
    assert refused("ping", source, tmp_path) == "3: your program raised TimeoutError"
