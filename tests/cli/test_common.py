from __future__ import annotations

import argparse
import io
import math
import sys
from typing import TYPE_CHECKING

import pytest

from trio_udp import UDPStatistics
from trio_udp._address import HostPort
from trio_udp.cli import _common
from trio_udp.cli._common import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_exit_codes_are_the_documented_ones() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "ANSWERED": 0,
        "ERROR": 1,
        "USAGE": 2,
        "NO_REPLY": 3,
        "REFUSED": 4,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (_common.host_port, "10000", HostPort("localhost", 10000)),
        (_common.host_port, "example.org:53", HostPort("example.org", 53)),
        (_common.host_port, "[::1]:0", HostPort("::1", 0)),
        (_common.server_port, "7", HostPort("localhost", 7)),
        (_common.probability, "0.3", 0.3),
        (_common.probability, "1", 1.0),
        (_common.seconds, "0", 0.0),
        (_common.seconds, "2.5", 2.5),
        (_common.count, "1", 1),
        (_common.text_bytes, "grüße", "grüße".encode()),
        (_common.text_bytes, "\udcff", b"\xff"),
    ],
)
def test_what_may_be_typed(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "right"),
    [
        (_common.host_port, "70000", "0 to 65535"),
        (_common.host_port, "::1:53", r"\[::1\]:10000"),
        (_common.host_port, "", "port"),
        (_common.server_port, "0", "from 1 to 65535"),
        (_common.server_port, "host", "from 1 to 65535"),
        (_common.server_port, "127.0.0.1", "from 1 to 65535"),
        (_common.probability, "1.01", "0 to 1"),
        (_common.probability, "-0.1", "0 to 1"),
        (_common.probability, "nan", "0 to 1"),
        (_common.probability, "often", "0 to 1"),
        (_common.seconds, "-1", "at least 0"),
        (_common.seconds, "inf", "at least 0"),
        (_common.seconds, "nan", "at least 0"),
        (_common.seconds, "soon", "like 0.5"),
        (_common.count, "0", "1 or more"),
        (_common.count, "-3", "1 or more"),
        (_common.count, "1.5", "1 or more"),
    ],
)
def test_what_may_not_be_typed_is_told_with_what_may(read: Callable[[str], object], text: str, right: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=right) as told:
        read(text)
    assert repr(text) in str(told.value)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"Hello World", "Hello World"),
        ("grüße, 世界 🎈".encode(), "grüße, 世界 🎈"),
        (b"\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        (b"one\r\ntwo\ttabbed\x00", r"one\r\ntwo\ttabbed\x00"),
        (b"\x7f \x9b \xc2\x9b", r"\x7f \x9b \x9b"),  # DEL; a broken byte; CSI as one character of C1
        ("\u202egnp.exe \u2028 \u200b".encode(), r"\u202egnp.exe \u2028 \u200b"),
        (b"\xff\xfe", r"\xff\xfe"),
    ],
)
def test_nothing_a_terminal_obeys_is_shown(data: bytes, shown: str) -> None:
    assert _common.printable(data) == shown


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_line_is_exact_in_a_file_and_harmless_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file, terminal = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file))
    _common.write_line(b"\x1b[2J\xff")
    monkeypatch.setattr(sys, "stdout", Terminal(terminal, encoding="ascii"))
    _common.write_line(b"\x1b[2J \xc3\xbc")
    assert file.getvalue() == b"\x1b[2J\xff\n"
    assert terminal.getvalue() == rb"\x1b[2J \xfc" + b"\n"


def test_output_keeps_its_order(capfd: pytest.CaptureFixture[str]) -> None:
    print("text first", end=", ")
    _common.write(b"then bytes")
    assert capfd.readouterr().out == "text first, then bytes"


def test_statistics_leave_out_what_there_was_not() -> None:
    statistics = UDPStatistics(1, 42, 0, 0, {}, {}, None, 212992)
    assert _common.statistics_lines(statistics) == ["received 1 datagram, 42 bytes", "sent     0 datagrams, 0 bytes"]


def test_statistics_tell_everything_that_was_lost() -> None:
    statistics = UDPStatistics(3, 1, 2, 1, {"reply too large": 1}, {"EMSGSIZE": 1, "EPERM": 2}, 5, 212992)
    lines = _common.statistics_lines(statistics)
    assert lines[:2] == ["received 3 datagrams, 1 byte", "sent     2 datagrams, 1 byte"]
    assert lines[2:4] == ["dropped  1 reply too large", "errors   1 EMSGSIZE, 2 EPERM"]
    assert lines[4].startswith("lost     5 in the kernel")


def test_quantiles() -> None:
    assert _common.quantile([7.0], 0.99) == 7.0
    assert _common.quantile([1.0, 2.0], 0.5) == 1.5
    assert _common.quantile([1.0, 2.0, 9.0], 0.5) == 2.0
    assert _common.quantile(range(101), 0.99) == 99.0


def test_milliseconds() -> None:
    assert _common.milliseconds(0.0001234) == "0.123 ms"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("one two three", math.inf, "one two three"),
        ("one two three", 8, "one two\nthree"),
        ("one two three\n\nfour\n", 8, "one two\nthree\n\nfour\n"),
        ("unbreakable-word", 4, "unbreakable-word"),
        ("one", 1, "one"),
    ],
)
def test_no_word_is_broken(text: str, width: float, shown: str) -> None:
    assert _common.folded(text, width) == shown


def test_only_a_terminal_has_lines_that_end(tmp_path: Path) -> None:
    assert _common.line_width(io.StringIO()) == math.inf
    with open(tmp_path / "file", "w") as file:
        assert _common.line_width(file) == math.inf
    assert _common.line_width(file) == math.inf
