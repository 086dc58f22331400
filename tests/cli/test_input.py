from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import pytest
import trio
import trio.testing

from tests.cli.child import COMMAND, PATIENCE, ROOT
from trio_udp.cli import main
from trio_udp.cli._common import ExitCode, Failure
from trio_udp.cli._input import Input, stdin_is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stdin_from_pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[BinaryIO]:
    read, write = os.pipe()
    with open(read) as reader, open(write, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", reader)
        yield writer


async def test_lines_that_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    with stdin_from_pipe(monkeypatch) as writer:
        assert not stdin_is_terminal()
        lines = Input(300_000)
        writer.write(b"one\ntwo\nth")
        assert [await lines.line(), await lines.line()] == [b"one", b"two"]
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def wait_for_the_rest() -> None:
                assert await lines.line() == b"three"

            await trio.testing.wait_all_tasks_blocked()
            writer.write(b"ree\n\nlast")
        assert await lines.line() == b""
        writer.close()
        assert [await lines.line(), await lines.line(), await lines.line()] == [b"last", None, None]


async def test_a_long_line_and_all_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with stdin_from_pipe(monkeypatch) as writer:
        everything = Input(300_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: (writer.write(b"x" * 300_000), writer.close()))
            assert await everything.all() == b"x" * 300_000


async def test_a_line_that_no_datagram_can_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    with stdin_from_pipe(monkeypatch) as writer:
        lines = Input(4)
        writer.write(b"four\nfives\n")
        assert await lines.line() == b"four"
        with pytest.raises(Failure, match=r"^standard input is too long: a line is one datagram, of 4 bytes at most$"):
            await lines.line()


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs an input without end")
@pytest.mark.parametrize("arguments", [["-"], ["--lines"], ["--bytes-hex"], ["--lines", "--repr"]])
def test_input_without_end_is_not_read_for_ever(arguments: list[str]) -> None:
    with open("/dev/zero", "rb") as zeros:
        command = [*COMMAND, "request", "127.0.0.1:7", *arguments]
        ended = subprocess.run(command, cwd=ROOT, stdin=zeros, capture_output=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout) == (ExitCode.ERROR, b"")
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("trio_udp request: standard input is too long: ")


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes there")
async def test_input_that_somebody_has_made_non_blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    with stdin_from_pipe(monkeypatch) as writer:
        os.set_blocking(sys.stdin.fileno(), False)
        lines = Input(100)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def wait_for_it() -> None:
                assert await lines.line() == b"at last"

            await trio.sleep(0.05)  # nothing tells when the thread has found nothing there
            writer.write(b"at last\n")
        assert not os.get_blocking(sys.stdin.fileno())


def test_a_program_without_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["request", "127.0.0.1:7"]) == ExitCode.ERROR
    assert capsys.readouterr().err == "trio_udp request: there is no standard input to read\n"
