from __future__ import annotations

import json
import re
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.cli.child import run, serve, start
from trio_udp import Datagram, UDPEndpoint, serve_udp
from trio_udp.cli import main, make_parser, ping
from trio_udp.cli._ping_record import Payloads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    Answer = Callable[[UDPEndpoint, Datagram], Awaitable[None]]

NUMBER = slice(7, 8)  # the last byte of the ping's number


async def ping_with(answer: Answer, *options: str) -> int:
    """The command, in this process, against a server that answers as the test wants it."""
    endpoint: list[UDPEndpoint] = []

    async def handler(datagram: Datagram) -> None:
        await answer(endpoint[0], datagram)

    async with trio.open_nursery() as nursery:
        endpoint += await nursery.start(partial(serve_udp, handler, 0, host="127.0.0.1"))
        address = f"127.0.0.1:{endpoint[0].address[1]}"
        args = make_parser().parse_args(["ping", address, *options])
        code = await ping.run(args)
        nursery.cancel_scope.cancel()
    return code


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines, without what differs from run to run."""
    out, err = capsys.readouterr()
    assert err == ""
    return [re.sub(r"127\.0\.0\.1:\d+", "SERVER", line) for line in out.splitlines()]


async def echo(endpoint: UDPEndpoint, datagram: Datagram) -> None:
    await endpoint.send(*datagram)


async def silence(_: UDPEndpoint, __: Datagram) -> None:
    pass


# -- what is shown ---------------------------------------------------------------------------------------------------


async def test_echoes_with_their_times(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def slow_echo(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        await trio.sleep(0.1 * datagram.data[7])
        await endpoint.send(*datagram)

    assert await ping_with(slow_echo, "-c", "3") == 0
    assert printed(capsys) == [
        "56 bytes from SERVER: seq=1 attempt=1 time=100.000 ms",
        "56 bytes from SERVER: seq=2 attempt=1 time=200.000 ms",
        "56 bytes from SERVER: seq=3 attempt=1 time=300.000 ms",
        "--- SERVER ping statistics ---",
        "3 sent, 3 received, 0 duplicates, 0 late, 0 % loss",
        "rtt min/median/mean/p99/max = 100.000/200.000/200.000/298.000/300.000 ms",
    ]
    assert trio.current_time() == pytest.approx(2.3)


async def test_pings_do_not_wait_for_each_other(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def reverse_echo(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        await trio.sleep(4 - datagram.data[7])
        await endpoint.send(*datagram)

    assert await ping_with(reverse_echo, "-c", "3", "-i", "0.5", "-W", "9") == 0
    assert [line.split()[4] for line in printed(capsys)[:3]] == ["seq=3", "seq=2", "seq=1"]


async def test_a_lost_ping(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def lose_the_second(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        if datagram.data[NUMBER] != b"\x02":
            await endpoint.send(*datagram)

    assert await ping_with(lose_the_second, "-c", "3", "-W", "0.75") == 0
    lines = printed(capsys)
    assert lines[1] == "seq=2 no reply within 0.75 s"
    assert lines[4] == "3 sent, 2 received, 0 duplicates, 0 late, 33.3 % loss"


async def test_nothing_comes_back(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ping_with(silence, "-c", "2", "--attempts", "3") == 3
    assert printed(capsys) == [
        "seq=1 no reply to 3 attempts within 3 s",
        "seq=2 no reply to 3 attempts within 3 s",
        "--- SERVER ping statistics ---",
        "2 sent, 0 received, 0 duplicates, 0 late, 100 % loss",
    ]


async def test_a_ping_is_sent_again(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[bytes] = []

    async def lose_the_first_two(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        seen.append(datagram.data)
        if len(seen) > 2:
            await endpoint.send(*datagram)

    assert await ping_with(lose_the_first_two, "-c", "1", "--attempts", "3") == 0
    assert printed(capsys)[0].startswith("56 bytes from SERVER: seq=1 attempt=3 time=")
    assert seen == [seen[0]] * 3


async def test_a_late_echo(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def first_one_late(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        await trio.sleep(1.5 if datagram.data[NUMBER] == b"\x01" else 0.75)
        await endpoint.send(*datagram)

    assert await ping_with(first_one_late, "-c", "2") == 0
    assert printed(capsys)[:5] == [
        "seq=1 no reply within 1 s",
        "56 bytes from SERVER: seq=1 attempt=1 time=1500.000 ms late",
        "56 bytes from SERVER: seq=2 attempt=1 time=750.000 ms",
        "--- SERVER ping statistics ---",
        "2 sent, 1 received, 0 duplicates, 1 late, 0 % loss",
    ]


async def test_an_echo_that_is_only_late_is_an_echo(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def first_one_late(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        if datagram.data[NUMBER] == b"\x01":
            await trio.sleep(1.5)
            await endpoint.send(*datagram)

    assert await ping_with(first_one_late, "-c", "2") == 0
    assert "2 sent, 0 received, 0 duplicates, 1 late, 50 % loss" in printed(capsys)


async def test_a_doubled_echo(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def double(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        await endpoint.send(*datagram)
        await trio.sleep(1.25)  # while the next one is waited for
        await endpoint.send(*datagram)

    assert await ping_with(double, "-c", "3", "-i", "1.25") == 0
    lines = printed(capsys)
    assert "56 bytes from SERVER: seq=1 attempt=1 time=1250.000 ms duplicate" in lines
    assert "56 bytes from SERVER: seq=2 attempt=1 time=1250.000 ms duplicate" in lines
    assert "3 sent, 3 received, 2 duplicates, 0 late, 0 % loss" in lines


async def test_the_answer_to_an_earlier_attempt_is_late_and_no_duplicate(
    clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Datagram] = []

    async def answer_both_at_once(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        seen.append(datagram)
        if len(seen) == 2:
            await endpoint.send_many(seen)
        if len(seen) == 3:
            await endpoint.send(*seen[0])
            await endpoint.send(*datagram)

    assert await ping_with(answer_both_at_once, "-c", "2", "-i", "2.5", "--attempts", "2") == 0
    lines = printed(capsys)
    assert lines[0].startswith("56 bytes from SERVER: seq=1 attempt=2 time=")
    assert lines[1].startswith("56 bytes from SERVER: seq=1 attempt=2 time=")
    assert lines[1].endswith(" ms late")
    assert lines[2] == "56 bytes from SERVER: seq=1 attempt=2 time=1500.000 ms duplicate"
    assert "2 sent, 2 received, 1 duplicate, 0 late, 0 % loss" in lines


async def test_a_broken_echo_is_said_so_and_waited_past(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def garble_then_answer(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        data, address = datagram
        unknown = data[:4] + b"\xff\xff\xff\xff" + data[8:]
        for broken in (data[:-1] + b"?", data[:-1], b"", b"not an echo at all", unknown, data):
            await endpoint.send(broken, address)

    assert await ping_with(garble_then_answer, "-c", "1") == 0
    assert printed(capsys)[:-1] == [
        "56 bytes from SERVER: seq=1 attempt=1 time=0.000 ms corrupt",
        "55 bytes from SERVER: seq=1 attempt=1 time=0.000 ms corrupt",
        "0 bytes from SERVER: seq=? corrupt",
        "18 bytes from SERVER: seq=? corrupt",
        "56 bytes from SERVER: seq=4294967295 corrupt",
        "56 bytes from SERVER: seq=1 attempt=1 time=0.000 ms",
        "--- SERVER ping statistics ---",
        "1 sent, 1 received, 0 duplicates, 0 late, 0 % loss, 5 corrupt",
    ]


async def test_json_tells_the_same(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        if datagram.data[NUMBER] == b"\x01":
            await trio.sleep(1.5)
        await endpoint.send(*datagram)
        if datagram.data[NUMBER] != b"\x03":  # after the last one nobody reads on
            await endpoint.send(*datagram)

    assert await ping_with(answer, "-c", "3", "-s", "100", "--json") == 0
    *events, last = (json.loads(line) for line in printed(capsys))
    shown = sorted((event["event"], event["seq"]) for event in events)
    assert shown == [("duplicate", 1), ("duplicate", 2), ("late", 1), ("reply", 2), ("reply", 3), ("timeout", 1)]
    replies = [event for event in events if event["event"] == "reply"]
    reply = {"event": "reply", "seq": 2, "attempt": 1, "bytes": 100, "time_ms": 0.0, "from": "SERVER"}
    assert replies[0] == reply
    late = [event for event in events if event["event"] == "late"]
    assert late == [{**reply, "event": "late", "seq": 1, "time_ms": 1500.0}]
    summary = last["summary"]
    assert summary.pop("rtt_ms") == {"min": 0.0, "median": 0.0, "mean": 0.0, "p99": 0.0, "max": 0.0}
    assert summary == {
        "server": "SERVER",
        "sent": 3,
        "received": 2,
        "duplicates": 2,
        "late": 1,
        "lost": 0,
        "refused": 0,
        "corrupt": 0,
        "waiting": 0,
        "loss_percent": 0.0,
    }


async def test_lateness_does_not_add_up_and_no_burst_follows_a_stall(
    clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: the next one was an interval after this one, however late this was."""
    seen: list[float] = []

    async def stall(endpoint: UDPEndpoint, datagram: Datagram) -> None:
        seen.append(trio.current_time())
        clock.jump({2: 1.25, 4: 3.5}.get(len(seen), 0.0))
        await endpoint.send(*datagram)

    assert await ping_with(stall, "-c", "6", "-W", "9") == 0
    assert seen == [0.0, 1.0, 2.25, 3.0, 6.5, 7.5]


async def test_no_more_than_a_thousand_are_waited_for_at_once(
    clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[float] = []

    async def count(_: UDPEndpoint, __: Datagram) -> None:
        seen.append(trio.current_time())

    assert await ping_with(count, "-c", "1001", "-i", "0") == 3
    assert seen[999] < 0.5
    assert seen[1000] >= 1


# -- the program -----------------------------------------------------------------------------------------------------


def test_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with serve("127.0.0.1:0") as (_, port):
        ended = run("ping", f"127.0.0.1:{port}", "-c", "3", "-i", "0.01", "-s", "8", "-W", "60")
    assert (ended.returncode, ended.stderr) == (0, b"")
    lines = ended.stdout.decode().splitlines()
    for number, line in enumerate(lines[:3], 1):
        assert re.fullmatch(rf"8 bytes from 127\.0\.0\.1:{port}: seq={number} attempt=1 time=\d+\.\d{{3}} ms", line)
    assert lines[3] == f"--- 127.0.0.1:{port} ping statistics ---"
    assert lines[4] == "3 sent, 3 received, 0 duplicates, 0 late, 0 % loss"
    assert lines[5].startswith("rtt min/median/mean/p99/max = ")


def test_the_largest_that_udp_carries() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        ended = run("ping", f"127.0.0.1:{port}", "-c", "1", "-s", "65507", "-W", "60")
    assert ended.returncode == 0
    assert ended.stdout.startswith(b"65507 bytes from ")


def test_a_refusal_is_said_for_each(refusing_port: int) -> None:
    ended = run("ping", f"127.0.0.1:{refusing_port}", "-c", "2", "-i", "0.01")
    assert ended.returncode == 4
    assert ended.stdout.decode().splitlines() == [
        "seq=1 refused: nobody listens there",
        "seq=2 refused: nobody listens there",
        f"--- 127.0.0.1:{refusing_port} ping statistics ---",
        "2 sent, 0 received, 0 duplicates, 0 late, 100 % loss, 2 refused",
    ]


def test_a_refusal_in_json(refusing_port: int) -> None:
    ended = run("ping", f"127.0.0.1:{refusing_port}", "-c", "1", "--json")
    event, last = (json.loads(line) for line in ended.stdout.splitlines())
    assert (event["event"], event["seq"], event["attempts"]) == ("refused", 1, 1)
    assert last["summary"]["refused"] == last["summary"]["lost"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_prints_the_statistics() -> None:
    with serve("127.0.0.1:0") as (_, port), start("ping", f"127.0.0.1:{port}", "-W", "3600", "-i", "3600") as child:
        child.out.wait_for("seq=1 .*\n")
        child.send_signal(signal.SIGINT)
        assert child.ended() == 130
        assert "\n1 sent, 1 received, 0 duplicates, 0 late, 0 % loss\nrtt" in child.out.all().decode()
        assert child.err.all() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_what_is_still_waited_for_is_not_lost() -> None:
    with serve("127.0.0.1:0", "--print") as (server, port):
        with start("ping", f"127.0.0.1:{port}", "-W", "3600", "-i", "3600") as child:
            server.err.wait_for(r"-> 56 bytes, not answered")
            child.send_signal(signal.SIGINT)
            assert child.ended() == 130
            assert b"\n1 sent, 0 received, 0 duplicates, 0 late, 0 % loss, 1 waiting\n" in child.out.all()


def test_an_unknown_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ping", "a..b:7"]) == 1
    assert capsys.readouterr().err.startswith("trio_udp ping: cannot find the host 'a..b': ")


@pytest.mark.parametrize("size", ["7", "65508", "-1", "1e3", "", "99999999999999999999"])
def test_a_size_without_room_for_the_header_or_above_what_udp_carries(
    size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["ping", "7", "-s", size])
    said = capsys.readouterr().err
    assert f"from 8 to 65507, not {size!r}" in said
    assert "the first 8 bytes are the ping's token and number" in said


def test_a_system_that_takes_less_than_udp_carries(capsys: pytest.CaptureFixture[str]) -> None:
    """macOS takes 9,216 bytes at most unless told otherwise; Linux tells the same of IPv4's limit."""
    args = ["ping", "127.0.0.1:7", "-c", "1", "-s", "65507"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ping, "Payloads", lambda size: Payloads(size + 1))
        assert main(args) == 1
    assert capsys.readouterr().err == "trio_udp ping: a datagram of 65508 bytes: UDP carries at most 65507\n"
