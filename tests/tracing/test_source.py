"""Which line of the program it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType

import pytest
import trio

import trio_udp
from trio_udp.tracing._source import Sources

PACKAGE = Path(trio_udp.__file__).parent


def called_from(*files: str) -> FrameType:
    """The innermost frame of functions in such files that call each other, the outermost first."""
    function = "import sys\ndef f(*inner):\n    return inner[0](*inner[1:]) if inner else sys._getframe()\n"
    functions = []
    for file in files:
        names: dict[str, object] = {}
        exec(compile(function, file, "exec"), names)
        functions.append(names["f"])
    frame = functions[0](*functions[1:])  # type: ignore[operator]
    assert isinstance(frame, FrameType)
    return frame


def test_the_innermost_line_of_the_program() -> None:
    frame = called_from("/program/a.py", "/program/b.py", str(PACKAGE / "_client.py"))
    assert Sources().of(frame) == "/program/b.py:3"


@pytest.mark.parametrize("module", ["contextlib", "outcome", "trio"])
def test_what_is_no_program(module: str) -> None:
    file = sys.modules[module].__file__
    assert file is not None
    assert Sources().of(called_from("/program/a.py", file)) == "/program/a.py:3"


def test_trios_loop_is_where_it_ends() -> None:
    loop = trio.lowlevel.current_task.__code__.co_filename
    assert Sources().of(called_from("/program/a.py", loop, str(PACKAGE / "_crew.py"))) is None
    assert Sources().of(None) is None


def test_the_command_line_is_a_program() -> None:
    frame = called_from(str(PACKAGE / "cli" / "demo.py"), str(PACKAGE / "_client.py"))
    assert Sources().of(frame) == "trio_udp/cli/demo.py:3".replace("/", os.sep)


def test_paths_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(inside), "/elsewhere"])
    sources = Sources()
    assert sources.of(called_from(str(tmp_path / "a.py"))) == "a.py:3"
    assert sources.of(called_from(str(inside / "b.py"))) == "b.py:3"
    assert sources.of(called_from("/elsewhere/package/c.py")) == f"package{os.sep}c.py:3".replace("\\", "/")
    assert sources.of(called_from("/elsewhere2/d.py")) == "/elsewhere2/d.py:3"
    assert sources.of(called_from("<string>")) == "<string>:3"


def test_a_folder_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    monkeypatch.setattr(sys, "path", [])
    assert Sources().of(called_from("/program/a.py")) == "/program/a.py:3"


def test_each_line_is_written_once() -> None:
    sources, frame = Sources(), called_from("/program/a.py")
    assert sources.of(frame) is sources.of(frame)
