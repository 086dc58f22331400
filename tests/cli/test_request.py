from __future__ import annotations

import os
import signal
import socket
import sys
from functools import partial
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.cli.child import PATIENCE, has_ipv6, run, start
from trio_udp import NoReply, Retry
from trio_udp._address import HostPort
from trio_udp.cli import main, make_parser, request
from trio_udp.cli._asker import open_asker
from trio_udp.cli._common import ExitCode, Failure

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from trio.testing import MockClock

    StartServer = Callable[[Callable[[bytes], list[bytes]]], int]

posix = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals and signals there")


def echo(data: bytes) -> list[bytes]:
    return [data]


def ask(port: int, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run("request", f"127.0.0.1:{port}", *arguments, data=data)


def one_line(said: bytes) -> str:
    (line,) = said.decode().splitlines()
    return line


# -- one datagram ----------------------------------------------------------------------------------------------------


def test_the_reply_and_only_the_reply_is_on_standard_output(start_server: StartServer) -> None:
    ended = ask(start_server(lambda data: [b"\x00" + data + b"\xff\x1b"]), "Hello World")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"\x00Hello World\xff\x1b", b"")


def test_an_empty_reply_is_a_reply(start_server: StartServer) -> None:
    ended = ask(start_server(lambda _: [b""]), "Hello")
    assert (ended.returncode, ended.stdout) == (0, b"")


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_all_of_standard_input_is_one_datagram(arguments: list[str], start_server: StartServer) -> None:
    data = bytes(range(256)) * 200 + b"\n"
    ended = ask(start_server(echo), *arguments, data=data)
    assert (ended.returncode, ended.stdout) == (0, data)


def test_no_input_is_an_empty_datagram(start_server: StartServer) -> None:
    ended = ask(start_server(lambda data: [b"%d bytes" % len(data)]))
    assert ended.stdout == b"0 bytes"


def test_text_is_utf8_and_bytes_that_are_none_stay_as_they_are(start_server: StartServer) -> None:
    port = start_server(echo)
    assert ask(port, "grüße").stdout == "grüße".encode()
    if sys.platform != "win32":
        assert ask(port, os.fsdecode(b"\xff\xfe")).stdout == b"\xff\xfe"


def test_hexadecimal_both_ways(start_server: StartServer) -> None:
    port = start_server(lambda data: [data[::-1]])
    assert ask(port, "--bytes-hex", "de ad 01").stdout == b"01adde\n"
    assert ask(port, "--bytes-hex", data=b"00\nff\n").stdout == b"ff00\n"


def test_replies_as_bytes_literals(start_server: StartServer) -> None:
    port = start_server(lambda data: [data + b"\xff'\n"])
    assert ask(port, "--repr", "Hello").stdout == b'b"Hello\\xff\'\\n"\n'
    assert ask(port, "--repr", "--lines", data=b"1\n\n").stdout == b'b"1\\xff\'\\n"\nb"\\xff\'\\n"\n'
    ended = ask(port, "--repr", "--bytes-hex", "00")
    assert ended.returncode == 2
    assert "not allowed with argument --repr" in one_line(ended.stderr)


def test_what_is_not_hexadecimal_is_told(start_server: StartServer) -> None:
    port = start_server(echo)
    for arguments, data, code in [(["xyz"], b"", 2), ([], b"abc", 1), ([], b"\xff", 1)]:
        ended = ask(port, "--bytes-hex", *arguments, data=data)
        assert ended.returncode == code
        assert "pairs of hexadecimal digits" in one_line(ended.stderr)


def test_a_lost_datagram_is_sent_again(start_server: StartServer) -> None:
    seen: list[bytes] = []

    def lose_two(data: bytes) -> list[bytes]:
        seen.append(data)
        return [data] if len(seen) == 3 else []

    ended = ask(start_server(lose_two), "Hello", "--first", "0.05")
    assert (ended.returncode, ended.stdout) == (0, b"Hello")
    assert len(seen) == 3


def test_no_reply(start_server: StartServer) -> None:
    port = start_server(lambda _: [])
    ended = ask(port, "Hello", "--attempts", "3", "--first", "0.01")
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert one_line(ended.stderr).startswith(f"trio_udp request: no reply from 127.0.0.1:{port} to 3 attempts in 0.")


def test_a_refusal(refusing_port: int) -> None:
    ended = ask(refusing_port, "Hello", "--attempts", "2", "--first", "0.01")
    assert (ended.returncode, ended.stdout) == (4, b"")
    told = f"trio_udp request: 127.0.0.1:{refusing_port} refused: nobody listens on that port (2 attempts in "
    assert one_line(ended.stderr).startswith(told)


def test_a_deadline_ends_it_whatever_the_attempts(start_server: StartServer) -> None:
    port = start_server(lambda _: [])
    ended = ask(port, "Hello", "--deadline", "0.1", "--first", "3600")
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert f"no reply from 127.0.0.1:{port} to 1 attempt in 0." in one_line(ended.stderr)


def test_a_deadline_does_not_hide_a_refusal(refusing_port: int) -> None:
    ended = ask(refusing_port, "Hello", "--deadline", "0.1", "--first", "3600")
    assert ended.returncode == 4
    assert "refused" in one_line(ended.stderr)


def test_another_address_that_refuses_is_no_refusal() -> None:
    """``localhost`` may be ::1, where nobody is, and 127.0.0.1, where a server is there and says nothing."""
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        for ending in (["--attempts", "2", "--first", "0.05"], ["--deadline", "0.2"]):
            ended = run("request", f"localhost:{silent.getsockname()[1]}", "Hello", *ending)
            assert ended.returncode == 3
            assert "no reply from " in one_line(ended.stderr)
        ended = run("ping", f"localhost:{silent.getsockname()[1]}", "-c", "2", "-i", "0.01", "-W", "0.1")
        assert (ended.returncode, b"refused" in ended.stdout) == (3, False)


@pytest.mark.parametrize("ending", [["--attempts", "2"], ["--deadline", "1.5"]])
async def test_a_server_that_comes_up_and_says_nothing_has_not_refused(ending: list[str]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    args = make_parser().parse_args(["request", f"127.0.0.1:{address[1]}", "Hello", "--first", "0.5", *ending])
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def come_up() -> None:
                await trio.sleep(0.25)
                server.bind(address)

            with pytest.raises(Failure, match="no reply") as told:
                await request.run(args)
    assert told.value.code == ExitCode.NO_REPLY


def test_data_that_are_too_large(start_server: StartServer) -> None:
    ended = ask(start_server(echo), data=bytes(65508))
    assert ended.returncode == 1
    assert one_line(ended.stderr) == "trio_udp request: a datagram of 65508 bytes: UDP carries at most 65507"


@pytest.mark.parametrize("host", ["there-is.invalid", "a..b"])
def test_an_unknown_host(host: str) -> None:
    ended = run("request", f"{host}:7", "Hello")
    assert ended.returncode == 1
    assert one_line(ended.stderr).startswith(f"trio_udp request: cannot find the host {host!r}: ")


def test_a_host_that_there_is_no_way_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A socket that is not to send to everybody may not be connected to the address that means everybody."""
    if sys.platform != "linux":
        pytest.skip("Linux says so when connecting")
    assert main(["request", "255.255.255.255:7", "Hello"]) == ExitCode.ERROR
    assert capsys.readouterr().err.startswith("trio_udp request: cannot reach '255.255.255.255': ")


def test_port_0_is_a_usage_error() -> None:
    ended = run("request", "localhost:0", "Hello")
    assert ended.returncode == 2
    assert b"a port is a number from 1 to 65535, not '0'" in ended.stderr


def test_lines_and_data_exclude_each_other() -> None:
    ended = run("request", "localhost:7", "Hello", "--lines")
    assert ended.returncode == 2
    assert "leave DATA out" in one_line(ended.stderr)


@pytest.mark.parametrize(("arguments", "longest"), [([], 46.5), (["--first", "100", "--attempts", "1"], 150)])
def test_how_long_it_takes_to_give_up(
    arguments: list[str],
    longest: float,
    start_server: StartServer,
    clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The default schedule is the library's; a first wait above its cap of a minute is meant."""
    port = start_server(lambda _: [])

    monkeypatch.setattr(trio, "run", partial(trio.run, clock=clock))
    assert main(["request", f"127.0.0.1:{port}", "Hello", *arguments]) == ExitCode.NO_REPLY
    elapsed = float(capsys.readouterr().err.split()[-2])
    assert longest / 1.5 <= elapsed <= longest * 1.001


# -- many ------------------------------------------------------------------------------------------------------------


def test_a_reply_per_line(start_server: StartServer) -> None:
    ended = ask(start_server(lambda data: [data.upper()]), "--lines", data=b"one\n\ntwo\xff\nthree")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"ONE\n\nTWO\xff\nTHREE\n", b"")


def test_the_newline_that_a_server_adds_is_not_doubled(start_server: StartServer) -> None:
    ended = ask(start_server(lambda data: [data + b"\n"]), "--lines", data=b"one\ntwo\n")
    assert ended.stdout == b"one\ntwo\n"


def test_hexadecimal_lines(start_server: StartServer) -> None:
    ended = ask(start_server(lambda data: [data + b"\n"]), "--lines", "--bytes-hex", data=b"0102\nno\n03\n")
    assert (ended.returncode, ended.stdout) == (1, b"01020a\n\n030a\n")
    assert "hexadecimal" in one_line(ended.stderr)


def test_a_line_without_a_reply_leaves_an_empty_one(start_server: StartServer) -> None:
    port = start_server(lambda data: [data] if data != b"two" else [])
    arguments = ["--lines", "--attempts", "2", "--first", "0.05"]
    ended = ask(port, *arguments, data=b"one\ntwo\nthree\n")
    assert (ended.returncode, ended.stdout) == (3, b"one\n\nthree\n")
    assert one_line(ended.stderr).startswith(f"no reply from 127.0.0.1:{port} to 2 attempts in 0.")


def test_each_reply_comes_before_the_next_line_is_there(start_server: StartServer) -> None:
    with start("request", f"127.0.0.1:{start_server(echo)}", "--lines") as child:
        for line in ("one", "two"):
            child.type(line.encode() + b"\n")
            child.out.wait_for(f"{line}\n")
        child.stdin.close()
        assert child.ended() == 0


@posix
@pytest.mark.parametrize("arguments", [["--lines"], ["-"]])
def test_ctrl_c_while_it_waits_for_input(arguments: list[str], start_server: StartServer) -> None:
    with start("request", f"127.0.0.1:{start_server(echo)}", *arguments) as child:
        if arguments == ["--lines"]:
            child.type(b"one\n")
            child.out.wait_for("one\n")
        else:
            child.type(b"one")
            wait_until_it_has_read(child.stdin)
        child.send_signal(signal.SIGINT)
        assert child.ended() == 130
        assert child.err.all() == b""


def wait_until_it_has_read(pipe: IO[bytes]) -> None:
    import array
    import fcntl
    import termios
    import time

    unread = array.array("i", [1])
    started = time.monotonic()
    while unread[0] and time.monotonic() < started + PATIENCE:
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, unread)
        time.sleep(0.01)


# -- asking ----------------------------------------------------------------------------------------------------------


async def test_a_failure_that_is_not_silence_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        remote_address = ("192.0.2.1", 7)

        def statistics(self) -> SimpleNamespace:
            return SimpleNamespace(sent=0, errors={})

        async def request(self, data: bytes, *, retry: Retry) -> bytes:
            raise NoReply(("192.0.2.1", 7), 1, 0.0, 0) from OSError(113, "No route to host")

    async with open_asker(HostPort("127.0.0.1", 7), Retry(), None) as asker:
        monkeypatch.setattr(asker, "_client", Client())
        with pytest.raises(
            Failure, match=r"no reply from 192.0.2.1:7 to 0 attempts in .* s \(No route to host\)"
        ) as told:
            await asker.ask(b"Hello")
    assert told.value.code == ExitCode.NO_REPLY
