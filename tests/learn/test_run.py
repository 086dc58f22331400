"""The child process: whatever a program does there, one line says what it was."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from trio_udp.learn import find
from trio_udp.learn._run import MOST_OUTPUT, run_lesson
from trio_udp.learn._verdict import judge

if TYPE_CHECKING:
    from trio_udp.learn._played import Run

# Seconds: for a program that would never end, on a machine that may have much to do.
SHORT = 2.0

MAIN = "import os, sys, trio\nasync def ping(server):\n"


async def ran(source: str, folder: Path, limit: float = 60.0) -> tuple[Run, str]:
    """The run, and what is said about it, with the line."""
    with trio.fail_after(120):
        run = await run_lesson(find("ping"), folder / "01_ping.py", source.encode(), limit=limit)
    finding = judge(find("ping"), run)
    return run, "passed" if finding is None else f"{finding.line}: {finding.message}"


async def test_a_lesson_passes_in_a_child_process(tmp_path: Path) -> None:
    run, said = await ran(find("ping").solution, tmp_path)
    assert said == "passed"
    assert run.output == ""
    assert run.notes["pings"][0][1].startswith(b"pong ")


async def test_what_it_prints_is_kept(tmp_path: Path) -> None:
    source = find("ping").solution.replace("        while True", "        print('héllo')\n        while True")
    run, said = await ran(source, tmp_path)
    assert said == "passed"
    assert run.output.split() == ["héllo"] * 10


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "Übung é 'x' \\ 1"
    folder.mkdir()
    _, said = await ran(find("ping").exercise, folder)
    assert said.startswith("14: your program waits for ever")
    _, said = await ran(f"{MAIN}    while True:\n        pass\n", folder, SHORT)
    assert said.startswith(("3: your program was still at it", "4: your program was still at it"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "    while True:\n        pass",
            "your program was still at it after 2 seconds, and was stopped here: a loop without an end, "
            "or without anything in it that waits (an await)",
        ),
        ("    while True: print('x' * 1000)", "your program was still at it after 2 seconds"),
        ("    os.read(os.pipe()[0], 1)", "your program was still at it after 2 seconds"),
    ],
)
async def test_what_never_ends_is_stopped(body: str, words: str, tmp_path: Path) -> None:
    run, said = await ran(f"{MAIN}{body}\n", tmp_path, SHORT)
    line, _, message = said.partition(": ")
    assert line in ("3", "4")
    assert message.startswith(words)
    assert len(run.output) < MOST_OUTPUT + 100


async def test_what_was_printed_without_end_is_cut(tmp_path: Path) -> None:
    run, _ = await ran(f"{MAIN}    print('x' * 1_000_000)\n", tmp_path)
    assert run.output.endswith("\n... and 9,980,010 bytes more\n")


async def test_what_is_printed_may_be_no_text(tmp_path: Path) -> None:
    run, _ = await ran(f"{MAIN}    os.write(1, b'\\xff\\x1b')\n    os._exit(0)\n", tmp_path)
    assert run.output == "\\xff\x1b"  # which the report does not let through


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "    os._exit(3)",
            "None: your program has ended its own process, with exit code 3: let your functions return",
        ),
        ("    raise KeyboardInterrupt", "3: your program raised KeyboardInterrupt"),
        ("    input()", "3: your program raised EOFError: EOF when reading a line"),
    ],
)
async def test_what_ends_it(body: str, said: str, tmp_path: Path) -> None:
    assert (await ran(f"{MAIN}{body}\n", tmp_path))[1] == said


async def test_what_cannot_be_cancelled_is_left_alone(tmp_path: Path) -> None:
    """In virtual time nothing would ever happen again; and where it waits is known."""
    source = f"{MAIN}    print('here')\n    with trio.CancelScope(shield=True):\n        await trio.sleep_forever()\n"
    run, said = await ran(source, tmp_path)
    assert (run.ending.kind, run.output) == ("waits", "here\n")
    assert said == "5: your program has sent nothing to the server, so it cannot know what that answers"


async def test_who_catches_that_it_is_cancelled_is_told_at_once(tmp_path: Path) -> None:
    """It can be ended with its process only; and how it stands was known before."""
    source = f"""{MAIN}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            try:
                await sock.sendto(b"ping", server)
                return await sock.recvfrom(100)
            except:
                pass
"""
    run, said = await ran(source.replace("return await", "await"), tmp_path)
    assert (run.ending.kind, run.ending.line, run.ending.catches) == ("waits", 8, 7)
    assert said.startswith("8: ping 1 has no end: it has asked ")
    assert said.endswith(
        ". When Trio cancelled it then, your program caught that in line 7 and went on: `except:` and "
        "`except BaseException:` catch trio.Cancelled, too, and nothing can end such a loop"
    )


async def test_whoever_changes_the_stage_has_not_passed(tmp_path: Path) -> None:
    source = f"import trio_udp.learn._stage\ntrio_udp.learn._stage._Play.end = lambda *a: None\n{find('ping').exercise}"
    run, said = await ran(source, tmp_path)
    assert run.ending.kind == "cut"
    assert said.startswith("None: your program has cancelled more than its own")


@pytest.mark.parametrize(
    "line",
    [
        "import threading, os; threading.Thread(target=lambda: os.read(os.pipe()[0], 1)).start()",
        "import atexit; atexit.register(lambda: os.read(os.pipe()[0], 1))",
        "import atexit; atexit.register(os._exit, 7)",
    ],
)
async def test_what_is_left_for_the_end_never_comes(line: str, tmp_path: Path) -> None:
    """A thread would keep the process alive, and so would a function that is called at its end."""
    assert (await ran(f"import os\n{line}\n{find('ping').solution}", tmp_path))[1] == "passed"


async def test_whoever_breaks_trio_itself_is_told(tmp_path: Path) -> None:
    """Groups in groups, until Python's stack is full."""
    body = """\
    if sys.version_info < (3, 11):
        from exceptiongroup import ExceptionGroup as Group
    else:
        Group = ExceptionGroup
    problem = KeyError(3)
    for _ in range(2000):
        problem = Group("again", [problem])
    raise problem
"""
    _, said = await ran(MAIN + body, tmp_path)
    broken = "None: your program has broken what plays it, which ended with "
    assert said.startswith((broken, "None: your program raised RecursionError"))  # Python 3.13 notices it earlier


@pytest.mark.parametrize("then", ["", "        await trio.sleep(0)\n"])
async def test_tasks_without_end_are_told_at_once(then: str, tmp_path: Path) -> None:
    """Also if nothing is awaited meanwhile, so that nothing can be cancelled."""
    loop = (
        "    async with trio.open_nursery() as nursery:\n      while True:\n        nursery.start_soon(trio.sleep, 1)\n"
    )
    _, said = await ran(MAIN + loop + then, tmp_path)
    assert said == "5: your program starts tasks without end: 4,000, and no end to be seen"


async def test_tasks_that_start_tasks_without_end_are_told(tmp_path: Path) -> None:
    source = f"""{MAIN}    async with trio.open_nursery() as nursery:
        nursery.start_soon(again, nursery)

async def again(nursery):
    nursery.start_soon(again, nursery)
    await trio.sleep(1)
"""
    run, said = await ran(source, tmp_path)
    assert said == "7: your program starts tasks without end: 4,000, and no end to be seen"
    assert run.ending.catches is None


async def test_a_task_that_is_in_no_nursery_is_told_of(tmp_path: Path) -> None:
    """What it raises is an internal error to Trio, and the end of what plays the lesson."""
    source = f"""{MAIN}    trio.lowlevel.spawn_system_task(fail)
    await trio.sleep(1)

async def fail():
    raise KeyError(3)
"""
    _, said = await ran(source, tmp_path)
    assert said == (
        "7: this has raised KeyError: 3, in a task that is in no nursery of yours: nobody waits for such a task"
    )


async def test_the_folder_of_the_run_is_nobodys_business(tmp_path: Path) -> None:
    source = f"import sys\nassert sys.argv == [__file__]\n{find('ping').solution}"
    assert (await ran(source, tmp_path))[1] == "passed"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that kill")
async def test_a_signal_that_ends_it(tmp_path: Path) -> None:
    _, said = await ran(f"{MAIN}    os.kill(os.getpid(), 9)\n", tmp_path)
    assert said == "None: your program's process was killed by SIGKILL"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody bounds it")
async def test_memory_is_bounded(tmp_path: Path) -> None:
    _, said = await ran(
        f"{MAIN}    everything = []\n    while True:\n        everything.append(bytes(10**8))\n", tmp_path
    )
    assert said == "5: your program raised MemoryError"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
async def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    """A grandchild holds the pipe open, and is killed with its parent."""
    body = """\
    if (child := os.fork()) == 0:
        import signal; signal.pause()
    print(child, flush=True)
    os._exit(0)
"""
    run, said = await ran(MAIN + body, tmp_path)
    assert said.startswith("None: your program has ended its own process, with exit code 0")
    with trio.fail_after(60):
        while is_running(int(run.output)):
            await trio.sleep(0.01)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_files_beside_it_hide_nothing_and_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise RuntimeError('this is not the one')\n")
    (tmp_path / "helper_of_mine.py").write_text("SECONDS = 0.5\n")
    source = f"from helper_of_mine import SECONDS\n{find('ping').solution.replace('0.5', 'SECONDS')}"
    assert (await ran(source, tmp_path))[1] == "passed"


async def test_what_is_played_is_what_was_read(tmp_path: Path) -> None:
    """An editor may save the file just when Python starts for it."""
    path = tmp_path / "01_ping.py"
    path.write_text(find("ping").solution, encoding="utf-8")
    run = await run_lesson(find("ping"), path, find("ping").exercise.encode())
    assert run.ending.kind == "waits"


async def test_whoever_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"{MAIN}    open({str(mark)!r}, 'w').write(str(os.getpid()))\n    while True: pass\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_lesson, find("ping"), tmp_path / "01_ping.py", source.encode())
        with trio.fail_after(60):
            while not (mark.exists() and mark.read_text()):
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), signal.SIGTERM)


async def test_who_turns_the_clock_off_is_stopped_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_udp.learn._run.LAST_WORDS", 0.5)
    body = "    import faulthandler\n    faulthandler.cancel_dump_traceback_later()\n    while True: pass\n"
    _, said = await ran(MAIN + body, tmp_path, SHORT)
    assert said.startswith("None: your program was still at it after 2 seconds")


async def test_whoever_writes_over_the_record_has_not_passed(tmp_path: Path) -> None:
    source = """\
import os, sys
frame = sys._getframe()
while "folder" not in frame.f_locals:
    frame = frame.f_back
(frame.f_locals["folder"] / "rest.json").write_text("garbage")
os._exit(0)
"""
    assert (await ran(source, tmp_path))[1] == (
        "None: what your program has left of its run cannot be read: it has written over the lesson's own files"
    )
