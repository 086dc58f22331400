"""What a person is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import played
from trio_udp.learn import find
from trio_udp.learn._played import Ending, Run, Waiting, empty
from trio_udp.learn._verdict import Finding, excerpt, judge, report
from trio_udp.learn._where import in_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trio_udp.learn._played import Kind

PING = find("ping")


def nothing(run: Run) -> Iterator[Finding]:
    return iter(())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raised", "your program raised OSError: no"),
        ("waits", "your program waits for ever in this line, and in line 3"),
        ("floods", "your program sends without end: 4,000 datagrams, and no end to be seen"),
        ("spins", "your program goes round here without end and never waits, so that time stands still"),
        ("not loaded", "OSError: no"),
        ("too long", "OSError: no"),
        ("gone", "OSError: no"),
    ],
)
def test_an_ending_that_the_check_says_nothing_of(kind: Kind, message: str) -> None:
    words = "" if kind in ("waits", "spins") else "OSError: no"
    ending = Ending(kind, words, 7, waiting=(Waiting("one", 7), Waiting("other", 3)))
    assert judge(replace(PING, check=nothing), empty(ending, "x.py")) == Finding(message, 7)


def test_a_play_that_ended_well_passes() -> None:
    assert judge(replace(PING, check=nothing), empty(Ending("returned"), "x.py")) is None


def test_the_whole_report(tmp_path: Path) -> None:
    run = replace(played("ping", PING.exercise, tmp_path), output="hello\n\x1b[2J\n")
    finding = judge(PING, run)
    assert finding is not None
    assert report(PING, run, finding, PING.exercise, 80).splitlines() == [
        "01_ping.py:14: your program waits for ever in this line. Its question, sent at",
        "1.1 s, was lost on its way. So nothing will come, and nobody will ever say so",
        "",
        "    12      with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:",
        '    13          await sock.sendto(b"ping", server)',
        ">   14          answer, address = await sock.recvfrom(65535)",
        "",
        "             you                                   server",
        "   0.000000   │───────────── ping, 50 ms ────────────>│",
        "   0.050000   │<───────── pong 140891, 50 ms ─────────│",
        "   1.100000   │───────────── ping, lost ───────────✕  │",
        "",
        "The program printed:",
        "  hello",
        r"  \x1b[2J",
    ]


def test_a_long_ladder_is_cut_around_the_moment(tmp_path: Path) -> None:
    run = played("ping", PING.solution, tmp_path)
    whole = excerpt(run, Finding(""))
    assert len(whole) == 22
    assert whole[0].split() == ["you", "server"]
    assert whole[1].startswith("... ")
    middle = excerpt(run, Finding("", time=9.0))
    assert middle[0].split() == ["you", "server"]
    assert any(row.startswith("   9.0") for row in middle)
    assert middle[-1].startswith("... ")
    assert middle[-1].endswith(" lines below; `learn check --whole` shows them")
    everything = excerpt(run, Finding("", time=0.0), 80, 1000)
    assert len(everything) == 66
    assert not any(row.startswith("...") for row in everything)
    first = excerpt(run, Finding("", time=0.0))
    assert first[1].startswith("   0.000000")
    assert len(first) == 22


def test_much_that_was_printed_is_cut() -> None:
    run = replace(empty(Ending("gone", "it is gone"), "x.py"), output="x\n" * 100)
    lines = report(PING, run, Finding("it is gone"), "", 80).splitlines()
    assert lines[0] == "x.py: it is gone"
    assert lines[-2:] == ["  x", "  ... 90 more lines"]


def test_a_line_that_is_not_there_is_not_shown() -> None:
    lines = report(PING, empty(Ending("returned"), "x.py"), Finding("so", 99), "one\n", 80).splitlines()
    assert lines == ["x.py:99: so"]


def test_what_a_program_says_is_cut_in_its_middle() -> None:
    """An exception may say anything, and so may what a function returns."""
    check = replace(PING, check=nothing)
    finding = judge(check, empty(Ending("raised", "x" * 10_000_000 + "y"), "x.py"))
    assert finding is not None
    assert finding.message.startswith("your program raised xxx")
    assert finding.message.endswith("xxxy")
    assert " ... 9,999,221 characters more ... " in finding.message
    assert len(finding.message) < 900
    finding = judge(check, empty(Ending("raised", "x\n" * 100 + "y"), "x.py"))
    assert finding is not None
    lines = finding.message.splitlines()
    assert len(lines) == 13
    assert lines[6] == "... 89 lines more ..."
    assert lines[-1] == "y"


def test_the_line_is_the_one_that_python_means() -> None:
    source = "a = 1  # \x0c \u2028\r\nb = 2\r\nc = 3\n"
    lines = report(PING, empty(Ending("returned"), "x.py"), Finding("so", 3), source, 80).splitlines()
    assert lines[-1] == ">    3  c = 3"
    assert len(lines) == 5


def test_lines_are_listed_as_one_says_it() -> None:
    assert in_lines([7]) == "in line 7"
    assert in_lines({27, 3}) == "in lines 3 and 27"
    assert in_lines([26, 10, 27, 10]) == "in lines 10, 26 and 27"
