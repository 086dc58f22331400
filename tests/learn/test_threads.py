"""A wait for a thread is told, if virtual time has gone by meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import trio

from tests.learn.judged import judged, played, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path

THREAD = (
    "your program has a thread work here. Threads live in real time, and a lesson in virtual time, of which an "
    "hour goes by while a thread begins: do without"
)


def test_what_is_late_since_a_thread_has_worked(tmp_path: Path) -> None:
    """The answer is there an hour later, or with the next thing that happens."""
    source = find("slow").solution.replace(
        "await work(question)", "await trio.to_thread.run_sync(trio.from_thread.run, work, question)"
    )
    assert refused("slow", source, tmp_path) == f"24: {THREAD}"


def test_what_waits_for_ever_since_a_thread_has_worked(tmp_path: Path) -> None:
    source = """\
import time, trio
async def ping(server):
    await trio.to_thread.run_sync(time.sleep, 0.1)
    await trio.sleep_forever()
"""
    assert refused("ping", source, tmp_path) == f"3: {THREAD}"


def test_who_passes_all_the_same_has_passed(tmp_path: Path) -> None:
    """And one that takes no time, since somebody has something to do all the while, is not told of."""
    source = find("ping").solution.replace(
        "    with trio.socket",
        """\
    async def busy(task_status):
        task_status.started()
        while not done:
            await trio.sleep(0)

    done = []
    async with trio.open_nursery() as nursery:
        await nursery.start(busy)
        await trio.to_thread.run_sync(int)
        done.append(1)
    with trio.socket""",
        1,
    )
    run = played("ping", source, tmp_path)
    assert run.ending.kind == "returned"
    assert run.threads == ()


def test_a_thread_that_raises_does_so(tmp_path: Path) -> None:
    source = "import trio\nasync def ping(server):\n    await trio.to_thread.run_sync(int, 'x')\n"
    assert refused("ping", source, tmp_path) in (
        f"3: {THREAD}",
        "3: your program raised ValueError: invalid literal for int() with base 10: 'x'",
    )


@pytest.mark.parametrize(
    "start",
    [
        "threading.Thread(target=answer).start()",
        "threading.Thread(target=answer); thread.start()".replace("threading", "thread = threading", 1),
        "concurrent.futures.ThreadPoolExecutor(1).submit(answer)",
    ],
)
def test_what_a_thread_of_the_programs_own_should_do(start: str, tmp_path: Path) -> None:
    source = f"""\
import concurrent.futures, threading, trio
def answer():
    pass
async def ping(server):
    {start}
    await trio.sleep_forever()
"""
    assert refused("ping", source, tmp_path) == f"5: {THREAD}"


def test_it_is_trios_own_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = trio.run, trio.to_thread.run_sync, threading.Thread.start, threading.excepthook
    played("ping", find("ping").exercise, tmp_path)
    assert (trio.run, trio.to_thread.run_sync, threading.Thread.start, threading.excepthook) == before


OWN_RUN = (
    "trio.run is called here in a thread. That is a loop of its own, in real time, with no socket of the lesson's "
    "network. What is to go on beside something else is a task: `nursery.start_soon(...)`"
)


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("threading.Thread(target=trio.run, args=(aside,)).start()", 5),
        ("threading.Thread(target=lambda: trio.run(aside)).start()", 5),
        ("concurrent.futures.ThreadPoolExecutor(1).submit(trio.run, aside)", 5),
        ("threading.Thread(target=go).start()", 10),
    ],
)
def test_a_loop_in_a_thread_is_refused_whatever_comes_of_it(
    start: str, line: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program is right beside that. The thread has nothing to say of it: the lesson has."""
    source = find("ping").solution.partition("import trio\n")[2]
    head = f"import concurrent.futures, threading, trio\nasync def aside():\n    pass\ndef begin():\n    {start}\n"
    go = "\n\n\ndef go():\n    trio.run(aside)\n"
    source = head + go + source.replace("    with trio.socket", "    begin()\n    with trio.socket", 1)
    assert refused("ping", source, tmp_path) == f"{line}: {OWN_RUN}"
    assert capsys.readouterr().err == ""


def test_what_another_thread_has_to_say_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    source = f"import threading\nthreading.Thread(target=int, args=('x',)).start()\n{find('ping').solution}"
    assert judged("ping", source, tmp_path) is None
    assert [each.exc_type for each in told] == [ValueError]
