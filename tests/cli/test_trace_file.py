"""``--trace``: what is written, when, and what is said if that is not possible."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from tests.cli import child
from trio_udp import (
    AttemptStarted,
    DatagramDropped,
    DatagramSent,
    HandlerFinished,
    RequestFailed,
    open_udp_endpoint,
    tracing,
)
from trio_udp.cli import main
from trio_udp.cli._trace_file import LINES, VIEWS, captured, trace_path
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import Happened, NurseryClosed, NurseryOpened, TaskEnded, TaskStarted, Trace, load, timeline_svg

if TYPE_CHECKING:
    from tests.cli.conftest import StartServer
    from tests.dtls.certificates import Authority, Pair

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent a signal there")


def events(trace: Trace) -> list[Any]:
    return [entry.event for entry in trace.entries if isinstance(entry, Happened)]


def of(trace: Trace, kind: type) -> list[Any]:
    return [event for event in events(trace) if isinstance(event, kind)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# -- the demo ----------------------------------------------------------------------------------------------------------


def test_the_demo_is_in_the_trace(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it: what it says of itself is what the trace has."""
    assert main(["demo", "--virtual", "--json", "--trace", str(path)]) == 0
    told = capsys.readouterr()
    summary = json.loads(told.out.splitlines()[-1])["summary"]
    trace = load(path)
    assert len(of(trace, AttemptStarted)) == summary["attempts"]
    assert len(of(trace, DatagramDropped)) == summary["lost_to_server"] + summary["lost_to_client"]
    assert sorted(set(trace.names.values())) == ["client 1", "client 2", "client 3", "relay", "server"]
    assert list(trace.names.values()).count("relay") == 4
    assert {trace.names[f"{host}:{port}"] for host, port in (event.local for event in events(trace))} == set(
        trace.names.values()
    )
    for client in (b"client 1", b"client 2", b"client 3"):
        [(host, port)] = {event.local for event in of(trace, AttemptStarted) if client in event.data}
        assert trace.names[f"{host}:{port}"] == client.decode()
    assert told.err == ""
    sources = {entry.source for entry in trace.entries if isinstance(entry, Happened) and entry.source}
    assert {source.rpartition(":")[0].replace("\\", "/") for source in sources} == {"trio_udp/cli/_play.py"}


def test_a_server_that_nothing_reaches_is_called_server(tmp_path: Path) -> None:
    """Regression: it had its address for a name, as it had done nothing."""
    path = tmp_path / "run.txt"
    main(["demo", "--virtual", "--loss", "1", "--clients", "1", "--requests", "1", "--trace", str(path)])
    assert path.read_text(encoding="utf-8").splitlines()[0].split("  ")[-1].strip() == "server"


def test_every_task_of_the_demo_ends_inside_its_nursery(path: Path) -> None:
    main(["demo", "--virtual", "--trace", str(path)])
    trace = load(path)
    nursery_of = {entry.task: entry.nursery for entry in trace.entries if isinstance(entry, TaskStarted)}
    place = {entry: number for number, entry in enumerate(trace.entries) if isinstance(entry, (TaskEnded, TaskStarted))}
    opened = {entry.nursery: n for n, entry in enumerate(trace.entries) if isinstance(entry, NurseryOpened)}
    closed = {entry.nursery: n for n, entry in enumerate(trace.entries) if isinstance(entry, NurseryClosed)}
    ended = {entry.task: n for entry, n in place.items() if isinstance(entry, TaskEnded)}
    assert opened.keys() == closed.keys()
    for task, nursery in nursery_of.items():
        if nursery is not None:
            assert opened[nursery] < ended[task] < closed[nursery]
    assert [task for task, nursery in nursery_of.items() if nursery is None] == [1]


def test_in_virtual_time_the_trace_is_the_same_in_every_run(tmp_path: Path) -> None:
    """But for the order of what happens at one moment, and so for the numbers of tasks."""
    stories = []
    for name in ("one.jsonl", "two.jsonl"):
        main(["demo", "--virtual", "--trace", str(tmp_path / name)])
        happened = [entry for entry in load(tmp_path / name).entries if isinstance(entry, Happened)]
        stories.append(sorted(repr((entry.event, entry.source)) for entry in happened))
    assert stories[0] == stories[1]


def test_a_demo_that_fails_is_written_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(*_: object) -> None:
        with await open_udp_endpoint("127.0.0.1") as endpoint:
            await endpoint.send(b"x", endpoint.address)
        raise KeyboardInterrupt

    monkeypatch.setattr("trio_udp.cli.demo.play", play)
    assert main(["demo", "--trace", str(path)]) == 130
    assert len(of(load(path), DatagramSent)) == 1


def test_where_it_was_written_is_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: nobody said a word. With --json standard error stays empty; that is above."""
    main(["demo", "--virtual", "--trace", str(path)])
    told = capsys.readouterr()
    assert told.err.splitlines().count(f"trace: {path}") == 1
    assert "trace:" not in told.out


def test_where_it_was_written_is_said_below_the_summary(path: Path) -> None:
    """Regression: it stood right below the last line of the story."""
    command = [*child.COMMAND, "demo", "--virtual", "--trace", str(path)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=child.environment())
    before, _, after = ended.stdout.decode().partition(f"\n\ntrace: {path}\n\n")
    assert before.splitlines()[-1].startswith("duration ")
    assert after.startswith("Try next:")


@pytest.mark.parametrize("command", [["demo"], ["serve", "0"], ["request", "9", "x"]])
def test_one_file_is_all_that_is_written(path: Path, command: list[str]) -> None:
    """Regression: the first of two was dropped, and nobody said so."""
    ended = child.run(*command, "--trace", str(path), "--trace", str(path.with_suffix(".html")))
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert "argument --trace: there can be one file, and two were given; see --help\n" in ended.stderr.decode()
    assert list(path.parent.iterdir()) == []


# -- what a virtual network carries -----------------------------------------------------------------------------------


def datagrams_in(path: Path) -> int:
    """How many records of a pcap file."""
    data, number = path.read_bytes()[24:], 0
    while data:
        (length,) = struct.unpack("=8xI4x", data[:16])
        data = data[16 + length :]
        number += 1
    return number


@pytest.mark.parametrize("options", [["--virtual"], ["--speed", "1000"]])
def test_for_wireshark(tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each datagram goes from a client to the relay, and on from there, unless it is lost; and so do the replies."""
    path = tmp_path / "run.PCAP"
    assert main(["demo", *options, "--json", "--trace", str(path)]) == 0
    told = capsys.readouterr()
    summary = json.loads(told.out.splitlines()[-1])["summary"]
    at_server = summary["attempts"] - summary["lost_to_server"]
    assert datagrams_in(path) == summary["attempts"] + 2 * at_server + summary["answered"]
    assert told.err == ""
    assert main(["demo", *options, "--trace", str(path)]) == 0
    assert f"trace: {path}\n" in capsys.readouterr().err


def test_an_interrupted_demo_is_written_for_wireshark_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(*_: object) -> None:
        with await open_udp_endpoint("127.0.0.1") as endpoint:
            await endpoint.send(b"x", endpoint.address)
            await trio.sleep(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("trio_udp.cli.demo.play", play)
    path = path.with_suffix(".pcap")
    assert main(["demo", "--virtual", "--trace", str(path)]) == 130
    assert datagrams_in(path) == 1


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "trio_udp demo: --trace FILE.pcap has what a network in memory carries: add --virtual"),
        (
            ["--virtual", "--loss", "0", "--delay", "1e9", "--requests", "4"],
            1,
            "a pcap file has no time beyond 4294967296 s",
        ),
    ],
)
def test_no_file_for_wireshark(
    path: Path, options: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *options, "--trace", str(path.with_suffix(".pcap"))]) == code
    assert said in capsys.readouterr().err


def test_of_a_long_run_the_last_datagrams_are_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def send() -> None:
        async with VirtualNetwork(record_limit=2) as network:
            with captured(path.with_suffix(".pcap"), network), await open_udp_endpoint("127.0.0.1") as endpoint:
                for _ in range(5):
                    await endpoint.send(b"x", endpoint.address)
                await trio.sleep(1)

    trio.run(send, clock=MockClock(autojump_threshold=0))
    assert datagrams_in(path.with_suffix(".pcap")) == 2
    told = f"{str(path.with_suffix('.pcap'))!r} has the last 2 datagrams; 3 went before them\n"
    assert told in capsys.readouterr().err


# -- request and serve, as real programs ------------------------------------------------------------------------------


def test_a_request_and_its_reply(path: Path, start_server: StartServer) -> None:
    port = start_server(lambda data: [data.upper()])
    ended = child.run("request", str(port), "hello", "--trace", str(path))
    assert (ended.returncode, ended.stdout, ended.stderr.decode().splitlines()) == (0, b"HELLO", [f"trace: {path}"])
    trace = load(path)
    assert [event.data for event in of(trace, DatagramSent)] == [b"hello"]
    assert sorted(trace.names.values()) == ["client", "server"]
    assert trace.names[f"127.0.0.1:{port}"] == "server"


def test_a_request_that_fails_has_a_trace(path: Path, start_server: StartServer) -> None:
    port = start_server(lambda data: [])
    ended = child.run("request", f"127.0.0.1:{port}", "x", "--attempts", "2", "--first", "0.01", "--trace", str(path))
    assert ended.returncode == 3
    written, failure = ended.stderr.decode().splitlines()
    assert written == f"trace: {path}"
    assert failure.startswith("trio_udp request: no reply from")
    trace = load(path)
    assert len(of(trace, AttemptStarted)) == 2
    assert [event.reason for event in of(trace, RequestFailed)] == ["NoReply"]


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_a_request_that_is_ended_by_a_signal(path: Path, number: signal.Signals) -> None:
    """It ends as it does without a trace."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(child.PATIENCE)
        where = f"127.0.0.1:{server.getsockname()[1]}"
        with child.start("request", where, "x", "--first", "1000", "--trace", str(path)) as program:
            server.recv(100)
            program.send_signal(number)
            assert program.ended() == (130 if number == signal.SIGINT else -number)
            assert program.err.all().decode().splitlines() == [f"trace: {path}"]
    assert [event.reason for event in of(load(path), RequestFailed)] == [
        "KeyboardInterrupt" if number == signal.SIGINT else "Cancelled"
    ]


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server(path: Path, peer: socket.socket, number: signal.Signals) -> None:
    with child.serve("127.0.0.1:0", "--trace", str(path)) as (server, port):
        peer.sendto(b"hello", ("127.0.0.1", port))
        assert peer.recv(100) == b"hello"
        server.send_signal(number)
        assert server.ended() == (130 if number == signal.SIGINT else 0)
        assert server.err.all().decode().splitlines()[-1] == f"trace: {path}"
    trace = load(path)
    assert [event.outcome for event in of(trace, HandlerFinished)] == ["replied"]
    assert trace.names == {f"127.0.0.1:{port}": "server"}


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_at_once(path: Path, peer: socket.socket, number: signal.Signals) -> None:
    """Regression: the file was empty, and nobody said why. The second one may come at any moment of the end."""
    for _ in range(3):
        with child.serve("127.0.0.1:0", "--trace", str(path)) as (server, port):
            peer.sendto(b"hello", ("127.0.0.1", port))
            assert peer.recv(100) == b"hello"
            server.send_signal(number)
            server.send_signal(number)
            server.ended()
            assert f"trace: {path}" in server.err.all().decode().splitlines()
        assert [event.outcome for event in of(load(path), HandlerFinished)] == ["replied"]
        path.unlink()


@needs_signals
def test_a_signal_while_it_is_written_is_heard_afterwards(
    path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: Ctrl-C ended the writing, and the file was empty."""
    save = tracing.save

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        save(*arguments)

    monkeypatch.setattr(tracing, "save", interrupted)
    assert main(["demo", "--virtual", "--trace", str(path)]) == 130
    told = capfd.readouterr().err.splitlines()
    warning = f"{path} is still to be written; the next signal ends this at once, without it"
    assert told.index(warning) < told.index(f"trace: {path}")
    assert of(load(path), AttemptStarted)


def test_ctrl_c_before_there_is_a_recording(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a NameError, and an empty file."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracing, "record", interrupted)
    assert main(["demo", "--virtual", "--trace", str(path)]) == 130
    assert "Error" not in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_into_a_fifo(path: Path, tmp_path: Path) -> None:
    """Regression: whether it can be written was tried, which the reader took for the end."""
    os.mkfifo(path)
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as reader:
        assert main(["demo", "--virtual", "--json", "--trace", str(path)]) == 0
        text, _ = reader.communicate(timeout=60)
    (copy := tmp_path / "copy.jsonl").write_bytes(text)
    assert of(load(copy), AttemptStarted)


@needs_signals
def test_in_secret(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    """What is seen is what goes over the network: encrypted."""
    files = str(pair.certificate), str(pair.key)
    asked, answered = tmp_path / "asked.jsonl", tmp_path / "answered.jsonl"
    with child.serve("127.0.0.1:0", "--dtls", *files, "--trace", str(answered)) as (server, port):
        options = ["--dtls", "--ca", str(authority.ca), "--first", "60", "--trace", str(asked)]
        assert child.run("request", f"127.0.0.1:{port}", *options, "Hello").stdout == b"Hello"
        server.send_signal(signal.SIGTERM)
        server.ended()
    assert load(answered).names == {f"127.0.0.1:{port}": "server"}
    for trace in (load(asked), load(answered)):
        assert of(trace, DatagramSent)
        assert not any(b"Hello" in event.data for event in of(trace, DatagramSent))
        [main_task, *hidden] = [entry.name for entry in trace.entries if isinstance(entry, TaskStarted)]
        assert f"task {main_task}\n" in timeline_svg(trace)
        assert len(hidden) >= 1
        assert not any(f"task {name}" in timeline_svg(trace) for name in hidden if name != "waits for a signal")


def test_workers_have_no_trace(path: Path) -> None:
    ended = child.run("serve", "0", "--workers", "2", "--trace", str(path))
    assert ended.returncode == 2
    assert ended.stderr == b"trio_udp serve: --trace and --workers do not go together: the trace is of one process\n"
    assert not path.exists()


# -- what cannot be done, said before anything is ---------------------------------------------------------------------


@pytest.mark.parametrize("command", [["demo"], ["serve", "0"], ["request", "7", "x"]])
@pytest.mark.parametrize("name", ["run.png", "run", "", "html", "run.jsonl/"[:-1] + "x"])
def test_an_ending_that_nobody_knows(command: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--trace", name])
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    for ending in (LINES, *VIEWS):
        assert ending in complaint
    assert repr(name) in complaint


@pytest.mark.parametrize("name", ["run.html", "run.HTML", "run.svg", "run.json", "run.jsonl", "run.mmd", "a.b.txt"])
def test_endings(name: str) -> None:
    assert trace_path(name) == Path(name)


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    for path, why in ((tmp_path / "nowhere" / "run.jsonl", "No such file or directory"), (folder, "Is a directory")):
        assert main(["demo", "--virtual", "--trace", str(path)]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.splitlines()[-1] == f"trio_udp demo: cannot write {str(path)!r}: {why}"


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_at_the_end(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "save", full)
    assert main(["demo", "--virtual", "--trace", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.endswith(f"trio_udp demo: cannot write {str(path)!r}: No space left on device\n")


def test_a_disk_that_is_full_is_not_said_in_the_place_of_something_else(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, refusing_port: int
) -> None:
    monkeypatch.setattr(tracing, "save", full)
    options = ["--attempts", "1", "--first", "0.01", "--trace", str(path)]
    assert main(["request", f"127.0.0.1:{refusing_port}", "x", *options]) in (3, 4)
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"cannot write {str(path)!r}: No space left on device"
    assert second.startswith("trio_udp request: ")


def test_what_is_missing_is_said(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "record", partial(tracing.record, limit=10))
    monkeypatch.setattr(tracing._instrument.Watch, "_close", full)
    assert main(["demo", "--virtual", "--trace", str(path)]) == 0
    said = capsys.readouterr().err
    trace = load(path)
    assert len(trace.entries) == 10
    assert f"{str(path)!r} has the first 10 entries; {trace.forgotten:,} came after them\n" in said
    assert f"{str(path)!r} is not complete: while it was recorded, something went wrong: " in said
    assert " OSError\n" in said


# -- the kinds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", VIEWS)
def test_the_ending_says_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    traces: list[Trace] = []

    def fake(trace: Trace) -> str:
        traces.append(trace)
        return f"{ending} – \udcff\n"

    monkeypatch.setattr(tracing, VIEWS[ending], fake, raising=False)
    path = tmp_path / f"run{ending.upper()}"
    path.write_text("what was there before, and is longer than what comes")
    assert main(["demo", "--virtual", "--trace", str(path)]) == 0
    assert path.read_bytes() == f"{ending} – \\udcff\n".encode()
    [trace] = traces
    assert of(trace, AttemptStarted)


# Those that are there; at the merge of the views this is all of VIEWS.
@pytest.mark.parametrize("ending", [ending for ending, name in VIEWS.items() if hasattr(tracing, name)])
def test_each_kind_in_truth(tmp_path: Path, ending: str) -> None:
    begins = {".html": "<!doctype html", ".svg": "<svg", ".json": "{", ".mmd": "sequenceDiagram", ".txt": ""}
    path = tmp_path / f"run{ending}"
    assert main(["demo", "--virtual", "--trace", str(path)]) == 0
    text = path.read_text("utf-8")
    assert text.lower().startswith(begins[ending].lower())
    assert "client 3" in text


def test_a_program_without_a_trace_does_not_wait_for_tracing() -> None:
    code = "import sys, trio_udp.cli; print('trio_udp.tracing' in sys.modules)"
    with child.start(command=(sys.executable, "-c", code)) as program:
        assert program.out.all().split() == [b"False"]
