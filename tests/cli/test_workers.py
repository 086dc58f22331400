"""`serve --workers`: several processes, one command."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio.testing

from tests.cli.child import PATIENCE, ROOT, Child, environment, run, serve, start
from trio_udp.cli import main, make_parser
from trio_udp.cli._common import Failure
from trio_udp.workers import serve_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if sys.platform != "linux":
    pytest.skip("workers need Linux", allow_module_level=True)


@contextmanager
def serve_two(*arguments: str, cwd: Path | None = None) -> Iterator[tuple[Child, int, list[int]]]:
    """A server of two workers, its port, and their numbers."""
    with serve("127.0.0.1:0", "--workers", "2", *arguments, cwd=cwd) as (server, port):
        pids = server.err.wait_for(r"2 workers: (\d+) (\d+)\n").groups()
        yield server, port, [*map(int, pids)]


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    for _ in range(int(PATIENCE) * 100):
        if true():
            return
        time.sleep(0.01)
    pytest.fail(otherwise)


def wait_for_end(pids: list[int]) -> None:
    wait_until(lambda: not any(map(exists, pids)), f"one of {pids} is still there")


def ask(port: int, data: bytes) -> bytes:
    """Each time from another port, so it may be another worker that answers."""
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(("127.0.0.1", port))  # or a late reply to whoever had its port before might be taken for this one
        peer.send(data)
        return peer.recv(65535)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_answers_and_lines_and_the_sum_of_all_statistics(number: signal.Signals, code: int) -> None:
    with serve_two("--prefix", "OK...") as (server, port, pids):
        for count in range(20):
            assert ask(port, b"hello%2d" % count) == b"OK...hello%2d" % count
            server.err.wait_for(rf"Message\[127\.0\.0\.1:\d+\] - hello *{count}\n")
        os.kill(server.process.pid, number)
        assert server.ended() == code
        said = server.err.all().decode()
        wait_for_end(pids)
    assert "stopping: what is begun may go on for 5 s, Ctrl-C again ends at once\n" in said
    sums = "received 20 datagrams, 140 bytes\nsent     20 datagrams, 240 bytes\n"
    assert said.endswith(f"--- 127.0.0.1:{port} statistics ---\n{sums}")
    assert "Traceback" not in said


def test_ctrl_c_in_a_terminal_goes_to_all_of_them_and_what_is_begun_is_answered(
    folder: Path, peer: socket.socket
) -> None:
    with serve_two("--handler", "handlers:dawdle", cwd=folder) as (server, port, _):
        peer.connect(("127.0.0.1", port))
        peer.send(b"0.5")
        server.out.wait_for("begun")
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.ended() == 130
        assert peer.recv(100) == b"at last"
        assert b"Traceback" not in server.err.all()


def test_a_dead_worker_is_said_and_replaced() -> None:
    with serve_two("--quiet") as (server, port, [doomed, other]):
        os.kill(doomed, signal.SIGKILL)
        server.err.wait_for(rf"worker {doomed} was killed by SIGKILL; another one starts in 0\.1\d* s\n")
        heir = server.err.wait_for(rf"worker (\d+) serves in the place of worker {doomed}\n")[1]
        for _ in range(20):
            assert ask(port, b"hello") == b"hello"
        server.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        assert " -> " not in server.err.text
        wait_for_end([int(heir), other])


def test_what_a_handler_does_wrong_ends_no_worker(folder: Path) -> None:
    with serve_two("--handler", "handlers:sulk", cwd=folder) as (server, port, pids):
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(("127.0.0.1", port))
            for data in (b"raise", b"number", b"raise", b"and now?"):
                peer.send(data)
            assert peer.recv(100) == b"all right"
        server.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        said = server.err.all().decode()
    counted = re.search(r"^worker (\d+): the handler raised 3 times: 2 ValueError, 1 TypeError$", said, re.MULTILINE)
    assert counted
    assert int(counted[1]) in pids
    assert "ended with exit code" not in said
    assert "\x1b" not in said


WRITER = """
import sys
from trio_udp.cli._workers import WholeLines

lines = WholeLines()
sys.stdin.readline()
for _ in range(200):
    lines.write(sys.argv[1].encode() * 60_000)
"""


def test_lines_that_do_not_fit_a_pipe_are_written_whole() -> None:
    """A hundred of these 800 were mixed up without the lock."""
    reader, writer = os.pipe()
    pipe = subprocess.PIPE
    with open(reader, "rb") as output:
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, letter], stdin=pipe, stdout=writer, cwd=ROOT, env=environment()
            )
            for letter in "abcd"
        ]
        os.close(writer)
        for each in writers:
            assert each.stdin
            each.stdin.close()
        lines = output.read().splitlines()
        assert [each.wait(PATIENCE) for each in writers] == [0] * 4
    assert sorted(lines) == sorted(letter * 60_000 for letter in (b"a", b"b", b"c", b"d") for _ in range(200))


def test_it_ends_when_nobody_reads_any_more(folder: Path) -> None:
    program = [sys.executable, "-c", f"import os, sys; os.execv('/bin/sh', ['sh', '-c', {PIPELINE!r}])"]
    with start(command=program) as server:
        port = int(server.err.wait_for(r"waiting on port: (\d+) ")[1])
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.sendto(b"first", ("127.0.0.1", port))
        server.out.wait_for("first\n")
        assert server.ended() == 0
        assert "received 1 datagram, 5 bytes\n" in server.err.all().decode()
        assert "Traceback" not in server.err.text


PIPELINE = f"{sys.executable} -m trio_udp serve 127.0.0.1:0 --workers 2 --print --quiet | head -n 1"


def test_a_second_ctrl_c_ends_all_at_once(folder: Path, peer: socket.socket) -> None:
    arguments = ["--grace", "3600", "--handler", "handlers:never_let_go"]
    with serve_two(*arguments, cwd=folder) as (server, port, pids):
        peer.sendto(b"x", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGINT)
        server.err.wait_for("stopping: ")
        wait_until(lambda: not all(map(exists, pids)), "none of the workers ended")
        assert any(map(exists, pids))
        server.send_signal(signal.SIGINT)
        assert server.ended() == -signal.SIGINT
        wait_for_end(pids)


def test_no_handler_and_no_port_are_a_line_and_not_a_traceback(folder: Path, peer: socket.socket) -> None:
    port = peer.getsockname()[1]
    for arguments, why in (
        (["0", "--handler", "handlers:missing"], b"the module has no 'missing'"),
        ([f"127.0.0.1:{port}"], b"another program has it"),
    ):
        ended = run("serve", "--workers", "2", *arguments, cwd=folder)
        assert ended.returncode == 1
        assert why in ended.stderr
        assert ended.stderr.count(b"\n") == 1


def test_another_platform_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["serve", "0", "--workers", "2"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("trio_udp serve: several workers on one UDP port need Linux")
    assert told.count("\n") == 1


def test_without_fcntl_it_is_a_line_too(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Regression: on Windows, whether one came first or a NameError from beside it was a matter of chance."""

    async def refuse_last(*arguments: Any, **options: Any) -> None:
        await trio.testing.wait_all_tasks_blocked()
        await serve_workers(*arguments, **options)

    monkeypatch.setattr("trio_udp.cli._workers.serve_workers", refuse_last)
    monkeypatch.delattr("trio_udp.cli._workers.fcntl")
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["serve", "0", "--workers", "2", "--print"]) == 1
    told = capfd.readouterr().err
    assert told.startswith("trio_udp serve: several workers on one UDP port need Linux")
    assert told.count("\n") == 1


async def test_the_numbers_that_were_typed_are_those_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[dict[str, object]] = []

    async def serve_workers(handler: object, port: int, *, task_status: object, **options: object) -> None:
        used.append({"port": port, **options})
        raise OSError("that is all")

    monkeypatch.setattr("trio_udp.cli._workers.serve_workers", serve_workers)
    typed = ["serve", "*:4711", "--max-tasks", "7", "--grace", "2.5", "--workers", "3"]
    args = make_parser().parse_args(typed)
    with pytest.raises(Failure, match="that is all"):
        await args.run(args)
    assert used == [
        {"port": 4711, "host": None, "workers": 3, "max_tasks": 7, "grace_period": 2.5, "reply_from_asked": True}
    ]


def test_no_worker_is_a_usage_error() -> None:
    assert run("serve", "0", "--workers", "0").returncode == 2


def test_no_output_at_all_is_fine() -> None:
    closed = f"{sys.executable} -m trio_udp serve 127.0.0.1:0 --workers 2 --print >&-"
    with start(command=["/bin/sh", "-c", closed]) as server:
        port = int(server.err.wait_for(r"waiting on port: (\d+) ")[1])
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.sendto(b"12345", ("127.0.0.1", port))
        server.err.wait_for(" -> 5 bytes, not answered\n")
        assert "Traceback" not in server.err.text
