"""Writing to a terminal that takes nothing."""

from __future__ import annotations

import os
import select
import sys
import tty
from typing import TYPE_CHECKING, TextIO

import pytest

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals there", allow_module_level=True)

import pty

from trio_udp.cli import _live_output
from trio_udp.cli._live_output import Output
from trio_udp.cli._live_screen import MOST_COLUMNS, MOST_LINES, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MUCH = "".join(f"{number}," for number in range(100_000))  # more than any terminal keeps


class Pair:
    """A pseudo-terminal: ``file`` is where programs write, ``read`` what a person sees."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(self._ours, False)
        self.file: TextIO = os.fdopen(theirs, "w", encoding="utf-8")

    def read(self) -> str:
        try:
            return os.read(self._ours, 65536).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        self.file.close()
        os.close(self._ours)


@pytest.fixture
def pair() -> Iterator[Pair]:
    there = Pair()
    yield there
    there.close()


@pytest.fixture
def output(pair: Pair) -> Iterator[Output]:
    there = Output(pair.file)
    yield there
    there.close()


def test_what_is_not_taken_is_kept_and_sent_later(pair: Pair, output: Output) -> None:
    output.write(MUCH)
    assert not output.send()
    seen = ""
    while not output.send():
        seen += pair.read()
    while len(seen) < len(MUCH):
        seen += pair.read()
    assert seen == MUCH


def test_the_shells_own_opening_still_waits(pair: Pair, output: Output) -> None:
    assert output.fd is not None
    assert not os.get_blocking(output.fd)
    assert os.get_blocking(pair.file.fileno())


def test_the_last_words_are_given_up_in_time(pair: Pair, output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_live_output, "PATIENCE", 0.01)
    output.write(MUCH)
    assert not output.send()
    output.say_at_last(b"the end")
    output.write("after the end")
    assert output.send()
    seen = "".join(iter(pair.read, ""))
    assert MUCH.startswith(seen)


def test_the_last_words_come_though_nobody_says_that_there_is_room(
    pair: Pair, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: Ctrl-Z has made room in a full terminal, who waited for it was not told, and gave up."""

    def told_of_nothing(*_: object) -> tuple[list[int], list[int], list[int]]:
        while pair.read():
            pass
        return [], [], []

    monkeypatch.setattr(select, "select", told_of_nothing)
    monkeypatch.setattr(_live_output, "PATIENCE", 60)
    output.write(MUCH)
    assert not output.send()
    output.say_at_last(b"the end")
    seen = ""
    while not seen.endswith("the end"):
        seen += pair.read()


def test_after_them_it_can_be_opened_again(pair: Pair, output: Output) -> None:
    output.say_at_last(b"bye")
    output.write("lost")
    output.open(b"again ")
    output.write("here")
    output.flush()
    seen = ""
    while len(seen) < len("byeagain here"):
        seen += pair.read()
    assert seen == "byeagain here"


def test_no_picture_is_larger_than_that(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: COLUMNS=100000 took minutes."""
    for columns, lines, expected in (
        ("100000", "3000", (MOST_COLUMNS, MOST_LINES)),
        ("9" * 5000, "²", (80, 24)),
        ("abc", "-5", (80, 24)),
        ("0", "", (80, 24)),
        ("100", "30", (100, 30)),
    ):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("LINES", lines)
        assert size_of(pair.file) == expected
