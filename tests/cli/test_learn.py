"""``learn``, as a person uses it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import start
from trio_udp.cli import main
from trio_udp.learn import LESSONS, find
from trio_udp.learn._folder import PROGRESS
from trio_udp.learn._run import run_lesson

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from trio_udp.learn._lesson import Lesson
    from trio_udp.learn._played import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def learn(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, and what was said on both streams."""
    code = main(["learn", *arguments])
    return (code, *capsys.readouterr())


def solve(folder: Path, *names: str) -> None:
    for name in names or [lesson.name for lesson in LESSONS]:
        (folder / find(name).file).write_text(find(name).solution, encoding="utf-8")


def test_the_lessons_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = learn(capsys)
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == [lesson.name for lesson in LESSONS]
    assert err == "begin with: python -m trio_udp learn start\n"


def test_from_the_beginning_to_the_end(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "trio_udp_lessons"
    code, _, err = learn(capsys, "start")
    assert code == 0
    assert "written to trio_udp_lessons: 01_ping.py, 02_scope.py" in err

    code, out, err = learn(capsys, "check")
    assert code == 1
    assert out.startswith("lesson 1, ping: a datagram gets lost\n\n01_ping.py:14: your program waits for ever")
    assert "   1.100000   │─────────" in out
    assert out.endswith("learn hint ping\n")

    solve(folder, "ping")
    code, out, err = learn(capsys, "check")
    assert code == 1
    assert out.startswith("01_ping.py: passed\nlesson 2, scope")
    code, out, err = learn(capsys)
    assert "  1  ping" in out
    assert out.splitlines()[0].endswith("  done")
    assert err == f"1 of {len(LESSONS)} lessons done, in trio_udp_lessons\n"

    solve(folder)
    code, out, err = learn(capsys, "check")
    assert code == 0
    assert out == "".join(f"{lesson.file}: passed\n" for lesson in LESSONS[1:]) + "All lessons are done.\n"
    assert learn(capsys, "check") == (0, "All lessons are done.\n", "")
    (folder / "01_ping.py").write_text("x = 1\n")
    assert learn(capsys)[1].splitlines()[0].endswith("  changed since")


@pytest.mark.parametrize("name", ["1", "01_ping.py", "PING"])
def test_a_lesson_has_several_names(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    (here / "01_ping.py").write_text("async def pink(server): pass\n")
    code, out, _ = learn(capsys, "check", name)
    assert code == 1
    assert "\n01_ping.py:1: there is no function ping in this file, which the lesson calls;\nthere is pink\n" in out


def test_a_file_is_checked_where_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From any folder; and what is known of it is kept beside it."""
    learn(capsys, "start", "far/away")
    solve(here / "far/away", "ping")
    assert learn(capsys, "check", "far/away/01_ping.py") == (0, "01_ping.py: passed\n", "")
    assert (here / "far/away" / PROGRESS).exists()
    assert learn(capsys, "--dir", "far/away")[1].splitlines()[0].endswith("done")
    assert learn(capsys, "check", "ping", "--dir", "far/away")[0] == 0
    assert learn(capsys, "--dir", "far/away", "check", "ping")[0] == 0


def test_the_whole_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    code, out, _ = learn(capsys, "check", "backoff")
    assert code == 1
    assert "... 3,980 lines below; `learn check --whole` shows them\n" in out
    code, whole, _ = learn(capsys, "check", "backoff", "--whole")
    assert code == 1
    assert "..." not in whole
    assert len(whole.splitlines()) == len(out.splitlines()) + 3_979
    assert learn(capsys, "check", "--whole")[1].startswith("lesson 1, ping")


def test_what_is_saved_while_it_is_played_has_not_passed(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was read once for its hash, and again to be played: what was noted was not what had passed."""
    learn(capsys, "start", ".")

    def save_and_run(lesson: Lesson, path: Path, source: bytes) -> Awaitable[Run]:
        path.write_text(lesson.solution, encoding="utf-8")
        return run_lesson(lesson, path, source)

    monkeypatch.setattr("trio_udp.learn._run.run_lesson", save_and_run)
    code, out, _ = learn(capsys, "check", "ping")
    assert code == 1
    assert ">   14          answer, address = await sock.recvfrom(65535)" in out
    (here / "01_ping.py").write_text(find("ping").exercise, encoding="utf-8")
    assert not learn(capsys)[1].splitlines()[0].endswith("done")


def test_several_are_checked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    solve(here, "scope")
    code, out, _ = learn(capsys, "check", "ping", "scope")
    assert code == 1
    assert out.startswith("lesson 1, ping")
    assert out.endswith("02_scope.py: passed\n")


def test_commands_to_type_are_as_a_shell_wants_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = learn(capsys, "start", "my lessons")
    quoted = '"my lessons"' if sys.platform == "win32" else "'my lessons'"
    assert err.endswith(f"\n  python -m trio_udp learn watch --dir {quoted}\n")
    (here / "my lessons/01_ping.py").unlink()
    _, _, err = learn(capsys, "check", "ping", "--dir", "my lessons")
    assert err.endswith(f"01_ping.py is not there; python -m trio_udp learn start {quoted} writes it\n")
    _, _, err = learn(capsys, "start", "--", "-d")
    assert err.endswith("\n  python -m trio_udp learn watch --dir ./-d\n")


@pytest.mark.parametrize("action", [(), ("check",), ("watch",)])
def test_a_folder_that_cannot_be_looked_into_is_said(
    action: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x" * 300  # which is too long; a folder of somebody else's is the same, but not for root
    code, _, err = learn(capsys, *action, "--dir", name)
    assert code == 1
    assert name in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    (here / "01_ping.py").unlink()
    os.mkfifo(here / "01_ping.py")
    assert learn(capsys, "check") == (1, "", "trio_udp learn: cannot check 01_ping.py: it is no regular file\n")


def test_a_program_that_changes_its_own_file_is_checked_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    source = f"open(__file__, 'a').write('#\\n')\n{find('ping').solution}"
    (here / "01_ping.py").write_text(source, encoding="utf-8")
    code, out, _ = learn(capsys, "check")
    assert code == 1
    assert out.startswith("01_ping.py: passed\nlesson 2, scope")
    assert learn(capsys)[1].splitlines()[0].endswith("  changed since")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT"])
@pytest.mark.parametrize("action", ["check", "watch"])
def test_a_signal_ends_the_program_that_is_played_too(
    name: str,
    action: str,
    here: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    learn(capsys, "start", ".")
    (here / "01_ping.py").write_text(
        "import os\nopen('mark', 'w').write(f'{os.getpid()} ')\nasync def ping(server):\n    while True: pass\n"
    )
    (here / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(here / "temporary"))
    command = (sys.executable, "-c", WITHOUT_CORE, "learn", action)
    with start(cwd=here, command=command) as child:
        while not (here / "mark").exists() or not (here / "mark").read_text().endswith(" "):
            assert child.process.poll() is None
        child.send_signal(signal.Signals[name])
        assert child.ended() == -signal.Signals[name]
    assert b"Traceback" not in child.err.all()
    with pytest.raises(ProcessLookupError):
        os.kill(int((here / "mark").read_text()), 0)
    assert list((here / "temporary").iterdir()) == []


WITHOUT_CORE = """\
import resource, sys
from trio_udp.cli import main
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.exit(main(sys.argv[1:]))
"""


def test_start_takes_the_folder_as_check_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["start", "--dir", "a"], ["--dir", "a", "start"], ["--dir", "a", "start", "a"], ["start", "a"]):
        code, _, err = learn(capsys, *arguments)
        assert code == 0
        assert err.startswith(("written to a: 01_ping.py, ", "kept as they are: 01_ping.py, "))
    for arguments in (["--dir", "a", "start", "b"], ["start", "b", "--dir", "a"]):
        code, _, err = learn(capsys, *arguments)
        assert code == 2
        assert err == "trio_udp learn: two folders are named, b and --dir a: name the one to write to\n"
    assert not (here / "b").exists()


def test_nothing_is_played_if_one_name_is_no_lesson(capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    code, out, err = learn(capsys, "check", "1", "extra")
    assert (code, out) == (2, "")
    assert err.startswith("trio_udp learn: there is no lesson 'extra'; ")


@pytest.mark.skipif(sys.platform == "win32", reason="not everybody may make links there")
def test_a_link_to_nothing_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was said to be not there, and to be written by what would not write it."""
    learn(capsys, "start", ".")
    (here / "01_ping.py").unlink()
    (here / "01_ping.py").symlink_to("nowhere")
    code, _, err = learn(capsys, "check", "ping")
    assert code == 1
    assert err == (
        "trio_udp learn: 01_ping.py is a link to nothing; remove it, and python -m trio_udp learn start . writes it\n"
    )
    code, _, err = learn(capsys, "start", ".")
    assert err.startswith("kept as they are: 02_scope.py, ")
    assert err.endswith("\n01_ping.py is a link to nothing: remove it, and start again\n")


def test_start_keeps_what_is_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start")
    (here / "trio_udp_lessons/01_ping.py").unlink()
    _, _, err = learn(capsys, "start")
    assert err.startswith("kept as they are: 02_scope.py, ")
    assert "written to trio_udp_lessons: 01_ping.py\n" in err
    _, _, err = learn(capsys, "start")
    assert "written" not in err


def test_start_goes_on_where_the_lessons_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In their own folder it made another one; all other actions find them there."""
    learn(capsys, "start", ".")
    (here / "01_ping.py").unlink()
    _, _, err = learn(capsys, "start")
    assert "written to .: 01_ping.py\n" in err
    assert not (here / "trio_udp_lessons").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_start_refuses_what_is_no_folder(place: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("")
    code, _, err = learn(capsys, "start", place)
    assert code == 1
    assert err == f"trio_udp learn: {Path(place)} is no folder: name one that is, or one that is not there yet\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write to")
def test_start_refuses_a_folder_that_cannot_be_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = learn(capsys, "start", "/proc/here")
    assert code == 1
    assert err.startswith("trio_udp learn: cannot write to /proc/here: ")


def test_without_lessons_there_is_nothing_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("check", "watch"):
        code, _, err = learn(capsys, action)
        assert code == 1
        assert err == (
            "trio_udp learn: there are no lessons in trio_udp_lessons; write them there with: "
            "python -m trio_udp learn start\n"
        )


def test_a_file_that_is_no_text_is_shown_as_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    (here / "01_ping.py").write_bytes(b"async def ping(server):\n    x = 1 / 0, '\\xff\x1b' \xff\n")
    code, out, _ = learn(capsys, "check", "ping")
    assert code == 1
    assert "\x1b" not in out
    assert "\n01_ping.py" in out


def test_a_file_that_was_removed_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    (here / "01_ping.py").unlink()
    code, _, err = learn(capsys, "check")
    assert code == 1
    assert err == "trio_udp learn: 01_ping.py is not there; python -m trio_udp learn start . writes it\n"


def test_what_is_no_lesson_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    for action in ("check", "hint", "solution"):
        code, _, err = learn(capsys, action, "pong")
        assert code == 2
        assert err.startswith("trio_udp learn: there is no lesson 'pong'; there are ping, ")


def test_damaged_progress_is_forgotten_with_a_word(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    (here / PROGRESS).write_text("{")
    code, _, err = learn(capsys)
    assert code == 0
    assert err.startswith(f"{PROGRESS} is damaged: what it says is forgotten, so check once more\n0 of ")


def test_progress_that_cannot_be_written_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the check goes on: it knows what it has seen."""
    learn(capsys, "start", ".")
    solve(here, "ping")
    (here / f"{PROGRESS}.half").mkdir()
    code, out, err = learn(capsys, "check")
    assert code == 1
    assert out.startswith("01_ping.py: passed\nlesson 2, scope")
    assert err.startswith("cannot remember that, in .: ")


def test_hints_go_from_vague_to_plain(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = learn(capsys, "hint", "ping")
    assert code == 0
    assert "hint 1: What does your program do" in out
    assert "hint 2" not in out
    assert err == "plainer: python -m trio_udp learn hint ping --more\n"
    code, out, err = learn(capsys, "hint", "ping", "--more")
    assert "hint 3: Put the waiting into" in out
    assert max(map(len, out.splitlines())) <= 80
    assert err == ""
    assert learn(capsys, "hint")[1].startswith("lesson 1, ping")


def test_the_solution_is_printed_and_can_be_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    code, out, err = learn(capsys, "solution", "ping")
    assert (code, out, err) == (0, find("ping").solution, "")
    (here / "01_ping.py").write_text(out)
    assert learn(capsys, "check", "ping")[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_watch_checks_whenever_a_file_is_saved(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    waiting = "waiting for a file to be saved; Ctrl-C ends it\n"
    with start("learn", "watch", cwd=here) as child:
        child.out.wait_for(r"01_ping\.py:14: your program waits for ever")
        child.err.wait_for(f"checking 01_ping.py\n{waiting}")
        (here / "01_ping.py").write_text("async def ping(server):\n    1 / 0\n")
        child.out.wait_for(r"01_ping\.py:2: your program raised ZeroDivisionError")
        child.err.wait_for(f"(checking 01_ping.py\n{waiting}){{2}}")
        (here / "new").write_text(find("ping").solution)
        os.replace(here / "new", here / "01_ping.py")
        child.out.wait_for(r"01_ping\.py: passed\nlesson 2, scope")
        child.err.wait_for(f"{waiting}checking 01_ping.py\nchecking 02_scope.py\n{waiting}")
        (here / "02_scope.py").unlink()
        child.err.wait_for(rf"checking 02_scope.py\n02_scope\.py is not there; .*\n{waiting}")
        solve(here, "slow")
        child.out.wait_for(r"07_slow\.py: passed\n")
        child.send_signal(signal.SIGINT)
        assert child.ended() == 130
    assert b"Traceback" not in child.err.all()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_ctrl_c_ends_a_check_and_its_program(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(capsys, "start", ".")
    (here / "01_ping.py").write_text(
        "import os\nopen('mark', 'w').write(f'{os.getpid()} ')\nasync def ping(server):\n    while True: pass\n"
    )
    with start("learn", "check", cwd=here) as child:
        while not (here / "mark").exists() or not (here / "mark").read_text().endswith(" "):
            assert child.process.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.ended() == 130
    assert b"Traceback" not in child.err.all()
    with pytest.raises(ProcessLookupError):
        os.kill(int((here / "mark").read_text()), 0)
