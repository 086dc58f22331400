"""Times, bytes and names in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("grüße, Привет, 5 °C".encode(), "grüße, Привет, 5 °C"),
        ("ü\\xfc 'ü'\r\n".encode(), r"ü\\xfc 'ü'\r\n"),
        ('it\'s "ü"'.encode(), r"it\'s " + '"ü"'),
        ("ü".encode("latin-1"), r"\xfc"),
        ("ü".encode() * 33, "ü" * 21 + "…" + "ü" * 10),
        ("ü".encode() * 40_000 + "日".encode(), r"\xc3\xbc\xc3\xbc\xc3\…e6\x97\xa5"),
        ("日".encode().join(["ü".encode() * 99] * 2), "ü" * 21 + "…" + "ü" * 10),
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


@pytest.mark.parametrize(
    "text",
    [
        "日本",  # two places each
        "🎉",
        "e\u0301",  # over another one
        "\u0301",
        "שלום",  # from right to left
        "١٢",
        "\u202eü",
        "ü\u200b",  # not to be seen
        "\u2800",
        "\uffa0",
        "ü\u00a0",
        "\u1161",
        "\u212b",  # looks as another one does, and is the same
        "──>",  # as the picture itself
        "✕",
        "a…b",
    ],
)
def test_text_that_could_be_taken_for_something_else_is_bytes(text: str) -> None:
    assert show_data(text.encode(), 99) == repr(text.encode())[2:-1]
    assert show_data(f"grüße, {text}".encode(), 99) == repr(f"grüße, {text}".encode())[2:-1]


def test_data_in_ascii() -> None:
    assert show_data("grüße".encode(), ascii=True) == r"gr\xc3\xbc\xc3\x9fe"


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_what_is_not_cut_tells_which_bytes_it_was(one: str, other: str) -> None:
    """Whatever is shown can be read back as Python would, from text or from bytes, and never both ways."""
    shown = [show_data(text.encode(errors="surrogatepass"), 999) for text in (one, other)]
    assert (shown[0] == shown[1]) is (one == other)


def test_names() -> None:
    assert show_text("größer") == "größer"
    assert show_text("a\x1b[0m\u202e'\"ü") == r"""a\x1b[0m\u202e'"ü"""


def test_lengths() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 4) == "abc…"
    assert plural(1, "datagram") == "1 datagram"
    assert plural(2000, "datagram") == "2,000 datagrams"
