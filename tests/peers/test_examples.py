"""The programs of docs/examples, with Ncat, OpenBSD's nc and socat at the other end.

What each example does in detail is tested in tests/test_examples.py.
"""

from __future__ import annotations

import re
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import ROOT, start
from tests.peers.programs import clients, echo_servers, hosts, nc_listening, need, need_family

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.cli.child import Child
    from tests.peers.programs import ClientCommand, EchoServer

PROMPT = "Enter message to send : "


def example(name: str, *arguments: object) -> AbstractContextManager[Child]:
    path = ROOT / "docs" / "examples" / f"{name}.py"
    return start(command=[sys.executable, "-u", str(path), *map(str, arguments)])


@contextmanager
def serving(name: str) -> Iterator[tuple[Child, int]]:
    """An example that serves, and the port that it says it listens on."""
    with example(name, 0) as server:
        yield server, int(server.out.wait_for(r"port:? (\d+)\r?\n")[1])


def need_host(host: str, name: str = "localhost") -> None:
    """Skip where the name does not mean this address as well."""
    need_family(host)
    if host not in {address[0] for *_, address in socket.getaddrinfo(name, 0)}:
        pytest.skip(f"{name} is not {host} here")


# -- examples that serve -----------------------------------------------------------------------------------------------


@clients
@hosts
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("echo_server", "{line}\n"),
        ("fixed_reply_server", "Get off my lawn!"),
        ("ok_server", "OK...{line}\n"),
    ],
)
def test_they_get_their_answers(client: ClientCommand, host: str, name: str, answer: str) -> None:
    if name == "echo_server":
        need_host(host)
    need_family(host)
    with serving(name) as (_, port), start(command=client(host, port)) as peer:
        expected = ""
        for line in ("hello", "is anybody there?", "bye"):
            peer.type(f"{line}\n".encode())
            expected += answer.format(line=line)
            peer.out.wait_for(f"^{re.escape(expected)}$")


@clients
@hosts
def test_what_they_send_is_printed(client: ClientCommand, host: str) -> None:
    need_family(host)
    with serving("receive_only_server") as (server, port), start(command=client(host, port)) as peer:
        for line in ("one", "two"):
            peer.type(f"{line}\n".encode())
            server.out.wait_for(rf"{host} port \d+ says b'{line}\\n'\n")
        assert peer.out.text == ""


def test_ncat_on_localhost_line_by_line() -> None:
    """Classic 10: ``ncat -vv localhost 8888 -u``, whichever address localhost means first."""
    program = need("ncat")
    with serving("ok_server") as (server, port):
        with start(command=[program, "-vv", "localhost", str(port), "-u"]) as peer:
            peer.err.wait_for(rf"Connected to .*:{port}")
            peer.type(b"hello\n")
            peer.out.wait_for(r"^OK\.\.\.hello\n$")
            server.out.wait_for(r"Message\[.+:\d+\] - hello\n")


# -- examples that ask -------------------------------------------------------------------------------------------------


@echo_servers
@hosts
def test_one_shot_client(echo: EchoServer, host: str) -> None:
    need_family(host)
    with echo(host) as port, example("one_shot_client", host, port) as us:
        assert us.ended() == 0
        assert us.out.all() == b"b'Hello World'\n"


@echo_servers
@hosts
def test_echo_client(echo: EchoServer, host: str) -> None:
    need_host(host)
    with echo(host) as port, example("echo_client", port) as us:
        assert us.ended() == 0
        assert us.out.text.endswith("42 bytes came back: This is the message.  It will be repeated.\n")


@echo_servers
@hosts
def test_interactive_client(echo: EchoServer, host: str) -> None:
    need_host(host)
    with echo(host) as port, example("interactive_client", port) as us:
        expected = PROMPT
        for line in ("one", "two three", "four"):
            us.out.wait_for(f"^{expected}$")
            us.type(f"{line}\n".encode())
            expected += f"Server reply : {line}\n{PROMPT}"
        us.out.wait_for(f"^{expected}$")
        us.stdin.close()
        assert us.ended() == 0


@hosts
def test_a_person_with_nc_answers_the_one_shot_client(host: str) -> None:
    need_family(host)
    with nc_listening(host) as (nc, port), example("one_shot_client", host, port) as us:
        nc.out.wait_for("^(Hello World)+$")
        nc.type(b"Get off my lawn!")
        nc.stdin.close()
        assert us.ended() == 0
        assert us.out.all() == b"b'Get off my lawn!'\n"


@hosts
def test_a_person_with_nc_talks_with_the_interactive_client(host: str) -> None:
    need_host(host)
    with nc_listening(host) as (nc, port), example("interactive_client", port) as us:
        us.type(b"What time is it?\n")
        nc.out.wait_for("^(What time is it.)+$")
        nc.type(b"five past six\n")
        us.out.wait_for("Server reply : five past six\n")
