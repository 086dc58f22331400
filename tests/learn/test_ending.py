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


GROUPED = """\
import trio

class Found(Exception):
    pass

async def find():
    raise Found

async def ping(server):
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(find)
    except Found:
        return b""
"""


def test_what_is_in_a_group_and_meant_to_be_caught_is_said_to_be(tmp_path: Path) -> None:
    assert refused("ping", GROUPED, tmp_path) == (
        "7: your program raised Found. It comes out of a nursery in an ExceptionGroup, which `except Found` around the "
        "nursery does not catch; `except*` does, from Python 3.11 on"
    )


def test_what_is_not_meant_to_be_caught_is_not(tmp_path: Path) -> None:
    source = GROUPED.replace("except Found:", "except KeyError:")
    assert refused("ping", source, tmp_path) == "7: your program raised Found"


def test_what_is_in_no_group_of_the_programs_is_not(tmp_path: Path) -> None:
    source = GROUPED.replace("    try:\n", "    await find()\n    try:\n")
    assert refused("ping", source, tmp_path) == "7: your program raised Found"


def test_a_group_of_trios_timeout_is_not_said_to_be_caught_by_its_name(tmp_path: Path) -> None:
    source = GROUPED.replace("except Found", "except trio.TooSlowError").replace(
        "raise Found", "raise trio.TooSlowError"
    )
    message = refused("ping", source, tmp_path)
    assert message.startswith("7: your program raised TooSlowError. It comes out of a nursery in an ExceptionGroup")
    assert "catches it" not in message
