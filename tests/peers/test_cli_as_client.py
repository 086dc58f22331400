"""`request` and `ping`, with Ncat, OpenBSD's nc and socat as the servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.child import run, start
from tests.peers.programs import echo_servers, hosts, in_brackets, nc_listening, need_family

if TYPE_CHECKING:
    from tests.peers.programs import EchoServer

# They start a process for the first datagram, which may take its time on a busy machine. A reply that is slow is sent
# for again, and an echo of the first attempt is as good.
PATIENT = ("--attempts", "5")


@echo_servers
@hosts
def test_request(echo: EchoServer, host: str) -> None:
    need_family(host)
    with echo(host) as port:
        address = f"{in_brackets(host)}:{port}"
        data = bytes(range(256)) * 4
        ended = run("request", address, *PATIENT, data=data)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, data, b"")


@echo_servers
@hosts
def test_request_line_by_line(echo: EchoServer, host: str) -> None:
    need_family(host)
    with echo(host) as port:
        address = f"{in_brackets(host)}:{port}"
        lines = b"one\ntwo\nthree\n"
        ended = run("request", address, "--lines", *PATIENT, data=lines)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, lines, b"")


@echo_servers
@hosts
def test_ping(echo: EchoServer, host: str) -> None:
    need_family(host)
    with echo(host) as port:
        address = f"{in_brackets(host)}:{port}"
        ended = run("ping", address, "-c", "5", "-i", "0.05", "-W", "60")
        assert ended.returncode == 0
        assert f"--- {address} ping statistics ---\n5 sent, 5 received, 0 duplicates" in ended.stdout.decode()


@hosts
def test_a_person_with_nc_at_the_other_end(host: str) -> None:
    need_family(host)
    with nc_listening(host) as (nc, port):
        with start(
            "request", f"{in_brackets(host)}:{port}", "What time is it?", "--attempts", "1", "--first", "60"
        ) as us:
            nc.out.wait_for("^What time is it.$")
            nc.type(b"five past six\n")
            assert us.ended() == 0
            assert us.out.all() == b"five past six\n"
