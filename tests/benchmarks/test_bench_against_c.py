"""`python -m trio_udp bench` and ask.c, which is written from the same words and not from the same ideas, are given the
same server; they have to say the same. What a server does hangs on the number of the request alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.child import COMMAND, ROOT, environment

from .programs import compile_program, find_compiler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[[int, bytes], "list[bytes]"]  # from a request and its number, from 1, to what is sent

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or (find_compiler() is None and "TRIO_UDP_REQUIRE_PEERS" not in os.environ),
    reason="needs Linux and a C compiler",
)

_HOST = "127.0.0.1"
_SUMS = ("sent", "answered", "late", "lost", "duplicates", "unrelated")


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """A server in a thread, and its port."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((_HOST, 0))

        def work() -> None:
            number = 0
            while True:
                data, address = server.recvfrom(65535)
                if not data:
                    return
                number += 1
                for reply in answer(number, data):
                    server.sendto(reply, address)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()


def both(tmp_path: Path, make_answer: Callable[[], Answer], load: tuple[int, int, int, int, float]) -> list[Any]:
    """What each of the two says, side by side in time, each to a server of its own."""
    clients, in_flight, requests, size, wait = map(str, load)
    options = ["-c", clients, "-w", in_flight, "-n", requests, "-s", size, "-W", wait, "--json"]
    program = compile_program("ask", str(tmp_path))
    with answering(make_answer()) as one, answering(make_answer()) as other, ThreadPoolExecutor() as pool:
        commands = [
            [*COMMAND, "bench", f"{_HOST}:{one}", *options],
            [str(program), str(other), clients, in_flight, requests, size, wait],
        ]
        said = pool.map(
            lambda command: subprocess.check_output(
                command, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL, timeout=60
            ),
            commands,
        )
        return [json.loads(each) for each in said]


def sums(told: dict[str, Any]) -> list[int]:
    return [told[name] for name in _SUMS]


def drop_double_and_hold() -> Answer:
    """Of seven, with one request at a time: the second is dropped, the third answered twice, and the fifth answered
    when the sixth comes, which is after it was given up. Before each answer to a seventh comes one to nobody."""
    held: list[bytes] = []

    def answer(number: int, data: bytes) -> list[bytes]:
        replies = [*held, data]
        held.clear()
        match number % 7:
            case 0:
                return [b"to nobody", *replies]
            case 2:
                return []
            case 3:
                return [data, *replies]
            case 5:
                held.append(data)
                return []
        return replies

    return answer


def test_the_same_server_the_same_numbers(tmp_path: Path) -> None:
    ours, theirs = both(tmp_path, drop_double_and_hold, (1, 1, 7, 64, 2.0))
    assert sums(ours) == sums(theirs) == [7, 5, 1, 1, 1, 1]
    for told in (ours, theirs):
        assert told["latency_ms"]["max"] >= 2000  # of the late one


@pytest.mark.parametrize("size", [16, 64, 500])
def test_with_many_at_once(tmp_path: Path, size: int) -> None:
    """Every tenth is dropped and every fifteenth doubled, whosever they are. With all sent at once, a doubled reply is
    received before the last of those that are dropped is given up."""

    def make_answer() -> Answer:
        return lambda number, data: [data] * (2 if number % 15 == 7 else number % 10 != 9)

    ours, theirs = both(tmp_path, make_answer, (5, 20, 100, size, 2.0))
    assert sums(ours) == sums(theirs) == [100, 90, 0, 10, 7, 0]


def test_every_reply_delayed(tmp_path: Path) -> None:
    def make_answer() -> Answer:
        def answer(_: int, data: bytes) -> list[bytes]:
            time.sleep(0.05)
            return [data]

        return answer

    for told in both(tmp_path, make_answer, (1, 1, 10, 64, 30.0)):
        assert sums(told) == [10, 10, 0, 0, 0, 0]
        latency = told["latency_ms"]
        assert 50 <= latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
        assert latency["max"] <= told["seconds"] * 1000
        assert told["seconds"] >= 0.5


def test_requests_that_queue(tmp_path: Path) -> None:
    """Ten at once, and each takes the server 20 ms: the last one waits for all, the median for half of them."""

    def make_answer() -> Answer:
        def answer(_: int, data: bytes) -> list[bytes]:
            time.sleep(0.02)
            return [data]

        return answer

    for told in both(tmp_path, make_answer, (1, 10, 10, 64, 30.0)):
        latency = told["latency_ms"]
        assert latency["min"] >= 20
        assert latency["p50"] >= 100
        assert latency["p99"] >= 200
