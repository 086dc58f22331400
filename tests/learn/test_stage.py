"""How a play ends, and what it leaves behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from trio_udp import DatagramLost, DatagramReceived, DatagramSent, serve_udp
from trio_udp.faults import Link, drop_first
from trio_udp.learn._learner import GENERATOR, Learner
from trio_udp.learn._lesson import Lesson
from trio_udp.learn._look import arrivals, happened, line_of, lost, most_at_once, scopes, sent, tasks
from trio_udp.learn._played import Ending, Run, read, write
from trio_udp.learn._stage import play
from trio_udp.learn._verdict import judge
from trio_udp.tracing import scope


async def stage(learner: Learner) -> None:
    """A server that echoes; the first datagram to it is lost."""
    async with learner.network(Link(delay=0.125)) as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1", name="server"):
            await nursery.start(serve_udp, echo, 7)
        with network.host("10.0.0.2", name="you"), network.rule(drop_first(1)), scope("yours"):
            learner.note("result", await learner.call("main", ("10.0.0.1", 7)))
        learner.over(1)
        nursery.cancel_scope.cancel()


async def echo(datagram: tuple[bytes, object]) -> bytes:
    return datagram[0]


LESSON = Lesson(1, "echo", "", "", (), stage, lambda run: iter(()))

HEAD = "import trio, trio_udp\n"
SOCKET = "    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)\n"


def played(source: str | bytes, folder: Path, lesson: Lesson = LESSON) -> Run:
    return play(lesson, folder / "mine.py", source if isinstance(source, bytes) else source.encode())


ENDINGS: dict[str, tuple[str | bytes, Ending]] = {
    "returns": (f"{HEAD}async def main(server):\n    return {{'a': (1, b'x')}}\n", Ending("returned")),
    "no such function": (
        f"{HEAD}async def mian(server):\n    pass\n",
        Ending("not loaded", "there is no function main in this file, which the lesson calls; there is mian", 2),
    ),
    "no function": (
        "main = 3\n",
        Ending("not loaded", "main has to be a function: async def main(...), not int"),
    ),
    "other arguments": (
        f"{HEAD}\nasync def main():\n    pass\n",
        Ending(
            "not loaded", "the lesson calls main with 1 argument, as it was at first: too many positional arguments", 3
        ),
    ),
    "not async": (
        "def main(server):\n    return 3\n",
        Ending(
            "not loaded",
            "main has to be an async function: async def main(...). `await` and `async with` can stand only in a "
            "function that begins with `async def`",
            1,
        ),
    ),
    "a generator": (
        "async def main(server):\n    # to yield is not to return\n    while True:\n        yield b'x'\n",
        Ending("not loaded", GENERATOR.format("main"), 4),
    ),
    "a plain generator": ("def main(server):\n    yield b'x'\n", Ending("not loaded", GENERATOR.format("main"), 2)),
    "no Python": ("x = 1\ny = = 2\n", Ending("not loaded", "this is no Python: invalid syntax", 2)),
    "no module": (
        "import trio\nimport nobody_knows_it\n",
        Ending("not loaded", "ModuleNotFoundError: No module named 'nobody_knows_it'", 2, "ModuleNotFoundError"),
    ),
    "trio.run": (
        "import trio\nif True:\n    trio.run(trio.sleep, 1)\n",
        Ending("not loaded", "trio.run is called here; the lesson runs your functions itself", 3),
    ),
    "raises": (
        "async def main(server):\n    await f()\nasync def f():\n    1 / 0\n",
        Ending("raised", "ZeroDivisionError: division by zero", 4, "ZeroDivisionError"),
    ),
    "raises in a task": (
        f"""{HEAD}
async def main(server):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(f)

async def f():
    raise KeyError
""",
        Ending("raised", "KeyError", 9, "KeyError"),
    ),
    "leaves": (
        "async def main(server):\n    raise SystemExit(3)\n",
        Ending("raised", "SystemExit: 3", 2, "SystemExit"),
    ),
    "sends without end": (
        f"{HEAD}async def main(server):\n{SOCKET}    while True:\n        await sock.sendto(b'x', server)\n",
        Ending("floods", line=5),
    ),
    "hardly waits": (
        f"{HEAD}async def main(server):\n    while True:\n        await trio.sleep(1e-9)\n",
        Ending(
            "spins", "your program goes round here without end, and hardly waits: 20,000 steps in less than a second", 4
        ),
    ),
    "keeps what has cancelled it": (
        f"""{HEAD}async def main(server):
    with trio.move_on_after(1):
        try:
            await trio.sleep(2)
        except trio.Cancelled as problem:
            kept = problem
            raise
    raise kept.with_traceback(None)
""".replace("kept = problem", "global kept; kept = problem"),
        Ending(
            "not loaded", "your program raises Cancelled here, and nobody has cancelled it: only Trio may raise that", 9
        ),
    ),
    "cancels the lesson": (
        f"""{HEAD}async def main(server):
    trio.lowlevel.current_task().child_nurseries[-1].cancel_scope.cancel()
    await trio.sleep(1)
""",
        Ending("cut"),
    ),
    "cancels all of it": (
        f"""{HEAD}async def main(server):
    trio.lowlevel.current_task().child_nurseries[0].cancel_scope.cancel()
    await trio.sleep(1)
""",
        Ending("cut"),
    ),
    "raises what nobody can say": (
        f"""{HEAD}
class Mine(Exception):
    def __str__(self):
        raise ValueError("no")

async def main(server):
    raise Mine
""",
        Ending("raised", "Mine: (its words are not known, as its __str__ raises ValueError)", 8, "Mine"),
    ),
    "raises StopIteration": (
        f"{HEAD}async def main(server):\n    raise StopIteration(3)\n",
        Ending("raised", "RuntimeError: coroutine raised StopIteration", 3, "RuntimeError"),
    ),
    "is in another encoding": (
        f"{HEAD}# h\xe9\nasync def main(server):\n    pass\n".encode("latin-1"),
        Ending("not loaded", "there is a byte 0xe9 in this line, which is no utf-8: save it as UTF-8", 2),
    ),
    "goes round": (
        f"{HEAD}async def main(server):\n    while True:\n        await trio.sleep(0)\n",
        Ending("spins", line=4),
    ),
    "goes round after a while": (
        f"{HEAD}async def main(server):\n    await trio.sleep(0.5)\n    while True:\n        await trio.sleep(0)\n",
        Ending("spins", line=5),
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_how_it_ends(name: str, tmp_path: Path) -> None:
    source, ending = ENDINGS[name]
    assert played(source, tmp_path).ending == ending


def test_a_deadline_that_is_a_hair_too_early_is_no_endless_loop(tmp_path: Path) -> None:
    """Numbers are rounded, and virtual time stood still then; no real clock does, so that such a loop ends."""
    source = f"""{HEAD}
async def main(server):
    late = []
    for wait in [0.1, 0.2, 0.3, 0.7, 1.1] * 4:
        began, spins = trio.current_time(), 0
        while trio.current_time() - began < wait:
            spins += 1
            await trio.sleep_until(began + wait)
        late.append((spins, trio.current_time() - began - wait))
    return late
"""
    run = played(source, tmp_path)
    (late,) = run.notes["result"]
    assert run.ending == Ending("returned")
    assert max(spins for spins, _ in late) > 2
    assert 0.0 <= max(seconds for _, seconds in late) < 1e-8


def test_who_waits_for_ever_is_told_with_the_lines(tmp_path: Path) -> None:
    source = f"""{HEAD}
async def main(server):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)

async def listen():
{SOCKET}    await sock.bind(("0.0.0.0", 7))
    await sock.recvfrom(10)
"""
    ending = played(source, tmp_path).ending
    assert (ending.kind, ending.line) == ("waits", 10)
    assert [line for _, line in ending.waiting] == [10, 4]
    assert ending.waiting[0].task.endswith("listen")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    ending = played(b"\0", tmp_path).ending
    assert (ending.kind, ending.line) == ("not loaded", 1)


ASK_TWICE = f"""{HEAD}
async def main(server):
{SOCKET}    while True:
        await sock.sendto(b"hello", server)
        with trio.move_on_after(1):
            data, _ = await sock.recvfrom(100)
            return data
"""


def test_who_waits_for_a_thread_is_told(tmp_path: Path) -> None:
    """In virtual time an hour is over before a thread has begun."""
    source = f"{HEAD}import time\nasync def main(server):\n    await trio.to_thread.run_sync(time.sleep, 0.01)\n"
    run = played(source, tmp_path)
    finding = judge(LESSON, run)
    assert finding is not None
    assert finding.line == 4
    assert finding.message.startswith("your program has a thread work here. Threads live in real time")


def test_a_plain_socket_tells_what_it_does(tmp_path: Path) -> None:
    run = played(ASK_TWICE, tmp_path)
    assert run.notes["result"] == [b"hello"]
    assert [(each.time, each.delivered, each.lost, each.line) for each in sent(run, "you", "server")] == [
        (0.0, (), "drop_first", 6),
        (1.0, (1.125,), "", 6),
    ]
    assert [each.time for each in lost(run)] == [0.0]
    assert [(time, each.source) for time, each in arrivals(run, "you")] == [(1.25, "server")]
    own = happened(run, DatagramSent, DatagramReceived, at="you")
    assert [(type(entry.event).__name__, entry.time, line_of(run, entry)) for entry in own] == [
        ("DatagramSent", 0.0, 6),
        ("DatagramSent", 1.0, 6),
        ("DatagramReceived", 1.25, 8),
    ]
    assert len(happened(run, DatagramLost, at="you")) == 1


def test_the_library_tells_it_once(tmp_path: Path) -> None:
    """Also of an endpoint around a socket of the program's own; and a server that is bound to 0.0.0.0 has its host."""
    source = f"""{HEAD}
async def main(server):
{SOCKET}    await sock.bind(("10.0.0.2", 0))
    async with trio_udp.UDPEndpoint(sock) as endpoint:
        for _ in range(2):
            await endpoint.send(b"x", server)
        return (await endpoint.receive()).data
"""
    run = played(source, tmp_path)
    assert len(happened(run, DatagramSent, at="you")) == 2
    assert len(happened(run, DatagramReceived, at="you")) == 1
    assert len(happened(run, DatagramReceived, at="server")) == 1
    assert [each.line for each in sent(run, "you")] == [8, 8]
    assert all(entry.event.local[0] != "0.0.0.0" for entry in happened(run))


def test_tasks_and_scopes_are_there(tmp_path: Path) -> None:
    source = f"""{HEAD}
async def main(server):
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(trio.sleep, 2)
"""
    run = played(source, tmp_path)
    lives = [life for life in tasks(run) if life.name == "trio.sleep"]
    assert [(life.began, life.ended) for life in lives] == [(0.0, 2.0)] * 3
    assert most_at_once(lives) == 3
    (yours,) = scopes(run)
    assert (yours.name, yours.began, yours.ended, yours.cancelled) == ("yours", 0.0, 2.0, None)


def test_a_run_is_written_and_read_again(tmp_path: Path) -> None:
    run = played(ASK_TWICE, tmp_path)
    assert read(tmp_path, "") is None
    write(run, tmp_path)
    assert read(tmp_path, "") == run


def test_the_file_is_no_module_afterwards(tmp_path: Path) -> None:

    before = set(sys.modules)
    played("async def main(server):\n    pass\n", tmp_path)
    assert set(sys.modules) == before


def test_somebody_who_waits_less_long_is_told_sooner(tmp_path: Path) -> None:
    """A lesson says after how long in virtual time a program is taken to wait for ever."""
    lesson = Lesson(1, "echo", "", "", (), stage, lambda run: iter(()), longest=5.0)
    run = played(f"{HEAD}async def main(server):\n    await trio.sleep(6)\n", tmp_path, lesson)
    assert (run.ending.kind, run.trace.ended) == ("waits", 5.0)
