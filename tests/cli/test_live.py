"""Is there to be a picture? And what is needed for one: keys, a moment to draw, streams that wait."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.cli.child import run
from trio_udp.cli import _live_refresh, make_parser
from trio_udp.cli._common import Failure
from trio_udp.cli._live import check_live, demo_is_live, why_plain
from trio_udp.cli._live_held import KEPT, LONGEST, Held, held_streams
from trio_udp.cli._live_keys import Keys, check_keys
from trio_udp.cli._live_refresh import LONGEST as LONGEST_PAUSE
from trio_udp.cli._live_refresh import PERIOD, SHARE, News, keep_drawing
from trio_udp.cli._pace import choose_clock

if TYPE_CHECKING:
    from argparse import Namespace

    from trio.testing import MockClock


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def be_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a fixture: pytest puts streams of its own there between a test's fixtures and the test."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal())


def demo_args(*options: str) -> Namespace:
    return make_parser().parse_args(["demo", *options])


# -- a picture, or lines ----------------------------------------------------------------------------------------------


def test_a_terminal_has_a_picture_unless_lines_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    assert demo_is_live(demo_args())
    assert demo_is_live(demo_args("--speed", "2"))
    assert not demo_is_live(demo_args("--plain"))
    assert not demo_is_live(demo_args("--json"))
    monkeypatch.setenv("NO_COLOR", "")  # which is as if it were not there
    assert demo_is_live(demo_args())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not demo_is_live(demo_args())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--step", "--plain"], "--step and --plain do not go together, as it is for the live view: leave one out"),
        (["--step", "--json"], "--step and --json do not go together, as it is for the live view: leave one out"),
        (["--step", "--speed", "2"], "--step and --speed do not go together, as time stands still: leave one out"),
    ],
)
def test_what_makes_no_sense(options: list[str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    with pytest.raises(Failure) as caught:
        demo_is_live(demo_args(*options))
    assert str(caught.value) == why
    assert caught.value.code == 2


def test_nothing_is_drawn_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    assert why_plain(sys.stderr) is None
    monkeypatch.setenv("TERM", "dumb")
    assert why_plain(sys.stderr) == "one that is dumb cannot be drawn on"
    monkeypatch.delenv("TERM")
    monkeypatch.setitem(sys.modules, "rich", None)
    assert why_plain(sys.stderr) == 'rich, which is not installed: python -m pip install "trio_udp[cli]"'
    assert why_plain(io.StringIO()) == "standard error is not one"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--step"], "--step needs a terminal for the live view, and standard output is not one"),
        (["serve", "0", "--live"], "--live needs a terminal, and standard error is not one"),
        (["relay", "0", "7", "--live"], "--live needs a terminal, and standard error is not one"),
        (
            ["serve", "0", "--live", "--quiet"],
            "--live shows datagrams, and --quiet does not want to see any: leave one out",
        ),
        (
            ["serve", "0", "--live", "--workers", "2"],
            "--live and --workers do not go together: it shows the tasks of one process",
        ),
        (
            ["serve", "0", "--live", "--dtls", "cert", "key"],
            "--live and --dtls do not go together: it would show what is encrypted",
        ),
    ],
)
def test_without_a_terminal_it_is_a_usage_error(arguments: list[str], said: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert ended.stderr.decode() == f"trio_udp {arguments[0]}: {said}\n"


def test_a_server_that_is_shown_says_nothing_about_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    args = make_parser().parse_args(["serve", "0", "--live"])
    check_live(args)
    assert args.quiet


def test_speed_and_step_are_virtual() -> None:
    for options in (["--speed", "2"], ["--step"]):
        args = demo_args(*options)
        assert choose_clock(args) is not None
        assert args.virtual
    assert choose_clock(demo_args()) is None


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_system_without_single_keys_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    monkeypatch.setattr("trio_udp.cli._live_keys.CAN_READ_KEYS", False)
    with pytest.raises(Failure, match=r"^--step reads single keys, which this system has no way to: see --speed$"):
        demo_is_live(demo_args("--step"))


def test_keys_come_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(Failure, match=r"^--step reads keys, so standard input has to be a terminal: see --speed$"):
        check_keys()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
async def test_keys_that_mean_something(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: theirs))
    try:
        with Keys(lambda lines: None) as keys, trio.fail_after(60):
            keys.take()
            os.write(ours, b"a \x1b[B\nq")
            assert [await keys.goes_on() for _ in range(3)] == [True, True, False]
            os.close(ours)
            assert not await keys.goes_on()  # nobody is there any more
    finally:
        os.close(theirs)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
async def test_q_does_not_end_scrolling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: it was taken for a terminal that has gone."""
    ours, theirs = os.openpty()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: theirs))
    monkeypatch.setattr("trio_udp.cli._live_keys.keys_are_ours", lambda: True)
    scrolled = trio.Event()
    try:
        with Keys(lambda lines: scrolled.set()) as keys, trio.fail_after(60):
            await keys.take_when_ours()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keys.keep_scrolling)
                os.write(ours, b"q")
                await trio.testing.wait_all_tasks_blocked(0.01)
                os.write(ours, b"j")
                await scrolled.wait()
                nursery.cancel_scope.cancel()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_keys_that_nobody_takes_are_left_to_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """To put the settings back throws away what was typed."""
    import termios

    ours, theirs = os.openpty()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: theirs))
    try:
        with Keys(lambda lines: None) as keys:
            settings = termios.tcgetattr(theirs)
            os.write(ours, b"for the shell\n")
            keys.restore()
        assert os.read(theirs, 100) == b"for the shell\n"
        with Keys(lambda lines: None) as keys:
            keys.take()
            assert termios.tcgetattr(theirs) != settings
        assert termios.tcgetattr(theirs) == settings
    finally:
        os.close(ours)
        os.close(theirs)


# -- drawing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cost", "speed", "pictures"), [(0.0, 1.0, 10), (PERIOD, 1.0, 1), (0.0, 0.5, 20)])
async def test_so_often_and_not_more(cost: float, speed: float, pictures: int, autojump_clock: MockClock) -> None:
    drawn = []

    def draw() -> float:
        drawn.append(trio.current_time())
        return cost

    with trio.move_on_after(PERIOD * 9.5 if speed == 1.0 else PERIOD * 9.75):
        await keep_drawing(draw, speed)
    assert len(drawn) == pictures
    assert SHARE == 0.1


async def test_however_dear_a_picture_is_the_next_one_comes(autojump_clock: MockClock) -> None:
    drawn = []

    def draw() -> float:
        drawn.append(trio.current_time())
        return 3600.0

    with trio.move_on_after(2.5 * LONGEST_PAUSE):
        await keep_drawing(draw)
    assert drawn == [0.0, LONGEST_PAUSE, 2 * LONGEST_PAUSE]


async def test_where_time_jumps_it_is_drawn_when_something_happens(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    wall = [0.0]
    monkeypatch.setattr(_live_refresh, "perf_counter", lambda: wall[0])
    drawn = []

    def draw() -> float:
        drawn.append(wall[0])
        return 0.05

    news = News(draw)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(news.keep_drawing)
        for now in (0.4, 0.6, 0.9, 1.2, 1.3):
            wall[0] = now
            news.tell()
            news.tell()
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert drawn == [0.6, 1.2]


async def test_where_time_jumps_the_next_one_comes_too(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    wall, drawn = [1.0], []
    monkeypatch.setattr(_live_refresh, "perf_counter", lambda: wall[0])

    def draw() -> float:
        drawn.append(wall[0])
        return 3600.0

    news = News(draw)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(news.keep_drawing)
        for now in (2.0, 3.9, 4.1):
            wall[0] = now
            news.tell()
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert drawn == [2.0, 4.1]


# -- what is said meanwhile --------------------------------------------------------------------------------------------


def test_what_is_said_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    be_on_a_terminal(monkeypatch)
    out, err = sys.stdout, sys.stderr
    assert isinstance(err, Terminal)
    with held_streams() as held:
        print("printed \x1b[2J")
        print("said", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes\xff\n")
        assert sys.stdout.isatty()
        assert held.shown(2) == ["said", "bytes\\xff"]
        assert held.shown(3)[0] == "printed \\x1b[2J"
        assert err.getvalue() == ""
    assert (sys.stdout, sys.stderr) == (out, err)
    assert err.getvalue() == "printed \x1b[2J\nsaid\nbytes\\xff\n"


def test_its_file_descriptor_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a handler that asks for it, for a program that it starts, failed."""
    be_on_a_terminal(monkeypatch)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 5, raising=False)
    with held_streams():
        assert sys.stdout.fileno() == sys.stderr.fileno() == 5
    with pytest.raises(io.UnsupportedOperation):
        Held().fileno()


def test_streams_that_go_elsewhere_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    with held_streams():
        assert sys.stdout is file


def test_the_latest_is_kept() -> None:
    held = Held()
    held.write(b"".join(b"%d\n" % number for number in range(KEPT + 5)) + b"begun")
    assert held.text("utf-8").startswith("(5 lines before these were not kept)\n5\n6\n")
    assert held.text("utf-8").endswith(f"\n{KEPT + 4}\nbegun")
    held.write(b" x" * LONGEST)
    assert held.shown(2)[0].startswith("begun x x")


def test_a_line_may_not_be_as_long_as_it_likes() -> None:
    """Regression: lines were bounded, and their bytes were not."""
    held = Held()
    for _ in range(20):
        held.write(b"x" * (LONGEST * 100) + b"\n")
    assert sum(map(len, held.lines)) <= KEPT * LONGEST
    assert len(held.text("utf-8")) > KEPT * LONGEST
    held.write(b"a" * LONGEST + b"b\n\nend\n")
    assert list(held.lines)[-4:] == [b"a" * LONGEST, b"b", b"", b"end"]


def test_what_an_encoding_does_not_have_is_escaped() -> None:
    held = Held()
    held.write("héllo".encode())
    assert held.text("ascii") == "h\\xe9llo"
