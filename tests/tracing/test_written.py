"""A file is there as a whole, or as it was."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from trio_udp.tracing._written import written

only_unix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files there")


def write(path: Path | str, text: str = "new") -> None:
    with written(path, "ascii") as file:
        file.write(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def test_a_new_file_has_the_usual_rights(path: Path, tmp_path: Path) -> None:
    write(path)
    other = tmp_path / "other"
    other.touch()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode == other.stat().st_mode
    assert set(os.listdir(tmp_path)) == {"run.jsonl", "other"}


def test_what_was_there_is_replaced_and_its_rights_stay(path: Path, tmp_path: Path) -> None:
    path.write_text("before, and longer than what comes")
    path.chmod(0o600)
    write(path)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o666)  # Windows knows no more than "can be written"
    assert os.listdir(tmp_path) == ["run.jsonl"]


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_fails_in_the_middle_leaves_it_as_it_was(
    path: Path, tmp_path: Path, problem: BaseException, is_there: bool
) -> None:
    """Regression: a trace that did not fit on the disk took the one that was there with it."""
    if is_there:
        path.write_text("before")
    with pytest.raises(type(problem)), written(path, "ascii") as file:
        file.write("half of")
        raise problem
    assert os.listdir(tmp_path) == ["run.jsonl"] * is_there
    assert not is_there or path.read_text() == "before"


def test_ctrl_c_when_it_has_its_place_already(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: it came out as a FileNotFoundError, of a name that nobody had typed."""

    def replace(here: str, there: str) -> None:
        real(here, there)
        raise KeyboardInterrupt

    real = os.replace
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        write(path)
    assert path.read_bytes() == b"new"


@only_unix
def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("before")
    path.symlink_to("there")
    write(path)
    assert path.is_symlink()
    assert (tmp_path / "there").read_text() == "new"


@only_unix
def test_a_second_name_is_of_the_same_file(path: Path, tmp_path: Path) -> None:
    path.touch()
    os.link(path, tmp_path / "second")
    write(path)
    assert (tmp_path / "second").read_text() == "new"


@only_unix
def test_devices_and_open_files_are_written_to(path: Path) -> None:
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with path.open("w") as file:
        write(f"/dev/fd/{file.fileno()}")
        assert os.fstat(file.fileno()).st_ino == path.stat().st_ino
    assert path.read_text() == "new"


@only_unix
def test_a_fifo_is_written_to(path: Path) -> None:
    os.mkfifo(path)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()), daemon=True)
    reader.start()
    write(path)
    reader.join(10)
    assert got == ["new"]


def test_in_a_folder_where_nothing_can_be_made_it_is_written_as_it_stands(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("before")
    monkeypatch.setattr("trio_udp.tracing._written._open_beside", lambda *_: None)
    write(path)
    assert path.read_text() == "new"


def test_what_cannot_be_written_is_said_by_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "run.jsonl", tmp_path):
        with pytest.raises(OSError, match=r"[Nn]o such file|[Ii]s a directory|[Pp]ermission denied") as raised:
            write(path)
        assert raised.value.filename == str(path)
