"""How times, bytes and names are put into words, in all pictures.

What came from a network may be made to confuse whoever looks at it: escape sequences move a terminal's cursor, and some
characters turn the direction of a line. So bytes are shown as Python writes them, in ASCII, and so are those characters
of a name that cannot be printed.
"""

from __future__ import annotations

ELLIPSIS = "\u2026"
NOTHING = "No datagram was recorded."

# How a record of DTLS begins: its kind, and a version (RFC 6347 section 4.1; the first hello says 1.0).
DTLS_VERSIONS = (b"\xfe\xff", b"\xfe\xfd")
DTLS_KINDS = {20: "change of keys", 21: "alert", 22: "handshake", 23: "secret"}


def show_data(data: bytes, longest: int = 32) -> str:
    """A payload in at most so many characters: its beginning and its end, which often tells it from others."""
    if not data:
        return "(empty)"
    if data[1:3] in DTLS_VERSIONS and data[0] in DTLS_KINDS:
        return shortened(f"DTLS, {DTLS_KINDS[data[0]]}, {plural(len(data), 'byte')}", longest)
    some = data if len(data) <= 2 * longest else data[:longest] + data[-longest:]
    text = repr(some)[2:-1]
    if len(text) <= longest:
        return text
    end = max(0, longest - 1) // 3
    return text[: max(0, longest - 1 - end)] + ELLIPSIS + text[len(text) - end :]


def show_text(text: str) -> str:
    """A name, or a reason."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def shortened(text: str, longest: int) -> str:
    """So many characters at most."""
    return text if len(text) <= longest else text[: max(0, longest - 1)] + ELLIPSIS


def show_duration(seconds: float) -> str:
    """``1 µs``, ``12.5 ms``, ``1.19 s``: three digits."""
    for unit, name in ((1e-6, "µs"), (1e-3, "ms")):
        if abs(seconds) < 999.5 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def plural(count: int, noun: str) -> str:
    """``1 datagram``, ``2,000 datagrams``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
