"""The learner's file, as it lies there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from trio_udp.learn._source import MOST, NoText, check_text, lines, read

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"\xff\r\n" * 10)
    assert read(path) == b"\xff\r\n" * 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    os.mkfifo(path)
    with pytest.raises(OSError, match="it is no regular file"):
        read(path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a file without end")
def test_a_device_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="it is no regular file"):
        read(path)


def test_what_is_no_program_of_a_person_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"#" * MOST)
    assert len(read(path)) == MOST
    path.write_bytes(b"#" * (MOST + 1))
    with pytest.raises(OSError, match="it has more than 1,000,000 bytes"):
        read(path)


BYTE = "there is a byte 0xe4 in this line, which is no utf-8: save it as UTF-8"
WRONG = {
    "no encoding of texts": (
        b"# coding: hex\n",
        1,
        "Python cannot read this file: hex is not for programs; save it as UTF-8, without such a line",
    ),
    "an encoding that does not say where": (
        b"# coding: undefined\n",
        1,
        "Python cannot read this file: undefined is not for programs; save it as UTF-8, without such a line",
    ),
    "another encoding": (
        b"x = 1\n# \xe4\n",
        2,
        BYTE,
    ),
    "in its first line": (b"# \xe4\n", 1, BYTE),
    "below": (b"\n\r\n\r# \xe4", 4, BYTE),
    "UTF-16": ("x = 1".encode("utf-16"), None, "this file is in UTF-16, which Python does not read: save it as UTF-8"),
    "UTF-16, unsaid": (b"\n" + "x".encode("utf-16-le"), 2, "this is no text, or it is in UTF-16: save it as UTF-8"),
    "an unknown one": (
        b"# coding: foo\n",
        1,
        "Python cannot read this file: unknown encoding: foo; save it as UTF-8, without such a line",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_python_could_not_read_is_told(name: str, tmp_path: Path) -> None:
    source, line, words = WRONG[name]
    with pytest.raises(NoText) as caught:
        check_text(source)
    assert (caught.value.line, str(caught.value)) == (line, words)
    (tmp_path / "x.py").write_bytes(source)
    assert subprocess.run([sys.executable, tmp_path / "x.py"], capture_output=True, timeout=60).returncode == 1


@pytest.mark.parametrize(
    "source", [b"", b"x = 'h\xc3\xa9'\n", b"\xef\xbb\xbfx = 1", b"# coding: latin-1\nx = '\xe4'\r\n", b"# \x0c\n"]
)
def test_what_python_reads_is_right(source: bytes) -> None:
    check_text(source)
    compile(source, "x.py", "exec")


def test_lines_have_the_numbers_that_python_gives_them() -> None:
    text = "a\r\n# \x0c \u2028 \x85 \x1c\rb\n\n1 / 0"
    assert lines(text) == ["a", "# \x0c \u2028 \x85 \x1c", "b", "", "1 / 0"]
    code = compile("a = b = 1\r\n# \x0c \u2028 \x85 \x1c\rb\n\n1 / 0", "x.py", "exec")
    with pytest.raises(ZeroDivisionError) as caught:
        exec(code)
    assert caught.tb.tb_next is not None
    assert caught.tb.tb_next.tb_lineno == 5
