from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import pytest
import trio
import trio.testing

from trio_udp.cli import main
from trio_udp.cli._common import ExitCode
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
        lines = Input()
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
        everything = Input()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: (writer.write(b"x" * 300_000), writer.close()))
            assert await everything.all() == b"x" * 300_000


def test_a_program_without_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["request", "127.0.0.1:7"]) == ExitCode.ERROR
    assert capsys.readouterr().err == "trio_udp request: there is no standard input to read\n"
