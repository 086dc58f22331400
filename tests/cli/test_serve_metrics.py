"""`serve --metrics` over real sockets."""

from __future__ import annotations

import re
import signal
import socket
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import PATIENCE, Child, run, serve
from tests.cli.test_metrics import samples
from trio_udp.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Samples = dict[tuple[str, ...], float]


@contextmanager
def serve_with_metrics(*arguments: str, cwd: Path | None = None) -> Iterator[tuple[Child, int, str]]:
    """A server, its port, and where its metrics are."""
    with serve("127.0.0.1:0", "--metrics", "127.0.0.1:0", *arguments, cwd=cwd) as (server, port):
        yield server, port, server.err.wait_for(r"metrics at (http://127\.0\.0\.1:\d+/metrics)\n")[1]


def scrape(url: str) -> Samples:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        assert response.status == 200
        page: bytes = response.read()
        return samples(page)


def test_what_has_gone_through(folder: Path, peer: socket.socket) -> None:
    with serve_with_metrics("--handler", "handlers:sulk", cwd=folder) as (_, port, url):
        where = f"127.0.0.1:{port}"
        assert scrape(url)["trio_udp_received_datagrams_total", where] == 0
        for data in (b"raise", b"number", b"raise", b"12345"):
            peer.sendto(data, ("127.0.0.1", port))
        assert peer.recv(100) == b"all right"
        seen = scrape(url)
        assert seen["trio_udp_received_datagrams_total", where] == 4
        assert seen["trio_udp_received_bytes_total", where] == 21
        assert seen["trio_udp_sent_datagrams_total", where] == 1
        assert seen["trio_udp_sent_bytes_total", where] == 9
        assert seen["trio_udp_handler_failures_total", "ValueError"] == 2
        assert seen["trio_udp_handler_failures_total", "TypeError"] == 1
        assert seen["trio_udp_receive_buffer_bytes", where] > 0
        if sys.platform == "linux":
            assert seen["trio_udp_kernel_drops_total", where] == 0
        assert str(peer.getsockname()[1]) not in str(seen), "no peer has a label"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_it_goes_on_while_the_server_drains(folder: Path, peer: socket.socket) -> None:
    options = ["--handler", "handlers:until_there_is_a_file", "--grace", "3600"]
    with serve_with_metrics(*options, cwd=folder) as (server, port, url):
        peer.sendto(b"file", ("127.0.0.1", port))
        server.out.wait_for("begun")
        server.send_signal(signal.SIGTERM)
        server.err.wait_for("stopping: 1 handler may go on for 3600 s")
        assert scrape(url)["trio_udp_handlers_busy",] == 1
        (folder / "file").touch()
        assert peer.recv(100) == b"at last"
        assert server.ended() == 0
        assert "Traceback" not in server.err.all().decode()


def test_a_server_that_hangs_does_not_answer_here_either(folder: Path, peer: socket.socket) -> None:
    with serve_with_metrics("--handler", "handlers:block", cwd=folder) as (server, port, url):
        peer.sendto(b"x", ("127.0.0.1", port))
        server.out.wait_for("begun")
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(url, timeout=0.5)
        server.process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="workers need Linux")
def test_workers_have_one_page_with_the_sum_of_all(folder: Path) -> None:
    with serve_with_metrics("--workers", "2", "--quiet") as (server, port, url):
        for _ in range(20):
            with socket.socket(type=socket.SOCK_DGRAM) as one:
                one.settimeout(PATIENCE)
                one.sendto(b"hello", ("127.0.0.1", port))
                assert one.recv(100) == b"hello"
        for _ in range(int(PATIENCE) * 100):  # the workers report once a second
            if (seen := scrape(url))["trio_udp_sent_datagrams_total", f"127.0.0.1:{port}"] == 20:
                break
        assert seen["trio_udp_sent_bytes_total", f"127.0.0.1:{port}"] == 100
        assert seen["trio_udp_workers",] == 2
        assert seen["trio_udp_worker_restarts_total",] == 0
        if sys.platform != "win32":
            server.send_signal(signal.SIGTERM)
            assert server.ended() == 0
        assert "Traceback" not in server.err.text


def test_every_address_of_localhost(peer: socket.socket) -> None:
    """Each has a port of its own where the system chooses; all are said."""
    with serve("127.0.0.1:0", "--metrics", "0") as (server, _):
        said = server.err.wait_for(r"metrics at (.*)\n")[1]
        for url in said.split(" and "):
            assert re.fullmatch(r"http://(127\.0\.0\.1|\[::1\]):\d+/metrics", url)
            assert scrape(url)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_a_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("serve", "127.0.0.1:0", "--metrics", where)
    assert ended.returncode == 1
    assert re.fullmatch(
        rf"trio_udp serve: cannot open TCP {where} for --metrics: .* \(another program has it; take another port, "
        r"or 0 for any\)\r?\n",
        ended.stderr.decode(),
    )


def test_without_the_extra_a_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert main(["serve", "127.0.0.1:0", "--metrics", "0"]) == 1
    told = 'trio_udp serve: --metrics needs prometheus_client: python -m pip install "trio_udp[metrics]"\n'
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("where", ["there-is.invalid:0", "203.0.113.7:0"])
def test_a_place_where_nobody_can_listen(where: str) -> None:
    ended = run("serve", "127.0.0.1:0", "--metrics", where)
    assert ended.returncode == 1
    assert ended.stderr.count(b"\n") == 1
    assert where.partition(":")[0].encode() in ended.stderr


def test_no_port_is_a_usage_error() -> None:
    assert run("serve", "127.0.0.1:0", "--metrics", "http://localhost").returncode == 2
