"""systemd's sockets, from the program that passes them as systemd itself does, and its judgement on unit files."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import COMMAND, PATIENCE, ROOT, environment, run
from tests.peers.programs import need, on_a_free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.child import Child
    from tests.dtls.certificates import Authority, Pair

EXAMPLES = ROOT / "docs" / "examples" / "operate"


@contextmanager
def activated(*command: str, kind: str = "--datagram") -> Iterator[tuple[Child, int]]:
    """A program that is started when something comes to a port, and the port."""
    program = need("systemd-socket-activate")
    keep = f"--setenv=PYTHONPATH={environment()['PYTHONPATH']}"  # the rest of our environment it leaves out

    def activate(port: str) -> list[str]:
        return [program, *([kind] if kind else []), keep, f"--listen=127.0.0.1:{port}", *command]

    with on_a_free_port(activate, "127.0.0.1", r"Listening on 127\.0\.0\.1:\d+ as 3") as server_and_port:
        yield server_and_port


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.settimeout(PATIENCE)
        yield peer


def ask(peer: socket.socket, port: int, data: bytes) -> bytes:
    peer.sendto(data, ("127.0.0.1", port))
    return peer.recv(100)


def test_serve_answers_what_it_was_started_for(peer: socket.socket) -> None:
    with activated(*COMMAND, "serve", "systemd", "--prefix", "OK...") as (server, port):
        assert "listening on" not in server.err.text
        assert ask(peer, port, b"are you there?") == b"OK...are you there?"
        server.err.wait_for(rf"listening on 127\.0\.0\.1:{port}\n")
        assert ask(peer, port, b"and now?") == b"OK...and now?"
        server.send_signal(signal.SIGTERM)  # it has become the server
        assert server.ended() == 0
        assert "received 2 datagrams" in server.err.all().decode()


def test_serve_in_secret(authority: Authority, pair: Pair) -> None:
    """A hello starts it, and is answered."""
    with activated(*COMMAND, "serve", "systemd", "--dtls", str(pair.certificate), str(pair.key)) as (server, port):
        asked = run("request", f"127.0.0.1:{port}", "--dtls", "--ca", str(authority.ca), "--first", "30", "hello")
        assert (asked.stdout, asked.stderr) == (b"hello", b"")
        server.err.wait_for(rf"listening on 127\.0\.0\.1:{port}\n")
        server.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        assert f"--- 127.0.0.1:{port} statistics ---" in said(server)


def test_a_program_of_your_own(peer: socket.socket) -> None:
    with activated(sys.executable, str(EXAMPLES / "handed_server.py")) as (server, port):
        assert ask(peer, port, b"hello") == b"hello, by process %d" % server.process.pid
        server.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        assert server.out.all() == b"serving\n"


def test_a_socket_for_tcp_is_a_line() -> None:
    with activated(*COMMAND, "serve", "systemd", kind="") as (server, port):
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            assert server.ended() == 1
        assert re.search(
            r"^trio_udp serve: file descriptor 3 .* but is AF_INET, SOCK_STREAM$", said(server), re.MULTILINE
        )


def test_an_address_that_systemd_has_opened_is_a_line(peer: socket.socket) -> None:
    with activated(*COMMAND, "serve", "127.0.0.1:0") as (server, port):
        peer.sendto(b"x", ("127.0.0.1", port))
        assert server.ended() == 1
        assert "nobody would read: serve systemd takes them\n" in said(server)


def test_a_shell_in_between_is_a_line(peer: socket.socket) -> None:
    with activated("/bin/sh", "-c", f"{' '.join(COMMAND)} serve systemd; exit $?") as (server, port):
        peer.sendto(b"x", ("127.0.0.1", port))
        assert server.ended() == 1
        assert re.search(rf"for process {server.process.pid}, .* has to say exec$", said(server), re.MULTILINE)


def said(server: Child) -> str:
    text = server.err.all().decode()
    assert "Traceback" not in text
    return text


def test_the_units_of_the_page(tmp_path: Path) -> None:
    """What systemd does not know in them it says; a program that is not there, too, so it gets one that is."""
    program = need("systemd-analyze")
    for name in ("shout.socket", "shout.service"):
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/opt/shout/bin/python", sys.executable))
    units = sorted(map(str, tmp_path.iterdir()))
    result = subprocess.run([program, "verify", *units], capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_what_the_units_run_is_understood() -> None:
    [line] = re.findall("^ExecStart=(.*)$", (EXAMPLES / "shout.service").read_text(encoding="utf-8"), re.MULTILINE)
    assert line.startswith("/opt/shout/bin/python -m trio_udp serve systemd --handler shout:answer --quiet")
