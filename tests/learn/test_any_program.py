"""A lesson's check has something to say of any program, however little that has to do with the task."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged
from trio_udp.learn import LESSONS

if TYPE_CHECKING:
    from pathlib import Path

    from trio_udp.learn._lesson import Lesson

SOCKET = "sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)"
BODIES = {
    "returns something": "return 3",
    "raises": "raise RuntimeError('x')",
    "raises groups": "async with trio.open_nursery() as nursery:\n        raise ValueError('x')",
    "ends the process": "raise SystemExit(3)",
    "waits": "await trio.sleep_forever()",
    "waits a while": "await trio.sleep(12.5)",
    "goes round": "while True:\n        await trio.sleep(0)",
    "sends without end": f"{SOCKET}\n    while True:\n        await sock.sendto(b'x', ('10.0.0.1', 7))",
    "sends to itself": f"{SOCKET}\n    while True:\n        await sock.sendto(b'', ('127.0.0.1', 7))\n"
    "        await trio.sleep(5)",
    "hears nothing": f"{SOCKET}\n    await sock.bind(('0.0.0.0', 0))\n    await sock.recvfrom(100)",
    "hears": f"{SOCKET}\n    await sock.bind(('0.0.0.0', 7))\n    await sock.recvfrom(100)",
    "repeats what it hears": f"{SOCKET}\n    await sock.bind(('0.0.0.0', 7))\n    while True:\n"
    "        await sock.sendto(*await sock.recvfrom(65535))",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_it_is_refused_with_a_word(lesson: Lesson, name: str, tmp_path: Path) -> None:
    functions = [node.name for node in ast.parse(lesson.exercise).body if isinstance(node, ast.AsyncFunctionDef)]
    source = "import trio\n" + "".join(f"async def {each}(*args):\n    {BODIES[name]}\n" for each in functions)
    finding = judged(lesson.name, source, tmp_path)
    assert finding is not None
    assert finding.message
    assert not finding.message.endswith(".")
