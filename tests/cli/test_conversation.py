"""`request` and a person, on a pseudo-terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import COMMAND, PATIENCE, ROOT, Stream, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    StartServer = Callable[[Callable[[bytes], list[bytes]]], int]

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals there", allow_module_level=True)

import pty
import termios


def echo(data: bytes) -> list[bytes]:
    return [data]


class Terminal:
    """A pseudo-terminal with the program at its other end, and without echo: all that is there, the program said."""

    def __init__(self, *arguments: str) -> None:
        self._fd, other = pty.openpty()
        settings = termios.tcgetattr(other)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(other, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=other, stdout=other, stderr=other, cwd=ROOT, env=environment()
        )
        os.close(other)
        self.screen = Stream(self._fd)

    def type(self, text: bytes) -> None:
        os.write(self._fd, text)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.screen.all()
        os.close(self._fd)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    there = Terminal(*arguments)
    try:
        yield there
    finally:
        there.close()


PROMPT = "Enter message to send : "


def test_a_conversation(start_server: StartServer) -> None:
    port = start_server(lambda data: [b"OK..." + data])
    with terminal("request", f"127.0.0.1:{port}") as person:
        person.screen.wait_for(f"^{PROMPT}$")
        person.type(b"hello\n")
        person.screen.wait_for(rf"Server reply : OK\.\.\.hello\r\n{PROMPT}$")
        person.type(b"\n")
        person.screen.wait_for(rf"Server reply : OK\.\.\.\r\n{PROMPT}$")
        person.type(b"\x1b[2J\n")
        person.screen.wait_for(rf"Server reply : OK\.\.\.\\x1b\[2J\r\n{PROMPT}$")
        person.type(b"\x04")  # Ctrl-D
        assert person.process.wait(PATIENCE) == 0
        assert person.screen.all().endswith(f"{PROMPT}\r\n".encode())


def test_a_conversation_goes_on_after_a_lost_one(start_server: StartServer) -> None:
    port = start_server(lambda data: [data] if data != b"lose me" else [])
    arguments = ["--attempts", "2", "--first", "0.05"]
    with terminal("request", f"127.0.0.1:{port}", *arguments) as person:
        person.screen.wait_for(PROMPT)
        person.type(b"lose me\n")
        person.screen.wait_for("no reply yet, attempt 2 of 2\r\n")
        person.screen.wait_for(rf"no reply from 127\.0\.0\.1:{port} to 2 attempts in 0\..* s\r\n{PROMPT}$")
        person.type(b"and now?\n")
        person.screen.wait_for(rf"Server reply : and now\?\r\n{PROMPT}$")


def test_ctrl_c_ends_a_conversation(start_server: StartServer) -> None:
    with terminal("request", f"127.0.0.1:{start_server(echo)}") as person:
        person.screen.wait_for(PROMPT)
        os.kill(person.process.pid, signal.SIGINT)
        assert person.process.wait(PATIENCE) == 130
        assert person.screen.all() == f"{PROMPT}\r\n".encode()


def test_on_a_terminal_a_reply_ends_with_a_newline(start_server: StartServer) -> None:
    port = start_server(echo)
    with terminal("request", f"127.0.0.1:{port}", "Hello") as person:
        assert person.screen.all() == b"Hello\r\n"
    with terminal("request", f"127.0.0.1:{port}", "Hello\n") as person:
        assert person.screen.all() == b"Hello\r\n"
    with terminal("request", f"127.0.0.1:{port}", "--bytes-hex", "ff") as person:
        assert person.screen.all() == b"ff\r\n"
