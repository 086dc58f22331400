"""The benchmark runs, and says what it leaves out. No time is asserted here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .compiled import compile_program, find_compiler
from .measure import Load, Sample
from .paced import measure as measure_paced
from .report import as_markdown, doubts, make_rows
from .servers import HOST, SERVERS, why_missing
from .virtual import SCENARIOS, run_one

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or find_compiler() is None,
    reason="needs Linux and a C compiler",
)

_ROOT = Path(__file__).parents[2]


def run_benchmarks(*options: str) -> str:
    command = [sys.executable, "-m", "tests.benchmarks", "--rounds", "1"]
    ended = subprocess.run(
        [*command, "--seconds", "0.2", *options],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "one for the load are needed" in ended.stderr:
        pytest.skip("needs two cores")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_table_has_a_row_for_each_server_under_each_load() -> None:
    table = run_benchmarks("--only", "trio", "--only", "c")
    assert "16x16 requests in flight" in table
    assert "256x1 requests in flight" in table
    assert table.count("| trio ") == table.count("| c ") == 2


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_echoes(name: str) -> None:
    if reason := why_missing(name):
        pytest.skip(reason)
    told = json.loads(run_benchmarks("--only", name, "--load", "16x16", "--json"))
    (row,) = told["rows"]
    assert row["server"] == name
    assert row["echoes_per_second"] > 0
    assert row["microseconds"] > 0


def make_sample(microseconds: float, busy: float = 1.0) -> Sample:
    return Sample(microseconds, 1e6 / microseconds, busy, lost=0, refilled=0)


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    load = Load(16, 16)
    ours = [make_sample(4), make_sample(8), make_sample(4)]
    theirs = [make_sample(32), make_sample(64), make_sample(40)]
    rows = make_rows({(load, "serve_udp"): ours, (load, "trio"): theirs})
    assert [row.ratio for row in rows] == [1, 8]
    assert [row.microseconds for row in rows] == [4, 40]


def test_noise_an_idle_server_and_a_skipped_peer_are_said() -> None:
    rows = make_rows({(Load(16, 16), "trio"): [make_sample(4), make_sample(8, busy=0)]})
    noisy, idle = doubts(rows)
    assert "too noisy" in noisy
    assert "trio 16x16 (67%)" in noisy
    assert "Not busy" in idle
    assert "trio 16x16 (50%)" in idle
    lines = list(as_markdown("title", rows, {"anyio": "anyio is not installed"}))
    assert "- anyio was skipped: anyio is not installed." in lines
    assert any("skipped" in line for line in lines if line.startswith("| anyio"))


def echo_two_of_three(server: socket.socket) -> None:
    number = 0
    while True:
        data, address = server.recvfrom(65535)
        if not data:
            return
        number += 1
        if number % 3:
            server.sendto(data, address)


def test_the_load_survives_loss(tmp_path: Path) -> None:
    program = compile_program("load", str(tmp_path))
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        thread = threading.Thread(target=echo_two_of_three, args=(server,))
        thread.start()
        port = str(server.getsockname()[1])
        try:
            numbers = [port, "4", "2", "0.5", "64", "0"]
            told = json.loads(subprocess.check_output([program, *numbers], timeout=30))
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()
    assert told["refilled"] > 4
    assert told["lost"] > 4
    assert told["replies"] > told["lost"]
    assert told["wrong"] == 0


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_of_virtual_time(name: str) -> None:
    delivered, seconds = run_one(name, 10)
    assert delivered > 0
    assert seconds > 0


def test_a_relay_at_an_easy_pace_loses_nothing() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    before = os.sched_getaffinity(0)
    try:
        told = measure_paced(1000, 0.3)
    finally:
        os.sched_setaffinity(0, before)
    assert told["sent"] > 100
    assert told["lost"] == 0
