"""The benchmark runs, and says what it leaves out. No time is asserted here."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from .__main__ import GROUPS, MEASURES
from .echoes import HOST
from .flows import MARK
from .measures import Measure, Subject
from .paced import measure as measure_paced
from .peers import measure as measure_peers
from .process import python, running
from .programs import compile_program, find_compiler
from .report import Report, as_markdown
from .results import Key, Samples, doubts, make_rows
from .targets import TARGETS, Verdict, judge
from .virtual import SCENARIOS, run_one

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or (find_compiler() is None and "TRIO_UDP_REQUIRE_PEERS" not in os.environ),
    reason="needs Linux and a C compiler",
)

_ROOT = Path(__file__).parents[2]
_NOT_FOR_OLD_PYTHON = {"easynetwork"}  # needs 3.11
_MOST_SECONDS = 100  # seconds; some 20 where nothing else runs


def run_benchmarks(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *options],
        cwd=_ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},  # it takes time
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
    )


def need_two_cores() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")


def refused(*options: str) -> str:
    ended = run_benchmarks(*options)
    assert ended.returncode == 2
    return ended.stderr.splitlines()[-1]


def missing_peers() -> dict[str, str]:
    subjects = {name: subject for measure in MEASURES for name, subject in measure.subjects.items()}
    return {name: subject.missing for name, subject in subjects.items() if subject.missing}


# -- all of it, very shortly -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Every measure of every subject that is installed, once, and what was written."""
    need_two_cores()
    pytest.importorskip("matplotlib")
    directory = tmp_path_factory.mktemp("performance")
    options = ["--rounds", "1", "--seconds", "0.02", "--requests", "100"]
    ended = run_benchmarks(*options, "--json", "--write", str(directory))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), directory


def test_there_is_a_positive_number_for_each_subject_of_each_measure(results: tuple[dict[str, Any], Path]) -> None:
    told, _ = results
    figures = [row for row in told["rows"] if row["unit"] != "share" and row["figure"] != "event"]
    wanted = {(each.name, name) for each in MEASURES for name, subject in each.subjects.items() if not subject.missing}
    assert {(row["measure"], row["subject"]) for row in figures} == wanted
    assert all(row["best"] > 0 and row["rounds"] == 1 for row in figures)


def test_there_is_a_verdict_on_each_target(results: tuple[dict[str, Any], Path]) -> None:
    told, _ = results
    missing = missing_peers()
    wanted = [target.what for target in TARGETS if target.against is None or target.against.subject not in missing]
    assert [verdict["target"] for verdict in told["targets"]] == wanted
    assert {verdict["verdict"] for verdict in told["targets"]} <= {"reached", "undecided", "missed"}


def test_what_is_written_is_what_the_page_shows(results: tuple[dict[str, Any], Path]) -> None:
    told, directory = results
    shown = {path.name for path in (_ROOT / "docs" / "explanation" / "performance").iterdir()}
    assert {path.name for path in directory.iterdir()} == shown
    with (directory / "targets.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(told["targets"])
    assert ":kernel: Linux" in (directory / "machine.txt").read_text()
    for plot in directory.glob("*.svg"):
        assert "<svg" in plot.read_text()


@pytest.mark.skipif("TRIO_UDP_REQUIRE_PEERS" not in os.environ, reason="peers may be missing")
def test_all_peers_are_installed() -> None:
    missing = missing_peers()
    if sys.version_info < (3, 11):
        missing = {name: reason for name, reason in missing.items() if name not in _NOT_FOR_OLD_PYTHON}
    assert not missing, "the extra `bench` has them"
    assert find_spec("matplotlib"), "so has it this"


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_table_says_what_was_measured() -> None:
    need_two_cores()
    ended = run_benchmarks("--rounds", "1", "--seconds", "0.02", "--measure", "ping-pong", "--only", "blocking")
    assert ended.returncode == 0, ended.stderr
    assert "## An echo, one client with one in flight" in ended.stdout
    assert "| blocking |" in ended.stdout
    assert "trio_udp" not in ended.stdout.partition("##")[2]
    assert "--measure ping-pong --only blocking" in ended.stdout


def test_what_cannot_be_done_is_said() -> None:
    assert "'0' is not a number from 1 to 1,000" in refused("--rounds", "0")
    assert "'soon' is not a number from 0.01 to 20" in refused("--seconds", "soon")
    assert "invalid choice: 'echos' (choose from" in refused("--measure", "echos")
    assert "'/nowhere' is not a directory: make it first" in refused("--write", "/nowhere")
    need_two_cores()  # or that is what is said
    ended = run_benchmarks("--measure", "import", "--only", "uvloop")
    assert ended.returncode == 1
    assert ended.stderr == "nothing was measured: import has none of the subjects uvloop\n"


def test_the_groups_are_what_the_page_is_about() -> None:
    assert GROUPS == ["echo", "handlers", "addresses", "ping-pong", "observing", "flow", "client", "import"]


# -- from samples to verdicts ------------------------------------------------------------------------------------------

ECHO = "echo 16x16"
OURS, THEIRS = Key(ECHO, "trio_udp", "cpu"), Key(ECHO, "uvloop", "cpu")


def judge_echo(ours: list[float], theirs: list[float]) -> Verdict:
    [verdict] = judge({OURS: ours, THEIRS: theirs})
    assert verdict.target.bound == 0.6
    return verdict


def test_best_is_the_least_cpu_time_and_the_most_throughput() -> None:
    rows = make_rows({OURS: [4.0, 8.0, 5.0], Key(ECHO, "trio_udp", "rate"): [250.0, 125.0, 200.0]})
    assert [(row.best, row.median, row.rounds) for row in rows] == [(4, 5, 3), (250, 200, 3)]
    assert [row.noise for row in rows] == [0.25, 0.2]
    assert all(row.noisy for row in rows)


def test_a_target_is_reached_if_best_and_usual_rounds_do() -> None:
    verdict = judge_echo([5.0, 6.0, 5.0], [10.0, 12.0, 10.0])
    assert (verdict.at_best, verdict.usually, verdict.word) == (0.5, 0.5, "reached")


def test_a_target_that_only_the_best_rounds_reach_is_undecided() -> None:
    verdict = judge_echo([5.0, 8.0, 8.0], [10.0, 10.0, 10.0])
    assert (verdict.at_best, verdict.usually, verdict.word) == (0.5, 0.8, "undecided")


def test_a_target_is_missed() -> None:
    assert judge_echo([7.0], [10.0]).word == "missed"


def test_a_ratio_is_judged_by_the_digits_that_are_shown() -> None:
    assert judge_echo([6.0004], [10.0]).word == "reached"
    assert judge_echo([6.006], [10.0]).word == "missed"


def test_a_lower_bound() -> None:
    key = Key("flow", "endpoint to endpoint", "rate")
    assert [verdict.word for verdict in judge({key: [900_000.0]})] == ["reached"]
    assert [verdict.word for verdict in judge({key: [700_000.0]})] == ["missed"]


def said_about(samples: Samples, others: float = 0.0) -> list[str]:
    return doubts(make_rows(samples), others)


def test_a_quiet_run_leaves_no_doubt() -> None:
    assert said_about({OURS: [4.0, 4.1, 4.2], Key(ECHO, "trio_udp", "busy"): [1.0, 0.99, 1.0]}) == []


def test_noise_an_idle_server_and_losses_are_said() -> None:
    shares = {Key(ECHO, "trio_udp", "busy"): [0.5], Key(ECHO, "trio_udp", "lost"): [0.25]}
    too_noisy, noisy, idle, lossy = said_about({OURS: [4.0, 8.0, 8.0], **shares})
    assert too_noisy.startswith("THE MACHINE WAS TOO NOISY")
    assert "echo 16x16: trio_udp, cpu (100%)" in noisy
    assert "echo 16x16: trio_udp (50%)" in idle
    assert "echo 16x16: trio_udp (25.0%)" in lossy


def test_a_machine_that_others_use_is_too_noisy() -> None:
    [too_noisy] = said_about({OURS: [4.0, 4.1, 4.2]}, others=0.1)
    assert too_noisy.startswith("THE MACHINE WAS TOO NOISY")


def test_a_missing_peer_is_said() -> None:
    subject = Subject(lambda bench: {}, package="no_such_package")
    assert subject.missing == "no_such_package is not installed"
    measure = Measure("echo", ECHO, "An echo", {})
    report = Report({}, [measure], make_rows({OURS: [4.0], THEIRS: [8.0]}), [], {"peer": subject.missing}, 0.0)
    lines = list(as_markdown(report))
    assert "- Skipped: peer, no_such_package is not installed." in lines
    assert "| uvloop   |   8 (8) |       2.00 |    0% |" in lines


# -- the load ----------------------------------------------------------------------------------------------------------


def echo_two_of_three(server: socket.socket) -> None:
    number = 0
    while True:
        data, address = server.recvfrom(65535)
        if not data:
            return
        number += 1
        if number % 3:
            server.sendto(data, address)


@pytest.mark.parametrize(("way", "clients", "window"), [("each", 4, 2), ("rotate", 4, 2)])
def test_the_load_survives_loss(tmp_path: Path, way: str, clients: int, window: int) -> None:
    program = compile_program("load", str(tmp_path))
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        thread = threading.Thread(target=echo_two_of_three, args=(server,))
        thread.start()
        port = str(server.getsockname()[1])
        try:
            command = [str(program), way, port, str(clients), str(window), "0.5", "64"]
            told = json.loads(subprocess.check_output(command, timeout=30))
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()
    assert told["refilled"] > 1  # each takes 50 ms, and this machine may have other work
    assert told["lost"] > 1
    assert told["replies"] > told["lost"]
    assert told["wrong"] == 0


@pytest.mark.parametrize("sender", ["blocking", "trio", "endpoint", "channel", "send", "singles"])
def test_a_sender_that_is_told_to_send_for_no_time_sends_marks(tmp_path: Path, sender: str) -> None:
    """So the benchmark asks again when all marks fell to a full buffer."""
    in_c = sender in ("send", "singles")
    command = [compile_program("flow", str(tmp_path)), sender] if in_c else python(f"flows.{sender}", "send")
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind((HOST, 0))
        receiver.settimeout(30)
        with running(sender, command, min(os.sched_getaffinity(0))) as process:
            assert process.hear() > 0
            process.tell(receiver.getsockname()[1])
            assert process.hear() == "ready"
            process.tell(0)
            assert process.hear()["sent"] == 0
            assert receiver.recv(65535) == MARK


# -- the other two -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_of_virtual_time(name: str) -> None:
    delivered, seconds = run_one(name, 10)
    assert delivered > 0
    assert seconds > 0


def test_a_relay_at_an_easy_pace_loses_nothing() -> None:
    need_two_cores()
    before = os.sched_getaffinity(0)
    try:
        told = measure_paced(1000, 0.3)
    finally:
        os.sched_setaffinity(0, before)
    assert told["sent"] > 100
    assert told["lost"] == 0


def test_what_a_peer_costs() -> None:
    ours, bare = (measure_peers(name, 5000) for name in ("serve_peers", "bare tasks"))
    assert ours["heard"] == 5000
    assert ours["bytes"] - bare["bytes"] <= 1900  # so that it is 3.5 KiB with a bare task's 1.6; about 1000 were seen
