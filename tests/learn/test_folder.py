"""The learner's files, and what is known of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trio_udp.learn import LESSONS, find
from trio_udp.learn._folder import MOST, PROGRESS, Progress, has_lessons, start

PING = find("ping")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a" / "b"
    start(folder)
    return folder


def test_start_writes_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "one"
    assert not has_lessons(folder)
    assert start(folder) == ([lesson.file for lesson in LESSONS], [], [])
    assert {path.name for path in folder.iterdir()} == {lesson.file for lesson in LESSONS}
    assert (folder / "01_ping.py").read_text(encoding="utf-8") == PING.exercise
    assert has_lessons(folder)


def test_start_keeps_what_is_there(folder: Path) -> None:
    (folder / "01_ping.py").write_text("mine")
    (folder / "02_scope.py").unlink()
    assert start(folder) == (["02_scope.py"], [lesson.file for lesson in LESSONS if lesson.name != "scope"], [])
    assert (folder / "01_ping.py").read_text() == "mine"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")
def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what there is of it would be kept as the learner's, and be told as wrong Python."""
    to_disk = Path.open

    def full(path: Path, *args: Any, **kwargs: Any) -> Any:
        opened = to_disk(path, *args, **kwargs)
        if path.name == "03_backoff.py":
            with open("/dev/full", "wb") as disk:
                os.dup2(disk.fileno(), opened.fileno())
        return opened

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left on device"):
            start(tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["01_ping.py", "02_scope.py"]
    assert start(tmp_path).kept == ["01_ping.py", "02_scope.py"]
    assert (tmp_path / "03_backoff.py").read_text(encoding="utf-8") == find("backoff").exercise


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder: Path) -> None:
    progress = Progress(folder)
    progress.note(PING, (folder / PING.file).read_bytes(), passed=True)
    (folder / PING.file).unlink()
    os.mkfifo(folder / PING.file)
    assert progress.state(PING) == "changed since"


def test_what_has_passed_is_done_until_it_is_changed(folder: Path) -> None:
    path = folder / PING.file
    progress = Progress(folder)
    assert (progress.state(PING), progress.next()) == ("", PING)
    progress.note(PING, path.read_bytes(), passed=True)
    assert (Progress(folder).state(PING), Progress(folder).next()) == ("done", find("scope"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert Progress(folder).state(PING) == "done"
    path.write_text("x = 1")
    assert (Progress(folder).state(PING), Progress(folder).next()) == ("changed since", PING)
    path.unlink()
    assert (Progress(folder).state(PING), Progress(folder).next()) == ("removed since", PING)


def test_what_another_terminal_has_noted_is_kept(folder: Path) -> None:
    watch, check = Progress(folder), Progress(folder)
    check.note(find("two"), b"two", passed=True)
    watch.note(PING, b"ping", passed=True)
    assert json.loads((folder / PROGRESS).read_text())["passed"].keys() == {"ping", "two"}
    watch.note(find("two"), b"two", passed=False)
    check.note(find("slow"), b"slow", passed=True)
    assert json.loads((folder / PROGRESS).read_text())["passed"].keys() == {"ping", "slow"}


def test_what_fails_now_is_not_done(folder: Path) -> None:
    source = (folder / PING.file).read_bytes()
    progress = Progress(folder)
    progress.note(PING, source, passed=True)
    progress.note(PING, b"another one", passed=False)
    assert progress.state(PING) == "done"
    progress.note(PING, source, passed=False)
    assert (progress.state(PING), Progress(folder).state(PING)) == ("", "")


def test_all_are_done(folder: Path) -> None:
    progress = Progress(folder)
    for lesson in LESSONS:
        progress.note(lesson, (folder / lesson.file).read_bytes(), passed=True)
    assert progress.next() is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[" * 100_000, "not from here"),
        (b"x" * (MOST + 1), "not from here"),
        (b"[]", "not from here"),
        (b'{"format": "another"}', "not from here"),
        (b'{"format": "trio_udp lessons"}', "damaged"),
        (b'{"format": "trio_udp lessons", "passed": {"ping": 3}}', "damaged"),
    ],
)
def test_a_damaged_file_is_forgotten_with_a_word(text: bytes, what: str, folder: Path) -> None:
    (folder / PROGRESS).write_bytes(text)
    progress = Progress(folder)
    assert progress.remark.startswith(f"{PROGRESS} is ")
    assert progress.remark.endswith(": what it says is forgotten, so check once more")
    assert what in progress.remark or text.startswith(b"[[")
    assert progress.state(PING) == ""
    progress.note(PING, b"", passed=True)
    assert json.loads((folder / PROGRESS).read_text())["passed"].keys() == {"ping"}


def test_a_file_that_cannot_be_read_is_said(folder: Path) -> None:
    (folder / PROGRESS).mkdir()
    assert Progress(folder).remark.startswith(f"cannot read {PROGRESS}, so nothing is known to be done: ")
    with pytest.raises(OSError, match=r".+"):
        Progress(folder).note(PING, b"", passed=True)
