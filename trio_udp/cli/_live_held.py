"""What is said while the view has the screen: kept until it has not.

A traceback of a handler, a line of a log, a ``print`` of the program's own: all of that would be written over the
picture, and be gone with it. So while the screen is taken, standard output and standard error are kept here, as far as
they are that terminal, and written where they belong afterwards. Not all, if there is much: the latest.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, TextIO

import trio

from ._common import printable_text

if TYPE_CHECKING:
    from collections.abc import Iterator

# Lines, and bytes of one: what is longer becomes several.
KEPT = 500
LONGEST = 10_000


class Held(io.RawIOBase):
    """Bytes that were written, as lines; the latest of them.

    Args:
      terminal: what it stands for, and whose file descriptor a program may ask for; None: there is none.
    """

    def __init__(self, terminal: TextIO | None = None) -> None:
        self._terminal = terminal
        self.lines: deque[bytes] = deque(maxlen=KEPT)
        self.lost = 0
        self._begun = b""

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """It stands for one: what is said is to be harmless there."""
        return True

    def fileno(self) -> int:
        """That of the terminal: what a program's own programs write goes there."""
        return super().fileno() if self._terminal is None else self._terminal.fileno()

    def write(self, data: object) -> int:
        """Keep it."""
        written = bytes(data)  # type: ignore[call-overload]
        *ended, begun = (self._begun + written).split(b"\n")
        *more, self._begun = _pieces(begun)
        lines = [*chain.from_iterable(map(_pieces, ended)), *more]
        self.lost += max(0, len(self.lines) + len(lines) - KEPT)
        self.lines.extend(lines)
        return len(written)

    def text(self, encoding: str) -> str:
        """All that is kept, as far as that encoding has it."""
        lines = [*self.lines, self._begun]
        if self.lost:
            lines.insert(0, f"({self.lost} lines before these were not kept)".encode())
        text = b"\n".join(lines).decode("utf-8", "backslashreplace")
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def shown(self, most: int) -> list[str]:
        """The last lines, without anything that a terminal obeys."""
        return [printable_text(line.decode("utf-8", "backslashreplace")) for line in list(self.lines)[-most:]]


def _pieces(line: bytes) -> list[bytes]:
    """At least one, none longer than may be."""
    return [line[begin : begin + LONGEST] for begin in range(0, len(line) or 1, LONGEST)]


@contextmanager
@trio.lowlevel.enable_ki_protection  # Ctrl-C must not come when some streams are put back and others are not
def held_streams() -> Iterator[Held]:
    """While it lasts, what is written to a standard stream that is a terminal is kept; then it is written there."""
    terminals = [stream for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    held = Held(terminals[-1] if terminals else None)
    before: list[tuple[str, TextIO]] = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.isatty():
            before.append((name, stream))
            stream.flush()
            setattr(sys, name, io.TextIOWrapper(held, "utf-8", "backslashreplace", write_through=True))
    try:
        yield held
    finally:
        for name, stream in before:
            setattr(sys, name, stream)
        if before and (text := held.text(before[-1][1].encoding)):
            before[-1][1].write(text)
            before[-1][1].flush()
