"""``serve --dtls`` and ``request --dtls``: as without, and who is not believed is told in a line."""

from __future__ import annotations

import re
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.cli.child import COMMAND, Child, environment, run, serve, start
from tests.dtls.certificates import Authority, Pair
from tests.dtls.serving import serving
from trio_udp import Event, PeerClosed, Retry, UDPChannel, UDPEndpoint, dtls, observe
from trio_udp._address import HostPort
from trio_udp._asked import is_available
from trio_udp._errors import logger
from trio_udp.cli import make_parser
from trio_udp.cli._common import ExitCode
from trio_udp.cli._dtls import SecretAsker, _told_of_failures
from trio_udp.dtls import client_context

LOCAL = "127.0.0.1"


def files(pair: Pair) -> tuple[str, str, str]:
    return "--dtls", str(pair.certificate), str(pair.key)


def error_of(*arguments: str, code: int = 1, data: bytes = b"") -> str:
    """The one line that a command says when it fails."""
    answer = run(*arguments, data=data)
    assert answer.returncode == code, answer.stderr
    assert answer.stdout == b""
    [line] = answer.stderr.decode().splitlines()
    return line


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([], b"Hello"),
        (["--prefix", "OK..."], b"OK...Hello"),
        (["--reply", "Get off my lawn!"], b"Get off my lawn!"),
        (["--handler", "tests.cli.dtls_handlers:shout"], b"HELLO"),
    ],
)
def test_there_and_back(options: list[str], answer: bytes, authority: Authority, pair: Pair) -> None:
    with serve(f"{LOCAL}:0", *files(pair), *options) as (server, port):
        got = run("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "Hello")
        assert (got.returncode, got.stdout, got.stderr) == (0, answer, b"")
        if sys.platform != "win32":
            server.send_signal(signal.SIGINT)
            assert server.ended() == ExitCode.INTERRUPTED
            server.err.wait_for(r"statistics ---\nreceived \d+ datagrams, \d+ bytes\nsent     \d+ datagrams")


def test_printed(authority: Authority, pair: Pair) -> None:
    with serve(f"{LOCAL}:0", *files(pair), "--print") as (server, port):
        with start("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "--first", "60", "Hello"):
            server.out.wait_for("^Hello\n")
            server.err.wait_for(r"127\.0\.0\.1:\d+ -> 5 bytes, not answered\n")


def test_lines(authority: Authority, pair: Pair) -> None:
    with serve(f"{LOCAL}:0", *files(pair), "--prefix", ">") as (_, port):
        got = run("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "--lines", data=b"1\n2\n\n3\n")
        assert got.stdout == b">1\n>2\n\n>3\n"
        assert b"DTLS carries no empty datagram" in got.stderr
        assert got.returncode == ExitCode.ERROR


def test_without_a_host_it_is_localhost(authority: Authority, pair: Pair) -> None:
    with serve("0", *files(pair)) as (_, port):
        got = run("request", str(port), "--dtls", "--ca", str(authority.ca), "Hello")
        assert (got.returncode, got.stdout) == (0, b"Hello")


@pytest.mark.skipif(not is_available(), reason="this platform does not tell which address was asked")
def test_it_replies_from_the_address_that_was_asked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign("several", ("127.0.0.1", "127.0.0.2"))
    with serve("0.0.0.0:0", *files(pair)) as (_, port):
        for host in ("127.0.0.1", "127.0.0.2"):
            got = run("request", f"{host}:{port}", "--dtls", "--ca", str(authority.ca), "Hello")
            assert (got.returncode, got.stdout) == (0, b"Hello")


def test_who_is_not_believed(authority: Authority, pair: Pair) -> None:
    with serve(f"{LOCAL}:0", *files(pair)) as (server, port):
        line = error_of("request", f"{LOCAL}:{port}", "--dtls", "Hello")
        assert re.fullmatch(
            rf"trio_udp request: the certificate of 127\.0\.0\.1:{port} is not believed: "
            "certificate verify failed: unable to get issuer cert locally",
            line,
        )
        server.err.wait_for(r"a handshake failed: no DTLS with 127\.0\.0\.1:\d+: .*unknown ca\n")
        got = run("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "Hello")
        assert got.stdout == b"Hello"
    named = authority.sign("elsewhere", ("elsewhere.example",))
    with serve(f"{LOCAL}:0", *files(named)) as (_, port):
        line = error_of("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "Hello")
        assert line.endswith("is for 'elsewhere.example', and not for '127.0.0.1'")
        line = error_of("request", f"2130706433:{port}", "--dtls", "--ca", str(authority.ca), "Hello")
        assert line.endswith("is for 'elsewhere.example', and not for '2130706433'")


def asker_of(server: UDPEndpoint, authority: Authority, attempts: int) -> SecretAsker:
    retry = Retry(attempts=attempts, first=0.2, jitter=0)
    return SecretAsker(dtls, HostPort(*server.address[:2]), client_context(authority.ca), retry, None)


async def test_a_server_that_closes_the_channel_gets_its_time(authority: Authority, pair: Pair) -> None:
    """Regression: all attempts were gone in a moment, each with a handshake, and it was given up."""
    got: list[bytes] = []

    async def close_at_first(channel: UDPChannel) -> None:
        got.append(await channel.receive())
        if len(got) == 3:
            await channel.send(b"Hi")

    async with serving(pair, close_at_first) as server, asker_of(server, authority, 3) as asker:
        began = trio.current_time()
        assert await asker.ask(b"Hello") == b"Hi"
        assert trio.current_time() - began >= 0.2 + 0.4
    assert got == [b"Hello"] * 3


async def test_a_channel_that_was_closed_meanwhile_takes_no_attempt(authority: Authority, pair: Pair) -> None:
    closed = trio.Event()

    async def one_word(channel: UDPChannel) -> None:
        await channel.send(await channel.receive())

    def note(event: Event) -> None:
        if isinstance(event, PeerClosed):
            closed.set()

    with observe(note):
        async with serving(pair, one_word) as server, asker_of(server, authority, 1) as asker:
            assert await asker.ask(b"one") == b"one"
            with trio.fail_after(10):
                await closed.wait()  # and its goodbye is at the client's socket
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert await asker.ask(b"two") == b"two"


def test_a_reply_that_dtls_does_not_carry(authority: Authority, pair: Pair) -> None:
    with serve(f"{LOCAL}:0", *files(pair), "--handler", "tests.cli.dtls_handlers:much") as (server, port):
        ask = ["request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "--attempts", "1", "--first", "0.2"]
        assert "no reply from 127.0.0.1 port" in error_of(*ask, "Hello", code=ExitCode.NO_REPLY)
        server.err.wait_for(r"not sent to 127\.0\.0\.1:\d+: a datagram of 20000 bytes: DTLS carries at most 16384\n")
        assert run(*ask, "small").stdout == b"small"
        assert "no reply from 127.0.0.1 port" in error_of(*ask, "nothing", code=ExitCode.NO_REPLY)
        server.err.wait_for(r"not sent to 127\.0\.0\.1:\d+: DTLS carries no empty datagram\n")
        if sys.platform != "win32":
            server.send_signal(signal.SIGTERM)
            assert server.ended() == ExitCode.ANSWERED
            server.err.wait_for("1 empty datagram")


def test_nobody_is_there(pair: Pair) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind((LOCAL, 0))
        port = str(silent.getsockname()[1])
        options = ("--dtls", "--attempts", "1", "--first", "0.2", "Hello")
        line = error_of("request", f"{LOCAL}:{port}", *options, code=ExitCode.NO_REPLY)
        assert re.fullmatch(rf"trio_udp request: no DTLS from 127\.0\.0\.1 port {port} in [\d.]+ s", line)
        line = error_of("request", f"{LOCAL}:{port}", "--dtls", "--deadline", "0.2", "Hello", code=ExitCode.NO_REPLY)
        assert re.fullmatch(rf"trio_udp request: no DTLS from 127\.0\.0\.1 port {port} in [\d.]+ s", line)
    line = error_of("request", f"{LOCAL}:{port}", *options, code=ExitCode.REFUSED)
    assert line == f"trio_udp request: 127.0.0.1 port {port} refused: nobody listens on that port"
    assert "cannot find the host 'no.such.host.invalid'" in error_of("request", "no.such.host.invalid:7", *options)


def test_a_server_that_plain_requests_do_not_reach(pair: Pair) -> None:
    with serve(f"{LOCAL}:0", *files(pair)) as (server, port):
        error_of("request", f"{LOCAL}:{port}", "--attempts", "1", "--first", "0.1", "Hello", code=ExitCode.NO_REPLY)
        if sys.platform != "win32":
            server.send_signal(signal.SIGTERM)
            assert server.ended() == ExitCode.ANSWERED
            server.err.wait_for("dropped  1 not DTLS")


def test_limits_and_metrics(authority: Authority, pair: Pair) -> None:
    options = ("--rate", "0.0001", "--metrics", f"{LOCAL}:0", "--reply", "x" * 1000)
    with serve(f"{LOCAL}:0", *files(pair), *options) as (server, port):
        url = server.err.wait_for(r"metrics at (http://\S+)\n")[1]
        ask = (
            "request",
            f"{LOCAL}:{port}",
            "--dtls",
            "--ca",
            str(authority.ca),
            "--attempts",
            "1",
            "--first",
            "1",
            "Hi",
        )
        assert run(*ask).stdout == b"x" * 1000  # a long reply to a peer that has shown where it is
        assert run(*ask).returncode == ExitCode.NO_REPLY, "no other conversation for hours"
        with urllib.request.urlopen(url, timeout=60) as response:
            page = response.read().decode()
        assert re.search(r'dropped.*reason="not admitted"\} [1-9]', page), page
        assert f'trio_udp_received_datagrams_total{{address="{LOCAL}:{port}"}}' in page
        if sys.platform != "win32":
            server.send_signal(signal.SIGINT)
            assert server.ended() == ExitCode.INTERRUPTED
            server.err.wait_for(r"dropped  \d not admitted")


async def test_the_numbers_that_were_typed_are_those_that_are_used(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[dict[str, object]] = []

    async def serve_dtls(_: object, endpoints: list[UDPEndpoint], __: object, **options: object) -> None:
        used.append(options)
        for endpoint in endpoints:
            endpoint.close()

    monkeypatch.setattr("trio_udp.dtls.serve_dtls", serve_dtls)
    args = make_parser().parse_args(
        ["serve", f"{LOCAL}:0", *files(pair), "--max-tasks", "7", "--max-each", "3", "--grace", "2.5"]
    )
    await args.run(args)
    assert used == [{"max_peers": 7, "max_peers_per_source": 3, "admit": None, "grace_period": 2.5}]


def test_max_each_is_for_dtls() -> None:
    line = error_of("serve", f"{LOCAL}:0", "--max-each", "3", code=ExitCode.USAGE)
    assert line == "trio_udp serve: --max-each needs --dtls: without it a client has no place once it is answered"


def test_one_address_does_not_have_all_places(authority: Authority, pair: Pair) -> None:
    options = ("--max-each", "1", "--metrics", f"{LOCAL}:0", "--print")
    with serve(f"{LOCAL}:0", *files(pair), *options) as (server, port):
        url = server.err.wait_for(r"metrics at (http://\S+)\n")[1]
        with asking(port, authority, "here I stay"):
            server.out.wait_for("here I stay\n")
            ask = ("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "--deadline", "0.5", "me too")
            assert run(*ask).returncode == ExitCode.NO_REPLY
            with urllib.request.urlopen(url, timeout=60) as response:
                page = response.read().decode()
            assert "trio_udp_peers 1.0\n" in page
            assert re.search(r'dropped.*reason="too many of one source"\} [1-9]', page), page


@contextmanager
def asking(port: int, authority: Authority, data: str) -> Iterator[Child]:
    """Somebody who waits for an hour."""
    with start("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "--first", "3600", data) as client:
        yield client


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_what_was_received_is_still_answered(folder: Path, authority: Authority, pair: Pair) -> None:
    options = (*files(pair), "--handler", "handlers:until_there_is_a_file", "--grace", "3600")
    with serve(f"{LOCAL}:0", *options, cwd=folder) as (server, port), asking(port, authority, "file") as client:
        server.out.wait_for("begun")
        server.send_signal(signal.SIGTERM)
        server.err.wait_for("stopping: 1 handler may go on for 3600 s")
        (folder / "file").touch()
        assert client.out.all() == b"at last"
        assert server.ended() == ExitCode.ANSWERED
        assert "Traceback" not in server.err.all().decode()


def test_max_tasks_are_the_peers(folder: Path, authority: Authority, pair: Pair) -> None:
    options = (*files(pair), "--handler", "handlers:dawdle", "--max-tasks", "1", "--grace", "0")
    with serve(f"{LOCAL}:0", *options, cwd=folder) as (server, port), asking(port, authority, "3600"):
        server.out.wait_for("begun")
        ask = ("request", f"{LOCAL}:{port}", "--dtls", "--ca", str(authority.ca), "--attempts", "1", "--first", "0.5")
        assert "no DTLS from 127.0.0.1 port" in error_of(*ask, "0", code=ExitCode.NO_REPLY)
        if sys.platform != "win32":
            server.send_signal(signal.SIGINT)
            assert server.ended() == ExitCode.INTERRUPTED
            server.err.wait_for(r"dropped  \d+ too many peers")


def test_mistakes(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    missing = str(tmp_path / "missing.pem")
    certificate, key = str(pair.certificate), str(pair.key)
    for arguments, code, wrong in [
        (
            ("serve", "0", "--dtls", missing, key),
            1,
            f"trio_udp serve: cannot read {missing}: No such file or directory",
        ),
        (("serve", "0", "--dtls", key, key), 1, f"trio_udp serve: {key} contains no certificate in PEM"),
        (("serve", "0", "--dtls", certificate, certificate), 1, f"{certificate} contains no private key in PEM"),
        (("serve", "0", "--dtls", certificate, key, "--workers", "2"), 2, "--dtls and --workers do not go together"),
        (("serve", "0", "--dtls", certificate, key, "--amplification", "2"), 2, "--dtls and --amplification do not go"),
        (("serve", "systemd", "--dtls", certificate, key), 1, "trio_udp serve: systemd has passed no socket: "),
        (("serve", "0", "--dtls", certificate), 2, "argument --dtls: expected 2 arguments"),
        (("serve", "0", "--dtls", certificate, key, "--handler", "no_such:thing"), 1, "no_such"),
        (("request", "7", "--dtls", "--ca", missing, "Hello"), 1, f"trio_udp request: cannot read {missing}"),
        (("request", "7", "--dtls", "--ca", key, "Hello"), 1, f"trio_udp request: {key} contains no certificate"),
        (("request", "7", "--ca", str(authority.ca), "Hello"), 2, "--ca is for --dtls"),
    ]:
        assert wrong in error_of(*arguments, code=code)


def test_what_the_library_logs_is_told_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with _told_of_failures():
        try:
            raise KeyError("a bug\x1b[2J")
        except KeyError as error:
            logger.error("another task failed", exc_info=error)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first == "another task failed"
    assert rest[0] == "  Traceback (most recent call last):"
    assert rest[-1] == r"  KeyError: 'a bug\x1b[2J'"


def test_what_to_install() -> None:
    """The rest of the command line needs nothing of it."""
    import subprocess

    without = "import sys; sys.modules['OpenSSL'] = None; from trio_udp.cli import main; sys.exit(main(sys.argv[1:]))"
    for arguments in (["serve", "0", "--dtls", "a", "b"], ["request", "7", "--dtls", "Hello"]):
        answer = subprocess.run(
            [COMMAND[0], "-c", without, *arguments], capture_output=True, text=True, env=environment(), timeout=60
        )
        assert answer.returncode == ExitCode.ERROR
        assert answer.stderr == (
            f'trio_udp {arguments[0]}: trio_udp.dtls needs OpenSSL: python -m pip install "trio_udp[dtls]"\n'
        )
