"""What `serve` does against those who forge addresses, and against those who ask too often."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
from trio.testing import MockClock

from tests.cli.child import PATIENCE, run, serve
from trio_udp import Datagram, NoReply, Retry, open_udp_client, serve_udp
from trio_udp.cli import make_parser
from trio_udp.cli._answering import make_answering
from trio_udp.cli._common import ExitCode, Failure
from trio_udp.cli._limits import limit_requests
from trio_udp.relay import serve_relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_udp.testing import VirtualNetwork

ELSEWHERE = ("192.0.2.1", 4711)
HERE = ("127.0.0.1", 4711)


async def size_of_reply(arguments: list[str], size: int, address: tuple[str, int] = ELSEWHERE) -> int | None:
    answering = make_answering(make_parser().parse_args(["serve", "7", "--quiet", *arguments]))
    reply = await answering(Datagram(b"x" * size, address))
    assert answering.statistics() == ({} if reply is not None else {"amplifying reply": 1})
    return reply if reply is None else len(reply)


# -- amplification ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "size", "answered"),
    [
        (["--echo"], 0, 0),
        (["--echo"], 1000, 1000),
        (["--echo", "--amplification", "0.5"], 10, None),
        (["--prefix", "OK..."], 0, 5),
        (["--prefix", "p" * 56], 0, 56),
        (["--prefix", "p" * 57], 28, None),
        (["--prefix", "p" * 57], 29, 57 + 29),
        (["--reply", "r" * 56], 0, 56),
        (["--reply", "r" * 57], 18, None),
        (["--reply", "r" * 57], 19, 57),
        (["--reply", "r" * 57, "--amplification", "3.1"], 0, 57),
        (["--reply", "r" * 16, "--amplification", "1"], 15, None),
        (["--reply", "r" * 16, "--amplification", "1"], 16, 16),
    ],
)
async def test_another_machine_gets_no_large_reply(arguments: list[str], size: int, answered: int | None) -> None:
    assert await size_of_reply(arguments, size) == answered


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_gets_all(host: str) -> None:
    assert await size_of_reply(["--reply", "r" * 1000], 0, (host, 1)) == 1000
    assert await size_of_reply(["--reply", "r" * 1000, "--amplification", "3"], 0, (host, 1)) is None


@pytest.mark.parametrize(("amplification", "sent"), [([], 1400), (["--amplification", "3"], 0)])
async def test_behind_a_relay_everybody_is_here(
    amplification: list[str], sent: int, network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    """Regression: strangers whom a relay on the same machine let through got replies 1400 times as large, and there was
    no way to ask for less.
    """
    answering = make_answering(
        make_parser().parse_args(["serve", "7", "--quiet", "--reply", "r" * 1400, *amplification])
    )
    async with trio.open_nursery() as nursery:
        with network.host("203.0.113.1"):
            [server] = await nursery.start(partial(serve_udp, answering, 10000, host="127.0.0.1"))
            await nursery.start(partial(serve_relay, "0.0.0.0", 10001, "127.0.0.1", 10000))
        with network.host("198.51.100.9"):
            async with await open_udp_client("203.0.113.1", 10001) as stranger:
                with suppress(NoReply):
                    await stranger.request(b"x", retry=Retry(attempts=1))
        assert server.statistics().received == 1
        assert server.statistics().sent_bytes == sent
        nursery.cancel_scope.cancel()


async def test_a_handler_may_answer_anything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "large.py").write_text("async def thousand(datagram):\n    return bytes(1000)\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    arguments = ["--handler", "large:thousand"]
    assert await size_of_reply(arguments, 333) is None
    assert await size_of_reply(arguments, 334) == 1000
    assert await size_of_reply([*arguments, "--amplification", "1e6"], 1) == 1000
    assert await size_of_reply(arguments, 0, HERE) == 1000
    del sys.modules["large"]


async def test_a_reply_that_is_kept_back_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    answering = make_answering(make_parser().parse_args(["serve", "7", "--reply", "r" * 57]))
    assert await answering(Datagram(b"?", ELSEWHERE)) is None
    assert capsys.readouterr().err == "192.0.2.1:4711 -> 1 byte, not answered\n"


def test_a_long_reply_to_this_machine(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--reply", "r" * 1000) as (server, port):
        peer.sendto(b"", ("127.0.0.1", port))
        assert peer.recv(65535) == b"r" * 1000
        server.send_signal(signal.SIGINT)
        server.ended()
        assert b"guards:" not in server.err.all()


# -- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
def test_who_asks_too_often_gets_no_reply_and_has_no_line(peer: socket.socket) -> None:
    with serve("127.0.0.1:0", "--rate", "0.001") as (server, port), socket.socket(type=socket.SOCK_DGRAM) as other:
        other.settimeout(PATIENCE)
        other.bind(("127.0.0.2", 0))
        for data in (b"first", b"second", b"third"):
            peer.sendto(data, ("127.0.0.1", port))
        assert peer.recv(100) == b"first"
        other.sendto(b"behind them", ("127.0.0.1", port))
        assert other.recv(100) == b"behind them"
        server.send_signal(signal.SIGINT)
        server.ended()
        said = server.err.all().decode()
    assert said.count(" -> ") == 2
    assert said.endswith("received 4 datagrams, 27 bytes\nsent     2 datagrams, 16 bytes\nguards: 2 over rate\n")


async def test_what_is_dropped_is_not_printed(clock: MockClock, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    args = make_parser().parse_args(["serve", "7", "--print", "--quiet", "--rate", "2", "--total-rate", "3"])
    guarded = limit_requests(make_answering(args), args)
    for data in (b"one", b"two", b"three"):
        await guarded(Datagram(data, ELSEWHERE))
    for data in (b"another", b"stranger"):
        await guarded(Datagram(data, HERE))
    assert capfdbinary.readouterr().out == b"one\ntwo\n"
    assert guarded.statistics() == {"over rate": 1, "newcomer over total rate": 2}


@pytest.mark.skipif(sys.platform != "linux", reason="workers need Linux")
async def test_each_worker_tells_what_it_has_kept_back(
    clock: MockClock, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trio_udp.cli._workers import AsTyped  # has what only Unix has

    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", lambda function, *args: at_exit.append(partial(function, *args)))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    typed = ["serve", "7", "--quiet", "--rate", "1", "--handler", "handlers:sulk"]
    make, given = cast("Any", AsTyped(make_parser().parse_args(typed)).__reduce__())
    guarded = make(*given)
    for number in range(3):
        await guarded(Datagram(b"raise", ("127.0.0.1", number)))
    capsys.readouterr()
    for function in at_exit:
        function()
    lines = sorted(capsys.readouterr().err.splitlines())
    who = f"worker {os.getpid()}"
    assert lines == [f"{who}: guards: 2 over rate", f"{who}: the handler raised 1 time: 1 ValueError"]
    del sys.modules["handlers"]


def limited(*arguments: str) -> None:
    args = make_parser().parse_args(["serve", "7", *arguments])
    limit_requests(make_answering(args), args)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--total-rate", "5"], "--total-rate needs --rate N, too: what one address may send"),
        (["--rate", "10", "--total-rate", "5"], "--total-rate is at least --rate, 10, not 5"),
    ],
)
def test_limits_that_do_not_go_together(arguments: list[str], why: str) -> None:
    with pytest.raises(Failure, match=f"^{why}$") as caught:
        limited(*arguments)
    assert caught.value.code == ExitCode.USAGE


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]] if sys.platform == "linux" else [[]])
def test_they_are_a_line_and_not_a_traceback(workers: list[str]) -> None:
    ended = run("serve", "127.0.0.1:0", "--total-rate", "5", *workers)
    assert ended.returncode == 2
    [line] = ended.stderr.decode().splitlines()
    assert "--total-rate needs --rate N" in line


@pytest.mark.parametrize("option", ["--amplification", "--rate", "--total-rate"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "many"])
def test_limits_that_are_none(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        limited(f"{option}={value}")
    assert f"number above 0, and at most 1e+09, not '{value}'" in capsys.readouterr().err
