from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

import trio_udp
from tests.cli.child import COMMAND, PATIENCE, ROOT, run, serve
from trio_udp.cli import _parse, demo, main
from trio_udp.cli._common import ExitCode, Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

COMMANDS = ["demo", "serve", "request", "ping", "bench", "relay", "learn"]


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"trio_udp {trio_udp.__version__}\n"


def test_it_runs_as_a_program() -> None:
    ended = run("--version")
    assert ended.returncode == 0
    assert ended.stdout.decode().split() == ["trio_udp", trio_udp.__version__]


def test_help_names_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in COMMANDS)
    assert "exit codes" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_and_fits_a_screen(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert f"usage: python -m trio_udp {command}" in text
    assert f"  python -m trio_udp {command}" in text.partition("examples")[2]
    explanations = text.partition("\noptions:")[2]  # argparse does not break the usage above them
    assert max(map(len, explanations.splitlines())) <= (120 if command == "demo" else 80)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve"],
        ["request"],
        ["ping", "70000"],
        ["bench", "7", "-n", "1", "-z", "1"],
        ["serve", "7", "--echo", "--print"],
        ["request", "7", "--x"],
    ],
)
def test_what_is_not_understood_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"python -m trio_udp( \w+)?: error: .+; see --help", line)


@pytest.mark.parametrize(
    "arguments",
    [
        "7 Hello --attempts 3",
        "7 --attempts 3 Hello",
        "--attempts 3 7 Hello",
        "--attempts 3 7 -- Hello",
        "7 --attempts 3 -- Hello",
    ],
)
def test_data_may_stand_before_or_after_options(arguments: str) -> None:
    """Before Python 3.13 argparse took an absent DATA for granted as soon as an option came."""
    args = _parse(["request", *arguments.split()])
    assert (args.server.port, args.data, args.attempts) == (7, "Hello", 3)


def test_data_may_look_like_an_option_or_be_standard_input() -> None:
    assert _parse(["request", "7", "--attempts", "3", "--", "-x"]).data == "-x"
    assert _parse(["request", "7", "--attempts", "3", "-"]).data == "-"


@pytest.mark.parametrize("rest", ["a b", "a --attempts 3 b", "--attempts 3 a b", "--attempts 3 a --colour"])
def test_too_much_data_is_a_usage_error(rest: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        _parse(["request", "7", *rest.split()])
    assert "unrecognized arguments" in capsys.readouterr().err


# -- how a command ends; the demo's place is taken by one that ends as the test wants it -----------------------------


def end_with(error: BaseException) -> Callable[[argparse.Namespace], Awaitable[int]]:
    async def run(_: argparse.Namespace) -> int:
        raise error

    return run


def end_in_a_nursery_with(error: BaseException) -> Callable[[argparse.Namespace], Awaitable[int]]:
    async def run(_: argparse.Namespace) -> int:
        async with trio.open_nursery():
            async with trio.open_nursery():
                raise error

    return run


async def end_well(args: argparse.Namespace) -> int:
    assert args.command == "demo"
    return 0


def test_no_arguments_mean_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "run", end_well)
    assert main([]) == 0


@pytest.mark.parametrize("end", [end_with, end_in_a_nursery_with])
@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
        (Failure("too hot"), ExitCode.ERROR, "trio_udp demo: too hot\n"),
        (Failure("nobody home", ExitCode.NO_REPLY), ExitCode.NO_REPLY, "trio_udp demo: nobody home\n"),
        (OSError(errno.EPERM, "Not permitted"), ExitCode.ERROR, "trio_udp demo: Not permitted\n"),
    ],
)
def test_a_command_that_fails_says_why_in_a_line(
    end: Callable[[BaseException], Callable[[argparse.Namespace], Awaitable[int]]],
    error: BaseException,
    code: ExitCode,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "run", end(error))
    assert main(["demo"]) == code
    assert capsys.readouterr() == ("", told)


def test_a_bug_has_a_right_to_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "run", end_with(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["demo"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_reader_who_has_gone_is_no_reason_to_complain() -> None:
    """``ping | head -1``: when head has gone, neither a traceback nor Python's own complaint at exit may appear."""
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        command = f'"{sys.executable}" -m trio_udp ping 127.0.0.1:{port} -c 100 -i 0 | head -1'
        ended = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.stdout.startswith("56 bytes from ")
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""


def test_streams_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started with ``>&- 2>&-``, Python has None for both; nothing that is said must end in an AttributeError."""
    monkeypatch.setattr(demo, "run", end_with(Failure("which nobody will read")))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["demo"]) == ExitCode.ERROR
    assert (sys.stdout, sys.stderr) == (None, None)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_missing_stream_leaves_no_warning() -> None:
    """What stood in for it was never closed, and ``-X dev`` said so."""
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        command = f'"{sys.executable}" -X dev -W error -m trio_udp request 127.0.0.1:{port} Hello >&-'
        ended = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
def test_a_full_disk_is_told_in_a_line() -> None:
    with serve("127.0.0.1:0") as (_, port), open("/dev/full", "wb") as full:
        command = [*COMMAND, "request", f"127.0.0.1:{port}", "Hello"]
        ended = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert ended.returncode == ExitCode.ERROR
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("trio_udp request: ")
