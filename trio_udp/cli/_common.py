"""What the commands share: exit codes, what a person may type, and how things are said and shown.

Two streams, two readers. Standard output carries data, for the next program. Everything that is said to the person goes
to standard error, so that ``request ... > file`` never has a greeting in its file.

What strangers send is shown to a person here, and a terminal obeys escape sequences: whoever may send a datagram could
clear the screen, set the title or forge the next line of the log. So nothing that came from the network is shown on a
terminal before `printable` has made its control characters visible.
"""

from __future__ import annotations

import argparse
import enum
import math
import os
import sys
import textwrap
from typing import TYPE_CHECKING

from .._address import HostPort, parse_host_port

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from .._statistics import UDPStatistics


class ExitCode(enum.IntEnum):
    """What a command tells the shell."""

    ANSWERED = 0
    ERROR = 1
    USAGE = 2  # argparse's own
    NO_REPLY = 3
    REFUSED = 4
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Failure(Exception):
    """A mistake of the person or a limit of the machine: one line says what and why, and the command ends.

    Args:
      text: that line.
      code: what the command exits with.
    """

    def __init__(self, text: str, code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(text)
        self.code = code


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What is in a group, in groups inside it too; of anything else, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


# -- saying and showing ----------------------------------------------------------------------------------------------


def say(text: str, *, end: str = "\n") -> None:
    """Tell the person something: on standard error, at once, and in one piece where several processes have that."""
    print(text + end, end="", file=sys.stderr, flush=True)


def say_prose(text: str) -> None:
    """Tell the person something in sentences: on a terminal no line is broken inside a word."""
    say(folded(text, line_width(sys.stderr)))


def folded(text: str, width: float) -> str:
    """Text whose lines have so many cells at most, unless one word has more."""
    if math.isinf(width):
        return text
    wrapper = textwrap.TextWrapper(int(width), break_long_words=False, break_on_hyphens=False)
    return "\n".join("\n".join(wrapper.wrap(line)) for line in text.split("\n"))


def line_width(stream: TextIO) -> float:
    """How many cells a line has there: infinitely many, unless it is a terminal that says so."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or math.inf
    except (OSError, ValueError):  # ValueError: it is closed
        return math.inf


def write(data: bytes) -> None:
    """Hand data to whatever reads standard output, exactly as it is and at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def write_line(data: bytes) -> None:
    """Data and a newline on standard output; made harmless if that is a terminal."""
    write((printable(data).encode(sys.stdout.encoding, "backslashreplace") if sys.stdout.isatty() else data) + b"\n")


def printable(data: bytes) -> str:
    r"""The bytes as text on one line, with nothing in it that a terminal obeys: ``\x1b[2J``, not a cleared screen.

    Bytes that are not UTF-8 become ``\xff``. Invisible characters, among them those that turn the direction of
    writing, are escaped as well.
    """
    return printable_text(data.decode("utf-8", "backslashreplace"))


def printable_text(text: str) -> str:
    """The same for text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def milliseconds(seconds: float) -> str:
    """``0.123 ms``: a thousandth of a millisecond is about what can be measured."""
    return f"{seconds * 1000:.3f} ms"


def plural(count: int, noun: str) -> str:
    """``1 byte``, ``2 bytes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def statistics_lines(statistics: UDPStatistics) -> list[str]:
    """What has gone through a socket, one line for each thing that there is to say."""
    lines = [
        f"received {plural(statistics.received, 'datagram')}, {plural(statistics.received_bytes, 'byte')}",
        f"sent     {plural(statistics.sent, 'datagram')}, {plural(statistics.sent_bytes, 'byte')}",
    ]
    if statistics.dropped:
        lines.append(f"dropped  {in_counts(statistics.dropped)}")
    if statistics.errors:
        lines.append(f"errors   {in_counts(statistics.errors)}")
    if statistics.kernel_drops:
        lines.append(f"lost     {statistics.kernel_drops} in the kernel: too many for its buffer, or broken")
    return lines


def in_counts(counts: Mapping[str, int]) -> str:
    """``3 over rate, 1 duplicate``."""
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """The value below which a fraction of sorted values lies, between two of them where need be; 0.5: the median."""
    place = (len(ordered) - 1) * fraction
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


# -- what a person may type ------------------------------------------------------------------------------------------


def host_port(text: str, least: int = 0) -> HostPort:
    """``[HOST:]PORT``; the host is ``localhost`` where none is given."""
    try:
        host, port = parse_host_port(text, least)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return HostPort(host or "localhost", port)


def server_port(text: str) -> HostPort:
    """The same for somebody who is to be talked to: port 0 is nobody, and ``*`` stands for those who listen."""
    if (server := host_port(text, least=1)).host == "*":
        raise argparse.ArgumentTypeError(f"* is for listening on every interface; a server has one host, not {text!r}")
    return server


def probability(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= (number := _number(text, "a probability is a number from 0 to 1, like 0.3")) <= 1:
        raise argparse.ArgumentTypeError(f"a probability is a number from 0 to 1, like 0.3, not {text!r}")
    return number


# Seconds, 31 years: no wait is longer, and a float still tells a microsecond apart.
LONGEST = 1e9


def seconds(text: str) -> float:
    """A time of at least 0."""
    if not 0 <= (number := _number(text, "a time is a number of seconds, like 0.5")) <= LONGEST:
        wanted = f"a time is a number of seconds of at least 0 and at most {LONGEST:g}, like 0.5"
        raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}")
    return number


def count(text: str) -> int:
    """A whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"this has to be a whole number, 1 or more, not {text!r}")
    return number


def text_bytes(text: str) -> bytes:
    """Text of the command line as UTF-8; bytes that were not text to begin with stay as they were typed."""
    return text.encode("utf-8", "surrogateescape")


def _number(text: str, rule: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{rule}, not {text!r}") from None
