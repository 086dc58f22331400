"""What the live view is drawn with: characters, styles, and lines that have a width.

A terminal that is not told otherwise may know ASCII only (``LANG=C``), and Python then refuses to print anything else.
So there are two sets of characters. Whether there is colour, rich finds out; nothing here is told by colour alone.

Everything is a `rich.text.Text`, never a string with markup in it: ``[red]`` in a datagram stays what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Look(NamedTuple):
    """Characters, one cell wide each."""

    rule: str
    wall: str
    tee: str
    elbow: str
    pipe: str
    path: str
    damaged: str
    right: str
    left: str
    cross: str
    empty: str
    relay: str
    full: str
    spent: str
    dots: str
    times: str
    down: str


LINES = Look("─", "│", "├─ ", "╰─ ", "│  ", "━", "≈", "▶", "◀", "✗", "·", "┊", "▇", "▁", "…", "×", "┬")
ASCII = Look("-", "|", "|- ", "`- ", "|  ", "-", "~", ">", "<", "x", ".", ":", "#", ".", "...", "x", "-")

BOLD = "bold"
DIM = "dim"
REQUEST = "cyan"
REPLY = "green"
LOST = "bold red"
DAMAGED = "yellow"
WAITING = "yellow"


def look_for(encoding: str) -> Look:
    """The set that can be printed in this encoding."""
    return LINES if encoding.lower().startswith("utf") else ASCII


def line(*parts: str | tuple[str, str]) -> Text:
    """Pieces behind each other, each a string or a string and its style."""
    text = Text(no_wrap=True)
    for part in parts:
        text.append(part) if isinstance(part, str) else text.append(*part)
    return text


def joined(*texts: Text) -> Text:
    """Texts behind each other on one line."""
    return Text("", no_wrap=True).join(texts)


def fitted(text: Text, width: int, look: Look) -> Text:
    """Exactly so many cells: cut, with dots, or filled up."""
    text = text.copy()
    if text.cell_len > width:
        text.truncate(max(0, width - len(look.dots)))
        text.append(look.dots[:width])
    text.append(" " * (width - text.cell_len))  # also where half of a wide character was cut off
    return text


def with_number(name: Text, number: Text, width: int, look: Look) -> Text:
    """One behind the other, in so many cells at most: the name is cut before the number, of which half says nothing."""
    room = max(0, width - number.cell_len)
    return joined(name if name.cell_len <= room else fitted(name, room, look), number)


def heading(title: str, width: int, look: Look, first: str = "") -> Text:
    """``── title ─────``; ``first`` in the place of the first character."""
    rule = look.rule
    text = line((f"{first or rule}{rule} ", DIM), (title, BOLD), (f" {rule * width}", DIM))
    return fitted(text, width, look._replace(dots="" if heading_fits(title, width) else look.dots))


def heading_fits(title: str, width: int) -> bool:
    """Is there room for all of it, and some rule behind it?"""
    return len(title) + 4 < width


def beside(left: Sequence[Text], right: Sequence[Text], left_width: int, height: int, look: Look) -> list[Text]:
    """Two blocks next to each other, with a wall between them."""
    lines = []
    for number in range(min(height, max(len(left), len(right)))):
        one = left[number] if number < len(left) else Text()
        other = right[number] if number < len(right) else Text()
        lines.append(joined(fitted(one, left_width, look), line((f"{look.wall} ", DIM)), other))
    return lines


def page(lines: Iterable[Text], width: int, height: int, look: Look) -> Text:
    """A whole screen: so many lines of so many cells, the rest cut off."""
    shown = [fitted(each, width, look) for each in list(lines)[:height]]
    return Text("\n", no_wrap=True, overflow="crop", end="").join(shown)
