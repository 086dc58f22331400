"""`Scroll`: how far down somebody has gone where not everything fits on the screen.

The tree, the totals and the clients are cut off each on its own, and keys for each of them would be more keys than
anybody wants to learn. So all go down together, each as far as there is something below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._live_look import BOLD, DIM, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from ._live_look import Look


class Scroll:
    """Which lines are shown where there is not room for all.

    Args:
      keys: what is said about how to see the others; nothing if there is no way.

    ``first`` is the first line that is shown, ``most`` where it stands when the end of everything is, as it was drawn
    last. ``needed`` is set as soon as something was cut off.
    """

    def __init__(self, keys: str = "") -> None:
        self.keys = keys
        self.first = 0
        self.most = 0
        self.needed = trio.Event()

    def by(self, lines: int) -> None:
        """Further down, or up."""
        self.first = min(max(0, self.first + lines), self.most)

    def measure(self) -> None:
        """The screen is drawn anew."""
        self.most = 0

    def measured(self) -> None:
        """It was; and it may be larger than before."""
        self.first = min(self.first, self.most)

    def window(self, lines: int, height: int) -> slice:
        """Which of so many are shown: one less than there is room for if that is not all, as it has to be said."""
        if height <= 0 or lines <= height:
            return slice(0, min(lines, max(0, height)))
        room = max(height - 1, 1 if self.keys else 0)
        self.most = max(self.most, lines - room)
        self.needed.set()
        first = min(self.first, lines - room)
        return slice(first, first + room)


def shown_lines(
    lines: Sequence[Text], width: int, height: int, scroll: Scroll, look: Look, keys: str = ""
) -> list[Text]:
    """Those that are shown, and in the last line how many are not, and the keys, if any are to be said."""
    window = scroll.window(len(lines), height)
    shown = list(lines[window])
    if 0 < height != len(shown) and len(shown) < len(lines):
        more = f"{look.dots} {len(lines) - len(shown)} more"
        above = f", {window.start} above" if window.start else ""
        shown.append(not_shown((f"{more} lines{above}", f"{more} lines", more), keys, width))
    return shown


def not_shown(wordings: Sequence[str], keys: str, width: int) -> Text:
    """What is not, in the first of these wordings that has room beside the keys, or else in the last."""
    keys = "    " + keys if keys else ""
    words = next((words for words in wordings if len(words + keys) <= width), wordings[-1])
    return line((words, DIM), (keys, BOLD))
