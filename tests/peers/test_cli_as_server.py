"""`serve`, with Ncat, OpenBSD's nc and socat as its clients.

They read lines as a person types them. Their standard input stays open until the reply is there: at its end they leave,
and lose what is still on its way.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import serve, start
from tests.peers.programs import clients, hosts, in_brackets, need, need_family
from trio_udp._asked import is_available

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.programs import ClientCommand


@clients
@hosts
@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([], "{line}"),
        (["--prefix", "OK..."], r"OK\.\.\.{line}"),
        (["--reply", "Get off my lawn!"], "Get off my lawn!"),
    ],
)
def test_they_get_their_answers(client: ClientCommand, host: str, options: list[str], answer: str) -> None:
    need_family(host)
    with serve(f"{in_brackets(host)}:0", *options) as (_, port), start(command=client(host, port)) as peer:
        for number in range(1, 4):
            expected = answer.format(line=f"line {number}\n")
            seen = len(peer.out.text)
            peer.type(f"line {number}\n".encode())
            peer.out.wait_for(f"(?s)^.{{{seen}}}{expected}$")


@clients
@hosts
def test_what_they_send_is_printed(client: ClientCommand, host: str) -> None:
    need_family(host)
    with serve(f"{in_brackets(host)}:0", "--print") as (server, port), start(command=client(host, port)) as peer:
        for line in ("one", "two"):
            peer.type(f"{line}\n".encode())
            server.out.wait_for(f"{line}\n\n")
            server.err.wait_for(r" -> 4 bytes, not answered\n")
        assert peer.out.text == ""


@clients
@pytest.mark.skipif(not is_available(), reason="this platform does not tell which address was asked")
@pytest.mark.parametrize("options", [[], ["--workers", "2"]])
def test_a_server_with_several_addresses_replies_from_the_one_that_was_asked(
    client: ClientCommand, options: list[str]
) -> None:
    """They connect their sockets, and so hear nobody but whom they have asked."""
    if options and sys.platform != "linux":
        pytest.skip("workers need Linux")
    with serve("*:0", *options) as (_, port), start(command=client("127.0.0.2", port)) as peer:
        for line in ("one\n", "two\n"):
            peer.type(line.encode())
            peer.out.wait_for(f"{line}$")


DNS = """
async def no_such_name(datagram):
    return datagram.data[:2] + b"\\x81\\x83" + datagram.data[4:]
"""


@pytest.mark.skipif(not is_available(), reason="this platform does not tell which address was asked")
def test_dig_believes_the_address_that_it_has_asked(tmp_path: Path) -> None:
    program = need("dig")
    (tmp_path / "names.py").write_text(DNS)
    with serve("*:0", "--handler", "names:no_such_name", cwd=tmp_path) as (_, port):
        command = [program, "@127.0.0.2", "-p", str(port), "+noedns", "+tries=1", "+time=10", "example.org"]
        with start(command=command) as peer:
            peer.out.wait_for("status: NXDOMAIN")
            peer.out.wait_for(r"SERVER: 127\.0\.0\.2#")


def test_ncat_on_localhost_line_by_line() -> None:
    """Classic 10: ``ncat -vv localhost 8888 -u``."""
    program = need("ncat")
    with serve("0", "--prefix", "OK...") as (server, port):
        with start(command=[program, "-vv", "localhost", str(port), "-u"]) as peer:
            peer.err.wait_for(rf"Connected to .*:{port}")
            for line in ("hello", "is anybody there?", "bye"):
                peer.type(f"{line}\n".encode())
                peer.out.wait_for(rf"OK\.\.\.{line.replace('?', '.')}\n$")
                server.err.wait_for(rf"Message\[.+:\d+\] - {line.replace('?', '.')}\n")


@clients
def test_many_at_once_each_get_their_own(client: ClientCommand) -> None:
    """Classic 11: any number of clients, one server, no threads."""
    with serve("127.0.0.1:0", "--prefix", "OK...") as (_, port), ExitStack() as stack:
        peers = [stack.enter_context(start(command=client("127.0.0.1", port))) for _ in range(5)]
        for number, peer in enumerate(peers):
            peer.type(f"from {number}\n".encode())
        for number, peer in enumerate(peers):
            peer.out.wait_for(rf"^OK\.\.\.from {number}\n$")


@clients
def test_a_client_that_vanishes_before_its_reply_does_not_end_the_server(client: ClientCommand) -> None:
    with serve("127.0.0.1:0") as (server, port):
        with start(command=client("127.0.0.1", port)) as peer:
            peer.type(b"and gone\n")
            server.err.wait_for("-> 9 bytes")
        with start(command=client("127.0.0.1", port)) as peer:
            peer.type(b"still there?\n")
            peer.out.wait_for("^still there.\n$")
