from __future__ import annotations

import errno
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import trio
import trio.testing

from tests.cli.child import PATIENCE, has_ipv6, run, serve
from trio_udp import Datagram
from trio_udp._address import HostPort
from trio_udp._asked import is_available
from trio_udp.cli import _hosts, main
from trio_udp.cli._answering import Answering
from trio_udp.cli.serve import listen_address

if TYPE_CHECKING:
    from trio_udp import Handler, UDPEndpoint


def ask(peer: socket.socket, port: int, data: bytes) -> bytes:
    peer.sendto(data, ("127.0.0.1", port))
    return peer.recv(65535)


# -- what is answered, and what is said ------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--echo"]])
def test_echo(arguments: list[str], peer: socket.socket) -> None:
    with serve("127.0.0.1:0", *arguments) as (server, port):
        me = peer.getsockname()[1]
        assert ask(peer, port, b"This is the message.  It will be repeated.") == (
            b"This is the message.  It will be repeated."
        )
        assert ask(peer, port, b"") == b""
        assert len(ask(peer, port, bytes(65507))) == 65507
        server.err.wait_for(rf"listening on 127\.0\.0\.1:{port}\n")
        server.err.wait_for(rf"127\.0\.0\.1:{me} -> 42 bytes, answered 42 bytes\n")
        server.err.wait_for(rf"127\.0\.0\.1:{me} -> 0 bytes, answered 0 bytes\n")
        server.err.wait_for(rf"127\.0\.0\.1:{me} -> 65507 bytes, answered 65507 bytes\n")


def test_prefix_shows_messages_that_no_terminal_obeys(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--prefix", "OK...") as (server, port):
        me = peer.getsockname()[1]
        assert ask(peer, port, b"hello\n") == b"OK...hello\n"
        server.err.wait_for(rf"Message\[127\.0\.0\.1:{me}\] - hello\n")
        assert ask(peer, port, b"\x1b[2J\xff") == b"OK...\x1b[2J\xff"
        server.err.wait_for(r"- \\x1b\[2J\\xff\n")
        assert ask(peer, port, b"") == b"OK..."  # which ends the classic
        server.err.wait_for(r"\] - \n")
        assert b"\x1b" not in server.err.text.encode()


def test_a_large_datagram_is_not_shown_whole_and_a_reply_that_is_too_large_is_said(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--prefix", "OK...") as (server, port):
        peer.sendto(b"x" * 65507, ("127.0.0.1", port))
        server.err.wait_for(r"- x{500}\.\.\. \(65507 bytes\)\n")
        server.err.wait_for(r"65512 bytes.* UDP carries at most 65507\n")
        assert ask(peer, port, b"still there?") == b"OK...still there?"


def test_reply(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--reply", "Get off my lawn!") as (server, port):
        assert ask(peer, port, b"?") == b"Get off my lawn!"
        server.err.wait_for(r" -> 1 byte, answered 16 bytes\n")


def test_print_is_data_on_standard_output_and_silence_on_the_network(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--print") as (server, port):
        server.err.wait_for(rf"waiting on port: {port} \(127\.0\.0\.1:{port}\)\n")
        for data in (b"one", b"", b"\x1b two\xff"):
            peer.sendto(data, ("127.0.0.1", port))
        server.err.wait_for(r" -> 6 bytes, not answered\n")
        server.send_signal(signal.SIGINT)
        server.ended()
        assert server.out.all() == b"one\n\n\x1b two\xff\n"
    peer.settimeout(0)
    with pytest.raises(BlockingIOError):
        peer.recv(1)


def test_quiet_says_nothing_per_datagram(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--quiet") as (server, port):
        assert ask(peer, port, b"psst") == b"psst"
        server.send_signal(signal.SIGINT)
        server.ended()
        assert " -> " not in server.err.all().decode()


def test_every_interface_means_both_families() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    with serve("*:0") as (server, port):
        server.err.wait_for(
            rf"listening on (0\.0\.0\.0:{port} and \[::\]:{port}|\[::\]:{port} and 0\.0\.0\.0:{port})\n"
        )
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as peer:
                peer.settimeout(PATIENCE)
                peer.sendto(b"hello", (host, port))
                assert peer.recv(100) == b"hello"
        server.err.wait_for(r"\[::1\]:\d+ -> 5 bytes")
        server.send_signal(signal.SIGINT)
        server.ended()
        assert server.err.all().decode().count(" statistics ---\nreceived 1 datagram, 5 bytes\n") == 2


@pytest.mark.skipif(not is_available(), reason="this platform does not tell which address was asked")
@pytest.mark.parametrize("where", ["*:0", "0.0.0.0:0"])
def test_it_replies_from_the_address_that_was_asked(peer: socket.socket, where: str) -> None:
    with serve(where) as (server, port):
        for host in ("127.0.0.2", "127.0.0.1"):
            peer.sendto(b"hello", (host, port))
            assert peer.recvfrom(100) == (b"hello", (host, port))
        server.err.wait_for(r"127\.0\.0\.1:\d+ -> 5 bytes, answered 5 bytes\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("5000", HostPort("localhost", 5000)),
        ("*:5000", HostPort(None, 5000)),
        ("0.0.0.0:5000", HostPort("0.0.0.0", 5000)),
        ("[::]:0", HostPort("::", 0)),
    ],
)
def test_where_to_listen(text: str, address: HostPort) -> None:
    assert listen_address(text) == address


# -- handlers of the user's ------------------------------------------------------------------------------------------


def test_a_handler_from_the_current_directory(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--handler", "handlers:shout", cwd=folder) as (_, port):
        assert ask(peer, port, b"quiet") == b"QUIET"


def test_what_a_handler_does_wrong_is_shown_and_counted_and_ends_nothing(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--handler", "handlers:sulk", cwd=folder) as (server, port):
        for data in (b"raise", b"number", b"raise", b"silence"):
            peer.sendto(data, ("127.0.0.1", port))
        assert ask(peer, port, b"and now?") == b"all right"
        assert ask(peer, port, b"array") == b"of bytes"
        server.err.wait_for(r" -> 5 bytes, and the handler raised ValueError:\n  Traceback")
        server.err.wait_for(r"handlers\.py\", line \d+, in sulk\n")
        server.err.wait_for(r"  ValueError: do not say \\x1b\[2J to me\n")
        server.err.wait_for(r"  TypeError: a handler returns bytes or None, not int\n")
        server.err.wait_for(r" -> 7 bytes, not answered\n")
        server.send_signal(signal.SIGINT)
        assert server.ended() == 130
        said = server.err.all()
        assert b"\x1b" not in said
        assert said.endswith(b"the handler raised 3 times: 2 ValueError, 1 TypeError\n")


def test_a_handler_that_asks_for_the_end_gets_it(folder: Path, peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--handler", "handlers:quit", cwd=folder) as (server, port):
        peer.sendto(b"go", ("127.0.0.1", port))
        assert server.ended() == 7
        assert b" -> 2 bytes, ended by SystemExit\n" in server.err.all()
        assert b"received 1 datagram" in server.err.all()


async def test_a_failure_while_the_server_stops_is_shown_and_the_stop_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("the bug")

    async def handler(_: Datagram) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            await trio.sleep_forever()

    told: list[bytes | str | None] = []
    answering = Answering(handler, lambda _, reply: told.append(reply))
    with trio.CancelScope() as stopping:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answering, Datagram(b"x", ("::1", 7, 0, 0)))
            await trio.testing.wait_all_tasks_blocked()
            stopping.cancel()
    assert stopping.cancelled_caught
    assert dict(answering.failures) == {"ExceptionGroup": 1}
    assert told == [], "the failure is its line"
    said = capsys.readouterr().err
    assert said.startswith("[::1]:7 -> 1 byte, and the handler raised ExceptionGroup:\n")
    assert "ValueError: the bug" in said


async def test_a_callable_whose_result_cannot_be_awaited_is_a_handlers_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[bytes | str | None] = []
    answering = Answering(cast("Handler", lambda _: 5), lambda _, reply: told.append(reply))
    assert await answering(Datagram(b"x", ("::1", 7, 0, 0))) is None
    assert dict(answering.failures) == {"TypeError": 1}
    assert told == []
    assert capsys.readouterr().err.startswith("[::1]:7 -> 1 byte, and the handler raised TypeError:\n")


# -- bad input -------------------------------------------------------------------------------------------------------


def test_a_port_in_use(peer: socket.socket) -> None:
    port = peer.getsockname()[1]
    ended = run("serve", f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert one_line(ended.stderr).startswith(f"trio_udp serve: cannot open UDP 127.0.0.1:{port}: ")
    assert b"another program has it" in ended.stderr


@pytest.mark.parametrize(
    ("address", "code", "why"),
    [
        ("203.0.113.7:0", 1, "cannot open UDP 203.0.113.7:0: .* \\(this is not an address of this machine\\)"),
        ("there-is.invalid:0", 1, "cannot find the host 'there-is.invalid': "),
        ("a..b:0", 1, "cannot find the host 'a..b': "),
    ],
)
def test_a_place_where_nobody_can_listen(address: str, code: int, why: str) -> None:
    ended = run("serve", address)
    assert ended.returncode == code
    assert re.search(why, one_line(ended.stderr))


@pytest.mark.parametrize(
    "arguments", ["70000", "1.2.3.4:x", "::1:53", "5 --grace -1", "5 --max-tasks 0", "5 --handler x"]
)
def test_what_makes_no_sense_is_a_usage_error(arguments: str) -> None:
    ended = run("serve", *arguments.split())
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr


def test_no_handler_is_a_line_and_not_a_traceback(folder: Path) -> None:
    ended = run("serve", "0", "--handler", "handlers:missing", cwd=folder)
    assert ended.returncode == 1
    assert "the module has no 'missing'" in one_line(ended.stderr)


def one_line(said: bytes) -> str:
    (line,) = said.decode().splitlines()
    return line


def test_a_port_that_needs_special_rights(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def forbid(port: int, *, host: str | None, reply_from_asked: bool) -> list[UDPEndpoint]:
        raise OSError(errno.EACCES, f"cannot open UDP {host}:{port}: Permission denied")

    monkeypatch.setattr(_hosts, "open_udp_endpoints", forbid)
    assert main(["serve", "127.0.0.1:53"]) == 1
    told = one_line(capsys.readouterr().err.encode())
    assert told.startswith("trio_udp serve: cannot open UDP 127.0.0.1:53: Permission denied (a port below 1024 needs ")


# -- sockets of systemd's ----------------------------------------------------------------------------------------------


def test_the_word_for_systemds_sockets() -> None:
    assert listen_address("systemd") is None


def test_systemd_has_passed_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("LISTEN_PID", raising=False)
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert main(["serve", "systemd"]) == 1
    assert one_line(capsys.readouterr().err.encode()) == (
        "trio_udp serve: systemd has passed no socket: this has to be started by a .socket unit, or by "
        "systemd-socket-activate --datagram -l PORT"
    )


def test_what_systemd_has_passed_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert main(["serve", "systemd"]) == 1
    told = one_line(capsys.readouterr().err.encode())
    assert told.startswith("trio_udp serve: the sockets of LISTEN_FDS are meant for process 1, and this is process ")


def test_an_address_beside_systemds_sockets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert main(["serve", "10000"]) == 1
    told = one_line(capsys.readouterr().err.encode())
    assert told == (
        "trio_udp serve: systemd has opened sockets for this server, which nobody would read: serve systemd takes them"
    )


def test_workers_have_sockets_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "systemd", "--workers", "2"]) == 2
    assert "--workers opens a socket for each worker, " in one_line(capsys.readouterr().err.encode())
