"""`bench` while it runs, on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import COMMAND, PATIENCE, ROOT, Stream, environment, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals there", allow_module_level=True)

import fcntl
import pty
import termios


@contextmanager
def bench_on_a_terminal(port: int, *options: str, columns: int) -> Iterator[tuple[subprocess.Popen[bytes], Stream]]:
    """Run it with standard error on a terminal; all that is said there."""
    fd, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [*COMMAND, "bench", f"127.0.0.1:{port}", *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=other, start_new_session=True
    )
    os.close(other)
    terminal = Stream(fd)
    with process:
        try:
            yield process, terminal
        finally:
            process.kill()
    terminal.all()
    os.close(fd)


def interrupt(process: subprocess.Popen[bytes]) -> bytes:
    """Ctrl-C; returns what is then on standard output."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE)[0]


def test_the_line_is_rewritten() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        with bench_on_a_terminal(port, "-z", "3600", "-W", "60", columns=120) as (process, terminal):
            terminal.wait_for(r"\r\d+ s: .*\r\d+ s: ")
            assert interrupt(process).startswith(b"--- 127.0.0.1:")
    first, line, again, *_ = terminal.text.split("\r")
    assert first == ""
    for shown in (line, again):
        assert re.match(r"\d+ s: \d+ sent, \d+ replies/s, \d+ waiting, \d+ lost", shown)
    assert "\n" not in line


def test_on_a_narrow_terminal_the_line_is_cut() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        with bench_on_a_terminal(port, "-z", "3600", "-W", "60", columns=20) as (process, terminal):
            terminal.wait_for(r"\r\d+ s: .*\r\d+ s: ")
            interrupt(process)
    line = terminal.text.split("\r")[1]
    assert re.match(r"\d+ s: \d+ s", line)
    assert len(line) == 19


def test_when_it_is_over_the_line_is_gone() -> None:
    """Nobody answers, so it ends by itself, after a line or two."""
    with serve("127.0.0.1:0", "--print", "--quiet") as (_, port):
        with bench_on_a_terminal(port, "-c", "1", "-n", "1", "-W", "1.5", columns=120) as (process, terminal):
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 3
    first, line, *_, blank, rest = terminal.text.split("\r")
    assert (first, rest) == ("", "")
    assert re.fullmatch(r"\d+ s: 1 sent, 0 replies/s, 1 waiting, 0 lost", line)
    assert blank == " " * len(line)
