"""The ladder as Mermaid's text; read by Mermaid's own parser where there is one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracing.traces import (
    CLIENT,
    OTHER,
    SERVER,
    a_retry,
    accepted,
    begins,
    dropped,
    exchange,
    lost,
    received,
    sent,
    times_out,
    trace_of,
)
from trio_udp.tracing import mermaid

if TYPE_CHECKING:
    from trio_udp import Event

PATIENCE = 60  # seconds; only a failure takes so long


def test_an_exchange() -> None:
    assert mermaid(trace_of(*exchange(0.0))) == dedent("""\
        sequenceDiagram
            participant p0 as client
            participant p1 as server
            p0->>p1: hello, 250 ms
            p1->>p0: HELLO, 250 ms
        """)


def test_a_retry_is_a_loop() -> None:
    assert mermaid(trace_of(*a_retry())) == dedent("""\
        sequenceDiagram
            participant p0 as client
            participant p1 as server
            loop request 1: 2 attempts
            note over p0: request 1, attempt 1#58; waits 1 s
            p0-xp1: hello, lost
            note over p0: request 1, attempt 1#58; timed out after 1 s
            note over p0: request 1, attempt 2#58; waits 1 s
            p0->>p1: hello, 250 ms
            p1->>p0: HELLO, 250 ms
            note over p0: request 1#58; answered after 1.5 s
            end
        """)


def side_by_side(*runs: list[Event]) -> str:
    return mermaid(trace_of(*sorted(chain(*runs), key=lambda event: event.time)))


def test_loops_do_not_cut_through_each_other() -> None:
    """Two clients, the second begins and ends later: of one of them notes say which attempt it is."""
    text = side_by_side(a_retry(), a_retry(0.5, OTHER))
    assert text.count("    loop ") == text.count("    end\n") == 1
    assert "    note over p1: loop request 1#58; 2 attempts\n" in text
    assert text.count("attempt 2#58;") == 2


def test_a_loop_that_is_shorter_stands_inside_the_other() -> None:
    """Regression: wherever another client did anything meanwhile, there was no loop at all."""
    retried_for_long = [*a_retry()[:-8], *a_retry(4.0)[4:]]
    text = side_by_side(retried_for_long, a_retry(1.5, OTHER), exchange(3.5, OTHER, request=2))
    assert [line.strip() for line in text.splitlines() if "loop" in line or line.endswith("end")] == [
        "loop client 1, request 1: 2 attempts",
        "loop client 2, request 1: 2 attempts",
        "end",
        "end",
    ]
    lines = text.splitlines()
    assert lines.index("    end") < lines.index("    p1->>p2: hello, 250 ms", lines.index("    end")) < len(lines) - 1
    assert "note over p0: loop" not in text


def test_one_of_three_loops_is_given_up_for_two_that_are_shorter() -> None:
    """The first two cut through each other, and so do the last two."""
    long = [begins(0.9, OTHER), times_out(1.0, OTHER), begins(1.0, OTHER, number=2), *exchange(9.0, OTHER)[1:]]
    lines = side_by_side(a_retry(), long, a_retry(8.5)).splitlines()
    assert [line.strip() for line in lines if "loop" in line] == [
        "loop client 1, request 1: 2 attempts",
        "note over p1: loop request 1#58; 2 attempts",
        "loop client 1, request 2: 2 attempts",
    ]
    assert lines.count("    end") == 2


def test_one_client_after_the_other_has_two_loops() -> None:
    text = mermaid(trace_of(*a_retry(), *a_retry(10.0, OTHER)))
    assert text.count("    loop client 1, request 1: 2 attempts\n") == 1
    assert text.count("    loop client 2, request 1: 2 attempts\n") == 1
    assert text.count("    end\n") == 2


def test_other_fates() -> None:
    events: list[Event] = [
        sent(0.0, CLIENT, SERVER),
        received(1.0, SERVER, CLIENT),
        received(2.0, SERVER, CLIENT),
        dropped(2.0, SERVER, CLIENT),
        sent(3.0, CLIENT, SERVER, b"silence"),
        dropped(4.0, CLIENT, SERVER, b"out", "ENOBUFS", out=True),
    ]
    assert mermaid(trace_of(*events)).splitlines()[3:] == [
        "    p0->>p1: hello, 1 s",
        "    p0-->>p1: hello, copy, 2 s",
        "    note over p1: dropped#58; queue full",
        "    p0-)p1: silence",
        "    p0-xp1: out, lost#58; ENOBUFS",
    ]


HOSTILE = b'end; p0->>p1: x #59; %%{init}%% "<b>" wrap: \n end'


def test_what_would_be_syntax_is_a_number() -> None:
    trace = trace_of(sent(0.0, CLIENT, SERVER, b"a;b\nc#d: end"), names={"10.0.0.1": "End; <b>\nof"})
    assert mermaid(trace).splitlines()[2:] == [
        r"    participant p1 as #69;nd#59; #60;b#62;#92;nof",
        r"    p0-)p1: a#59;b#92;nc#35;d#58; #101;nd",
    ]


def test_nothing() -> None:
    assert mermaid(trace_of()) == "sequenceDiagram\n"


def test_what_was_forgotten_is_said() -> None:
    told = "    note over p0: The recording was full#58; 1,234 entries that came later are not in it.\n"
    assert mermaid(trace_of(*exchange(0.0), forgotten=1234)).endswith(told)
    both = mermaid(trace_of(*a_long_loop(), forgotten=1234))
    assert both.endswith(told)
    assert "note over p0: Only the first " in both.splitlines()[-2]
    assert len(both) <= 50_000
    assert mermaid(trace_of(forgotten=1)) == "sequenceDiagram\n"


def test_one_that_was_refused_waited_all_the_same() -> None:
    """Regression: it was refused after the whole wait; but the last one ends where it is refused."""
    refused: list[Event] = [begins(0.0), times_out(1.0, reason="ECONNREFUSED")]
    text = mermaid(trace_of(*refused, begins(1.0, number=2), times_out(1.25, number=2, reason="ECONNREFUSED")))
    notes = [line.partition("p0: ")[2] for line in text.splitlines() if "refused" in line]
    assert notes == [
        "request 1, attempt 1#58; refused#59; waited 1 s",
        "request 1, attempt 2#58; refused after 250 ms",
        "request 1#58; refused after 1.25 s",
    ]


def test_as_much_as_mermaid_takes() -> None:
    """A loop that is cut off is closed, and it says how many there are."""
    text = mermaid(trace_of(*a_long_loop()))
    assert 49_000 < len(text) <= 50_000
    assert text.splitlines()[-2:] == [
        "    end",
        f"    note over p0: Only the first {text.count('-)'):,} datagrams of the recording",
    ]


def a_long_loop() -> list[Event]:
    """One request with more datagrams in it than Mermaid draws."""
    datagrams = [sent(1 + number / 1000, CLIENT, SERVER, b"%032d" % number) for number in range(1500)]
    return [begins(0.0), times_out(1.0), begins(1.0, number=2), *datagrams, accepted(9.0)]


# -- Mermaid's own parser ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules() -> str:
    """The folder with the package: in NODE_PATH, or where ``npm install --global`` puts it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        pytest.skip("no node here")
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    if npm is not None:
        found = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        folders.append(found.stdout.strip())
    for folder in filter(None, folders):
        if all(Path(folder, package).is_dir() for package in ("mermaid", "jsdom")):
            return folder
    pytest.skip("neither NODE_PATH nor the global node_modules has mermaid and jsdom")


def read_by_mermaid(text: str, modules: str) -> Any:
    script = Path(__file__).with_name("mermaid.mjs")
    read = subprocess.run(
        ["node", script, modules], input=text, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)


def test_mermaid_understands_a_retry(modules: str) -> None:
    read = read_by_mermaid(mermaid(trace_of(*a_retry())), modules)
    assert (read["type"], read["actors"]) == ("sequence", ["client", "server"])
    assert [kind for kind, _ in read["messages"]] == [
        "LOOP_START",
        "NOTE",
        "SOLID_CROSS",
        "NOTE",
        "NOTE",
        "SOLID",
        "SOLID",
        "NOTE",
        "LOOP_END",
    ]


def test_mermaid_understands_loops_in_each_other(modules: str) -> None:
    events = sorted([*a_retry()[:-8], *a_retry(4.0)[4:], *a_retry(1.5, OTHER)], key=lambda event: event.time)
    trace = trace_of(*events, names={"10.0.1.1": "end", "10.0.1.2": "wrap: x; loop"})
    loops = [each for each in read_by_mermaid(mermaid(trace), modules)["messages"] if each[0].startswith("LOOP")]
    assert [kind for kind, _ in loops] == ["LOOP_START", "LOOP_START", "LOOP_END", "LOOP_END"]
    assert [text for _, text in loops[:2]] == ["end, request 1: 2 attempts", "wrap: x; loop, request 1: 2 attempts"]


def test_mermaid_understands_what_is_hostile(modules: str) -> None:
    fate = lost(1.0, CLIENT, SERVER, 0.0, HOSTILE[:32], "end; #35;")
    trace = trace_of(
        sent(0.0, CLIENT, SERVER, HOSTILE[:32]), fate, names={"10.0.0.1": "end", "10.0.1.1": "a;b #35; loop"}
    )
    read = read_by_mermaid(mermaid(trace), modules)
    assert read["actors"] == ["a;b #35; loop", "end"]
    assert read["messages"] == [["SOLID_CROSS", "end; p0->>p1: x #59; %%{init}%% , lost: end; #35;"]]


def test_mermaid_understands_every_byte(modules: str) -> None:
    events = [sent(float(start), CLIENT, SERVER, bytes(range(start, start + 8))) for start in range(0, 256, 8)]
    read = read_by_mermaid(mermaid(trace_of(*events)), modules)
    shown = [text for _, text in read["messages"]]
    assert shown == [repr(event.data)[2:-1].strip() for event in events]


def test_mermaid_understands_one_that_was_cut(modules: str) -> None:
    read = read_by_mermaid(mermaid(trace_of(*a_long_loop())), modules)
    assert [kind for kind, _ in read["messages"]][-2:] == ["LOOP_END", "NOTE"]
