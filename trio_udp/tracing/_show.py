"""How times, bytes and names are put into words, in all pictures.

What came from a network may be made to confuse whoever looks at it: escape sequences move a terminal's cursor, and some
characters turn the direction of a line. So bytes are shown as Python writes them, in ASCII, and so are those characters
of a name that cannot be printed.

But most languages are not written in ASCII alone, and nobody reads escapes. So bytes that are UTF-8 are shown as text,
if each character beyond ASCII can be seen, takes one place, stands where it was written, and is none of the signs that
pictures of text are made of; one that does not, and all bytes are escaped. ASCII is written as ever, each backslash
twice, so no text looks like an escape.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar
from unicodedata import bidirectional, category, east_asian_width, is_normalized

if TYPE_CHECKING:
    from ._travel import Travel

ELLIPSIS = "\u2026"
NOTHING = "No datagram was recorded."

# How a record of DTLS begins: its kind, and a version (RFC 6347 section 4.1; the first hello says 1.0).
DTLS_VERSIONS = (b"\xfe\xff", b"\xfe\xfd")
DTLS_KINDS = {20: "change of keys", 21: "alert", 22: "handshake", 23: "secret"}

# Vowels and ends of Korean syllables, which take no place; signs that stand in pictures of text; what cannot be seen.
KOREAN, FRAMES = (*range(0x1160, 0x1200), *range(0xD7B0, 0xD7FC)), range(0x2500, 0x2580)
NO_LETTERS = frozenset({*map(chr, KOREAN), *map(chr, FRAMES), ELLIPSIS, "\u2715", "\u2800", "\uffa0"})

TIME = re.compile(r"\d[\d.e+-]* [µum]?s\b")  # as `show_duration` writes it, and in ASCII

Shown = TypeVar("Shown", bytes, str)


def show_data(data: bytes, longest: int = 32, *, ascii: bool = False) -> str:
    """A payload in at most so many characters: its beginning and its end, which often tells it from others.

    In ``ascii``, what is text beyond that is escaped as all else.
    """
    if not data:
        return "(empty)"
    if data[1:3] in DTLS_VERSIONS and data[0] in DTLS_KINDS:
        return shortened(f"DTLS, {DTLS_KINDS[data[0]]}, {plural(len(data), 'byte')}", longest)
    shown = repr(_ends(data, longest))[2:-1] if ascii or data.isascii() else _beyond_ascii(data, longest)
    if len(shown) <= longest:
        return shown
    end = max(0, longest - 1) // 3
    return shown[: max(0, longest - 1 - end)] + ELLIPSIS + shown[len(shown) - end :]


def _ends(data: Shown, longest: int) -> Shown:
    """All that can be needed of it."""
    return data if len(data) <= 2 * longest else data[:longest] + data[-longest:]


def _beyond_ascii(data: bytes, longest: int) -> str:
    """As text, if it is text and nothing that is shown of it could be taken for anything else."""
    with suppress(UnicodeDecodeError):
        text = _ends(data.decode(), longest)
        if all(map(_is_plain, set(text))):
            return repr(text)[1:-1]
    return repr(_ends(data, longest))[2:-1]


def _is_plain(letter: str) -> bool:
    """ASCII; or it can be printed, is as wide, combines with nothing, goes to the right, and is nobody's double."""
    return letter.isascii() or (
        letter.isprintable()
        and letter not in NO_LETTERS
        and category(letter)[0] != "M"
        and east_asian_width(letter) not in "WF"
        and bidirectional(letter) not in ("R", "AL", "AN")
        and is_normalized("NFC", letter)
    )


def show_text(text: str) -> str:
    """A name, or a reason."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def shortened(text: str, longest: int) -> str:
    """So many characters at most, and of a time all or nothing: a part of it would be another one."""
    if len(text) <= longest:
        return text
    end = max(0, longest - 1)
    end = next((one.start() for one in TIME.finditer(text) if one.start() < end < one.end()), end)
    return text[:end].rstrip(" ") + ELLIPSIS


def show_duration(seconds: float) -> str:
    """``1 µs``, ``12.5 ms``, ``1.19 s``: three digits."""
    for unit, name in ((1e-6, "µs"), (1e-3, "ms")):
        if abs(seconds) < 999.5 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def plural(count: int, noun: str) -> str:
    """``1 datagram``, ``2,000 datagrams``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def show_arrival(travel: Travel) -> list[str]:
    """How it has arrived, in words: damaged, after how long, and how much later it was read."""
    words = ["damaged"] * (travel.damaged is not None)
    if travel.sent is not None and travel.ended is not None:
        words.append(show_duration(travel.ended - travel.sent))
    return words if travel.waited is None else [*words, f"read {show_duration(travel.waited)} later"]
