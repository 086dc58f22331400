"""`serve` at its end: Ctrl-C, SIGTERM, and what is begun then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from tests.cli.child import serve
from trio_udp.cli import make_parser
from trio_udp.cli._stopping import STOP_SIGNALS, Unfinished, run_until_signal

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from trio_udp import UDPEndpoint

if sys.platform == "win32":
    pytest.skip("Windows has no such signals", allow_module_level=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_stopping_prints_the_statistics(number: signal.Signals, code: int, peer: socket.socket) -> None:
    with serve("127.0.0.1:0") as (server, port):
        peer.sendto(b"12345", ("127.0.0.1", port))
        assert peer.recv(100) == b"12345"
        server.send_signal(number)
        assert server.ended() == code
        said = server.err.all().decode()
    assert f"--- 127.0.0.1:{port} statistics ---\nreceived 1 datagram, 5 bytes\nsent     1 datagram, 5 bytes\n" in said
    assert "Traceback" not in said


def test_who_reads_that_it_listens_may_stop_it_at_once() -> None:
    """Regression: the signals were not heard yet when the line was written, and SIGTERM killed the server."""
    for _ in range(5):
        with serve("127.0.0.1:0") as (server, _):
            server.send_signal(signal.SIGTERM)
            assert server.ended() == 0
            assert "statistics ---" in server.err.all().decode()


async def test_the_numbers_that_were_typed_are_those_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[dict[str, object]] = []

    async def serve_endpoints(handler: object, endpoints: list[UDPEndpoint], **options: object) -> None:
        used.append(options)
        for endpoint in endpoints:
            await endpoint.aclose()

    monkeypatch.setattr("trio_udp.cli.serve.serve_endpoints", serve_endpoints)
    args = make_parser().parse_args(["serve", "127.0.0.1:0", "--max-tasks", "7", "--grace", "2.5"])
    await args.run(args)
    assert used == [{"max_tasks": 7, "grace_period": 2.5}]


def test_what_was_received_is_still_answered(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--grace", "60", "--handler", "handlers:dawdle", cwd=folder) as (server, port):
        peer.sendto(b"0.5", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        assert peer.recv(100) == b"at last"


def test_even_a_cancelled_handler_has_its_line(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--grace", "0.05", "--handler", "handlers:dawdle", cwd=folder) as (server, port):
        peer.sendto(b"3600", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGTERM)
        server.err.wait_for(r"127\.0\.0\.1:\d+ -> 4 bytes, cancelled\n")
        assert server.ended() == 0


def test_but_not_for_longer_than_the_grace(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--grace", "0", "--handler", "handlers:dawdle", cwd=folder) as (server, port):
        peer.sendto(b"3600", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGINT)
        assert server.ended() == 130


def test_a_second_ctrl_c_ends_at_once_whatever_the_handlers_do(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--grace", "3600", "--handler", "handlers:never_let_go", cwd=folder) as (server, port):
        peer.sendto(b"x", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGINT)
        server.err.wait_for("stopping: 1 handler may go on for 3600 s, Ctrl-C again ends at once\n")
        server.send_signal(signal.SIGINT)
        assert server.ended() == -signal.SIGINT  # as shells show it: 130


def test_a_second_ctrl_c_ends_even_a_server_that_a_handler_blocks(folder: Path, peer: socket.socket) -> None:
    """``time.sleep`` lets no task run, so no task could hear of the first one and make room for the second."""
    with serve("127.0.0.1:0", "--handler", "handlers:block", cwd=folder) as (server, port):
        peer.sendto(b"x", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        server.send_signal(signal.SIGINT)
        assert server.ended() == -signal.SIGINT


async def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]

    async def work() -> None:
        assert [signal.getsignal(number) for number in STOP_SIGNALS] != before
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.sleep_forever()

    assert await run_until_signal(work, *STOP_SIGNALS) == signal.SIGTERM
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


async def test_where_a_file_is_to_be_written_the_second_signal_does_not_end_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Regression: a wrapper that forwards Ctrl-C sends the second at once, and what was recorded was lost."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert [signal.getsignal(number) for number in STOP_SIGNALS] == [signal.SIG_DFL] * 2  # the third ends it
        await trio.sleep_forever()

    with Unfinished("run.jsonl"):
        assert await run_until_signal(work, *STOP_SIGNALS) == signal.SIGINT
    assert capfd.readouterr().err == "run.jsonl is still to be written; the next signal ends this at once, without it\n"
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_the_third_ends_it(folder: Path, peer: socket.socket) -> None:
    arguments = ["--grace", "3600", "--trace", "run.jsonl", "--handler", "handlers:never_let_go"]
    with serve("127.0.0.1:0", *arguments, cwd=folder) as (server, port):
        peer.sendto(b"x", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGINT)
        server.err.wait_for("stopping: 1 handler may go on for 3600 s, Ctrl-C twice more ends at once\n")
        server.send_signal(signal.SIGINT)
        server.err.wait_for(r"\nrun.jsonl is still to be written; the next signal ends this at once, without it\n")
        server.send_signal(signal.SIGTERM)
        assert server.ended() == -signal.SIGTERM


def test_max_tasks_is_heeded(folder: Path, peer: socket.socket) -> None:
    arguments = ["--max-tasks", "1", "--grace", "0", "--handler", "handlers:dawdle"]
    with serve("127.0.0.1:0", *arguments, cwd=folder) as (server, port):
        peer.sendto(b"0.3", ("127.0.0.1", port))
        server.out.wait_for("begun")
        peer.sendto(b"3600", ("127.0.0.1", port))
        assert peer.recv(100) == b"at last"
        server.out.wait_for("begun\nbegun")
