"""How times, bytes and names are put into words, in all pictures.

What came from a network may be made to confuse whoever looks at it: escape sequences move a terminal's cursor, and some
characters turn the direction of a line. So bytes are shown as Python writes them, in ASCII, and so are those characters
of a name that cannot be printed.
"""

from __future__ import annotations

ELLIPSIS = "\u2026"


def show_data(data: bytes, longest: int = 32) -> str:
    """The beginning of a payload, in at most so many characters."""
    if not data:
        return "(empty)"
    return shortened(repr(data[: longest + 1])[2:-1], longest)


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
