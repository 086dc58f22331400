"""What every live view has, and how it fits a screen of any size.

From top to bottom: what this is, folded where a line is too short for it, and its time; the tree of tasks beside the
totals; a row for each client; what was said last. Where there is not enough room the tree and the rows share it; what
was said last has the few lines that it was promised, if there are as many as on an ordinary terminal, or else goes
without. On a narrow terminal the totals become a few words. They are numbers, and a tree has names, which can be cut:
where both cannot be as wide as they should, it is the tree that is not.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from ._live_look import BOLD, Look, beside, fitted, heading, joined, line, page
from ._live_scroll import Scroll, shown_lines
from ._live_tree import fitting, size, tree_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.text import Text

    from ._live_tree import Node

# Cells. With fewer, tree and totals do not stand beside each other.
NARROW = 64

# Cells that the totals of a server have at least: the handlers at an address, a thousand of them, have room beside it.
SERVER_TOTALS = 33

# Cells that the tree has at least beside them.
LEAST_TREE = 28

# Of the lines of a screen one in so many can be of its title.
TITLES = 3

# Lines of the tree with which it still says something.
ENOUGH = 10

# Lines of a screen, but for its title and headings, and two that keys may have, with which it is an ordinary one: 24.
ORDINARY = 19


class Page(NamedTuple):
    """What is to be shown.

    Args:
      title: what this is.
      elapsed: its time, in seconds.
      tree: nurseries and tasks.
      totals: one thing a line.
      totals_width: cells that they have at least.
      in_short: the totals in a few words.
      rows: how many rows there are.
      draw_rows: their heading, and as many of them as fit, from the number of rows and cells that there are.
      story_title: whose words follow.
      story: lines, the latest last.
      bottom: the last lines of the screen.
      story_lines: how many of the story are shown at least, on an ordinary screen.
      scroll: which lines are shown where not all have room; the first unless given.
    """

    title: str
    elapsed: float
    tree: Sequence[Node]
    totals: Sequence[Text]
    totals_width: int
    in_short: str
    rows: int
    draw_rows: Callable[[int, int], list[Text]]
    story_title: str
    story: Sequence[str]
    bottom: Sequence[Text] = ()
    story_lines: int = 0
    scroll: Scroll | None = None


def draw_server(
    title: str,
    elapsed: float,
    tree: Sequence[Node],
    totals: Sequence[str],
    said: Sequence[str],
    rows: int,
    draw_rows: Callable[[int, int], list[Text]],
    width: int,
    height: int,
    look: Look,
) -> Text:
    """The whole screen of a server or a relay, whose totals and last words are lines of text; see `Page`."""
    in_short = totals[0] if totals else ""
    shown = [line(text) for text in totals]
    what = Page(title, elapsed, tree, shown, SERVER_TOTALS, in_short, rows, draw_rows, "what was said", said)
    return draw_page(what, width, height, look)


class Share(NamedTuple):
    """How many lines each part has, without its heading, and a view of the tree for them."""

    top: int
    rows: int
    story: int
    tree: Sequence[Node]


def share(room: int, tree: Sequence[Node], totals: int, rows: int, story: int = 0) -> Share:
    """Divide the lines: all rows, if enough are left for the top; else half; what is left over is the story's.

    So many lines of the story come first, with its heading, where there is an ordinary number of lines.
    """
    if story and room >= ORDINARY:
        rest = share(room - story - 1, tree, totals, rows)
        unused = room - story - 1 - rest.top - rest.rows
        return rest._replace(story=story + unused)
    for_rows = min(rows, max((room + 1) // 2, room - ENOUGH))
    tree = fitting(tree, room - for_rows)
    top = min(max(size(tree) or 1, totals), room - for_rows)
    for_rows = min(rows, room - top)
    left_over = room - top - for_rows - 1  # it has a heading, too
    return Share(top, for_rows, max(0, left_over), tree)


def draw_page(what: Page, width: int, height: int, look: Look) -> Text:
    """The whole screen: so many lines of so many cells."""
    height_above = max(0, height - len(what.bottom))
    title = _title(what, width, height, look)
    room, totals = max(0, height_above - len(title) - 2), 0 if width < NARROW else len(what.totals)
    lines_of = share(room, what.tree, totals, what.rows, what.story_lines)
    lines = [*title, *_top(what, lines_of, width, look)]
    lines += what.draw_rows(lines_of.rows, width)
    if lines_of.story:
        lines.append(heading(what.story_title, width, look))
        lines += map(line, what.story[-lines_of.story :])
    lines += [line()] * (height_above - len(lines))
    return page([*lines[:height_above], *what.bottom], width, height, look)


def _title(what: Page, width: int, height: int, look: Look) -> list[Text]:
    """Folded at words where it is too long: it says what the network does, or who is served."""
    time = f" {what.elapsed:.3f} s"
    room = max(0, width - len(time))
    first, *others = wrap(
        what.title,
        max(width, len(time) + len(look.dots)),
        initial_indent=" " * len(time),
        break_on_hyphens=False,
        max_lines=max(1, height // TITLES),
        placeholder=look.dots,
    )
    first = first[len(time) :]
    return [
        joined(fitted(line((first, BOLD)), room, look), line((time, BOLD))),
        *(line((each, BOLD)) for each in others),
    ]


def _top(what: Page, lines_of: Share, width: int, look: Look) -> list[Text]:
    scroll = what.scroll or Scroll()
    keys = "" if 0 < lines_of.rows < what.rows else scroll.keys  # or else it is said below the rows
    if width < NARROW:
        tree = tree_lines(lines_of.tree, width, lines_of.top, look, scroll, keys)
        return [heading(what.in_short, width, look), *tree]
    right = _totals_width(what, width)
    left = width - right
    tree = tree_lines(lines_of.tree, left, lines_of.top, look, scroll, keys)
    headings = joined(heading("nurseries and tasks", left, look), heading("totals", right, look, look.down))
    totals = shown_lines(what.totals, right - 2, lines_of.top, scroll, look)
    return [headings, *beside(tree, totals, left, lines_of.top, look)]


def _totals_width(what: Page, width: int) -> int:
    """With the wall on their left."""
    needed = 2 + max((each.cell_len for each in what.totals), default=0)
    return min(max(what.totals_width, needed), width - LEAST_TREE)
