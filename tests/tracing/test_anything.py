"""Whatever is in a trace, also what no program can have done: each picture is made, is well-formed, and has it all."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    DatagramDropped,
    DatagramReceived,
    DatagramSent,
    HandlerFinished,
    HandlerStarted,
    PeerClosed,
    PeerOpened,
    ReplyAccepted,
    ReplyIgnored,
    RequestFailed,
    SocketExchanged,
)
from trio_udp._events import DatagramArrived, DatagramLost
from trio_udp.tracing import Happened, TaskStarted, Trace, ladder_svg, ladder_text, mermaid
from trio_udp.tracing._sockets import Sockets
from trio_udp.tracing._travels import travels

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

times = st.sampled_from([0.0, 0.25, 0.5, 1e-6, 3600.0])
addresses = st.sampled_from(
    [
        ("10.0.0.1", 7),
        ("0.0.0.0", 7),
        ("127.0.0.1", 7),
        ("127.0.0.1", 8),
        ("::1", 7, 0, 0),
        ("10.0.0.2", 9),
        ("", 0),
        ("239.1.1.1", 7),
    ]
)
payloads = st.one_of(st.sampled_from([b"", b"a", b"]]></svg>", b"end;"]), st.binary(max_size=40))
words = st.one_of(st.sampled_from(["loss", "refused", "Cancelled"]), st.text(max_size=8))
few = st.integers(1, 3)
here_and_there = (times, addresses, addresses)
events = st.one_of(
    st.builds(DatagramSent, *here_and_there, payloads),
    st.builds(DatagramReceived, *here_and_there, payloads),
    st.builds(DatagramDropped, *here_and_there, payloads, words, st.booleans()),
    st.builds(DatagramLost, *here_and_there, payloads, words, times, st.none() | addresses),
    st.builds(DatagramArrived, *here_and_there, payloads, times, st.none() | payloads, st.none() | addresses),
    st.builds(AttemptStarted, *here_and_there, few, few, times, payloads),
    st.builds(AttemptTimedOut, *here_and_there, few, few),
    st.builds(ReplyAccepted, *here_and_there, few, few, times, payloads),
    st.builds(ReplyIgnored, *here_and_there, payloads, words),
    st.builds(RequestFailed, *here_and_there, few, few, words),
    st.builds(SocketExchanged, *here_and_there, addresses),
    st.builds(HandlerStarted, *here_and_there, payloads),
    st.builds(HandlerFinished, *here_and_there, payloads, words),
    st.builds(PeerOpened, *here_and_there),
    st.builds(PeerClosed, *here_and_there, words),
)
tasks = st.one_of(st.none(), few)
entries = st.one_of(
    st.builds(Happened, events, tasks, st.one_of(st.none(), words)),
    st.builds(TaskStarted, times, few, st.sampled_from(["trio_udp relay at x", "other"]), tasks),
)
names = st.dictionaries(st.sampled_from(["10.0.0.1", "127.0.0.1:8", "[::1]:7", "", "x:y"]), words, max_size=3)
traces = st.builds(
    Trace, st.lists(entries, max_size=20).map(tuple), st.just(0.0), st.just(4000.0), names, st.integers(0, 2)
)


def classes(root: Element) -> Counter[str]:
    return Counter(name for element in root.iter() for name in element.get("class", "").split())


@given(traces)
def test_as_svg(trace: Trace) -> None:
    found = classes(ElementTree.fromstring(ladder_svg(trace)))
    happened = [entry.event for entry in trace.entries if isinstance(entry, Happened)]
    ends = Counter(type(event).__name__ for event in happened)
    kept = sum(one.was_kept for one in travels(trace.entries, Sockets(trace.entries)) if one.outcome == "dropped")
    assert found["cross"] == ends["DatagramLost"] + ends["DatagramDropped"] - kept
    assert found["mark"] == ends["ReplyIgnored"]
    assert found["attempt"] == ends["AttemptStarted"]
    assert found["handler"] == ends["HandlerStarted"]
    assert found["datagram"] >= max(ends["DatagramSent"], ends["DatagramReceived"])


@given(traces, st.integers(20, 130), st.booleans())
def test_as_text(trace: Trace, width: int, ascii_only: bool) -> None:
    lines = ladder_text(trace, width=width, ascii=ascii_only).splitlines()
    assert all(line.isprintable() and len(line) <= width for line in lines[: -1 if trace.forgotten else None])
    assert not ascii_only or all(line.isascii() for line in lines)


@given(traces)
def test_as_mermaid(trace: Trace) -> None:
    lines = mermaid(trace).splitlines()
    assert lines[0] == "sequenceDiagram"
    safe = r"(?:[A-Za-z0-9 .,()_/+-]|#\d+;)+"
    message, note = rf"p\d+(?:->>|-x|-->>|-\))p\d+: {safe}", rf"note over p\d+: {safe}"
    loop = rf"loop (?:{safe}, )?request \d+: \d+ attempts"
    statement = re.compile(rf"    (?:participant p\d+ as {safe}|{message}|{note}|{loop}|end)")
    assert all(statement.fullmatch(line) for line in lines[1:])
    depth = 0
    for line in lines:
        depth += line.startswith("    loop ") - (line == "    end")
        assert depth >= 0
    assert depth == 0
