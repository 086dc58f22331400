"""What somebody might try next: a command, and what it shows.

On a terminal that is too narrow for both the second goes below the first. A line of the terminal's own making would end
in the middle of a word, and a command that was folded could not be copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._live import INSTALL

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADING = "Try next:  "

NEXT = (
    ("python -m trio_udp demo --loss 0.5 --seed 7", "a worse network, another story"),
    ("python -m trio_udp serve 10000", "a server of your own, and beside it"),
    ("python -m trio_udp ping localhost:10000", "how long does it take to answer?"),
    ("python -m trio_udp relay 10001 localhost:10000 --loss 0.5", "a bad network in front of it"),
)
LIVE = (INSTALL, "and then the demo again, live")

# Cells that a command has; one that is longer has three spaces behind it.
COMMAND = 47


def next_lines(width: float, *, could_be_live: bool) -> Iterator[str]:
    """Those commands, below each other.

    Args:
      width: cells of a line.
      could_be_live: is rich all that was missing?
    """
    commands = (*NEXT, LIVE) if could_be_live else NEXT
    lines = [_beside(command, what) for command, what in commands]
    is_narrow = max(map(len, lines)) + len(HEADING) > width
    for number, (line, (command, what)) in enumerate(zip(lines, commands, strict=True)):
        lead = HEADING if number == 0 else " " * len(HEADING)
        yield lead + (command if is_narrow else line)
        if is_narrow:
            yield f"{'':{len(HEADING) + 4}}{what}"


def _beside(command: str, what: str) -> str:
    return f"{command:<{COMMAND}} {what}" if len(command) <= COMMAND else f"{command}   {what}"
