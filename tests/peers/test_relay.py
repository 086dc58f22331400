"""The relay between programs that nobody here wrote: none of them knows, and all of them cope."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.cli.child import PATIENCE, relay, start
from tests.peers.programs import (
    atftpd,
    clients,
    echo_servers,
    hosts,
    ncat,
    need,
    need_family,
    socat_echo,
    unbound,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.programs import ClientCommand, EchoServer


def output(*command: str) -> bytes:
    """What a program says, when it has ended well."""
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout


# -- dig and Unbound --------------------------------------------------------------------------------------------------


def dig(port: int, *options: str) -> str:
    return output(need("dig"), "@127.0.0.1", "-p", str(port), "www.example", "A", *options).decode()


def test_dig_asks_unbound_again(tmp_path: Path) -> None:
    """It takes another port for each attempt, so these are three clients."""
    with unbound(tmp_path) as server, relay(server, "--drop-first", "2") as (child, port):
        said = dig(port, "+tries=10", "+timeout=1")
        assert re.search(r"^www\.example\.\s+60\s+IN\s+A\s+192\.0\.2\.1$", said, re.MULTILINE)
        child.err.wait_for("client 1, .*datagram 1, .* dropped: drop_first\\n")
        child.err.wait_for("client 2, .*datagram 1, .* dropped: drop_first\\n")


def test_dig_asks_again_when_the_answer_is_lost(tmp_path: Path) -> None:
    with unbound(tmp_path) as server, relay(server, "--drop-first", "1", "--backward-only") as (child, port):
        assert dig(port, "+short", "+tries=10", "+timeout=1").splitlines()[-1] == "192.0.2.1"
        child.err.wait_for("client 1, .* <- datagram 1, .* dropped: drop_first\\n")


def test_dig_over_a_slow_line(tmp_path: Path) -> None:
    with unbound(tmp_path) as server, relay(server, "--delay", ".1", "--duplicate", "1") as (_, port):
        said = dig(port, "+tries=1", "+timeout=60")
        milliseconds = re.search(r"Query time: (\d+) msec", said)
        assert milliseconds
        assert int(milliseconds[1]) >= 190  # its clock may be a coarse one


# -- line by line: ncat and socat -------------------------------------------------------------------------------------


@echo_servers
@clients
@hosts
def test_echoes(client: ClientCommand, echo: EchoServer, host: str) -> None:
    need_family(host)
    with echo(host) as server, relay(server, host=host) as (_, port):
        with start(command=client(host, port)) as peer:
            expected = ""
            for line in ("hello", "is anybody there?", "bye"):
                peer.type(f"{line}\n".encode())
                expected += f"{line}\n"
                peer.out.wait_for(f"^{re.escape(expected)}$")


def test_ncat_hears_socat_twice() -> None:
    with socat_echo("127.0.0.1") as server, relay(server, "--duplicate", "1", "--backward-only") as (_, port):
        with start(command=ncat("127.0.0.1", port)) as peer:
            peer.type(b"hello\n")
            peer.out.wait_for("^hello\nhello\n$")


def test_ncat_types_into_the_void_at_first() -> None:
    with socat_echo("127.0.0.1") as server, relay(server, "--drop-first", "2") as (child, port):
        with start(command=ncat("127.0.0.1", port)) as peer:
            for number in (1, 2, 3):
                peer.type(f"line {number}\n".encode())
                if number < 3:
                    child.err.wait_for(f"datagram {number}, 7 bytes, dropped")
            peer.out.wait_for("^line 3\n$")


# -- files: curl and atftpd -------------------------------------------------------------------------------------------


def curl(port: int, *options: str) -> bytes:
    return output(need("curl"), "-sS", *options, f"tftp://127.0.0.1:{port}/file")


def test_curl_gets_a_file_over_tftp(tmp_path: Path) -> None:
    """The server goes on at another port for each transfer, and wants to be answered there."""
    data = bytes(range(256)) * 40 + b"the end"
    (tmp_path / "file").write_bytes(data)
    options = ["--delay", ".002", "--jitter", ".002", "--follow-port", "--quiet"]
    with atftpd(tmp_path) as server, relay(server, *options) as (_, port):
        assert curl(port) == data
        assert curl(port) == data


def test_curl_sends_its_request_again(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4
    (tmp_path / "file").write_bytes(data)
    with atftpd(tmp_path) as server, relay(server, "--follow-port", "--drop-first", "1") as (child, port):
        # Of three tries (lib/tftp.c) the second comes after a third of this time.
        assert curl(port, "--connect-timeout", "9") == data
        child.err.wait_for("datagram 1, .* dropped: drop_first\\n")


def test_a_relay_that_follows_no_port_lets_no_file_through(tmp_path: Path) -> None:
    """So that it is seen what the option is for."""
    (tmp_path / "file").write_bytes(b"data")
    with atftpd(tmp_path) as server, relay(server, "--quiet") as (_, port):
        ended = subprocess.run([need("curl"), "-sS", "-m", "2", f"tftp://127.0.0.1:{port}/file"], capture_output=True)
        assert ended.returncode == 28  # timed out
        assert ended.stdout == b""
