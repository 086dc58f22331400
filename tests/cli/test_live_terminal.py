"""The live view as it is seen: the real program on a pseudo-terminal, and a terminal emulator that looks at it."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import COMMAND, PATIENCE, environment, run

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals there", allow_module_level=True)

from tests.cli.terminal import CTRL_BACKSLASH, CTRL_C, CTRL_Q, CTRL_S, CTRL_Z, END_OF_SECOND_SCREEN, terminal
from trio_udp.cli._live_still import EVENTS, still_text, take_still
from trio_udp.tracing import load, timeline_svg

if TYPE_CHECKING:
    import socket
    from pathlib import Path

STEP = "space: what happens next"
LONG = ("--delay", "100", "--loss", "0")  # nobody waits for that

WITHOUT_RICH = (
    sys.executable,
    "-c",
    "import sys; sys.modules['rich'] = None; from trio_udp.cli import main; sys.exit(main())",
)


# -- the demo, one event after another: exact --------------------------------------------------------------------------


def test_the_still_is_what_is_seen() -> None:
    """Which README.rst has, and the documentation: the same keys on a terminal of the same size."""
    expected = still_text(take_still())
    with terminal("demo", "--step") as person:
        person.wait_for(STEP)
        person.type(b" " * EVENTS)
        person.wait_until(lambda: person.display + "\n" == expected)


def test_a_large_terminal_has_room_for_twenty_clients() -> None:
    with terminal("--step", "--clients", "20", "--loss", "1", columns=120, lines=40) as person:
        person.wait_for(STEP)
        assert "✗" not in person.display
        person.type(b" \n" * 20)
        person.wait_for(
            r"client 20 +1/4 +attempt 1 +▇{10} +[\d.]+ s +━+✗ loss ·+\n── what happened ─+\n(.+ client \d+ .+\n){5}"
        )
        shown = person.display
        assert len(re.findall(r"^client \d+ +\d/4 ", shown, re.MULTILINE)) == 20
        assert "├─ client 1-20 × 20 " in shown
        assert "├─ relay, client 1-20 × 20 " in shown
        assert "│ answered            0 of 80" in shown
        assert "│ lost to the server  20" in shown
        assert max(map(len, shown.splitlines())) == 120


def test_on_a_small_one_the_others_can_be_scrolled_to() -> None:
    """Regression: of 20 clients there were nine, and no way to see the others."""
    with terminal("--step", "--clients", "20") as person:
        person.wait_for(r"client 6 .*\n… 14 more: 14 not yet    j, k, arrows: scroll\n── what happened")
        person.type(b"j")
        person.wait_for(r"client 7 .*\n… 14 more, 1 of them above: 14 not yet")
        person.type(b"\x1b[6~\x1b[B")
        person.wait_for(r"client 14 .*\n… 14 more, 8 of them above: 14 not yet")
        person.type(b"\x1b[6~" * 3)
        person.wait_for(r"client 20 .*\n… 14 more, 14 of them above: 14 not yet")
        person.type(b"\x1b[5~k\x1bOA")
        person.wait_for(r"client 12 .*\n… 14 more, 6 of them above: 14 not yet")
        assert "nothing has happened yet" in person.display
        person.type(b"q")
        assert person.ended() == 130
        assert person.is_clean


def test_they_scroll_while_it_runs_too() -> None:
    with terminal("demo", "--clients", "20", *LONG) as person:
        person.wait_for(r"client 7 .*\n… 13 more: 13 waiting    j, k, arrows: scroll\n")
        person.type(b"\x1b[B" * 3)
        person.wait_for(r"client 10 .*\n… 13 more, 3 of them above: 13 waiting")
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean


def test_they_scroll_in_time_that_jumps_too() -> None:
    """Regression: nothing was said about keys, and none did anything."""
    with terminal("demo", "--virtual", "--clients", "40", "--requests", "100000") as person:
        person.wait_for(r"client 1 .*\n(?:.*\n)*… \d+ more: .*    j, k, arrows: scroll\n")
        person.type(b"j" * 100)
        person.wait_for(r"client 40 .*\n… (\d+) more, \1 of them above: ")
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean


def test_what_does_not_fit_scrolls_however_few_they_are() -> None:
    """Regression: with eight clients or fewer no key did anything, however small the terminal."""
    with terminal("demo", "--clients", "6", *LONG, lines=10) as person:
        person.wait_for(r"├─ client 1-6 × 6 .*\n… 7 more lines .*\n")
        person.wait_for(r"client 3 .*\n… 3 more: 3 waiting    j, k, arrows: scroll")
        person.type(b"jj")
        person.wait_for(r"client 5 .*\n… 3 more, 2 of them above: 3 waiting")
        assert re.search(r"\n├─ relay .*\n.*\n… 7 more lines, 2 above ", person.display)
        person.type(b"\x1b[6~" * 2)
        person.wait_for(r"╰─ handlers at 127\.0\.0\.1:\d+ .*lost to the clients 0\n… 7 more lines, 7 above ")
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean


def test_the_title_is_folded() -> None:
    with terminal("demo", "--speed", "0.001") as person:
        title = r"^trio_udp demo, 0\.001 times as fast, seed 1: the network loses 30% and +0\.\d{3} s\n"
        person.wait_for(title + r"takes 0\.4 s each way\n── nurseries")
        person.type(CTRL_C)
        assert person.ended() == 130


def test_a_tiny_terminal_breaks_nothing() -> None:
    with terminal("--step", "--loss", "1", columns=40, lines=10) as person:
        person.wait_for(STEP)
        person.type(b"  ")
        person.wait_for(r"client 1 +1/4 +#1 1\.\d\d s +━+✗ loss")
        assert person.line(-1).startswith(f" {STEP}")
        for columns, lines in ((20, 5), (5, 2), (1, 1), (80, 24)):
            person.resize(columns, lines)
            person.type(b" ")
        person.wait_for(STEP)
        person.type(b"q")
        assert person.ended() == 130
        assert person.is_clean


def test_it_is_drawn_again_when_the_terminal_is_resized() -> None:
    with terminal("--step") as person:
        person.wait_for(STEP)
        person.resize(100, 30)
        person.wait_until(lambda: STEP in person.line(29))
        person.resize(60, 15)
        person.wait_until(lambda: STEP in person.line(14))


@pytest.mark.parametrize(("keys", "echo"), [(b"q", ""), (b"Q", ""), (b"\x04", ""), (CTRL_C, "^C")])
def test_leaving_in_the_middle_leaves_the_terminal_clean(keys: bytes, echo: str) -> None:
    with terminal("--step") as person:
        person.wait_for(STEP)
        assert not person.is_clean
        person.type(b"x\x1b[A  ")  # other keys mean nothing
        person.wait_for("request 1 is lost on its way to the server")
        person.type(keys)
        assert person.ended() == 130
        assert person.is_clean
        assert "Traceback" not in person.written
        lines = person.last_words.splitlines()
        assert lines[0].endswith(' 0.000 s  client 1  -> sends "request 1"')
        assert lines[1] == " 0.000 s  client 1   x request 1 is lost on its way to the server"
        assert lines[2] == ""
        assert lines[3:6] == [f"{name:<27}  {number:>9}" for name, number in SHOWN_AFTER_TWO_EVENTS]
        assert lines[-1].startswith("duration ")  # and no word of what to try next


SHOWN_AFTER_TWO_EVENTS = (("requests", 12), ("answered", 0), ("attempts", 1))


@pytest.mark.parametrize("options", [("--speed", "0.001"), ("--delay", "1000"), ("--step",)])
def test_ctrl_c_in_the_live_demo_tells_what_has_happened(options: tuple[str, ...]) -> None:
    with terminal("demo", "--loss", "0", "--clients", "1", *options) as person:
        person.wait_for("attempts +0|attempts +1")
        if options == ("--step",):
            person.type(b" ")
        person.wait_for("attempts +1")
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean
        [line, nothing, *summary] = person.last_words.removeprefix("\x1b[?25h").splitlines()
        assert line.endswith(' s  client 1  -> sends "request 1"')  # which was not given up
        assert nothing == ""
        assert [row.split() for row in summary[:3]] == [["requests", "4"], ["answered", "0"], ["attempts", "1"]]
        assert "Try next" not in person.last_words


def test_ctrl_c_among_plain_lines_has_the_summary_too() -> None:
    with terminal("demo", "--plain", *LONG) as person:
        person.wait_for('client 3  -> sends "request 1"')
        person.type(CTRL_C)
        assert person.ended() == 130
        assert re.search(r"requests +12\nanswered +0\nattempts +3\n", person.display)
        assert "gives up" not in person.display
        assert "Traceback" not in person.written


def test_what_was_typed_ahead_is_not_drawn_one_by_one() -> None:
    """Regression: after 12,000 spaces it drew 12,000 pictures before it heard the q."""
    with terminal("--step") as person:
        person.wait_for(STEP)
        before = person.written.count("nurseries and tasks")
        person.type(b" " * 3000)  # less than what a terminal keeps
        person.wait_for("that was all")
        person.type(b"q")
        assert person.ended() == 0
        assert person.is_clean
        assert person.written.count("nurseries and tasks") - before < 100


def test_what_follows_is_what_would_have_been_printed() -> None:
    options = ["--virtual", "--clients", "2", "--requests", "1", "--seed", "2", "--delay", "0.4"]
    plain = run("demo", *options).stdout.decode()
    with terminal("demo", *options, "--step") as person:
        person.wait_for(STEP)
        person.type(b" " * 200)
        person.wait_for("that was all")
        assert "all tasks have ended" in person.display
        person.type(b"q")
        assert person.ended() == 0
        assert person.is_clean
        assert plain in person.last_words
        assert "Try next:" in person.last_words


# -- the demo in its own time, or another ------------------------------------------------------------------------------


def test_typed_without_options_it_can_be_seen() -> None:
    """Regression: it took two seconds, and in every picture each datagram had arrived or was lost."""
    began = time.monotonic()
    with terminal() as person:
        seen = set()

        def look() -> bool:
            for line in person.display.splitlines():
                lane = line[47:]
                if line.startswith("client ") and (head := re.search("[▶◀]", lane)):
                    seen.add((head[0], head.start()))
            return person.process.poll() is not None

        person.wait_until(look)
        assert person.ended() == 0
        took = time.monotonic() - began
    for arrow, begin, end in (("▶", 17, 32), ("◀", 1, 16)):  # between the relay and where it is going to
        under_way = {place for shown, place in seen if shown == arrow and begin <= place < end}
        assert len(under_way) >= 3, seen
    assert took >= 8
    assert re.search(r"^answered +12$", person.last_words, re.MULTILINE)


def test_what_follows_is_folded_at_words() -> None:
    """Regression: the terminal broke lines where they were full: "anot/her story"."""
    with terminal("demo", "--speed", "100", columns=80) as person:
        assert person.ended() == 0
    before, after = person.written.replace("\r\n", "\n").split("\x1b[?1049h")[0], person.last_words
    assert " between them a\nnetwork that loses 30% and takes 0.4 s each way.\n" in before
    assert "python -m trio_udp demo --loss 0.5 --seed 7\n               a worse network, another story\n" in after
    assert max(map(len, [*before.splitlines(), *after.splitlines()])) <= 80


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_in_its_own_time(columns: int, lines: int) -> None:
    with terminal("demo", *LONG, columns=columns, lines=lines) as person:
        person.wait_for(r"client 3 +1/4 +attempt 1 +▇{10} +[\d.]+ s +━+▶┊?·+\n")
        shown = person.display
        client = "├─ client 1-3 × 3" if lines == 24 else "├─ client 3"
        for words in ("nurseries and tasks", client, "╰─ handlers at 127.0.0.1:", "answered            0 of 12"):
            assert words in shown
        [title, *_] = shown.splitlines()
        assert title.startswith("trio_udp demo: the network loses 0% and takes 100 s each way, seed 1 ")
        assert title.endswith(" s")
        person.wait_until(lambda: person.line(0) != title)  # time goes on
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean
        assert "Traceback" not in person.written


def test_the_story_and_the_exit_code_are_the_same() -> None:
    options = ["--loss", "1", "--requests", "1", "--clients", "2", "--delay", "0.1"]
    plain = run("demo", *options, "--virtual")
    with terminal("demo", *options, "--speed", "2") as person:
        assert person.ended() == plain.returncode == 3
        assert person.is_clean
        assert "nurseries and tasks" in person.written
        assert plain.stdout.decode() in person.last_words


def test_it_is_drawn_in_its_own_time_after_a_resize() -> None:
    with terminal("demo", *LONG) as person:
        person.wait_for("client 3")
        person.resize(40, 10)
        person.wait_until(lambda: "client 3  1/4  #1" in person.line(9))


def test_virtual_time_is_over_before_there_is_a_picture() -> None:
    with terminal("demo", "--virtual", "--requests", "1") as person:
        assert person.ended() == 0
        assert END_OF_SECOND_SCREEN not in person.written
        assert run("demo", "--virtual", "--requests", "1").stdout.decode() in person.last_words


@pytest.mark.parametrize("options", [LONG, ("--step",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGALRM])
def test_a_killed_demo_leaves_the_terminal_clean(options: tuple[str, ...], number: signal.Signals) -> None:
    with terminal("demo", *options) as person:
        person.wait_for("nurseries and tasks")
        person.process.send_signal(number)
        assert person.ended() == -number
        assert person.is_clean


@pytest.mark.parametrize("arguments", [["demo", *LONG], ["demo", "--step"], ["serve", "127.0.0.1:0", "--live"]])
def test_so_does_one_that_is_made_to_quit_by_a_key(arguments: list[str], tmp_path: Path) -> None:
    """Regression: Ctrl-\\ left the second screen, and no cursor. Where the folder is there may be a core."""
    with terminal(*arguments, cwd=tmp_path) as person:
        person.wait_for("nurseries and tasks")
        person.type(CTRL_BACKSLASH)
        assert person.ended() == -signal.SIGQUIT
        assert person.is_clean


@pytest.mark.parametrize("arguments", [["demo", *LONG], ["demo", "--step"], ["serve", "127.0.0.1:0", "--live"]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_killed_view_has_a_trace(tmp_path: Path, arguments: list[str], number: signal.Signals) -> None:
    """Regression: the view put its own handler in the place of the one that writes it, and the file was empty."""
    path = tmp_path / "run.jsonl"
    with terminal(*arguments, "--trace", str(path)) as person:
        person.wait_for("nurseries and tasks")
        person.process.send_signal(number)
        is_graceful = arguments[0] == "serve" and number == signal.SIGTERM
        assert person.ended() == (0 if is_graceful else -number)
        assert person.is_clean
    trace = load(path)
    assert "task the live view\n" in timeline_svg(trace, library=True)
    assert "the live view" not in timeline_svg(trace)


def test_a_closed_terminal_leaves_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for ignoring, codes in (([], [-signal.SIGHUP]), ([signal.SIGHUP], [1])):
        with terminal("demo", *LONG, "--trace", str(path), ignoring=ignoring) as person:
            person.wait_for("nurseries and tasks")
            person.hang_up()
            assert person.process.wait(PATIENCE) in codes
        assert load(path).entries
        path.unlink()


# -- a terminal that takes no output -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [LONG, ("--step",)])
def test_behind_a_stopped_terminal_it_can_be_killed(options: tuple[str, ...]) -> None:
    """Regression: it hung in writing, also after five SIGTERM."""
    with terminal("demo", *options) as person:
        person.wait_for("nurseries and tasks")
        person.type(CTRL_S)
        time.sleep(1)  # ten pictures
        person.process.send_signal(signal.SIGTERM)
        assert person.process.wait(PATIENCE) == -signal.SIGTERM


def test_behind_a_stopped_terminal_a_server_goes_on(peer: socket.socket) -> None:
    """Regression: it answered nobody until the terminal went on."""
    with terminal("serve", "127.0.0.1:0", "--live") as person:
        port = int(person.wait_for(r"trio_udp serve: 127\.0\.0\.1:(\d+) ")[1])
        person.wait_for("nobody has sent anything yet")
        person.type(CTRL_S)
        for number in range(20):
            peer.sendto(b"%d" % number, ("127.0.0.1", port))
            assert peer.recv(100) == b"%d" % number
            time.sleep(0.05)  # one second in all: ten pictures
        person.type(CTRL_Q)
        person.wait_for(r"received 20 \(30 bytes\)")
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean


# -- in a shell --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with jobs")
@pytest.mark.parametrize("arguments", [["demo", *LONG], ["demo", "--step"], ["serve", "127.0.0.1:0", "--live"]])
def test_it_can_be_stopped_and_go_on(arguments: list[str]) -> None:
    """Regression: Ctrl-Z left the shell on the second screen, and no cursor."""
    with terminal(command=["bash", "--norc", "--noprofile", "-i"], variables={"PS1": "prompt> "}) as person:
        person.wait_for("prompt>")
        person.type(shlex.join([*COMMAND, *arguments]).encode() + b"\n")
        person.wait_for("nurseries and tasks")
        for _ in range(2):
            person.type(CTRL_Z)
            person.wait_until(lambda: person.has_prompt)
            assert "Stopped" in person.display
            person.type(b"fg\n")
            person.wait_until(lambda: not person.has_first_screen and "prompt>" not in person.display)
            assert "nurseries and tasks" in person.display
        person.type(CTRL_C)
        person.wait_until(lambda: person.has_prompt)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with jobs")
def test_in_the_background_it_serves_and_draws_nothing(peer: socket.socket) -> None:
    with terminal(command=["bash", "--norc", "--noprofile", "-i"], variables={"PS1": "prompt> "}) as person:
        person.wait_for("prompt>")
        person.type(shlex.join([*COMMAND, "serve", "127.0.0.1:0", "--live"]).encode() + b"\n")
        port = int(person.wait_for(r"trio_udp serve: 127\.0\.0\.1:(\d+) ")[1])
        person.type(CTRL_Z)
        person.wait_until(lambda: person.has_prompt)
        person.type(b"bg\n")
        for number in range(5):
            peer.sendto(b"%d" % number, ("127.0.0.1", port))
            assert peer.recv(100) == b"%d" % number
            time.sleep(0.1)
        person.type(b"echo still $((40 + 2))\n")
        person.wait_for("still 42")
        assert person.has_first_screen
        person.type(b"fg\n")
        person.wait_for(r"received 5 \(5 bytes\)")
        person.type(CTRL_C)
        person.wait_until(lambda: person.has_prompt)


@pytest.mark.parametrize("options", [LONG, ("--step",)])
def test_without_its_terminal_it_ends(options: tuple[str, ...]) -> None:
    with terminal("demo", *options, ignoring=[signal.SIGHUP]) as person:
        person.wait_for("nurseries and tasks")
        person.hang_up()
        assert person.process.wait(60) in (1, 130)
    with terminal("demo", *options) as person:
        person.wait_for("nurseries and tasks")
        person.hang_up()
        assert person.process.wait(60) == -signal.SIGHUP


def test_ascii_where_there_is_nothing_else() -> None:
    with terminal("--step", "--loss", "1", variables={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}) as person:
        person.wait_for(STEP)
        person.type(b"  ")
        person.wait_for(r"client 1 +1/4 +attempt 1 +#{10} +1\.\d\d s +-+x loss \.+\n")
        assert person.display.isascii()


# -- lines instead -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--plain"], {}),
        (["--json"], {}),
        ([], {"NO_COLOR": "1"}),
        ([], {"TERM": "dumb"}),
    ],
)
def test_lines_for_those_who_want_lines(options: list[str], variables: dict[str, str]) -> None:
    with terminal("--loss", "0", "--delay", "0.1", *options, variables=variables) as person:
        assert person.ended() == 0
        assert "\x1b" not in person.written
        assert "request 4" in person.written or '"request": 4' in person.written
        assert "pip install" not in person.written


def test_without_rich_there_are_lines_and_a_word_how_to_get_it() -> None:
    with terminal("demo", "--virtual", command=WITHOUT_RICH, columns=120) as person:
        assert person.ended() == 0
        assert "\x1b" not in person.written
        [advice] = [line for line in person.written.splitlines() if "pip install" in line]
        assert advice.strip() == 'python -m pip install "trio_udp[cli]"           and then the demo again, live'


@pytest.mark.parametrize(
    ("arguments", "variables", "why"),
    [
        (["--step"], {"NO_COLOR": "1"}, "NO_COLOR asks for plain lines"),
        (["--step"], {"TERM": "dumb"}, "one that is dumb cannot be drawn on"),
        (["serve", "0", "--live"], {"NO_COLOR": "1"}, "NO_COLOR asks for plain lines"),
        (["relay", "0", "7", "--live"], {"TERM": "dumb"}, "one that is dumb cannot be drawn on"),
    ],
)
def test_a_view_that_cannot_be_had_is_an_error(arguments: list[str], variables: dict[str, str], why: str) -> None:
    with terminal(*arguments, variables=variables, columns=200) as person:
        assert person.ended() == 2
        [line] = person.written.splitlines()
        assert line.endswith(why)


@pytest.mark.parametrize("arguments", [["--step"], ["serve", "0", "--live"], ["relay", "0", "7", "--live"]])
def test_a_view_without_rich_is_an_error(arguments: list[str]) -> None:
    with terminal(*arguments, command=WITHOUT_RICH, columns=200) as person:
        assert person.ended() == 2
        [line] = person.written.splitlines()
        assert line.endswith('and rich, which is not installed: python -m pip install "trio_udp[cli]"')


# -- servers -----------------------------------------------------------------------------------------------------------

TREE_OF_A_SERVER = """\
nursery of the main task
├─ waits for a signal
╰─ nursery
   ╰─ shelter for the grace period
      ╰─ nursery
         ╰─ handlers at 127.0.0.1:{port}"""

TREE_OF_A_RELAY = """\
nursery of the main task
├─ waits for a signal
╰─ nursery
   ├─ relay at 127.0.0.1:{port}
   ├─ relay, client 1
   ╰─ relay, delays"""


def tree(display: str) -> str:
    """What stands left of the totals, without empty lines."""
    _, heading, *lines = display.partition("── clients")[0].splitlines()
    return "\n".join(filter(None, (line[: heading.find("┬")].rstrip() for line in lines)))


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_a_server(columns: int, lines: int, peer: socket.socket) -> None:
    with terminal("serve", "127.0.0.1:0", "--live", columns=columns, lines=lines) as person:
        port = int(person.wait_for(r"trio_udp serve: 127\.0\.0\.1:(\d+) ")[1])
        person.wait_for("nobody has sent anything yet")
        peer.sendto(b"[red]\x1b[2J", ("127.0.0.1", port))
        assert peer.recv(100) == b"[red]\x1b[2J"
        person.wait_for(r"\n127\.0\.0\.1:\d+ +1 ━━▶ 9 bytes  \[red\]\\x1b[\[…]")
        person.wait_for(r"◀━━ 9 bytes  \[red\]\\x1b[\[…]")
        person.wait_until(lambda: tree(person.display) == TREE_OF_A_SERVER.format(port=port))
        person.wait_for(r"│ received 1 \(9 bytes\)\n")
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean
        assert "received 1 datagram, 9 bytes\nsent     1 datagram, 9 bytes\n" in person.last_words
        assert "\x1b[2J" not in person.written


def test_a_server_whose_handlers_wait_and_raise(folder: Path, peer: socket.socket) -> None:
    options = ["--handler", "handlers:sulk", "--live"]
    with terminal("serve", "127.0.0.1:0", *options, columns=120, lines=40, cwd=folder) as person:
        port = int(person.wait_for(r"trio_udp serve: 127\.0\.0\.1:(\d+) ")[1])
        peer.sendto(b"raise", ("127.0.0.1", port))
        person.wait_for(r"━━▶ 5 bytes  raise +✗   ValueError")
        person.wait_for(r"raised   1 ValueError")
        person.wait_for(r"what was said(.|\n)*ValueError: do not say \\x1b\[2J to me")
        person.process.send_signal(signal.SIGTERM)
        assert person.ended() == 0
        assert person.is_clean
        assert "  ValueError: do not say \\x1b[2J to me\n" in person.last_words
        assert "the handler raised 1 time: 1 ValueError\n" in person.last_words


HANGING = """\
import pathlib, time

async def hang(datagram):
    pathlib.Path("hanging").touch()
    time.sleep(3600)
"""


def test_a_server_that_hangs_gives_the_terminal_back(tmp_path: Path, peer: socket.socket) -> None:
    """The first Ctrl-C cannot stop it, and after the second nobody can clean up."""
    (tmp_path / "hanging_handler.py").write_text(HANGING)
    options = ["--handler", "hanging_handler:hang", "--live"]
    with terminal("serve", "127.0.0.1:0", *options, cwd=tmp_path) as person:
        port = int(person.wait_for(r"trio_udp serve: 127\.0\.0\.1:(\d+) ")[1])
        person.wait_for("listening on")
        peer.sendto(b"", ("127.0.0.1", port))
        person.wait_until((tmp_path / "hanging").exists)
        person.type(CTRL_C)
        person.wait_until(lambda: person.is_clean)
        person.type(CTRL_C)
        assert person.ended() == -signal.SIGINT


def test_a_relay(peer: socket.socket) -> None:
    """It has no server, and needs none to lose everything."""
    port = peer.getsockname()[1]
    with terminal("relay", "127.0.0.1:0", f"127.0.0.1:{port}", "--loss", "1", "--live") as person:
        person.wait_for("nobody has sent anything yet")
        # Where it listens is told in what was said.
        relay = int(person.wait_for(r"relaying 127\.0\.0\.1:(\d+) to")[1])
        peer.sendto(b"hello", ("127.0.0.1", relay))
        person.wait_for(rf"\n1 127\.0\.0\.1:{port} +0 ✗1 +━+✗ loss ·+\n")
        person.wait_for(r"│ to the server   received 1\n")
        person.wait_until(lambda: tree(person.display) == TREE_OF_A_RELAY.format(port=relay))
        person.type(CTRL_C)
        assert person.ended() == 130
        assert person.is_clean
        assert "--- 1 client ---\n--- to the server ---\nreceived 1 datagram, 5 bytes\n" in person.last_words


def test_programs_do_not_wait_for_rich() -> None:
    """Plain lines should not take the time that it needs to be imported."""
    code = "import sys; from trio_udp.cli import main; main({}); print('rich' in sys.modules, file=sys.stderr)"
    for arguments in (["demo", "--virtual"], ["request", "127.0.0.1:9", "--attempts", "1", "--first", "0.01", "x"]):
        command = [sys.executable, "-c", code.format(arguments)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment())
        assert answer.stderr.splitlines()[-1] == "False"
