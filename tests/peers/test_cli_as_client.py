"""`request` and `ping`, with Ncat, OpenBSD's nc and socat as the servers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import run, start
from tests.peers.programs import in_brackets, need, need_family, on_a_free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Server = Callable[[str], AbstractContextManager[str]]

hosts = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])


@contextmanager
def ncat_echo(host: str) -> Iterator[str]:
    """Ncat runs one cat per peer."""
    program, cat = need("ncat"), need("cat")
    options = ["-vv", "-u", "-l", "-k", "--exec", cat, host]
    with on_a_free_port(lambda port: [program, *options, port], host, "Listening on") as (_, port):
        yield f"{in_brackets(host)}:{port}"


@contextmanager
def socat_echo(host: str) -> Iterator[str]:
    """Socat forks for each datagram."""
    program, cat = need("socat"), need("cat")
    family = "UDP6-RECVFROM" if ":" in host else "UDP4-RECVFROM"
    options = f"bind={in_brackets(host)},fork"

    def command(port: str) -> list[str]:
        return [program, "-d", "-d", f"{family}:{port},{options}", f"EXEC:{cat}"]

    with on_a_free_port(command, host, "receiving on") as (_, port):
        yield f"{in_brackets(host)}:{port}"


echo_servers = pytest.mark.parametrize("echo", [ncat_echo, socat_echo])

# They start a process for the first datagram, which may take its time on a busy machine. A reply that is slow is sent
# for again, and an echo of the first attempt is as good.
PATIENT = ("--attempts", "5")


@echo_servers
@hosts
def test_request(echo: Server, host: str) -> None:
    need_family(host)
    with echo(host) as address:
        data = bytes(range(256)) * 4
        ended = run("request", address, *PATIENT, data=data)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, data, b"")


@echo_servers
@hosts
def test_request_line_by_line(echo: Server, host: str) -> None:
    need_family(host)
    with echo(host) as address:
        lines = b"one\ntwo\nthree\n"
        ended = run("request", address, "--lines", *PATIENT, data=lines)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, lines, b"")


@echo_servers
@hosts
def test_ping(echo: Server, host: str) -> None:
    need_family(host)
    with echo(host) as address:
        ended = run("ping", address, "-c", "5", "-i", "0.05", "-W", "60")
        assert ended.returncode == 0
        assert f"--- {address} ping statistics ---\n5 sent, 5 received, 0 duplicates" in ended.stdout.decode()


@hosts
def test_a_person_with_nc_at_the_other_end(host: str) -> None:
    """What they see is the request, what they type is the reply."""
    need_family(host)
    program = need("nc")
    with on_a_free_port(lambda port: [program, "-u", "-l", "-v", host, port], host, "Bound on") as (nc, port):
        with start(
            "request", f"{in_brackets(host)}:{port}", "What time is it?", "--attempts", "1", "--first", "60"
        ) as us:
            nc.out.wait_for("^What time is it.$")
            nc.type(b"five past six\n")
            assert us.ended() == 0
            assert us.out.all() == b"five past six\n"
