"""Times, bytes and names in words."""

from __future__ import annotations

import pytest

from trio_udp.tracing._show import plural, shortened, show_data, show_duration, show_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 µs"),
        (1e-6, "1 µs"),
        (0.0000504, "50.4 µs"),
        (0.0009996, "1 ms"),
        (0.0125, "12.5 ms"),
        (0.26968, "270 ms"),
        (0.9999, "1 s"),
        (1.1875, "1.19 s"),
        (86400.0, "86400 s"),
        (-0.002, "-2 ms"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello", "hello"),
        (b"", "(empty)"),
        (b"a\x1b[2Jb\r\n", r"a\x1b[2Jb\r\n"),
        ("ü".encode(), r"\xc3\xbc"),
        (b"it's", "it's"),
        (b"x" * 33, "x" * 21 + "…" + "x" * 10),
        (b"request 1 of " + bytes(60_000) + b" client 7", r"request 1 of \x00\x00…0 client 7"),
        (b"\x16\xfe\xff\x00", "DTLS, handshake, 4 bytes"),
        (b"\x17\xfe\xfd" + bytes(82), "DTLS, secret, 85 bytes"),
        (b"\x17\xfe\xfc", r"\x17\xfe\xfc"),
    ],
)
def test_data(data: bytes, text: str) -> None:
    assert show_data(data) == text


def test_names() -> None:
    assert show_text("größer") == "größer"
    assert show_text("a\x1b[0m\u202e'\"ü") == r"""a\x1b[0m\u202e'"ü"""


def test_lengths() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 4) == "abc…"
    assert plural(1, "datagram") == "1 datagram"
    assert plural(2000, "datagram") == "2,000 datagrams"
