"""`python -m trio_udp bench` as a program; what it counts is in test_bench_load."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.child import PATIENCE, ROOT, environment, run, serve, start
from trio_udp._offload import IPPROTO_UDP, UDP_SEGMENT
from trio_udp.cli import main

if TYPE_CHECKING:
    from tests.cli.conftest import StartServer


def report(*options: str) -> dict[str, Any]:
    ended = run("bench", *options, "--json")
    told: dict[str, Any] = json.loads(ended.stdout)
    assert told["sent"] == told["answered"] + told["late"] + told["lost"]
    return {**told, "code": ended.returncode}


def test_the_program() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        ended = run("bench", f"127.0.0.1:{port}", "-c", "3", "-w", "4", "-n", "1000", "-s", "16", "-W", "60")
    assert (ended.returncode, ended.stderr) == (0, b"")
    lines = ended.stdout.decode().splitlines()
    assert lines[0] == f"--- 127.0.0.1:{port} bench statistics ---"
    assert re.fullmatch(r"closed loop, 3 clients, 4 in flight each, 16 bytes, \d+\.\d\d s", lines[1])
    assert lines[2] == "1000 sent, 1000 answered, 0 late, 0 lost, 0 duplicates"
    assert lines[lines.index("latency") - 1] == ""
    assert sum(int(line.split()[4]) for line in lines if line.endswith("#")) <= 1000


@pytest.mark.parametrize("options", [("--echo",), ("--prefix", "OK...")])
def test_servers_that_are_echo_like(options: tuple[str, ...]) -> None:
    with serve("127.0.0.1:0", "--quiet", *options) as (_, port):
        told = report(f"127.0.0.1:{port}", "-n", "100", "-W", "60")
    assert (told["answered"], told["unrelated"], told["code"]) == (100, 0, 0)


def test_an_open_loop() -> None:
    """However late this machine is: all that is due is sent, and no latency is shorter than its send was late."""
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        told = report(f"127.0.0.1:{port}", "-c", "2", "-q", "500", "-n", "100", "--open-loop", "-W", "60")
    assert (told["sent"], told["answered"], told["loop"]) == (100, 100, "open")
    assert told["seconds"] >= 0.198
    assert told["latency_ms"]["max"] >= told["sent_late_ms"]["max"]


def test_the_largest_that_udp_carries() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        assert report(f"127.0.0.1:{port}", "-n", "5", "-s", "65507", "-W", "60")["answered"] == 5


def test_more_than_the_system_takes_at_once() -> None:
    """A socket's buffer has room for a few of these; which of them are lost is the machine's business."""
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        told = report(f"127.0.0.1:{port}", "-c", "2", "-w", "16", "-n", "64", "-s", "65507")
    assert (told["sent"], told["code"]) == (64, 0)


def test_without_offload_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_UDP_OFFLOAD", "0")
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        assert report(f"127.0.0.1:{port}", "-n", "500", "-w", "16", "-W", "60")["answered"] == 500


def test_a_closed_port(refusing_port: int) -> None:
    told = report(f"127.0.0.1:{refusing_port}", "-c", "2", "-n", "2")
    assert (told["sent"], told["lost"], told["code"]) == (2, 2, 4)
    assert told["refused"] == 2


def test_who_answers_something_else(start_server: StartServer) -> None:
    told = report(f"127.0.0.1:{start_server(lambda _: [b'hello', b''])}", "-c", "1", "-n", "1")
    assert (told["lost"], told["unrelated"], told["code"]) == (1, 2, 3)


def test_a_server_that_drops_and_doubles(start_server: StartServer) -> None:
    seen: list[bytes] = []

    def answer(data: bytes) -> list[bytes]:
        seen.append(data)
        return [[], [data], [data, data]][len(seen) % 3]

    # One after the other, so that the second reply to one is taken before the reply to the next.
    told = report(f"127.0.0.1:{start_server(answer)}", "-c", "1", "-n", "4", "-W", "2")
    assert [told[name] for name in ("sent", "answered", "late", "lost", "duplicates")] == [4, 3, 0, 1, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="needs UDP_SEGMENT")
def test_replies_that_come_in_one_buffer() -> None:
    """Each reply and its copy arrive together, and one is asked for: the other one is not forgotten."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def double() -> None:
            for _ in range(2):
                data, address = server.recvfrom(100)
                control = [(IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", len(data)))]
                server.sendmsg([data + data], control, 0, address)

        thread = threading.Thread(target=double)
        thread.start()
        told = report(f"127.0.0.1:{server.getsockname()[1]}", "-c", "1", "-n", "2", "-W", "60")
        thread.join()
    assert (told["answered"], told["duplicates"]) == (2, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_takes_what_still_comes_and_reports() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        with start("bench", f"127.0.0.1:{port}", "-z", "3600", "-W", "60", "--json") as child:
            child.err.wait_for(r"\d s: [1-9].*\n")
            child.send_signal(signal.SIGINT)
            assert child.ended() == 130
            told = json.loads(child.out.all())
    assert told["sent"] == told["answered"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_twice_ends_it_at_once() -> None:
    with serve("127.0.0.1:0", "--print") as (server, port):
        with start("bench", f"127.0.0.1:{port}", "-c", "3", "-W", "3600") as child:
            server.err.wait_for(r"(-> 64 bytes, not answered\n(.|\n)*){3}")
            child.send_signal(signal.SIGINT)
            child.err.wait_for(r"stopping: 3 requests may still be answered; Ctrl-C again ends at once\n")
            child.send_signal(signal.SIGINT)
            assert child.ended() == -signal.SIGINT
            assert child.out.all() == b""


# -- docs/howto/load.rst -----------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "howto" / "load.rst").read_text(encoding="utf-8")


# Rows of the histogram, of which there are as many as it needs; and what is said of the machine that it ran on.
CHANGING = ("# - #", "this load was busy", "the rate was not reached")


def shape(text: str) -> list[str]:
    """Lines without numbers, and without those that another run may not have."""
    lines = [re.sub(r"[\d.]+", "#", " ".join(line.split())) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(CHANGING)]


def test_the_page_shows_what_is_printed() -> None:
    """The stall is missing here; only the numbers differ by it, and what is said of the rate."""
    commands = [shlex.split(line)[5:] for line in re.findall(r"^   \$ (.* bench .*)$", PAGE, re.M)]
    blocks = re.findall(r"^\.\. code-block:: none\n\n((?:   .*\n|\n)+)", PAGE, re.MULTILINE)
    assert len(commands) == len(blocks) == 3
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        for options, block in zip(commands, blocks, strict=True):
            ended = run("bench", f"127.0.0.1:{port}", *options, "-z", "0.2", "-W", "60")
            assert shape(ended.stdout.decode()) == shape(block)


# -- what cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-s", "15"], "a size is a number of bytes from 16 to 65507, not '15' (the last 16 bytes tell which request"),
        (["-s", "65508"], "from 16 to 65507, not '65508'"),
        (["-q", "0"], "a rate is a number of requests a second from 1e-06 to 1e+09, like 1000, not '0'"),
        (["-q", "1e10"], "a rate is a number of requests a second from 1e-06 to 1e+09, like 1000, not '1e10'"),
        (["-q", "nan"], "like 1000, not 'nan'"),
        (["-q", "fast"], "like 1000, not 'fast'"),
        (["-n", "1", "-z", "1"], "not allowed with argument"),
        (["-n", "0"], "this has to be a whole number, 1 or more, not '0'"),
        (["-z", "0"], "a time is a number of seconds above 0 and at most 1e+09 here, like 0.5, not '0'"),
        (["-z", "-1"], "a time is a number of seconds above 0 and at most 1e+09 here, like 0.5, not '-1'"),
        (["-z", "1e10"], "a time is a number of seconds above 0 and at most 1e+09 here, like 0.5, not '1e10'"),
        (["-z", "soon"], "a time is a number of seconds above 0 and at most 1e+09 here, like 0.5, not 'soon'"),
        (["-W", "0"], "a time is a number of seconds above 0 and at most 1e+09 here, like 0.5, not '0'"),
        (["-c", "many"], "this has to be a whole number, 1 or more, not 'many'"),
    ],
)
def test_options_that_are_not_understood(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["bench", "7", *options])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--open-loop"], "--open-loop needs a rate to keep to: -q N"),
        (["--open-loop", "-q", "5", "-w", "2"], "an open loop waits for no reply before it sends: leave -w out"),
        (["-c", "1000", "-w", "1000"], "-c times -w is at most 262144: so many are waited for at once"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "7", *options]) == 2
    assert capsys.readouterr() == ("", f"trio_udp bench: {said}\n")


def test_an_unknown_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "a..b:7"]) == 1
    assert capsys.readouterr().err.startswith("trio_udp bench: cannot find the host 'a..b': ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
def test_too_many_clients_for_the_system(host: str) -> None:
    """Regression: a name was resolved for each client, and what failed without a descriptor was that."""
    command = f'ulimit -n 30; "{sys.executable}" -m trio_udp bench {host}:7 -c 100 -n 1'
    ended = subprocess.run(command, shell=True, cwd=ROOT, env=environment(), capture_output=True, timeout=PATIENCE)
    assert ended.returncode == 1
    said = ended.stderr.decode()
    assert re.fullmatch(
        r"trio_udp bench: cannot open client \d\d: Too many open files"
        r" \(take fewer clients, or raise the limit: ulimit -n\)\n",
        said,
    )


def test_it_takes_as_long_as_it_is_told_to() -> None:
    with serve("127.0.0.1:0", "--quiet") as (_, port):
        began = time.monotonic()
        told = report(f"127.0.0.1:{port}", "-z", "0.3", "-W", "60")
        assert time.monotonic() - began >= 0.3
    assert told["answered"] == told["sent"] > 0
