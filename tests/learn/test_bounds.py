"""What a program may not take where it is played; in a child process, as it is for good."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from tests.learn.test_run import MAIN, ran
from trio_udp.learn import LESSONS, find
from trio_udp.learn._bounds import _refuse_network
from trio_udp.learn._learner import NotAsAsked
from trio_udp.learn._run import run_lesson
from trio_udp.learn._verdict import judge

if TYPE_CHECKING:
    from trio_udp.learn._lesson import Lesson

REAL = (
    "this would use the real network, and the lesson's is virtual: its sockets come from trio.socket, inside of the "
    "functions that the lesson calls"
)


async def test_a_real_socket_sends_nothing(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as real:
        real.bind(("127.0.0.1", 0))
        source = f"""\
import socket
async def ping(server):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"ping", ("127.0.0.1", {real.getsockname()[1]}))
"""
        assert (await ran(source, tmp_path))[1] == f"3: {REAL}"
        real.setblocking(False)
        with pytest.raises(BlockingIOError):
            real.recv(100)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import trio\nsock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)\n", f"2: {REAL}"),
        (f"{MAIN}    import socket\n    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n", f"4: {REAL}"),
        (f"{MAIN}    import socket\n    socket.create_connection(('127.0.0.1', 1))\n", f"4: {REAL}"),
        (f"{MAIN}    import socket\n    socket.getaddrinfo('no.invalid', 1)\n", f"4: {REAL}"),
        (f"{MAIN}    import socket\n    socket.gethostbyname('no.invalid')\n", f"4: {REAL}"),
    ],
)
async def test_nor_does_another(source: str, said: str, tmp_path: Path) -> None:
    assert (await ran(source, tmp_path))[1] == said


def test_the_loop_may_have_a_pair_of_the_internet() -> None:
    """As it does on Windows; the module beside it, through which a program asks for sockets, may not."""
    folder = Path(trio.__file__).parent

    def ask(file: Path) -> None:
        code = compile("refuse('socket.__new__', (None, family, 1, 0))", str(file), "exec")
        exec(code, {"refuse": _refuse_network, "family": socket.AF_INET})

    ask(folder / "_core" / "_wakeup_socketpair.py")
    with pytest.raises(NotAsAsked):
        ask(folder / "_socket.py")


async def test_names_of_the_virtual_network_are_there(tmp_path: Path) -> None:
    source = find("ping").solution.replace(
        "        while True:", "        await trio.socket.getaddrinfo('server', 7)\n        while True:", 1
    )
    assert (await ran(source, tmp_path))[1] == "passed"


async def test_to_sleep_really_is_refused(tmp_path: Path) -> None:
    words = (
        "time.sleep stops all tasks, not only this one, and no virtual time passes meanwhile. What lets the others go "
        "on is `await trio.sleep(...)`"
    )
    assert (await ran(f"{MAIN}    import time\n    time.sleep(1000)\n", tmp_path))[1] == f"4: {words}"
    assert (await ran(f"from time import sleep\n{MAIN}    sleep(1000)\n", tmp_path))[1] == f"4: {words}"


async def test_a_thread_may_sleep(tmp_path: Path) -> None:
    source = f"""\
import threading, time
thread = threading.Thread(target=time.sleep, args=(0.001,))
thread.start()
thread.join()
{find("ping").solution}"""
    assert (await ran(source, tmp_path))[1] == "passed"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
async def test_no_solution_needs_what_is_refused(lesson: Lesson, tmp_path: Path) -> None:
    run = await run_lesson(lesson, tmp_path / lesson.file, lesson.solution.encode())
    assert judge(lesson, run) is None
