"""Traces in files: what is read is what was written, and what is wrong is said with its line."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp import AttemptStarted, DatagramLost, DatagramSent, Event
from trio_udp.tracing import (
    Entry,
    Happened,
    NurseryClosed,
    NurseryOpened,
    ScopeEntered,
    TaskEnded,
    TaskStarted,
    Trace,
    load,
    save,
)
from trio_udp.tracing._entries import EVENTS
from trio_udp.tracing._fields import LATEST
from trio_udp.tracing._jsonlines import _KINDS, LONGEST, _lines, _read

number = st.integers(0, 2**63)
time = st.floats(-LATEST, LATEST)
perhaps_endless = st.floats(allow_nan=False)
place = st.one_of(st.tuples(st.text(), st.integers(0, 65535)), st.tuples(st.text(), *[st.integers(0, 65535)] * 3))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("time", "sent_at", "elapsed"), time),
    **dict.fromkeys(("deadline", "timeout"), perhaps_endless),
    **dict.fromkeys(("request", "number", "attempt", "attempts", "task", "nursery", "scope"), number),
    **dict.fromkeys(("reason", "outcome", "name"), st.text()),
    **dict.fromkeys(("local", "remote", "former"), place),
    **dict.fromkeys(("outgoing", "caught"), st.booleans()),
    "data": st.binary(),
    "damaged": st.none() | st.binary(),
    "at": st.none() | place,
    "TaskStarted.nursery": st.none() | number,
}


def entries_of(kind: str) -> st.SearchStrategy[Any]:
    make = _KINDS[kind]
    one = st.builds(make, *(FIELDS[f"{kind}.{name}" if f"{kind}.{name}" in FIELDS else name] for name in make._fields))
    return st.builds(Happened, one, st.none() | number, st.none() | st.text()) if kind in EVENTS else one


traces = st.builds(
    Trace,
    st.lists(st.one_of(*map(entries_of, sorted(_KINDS)))).map(tuple),
    time,
    time,
    st.dictionaries(st.text(), st.text()),
    number,
)


@given(traces)
def test_what_is_read_is_what_was_written(trace: Trace) -> None:
    lines = [line.encode("ascii") for line in _lines(trace)]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    again = _read(iter(lines), "x")
    assert again == trace
    assert [type(entry) for entry in again.entries] == [type(entry) for entry in trace.entries]
    assert repr(again) == repr(trace)


def test_each_event_and_entry_can_be_written() -> None:
    """One that is new has to be known to both directions, or the line above would not have tried it."""
    for union, kinds in ((Event, EVENTS.keys()), (Entry, _KINDS.keys() - EVENTS.keys() | {"Happened"})):
        assert set(str(union).split(" | ")) == kinds


TRACE = Trace(
    (
        TaskStarted(0.5, 1, "main", None),
        Happened(DatagramSent(1, ("10.0.0.2", 5), ("10.0.0.1", 7), b"hi \x00\xff\n\\"), 1, "a.py:5"),
        Happened(DatagramLost(1, ("::1", 5, 0, 0), ("::2", 7, 0, 0), b"", "loss", 1), None, None),
        Happened(AttemptStarted(1, ("10.0.0.2", 5), ("10.0.0.1", 7), 1, 1, math.inf, b"?"), 1, None),
        ScopeEntered(2, 1, "lunch", 1, -math.inf),
    ),
    0.5,
    2.5,
    {"10.0.0.1:7": "server"},
    3,
)


def test_what_it_looks_like(tmp_path: Path) -> None:
    """Other programs read it: the names and forms are a promise."""
    save(TRACE, tmp_path / "run.jsonl")
    assert (tmp_path / "run.jsonl").read_bytes().decode("ascii") == (
        '{"format": "trio_udp trace", "version": 1, "started": 0.5, "ended": 2.5, "names": {"10.0.0.1:7": "server"}, '
        '"forgotten": 3, "entries": 5}\n'
        '{"kind": "TaskStarted", "time": 0.5, "task": 1, "name": "main", "nursery": null}\n'
        '{"kind": "DatagramSent", "time": 1, "local": ["10.0.0.2", 5], "remote": ["10.0.0.1", 7], '
        '"data": "hi \\u0000\\u00ff\\n\\\\", "task": 1, "source": "a.py:5"}\n'
        '{"kind": "DatagramLost", "time": 1, "local": ["::1", 5, 0, 0], "remote": ["::2", 7, 0, 0], "data": "", '
        '"reason": "loss", "sent_at": 1, "at": null, "task": null, "source": null}\n'
        '{"kind": "AttemptStarted", "time": 1, "local": ["10.0.0.2", 5], "remote": ["10.0.0.1", 7], "request": 1, '
        '"number": 1, "timeout": null, "data": "?", "task": 1, "source": null}\n'
        '{"kind": "ScopeEntered", "time": 2, "scope": 1, "name": "lunch", "task": 1, "deadline": "-inf"}\n'
    )
    assert load(str(tmp_path / "run.jsonl")) == TRACE


def test_what_an_earlier_version_has_not_told_of_nurseries(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    opened = {"kind": "NurseryOpened", "time": 0.5, "nursery": 1, "task": 1}
    path.write_bytes(written({**HEADER, "entries": 2}, opened, {"kind": "NurseryClosed", "time": 1, "nursery": 1}))
    trace = load(path)
    assert trace.entries == (NurseryOpened(0.5, 1, 1, math.inf), NurseryClosed(1, 1, math.inf, False))
    save(trace, path)
    assert load(path) == trace


def test_the_largest_datagram_fits() -> None:
    data = b"\xff" * 65527
    trace = Trace((Happened(DatagramSent(0, ("::1", 5), ("::1", 7), data), 1, None),), 0, 0)
    lines = [line.encode() for line in _lines(trace)]
    assert len(lines[1]) < LONGEST / 10
    assert _read(iter(lines), "x") == trace


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("before")
    with pytest.raises(ValueError, match=r"^a line of 4,000,\d\d\d characters cannot be read again: {\"kind\": "):
        save(Trace((TaskStarted(0, 1, "x" * LONGEST, None),), 0, 0), path)
    assert path.read_text() == "before"


def test_a_large_trace_is_not_put_together_in_memory(tmp_path: Path) -> None:
    data = b"\xff" * 60_000  # six characters each
    trace = Trace(tuple(Happened(DatagramSent(0, ("::1", 5), ("::1", 7), data), 1, None) for _ in range(50)), 0, 0)
    tracemalloc.start()
    save(trace, tmp_path / "run.jsonl")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "run.jsonl").stat().st_size > 50 * 6 * 60_000 > 5 * most


HEADER = {"format": "trio_udp trace", "version": 1, "started": 0, "ended": 1, "names": {}, "forgotten": 0, "entries": 1}
ENDED = {"kind": "TaskEnded", "time": 0.5, "task": 1}
SENT = {
    "kind": "DatagramSent",
    "time": 0.5,
    "local": ["10.0.0.2", 5],
    "remote": ["10.0.0.1", 7],
    "data": "",
    "task": None,
    "source": None,
}


def written(*lines: Any) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def test_the_table_below_begins_with_what_is_right(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(written({**HEADER, "entries": 2}, ENDED, SENT))
    assert len(load(path).entries) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "line 1: the file is empty"),
        (b'{"form', "line 1: the file was cut off in the middle of this line"),
        (written(HEADER)[:-1], "line 1: the file was cut off in the middle of this line"),
        (written(HEADER)[:-2] + b"\n", "line 1: this is no JSON"),
        (b'["trio_udp trace"]\n', "line 1: this is no JSON object"),
        (b'{"a": "trio_udp trace"}\n', 'line 1: {"format": "trio_udp trace", ...} should stand here'),
        (written({**HEADER, "a": " " * LONGEST}), "line 1: more than 4,000,000 bytes in one line"),
        (written(HEADER, b" " * (LONGEST + 1) + b"\n"), "line 2: more than 4,000,000 bytes in one line"),
        (written({**HEADER, "version": 2}), "line 1: the trace has version 2, and this trio_udp reads version 1"),
        (written({**HEADER, "version": "1"}), "line 1: version cannot be '1'"),
        (written({**HEADER, "more": 1}), "line 1: nobody knows 'more' here"),
        (written({**HEADER, "names": []}), "line 1: names cannot be []"),
        (written({**HEADER, "names": {"a": 1}}), "line 1: names cannot be {'a': 1}"),
        (written({**HEADER, "started": None}), "line 1: started cannot be None"),
        (written({**HEADER, "entries": -1}), "line 1: entries cannot be -1"),
        (written({**HEADER, "forgotten": 0.5}), "line 1: forgotten cannot be 0.5"),
        (written({name: HEADER[name] for name in HEADER if name != "ended"}), "line 1: ended is missing"),
        (written(HEADER), "line 2: the file ends here, after 0 of 1 entries"),
        (written({**HEADER, "entries": 3}, ENDED, ENDED), "line 4: the file ends here, after 2 of 3 entries"),
        (written(HEADER, ENDED, ENDED), "line 3: there are more than the 1 entries that line 1 says"),
        (written(HEADER, ENDED)[:-1], "line 2: the file was cut off in the middle of this line"),
        (written(HEADER, b"{nonsense}\n"), "line 2: this is no JSON"),
        (written(HEADER, {}), "line 2: there is no kind of entry None"),
        (written(HEADER, {**ENDED, "kind": "Trace"}), "line 2: there is no kind of entry 'Trace'"),
        (written(HEADER, {**ENDED, "kind": ["TaskEnded"]}), "line 2: there is no kind of entry ['TaskEnded']"),
        (written(HEADER, {**ENDED, "kind": "Happened"}), "line 2: there is no kind of entry 'Happened'"),
        (written(HEADER, {**ENDED, "source": None}), "line 2: nobody knows 'source' here"),
        (written(HEADER, {**ENDED, "__class__": "x"}), "line 2: nobody knows '__class__' here"),
        (written(HEADER, {"kind": "TaskEnded", "time": 1}), "line 2: task is missing"),
        (written(HEADER, {**ENDED, "time": "now"}), "line 2: time cannot be 'now'"),
        (written(HEADER, {**ENDED, "time": True}), "line 2: time cannot be True"),
        (written(HEADER, {**ENDED, "time": None}), "line 2: time cannot be None"),
        (written(HEADER, b'{"kind": "TaskEnded", "time": NaN, "task": 1}\n'), "line 2: this is no JSON"),
        (written(HEADER, b'{"kind": "TaskEnded", "time": 1e999, "task": 1}\n'), "line 2: time cannot be inf"),
        (written(HEADER, {**ENDED, "time": 10**400}), None),
        (written(HEADER, {**ENDED, "time": 1e308}), "line 2: time cannot be 1e+308"),
        (written({**HEADER, "started": -1e16}), "line 1: started cannot be -1e+16"),
        (written({**HEADER, "forgotten": 10**4000}), None),
        (written(HEADER, {**SENT, "local": ["10.0.0.2", 2**64]}), None),
        (written(HEADER, b'{"kind": "TaskEnded", "time": 1, "time": 2, "task": 1}\n'), "line 2: this is no JSON"),
        (written(HEADER, {**ENDED, "task": None}), "line 2: task cannot be None"),
        (written(HEADER, {**ENDED, "task": 1.0}), "line 2: task cannot be 1.0"),
        (written(HEADER, {**SENT, "task": "1"}), "line 2: task cannot be '1'"),
        (written(HEADER, {**SENT, "source": 1}), "line 2: source cannot be 1"),
        (written(HEADER, {**SENT, "data": "\u0100"}), "line 2: data cannot be 'Ā'"),
        (written(HEADER, {**SENT, "data": None}), "line 2: data cannot be None"),
        (written(HEADER, {**SENT, "local": "10.0.0.2:5"}), "line 2: local cannot be '10.0.0.2:5'"),
        (written(HEADER, {**SENT, "local": ["10.0.0.2", "5"]}), "line 2: local cannot be ['10.0.0.2', '5']"),
        (written(HEADER, {**SENT, "local": ["::1", 5, 0]}), "line 2: local cannot be ['::1', 5, 0]"),
        (written(HEADER, {**SENT, "local": "x" * 1000}), None),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, content: bytes, complaint: str | None) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r", line \d: ") as caught:
        load(path)
    assert len(str(caught.value)) < 400
    assert str(caught.value).startswith(f"{str(path)!r}, line ")
    if complaint is not None:
        assert str(caught.value) == f"{str(path)!r}, {complaint}"


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"\x89PNG\r\n",
        b"\xff\xfe\x00\xd8\n",
        b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00",
        b'{"displayTimeUnit": "ms", "traceEvents": [\n{"ph": "M"}]}\n',
        b"[" * 100_000 + b"\n",
        b"1" * 10_000 + b"\n",
        b"[]\n",
        b"{}\n",
        b'{"a": 1',
        b" " * (LONGEST + 1) + b"\n",
    ],
    ids=lambda value: repr(value)[:60],
)
def test_another_kind_of_file_is_no_recording(tmp_path: Path, content: bytes) -> None:
    """Regression: what Perfetto reads was said to be no JSON, and what Wireshark reads to be cut off."""
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=" is no recording: ") as caught:
        load(path)
    assert str(caught.value) == (
        f"{str(path)!r} is no recording: what --trace FILE.jsonl or tracing.save() has written is wanted"
    )


def test_a_files_name_is_only_text(tmp_path: Path) -> None:
    """Regression: a terminal obeyed it."""
    path = tmp_path / "\x1b[31m.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(ValueError, match=r"\\x1b\[31m\.jsonl' is no recording: ") as caught:
        load(path)
    assert str(caught.value).isprintable()


def lines_of_trace() -> bytes:
    return "".join(_lines(TRACE)).encode()


@given(st.integers(0, len(lines_of_trace()) - 1))
def test_wherever_it_is_cut_off_that_is_said(length: int) -> None:
    lines = lines_of_trace()[:length].splitlines(keepends=True)
    with pytest.raises(ValueError, match=r"^x, line \d: "):
        _read(iter(lines), "x")


@given(st.integers(0, len(lines_of_trace()) - 1), st.binary(max_size=3))
def test_whatever_is_damaged_it_is_a_trace_or_an_error(where: int, damage: bytes) -> None:
    whole = lines_of_trace()
    lines = (whole[:where] + damage + whole[where + 1 :]).splitlines(keepends=True)
    try:
        trace = _read(iter(lines), "x")
    except ValueError as error:
        complaint = str(error)
    else:
        complaint = ""
        assert len(list(_lines(trace))) == len(lines)
    assert not complaint or complaint.startswith(("x, line ", "x is no recording"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.jsonl")
    with pytest.raises(FileNotFoundError):
        save(TRACE, tmp_path / "nowhere" / "run.jsonl")


@pytest.mark.parametrize("where", ["ended", "entries"])
def test_a_time_that_could_not_be_read_again_is_not_written(where: str, tmp_path: Path) -> None:
    """Regression: what was saved of a virtual clock that had been far away could not be loaded."""
    trace = Trace((TaskEnded(-2e15, 1),), 0.0, 1.0) if where == "entries" else Trace((), 0.0, 2e15)
    with pytest.raises(ValueError, match=r"a time of -?2e\+15 s cannot be read again: .* within 1e\+15 s of 0"):
        save(trace, tmp_path / "run.jsonl")
    assert list(tmp_path.iterdir()) == []
