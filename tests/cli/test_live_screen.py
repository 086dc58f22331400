"""A terminal's second screen: taken late, given back always."""

from __future__ import annotations

import errno
import io
import os
import time
from typing import TYPE_CHECKING

import pytest
from rich.text import Text

from trio_udp.cli import _live_screen
from trio_udp.cli._live_screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_udp.cli._live_look import Look

TAKEN, GIVEN_BACK = "\x1b[?1049h", "\x1b[?1049l"
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"


class Pipe:
    """What stands for a terminal here: what is written there is there at once, which a pseudo-terminal does not say."""

    def __init__(self) -> None:
        self.ours, theirs = os.pipe()
        os.set_blocking(self.ours, False)
        self.file = os.fdopen(theirs, "w", encoding="utf-8")

    def written(self) -> str:
        try:
            return os.read(self.ours, 65536).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    there = Pipe()
    yield there
    there.file.close()
    os.close(there.ours)


def picture(width: int, height: int, look: Look) -> Text:
    return Text("[red]picture")


def test_it_is_taken_at_the_first_picture_and_given_back_at_the_end(pipe: Pipe) -> None:
    with Screen(pipe.file) as screen:
        assert pipe.written() == ""
        assert screen.draw(picture) > 0
        written = pipe.written()
        assert written.startswith(TAKEN)
        assert HIDDEN in written
        assert "[red]picture" in written
        screen.draw(picture)
        assert TAKEN not in pipe.written()
    written = pipe.written()
    assert GIVEN_BACK in written
    assert SHOWN in written
    assert screen.draw(picture) == 0
    assert pipe.written() == ""


def test_without_a_picture_nothing_is_written(pipe: Pipe) -> None:
    with Screen(pipe.file):
        pass
    assert pipe.written() == ""


def test_a_signal_may_give_it_back_at_any_moment(pipe: Pipe) -> None:
    with Screen(pipe.file) as screen:
        screen.draw(picture)
        pipe.written()
        screen.release()
        assert pipe.written() == GIVEN_BACK + SHOWN
        screen.release()
        screen.draw(picture)
    assert pipe.written() == ""


@pytest.mark.parametrize("is_first", [True, False])
def test_also_in_the_middle_of_drawing(pipe: Pipe, is_first: bool) -> None:
    """Regression: a first picture that was being made then took the screen, and nobody gave it back."""
    with Screen(pipe.file) as screen:
        if not is_first:
            screen.draw(picture)

        def interrupted(width: int, height: int, look: Look) -> Text:
            screen.release()
            return picture(width, height, look)

        screen.draw(interrupted)
    written = pipe.written()
    assert written.rindex(GIVEN_BACK) > written.rindex(TAKEN)
    assert written.rindex(SHOWN) > written.rindex(HIDDEN)


class Gone(io.StringIO):
    """A terminal that has gone."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def fileno(self) -> int:
        return -1


def test_a_terminal_that_is_gone_is_a_broken_pipe() -> None:
    with pytest.raises(BrokenPipeError):
        with Screen(Gone()) as screen:
            with pytest.raises(BrokenPipeError):
                screen.draw(picture)
    with Screen(Gone()) as screen:
        with pytest.raises(BrokenPipeError):
            screen.draw(picture)
        screen.release()


def test_a_picture_in_which_the_process_was_stopped_was_not_dear(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: after Ctrl-Z in the middle of one, the view stood still for ten times as long."""
    stopped = [0.0]
    clocks = {name: getattr(time, name) for name in ("perf_counter", "monotonic", "time")}
    for name, clock in clocks.items():
        monkeypatch.setattr(time, name, lambda clock=clock: clock() + stopped[0])
        if hasattr(_live_screen, name):
            monkeypatch.setattr(_live_screen, name, getattr(time, name))

    def draw(*_: object) -> Text:
        stopped[0] += 3600
        return Text("picture")

    with Screen(pipe.file) as screen:
        assert 0 < screen.draw(draw) < 3000
