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
    "keeps what has cancelled it": "kept = []\n    with trio.move_on_after(1):\n        try:\n"
    "            await trio.sleep(2)\n        except trio.Cancelled as problem:\n            kept.append(problem)\n"
    "            raise\n    raise kept[0]",
    "cancels the lesson": "task = trio.lowlevel.current_task()\n    while task.parent_nursery is not None:\n"
    "        for nursery in task.child_nurseries:\n            nursery.cancel_scope.cancel()\n"
    "        task = task.parent_nursery.parent_task\n    await trio.sleep(1)",
    "uses a thread": "await trio.to_thread.run_sync(__import__('time').sleep, 0.01)",
    "nearly goes round": "while True:\n        await trio.sleep(1e-9)",
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
