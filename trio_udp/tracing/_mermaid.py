"""`mermaid`: a ladder as text that Mermaid draws, on pages where Markdown is shown.

Mermaid knows neither time nor columns: what comes first stands first. Its text has a syntax of its own, and payloads
come from a network; so whatever is not a letter, a digit or harmless is written as a number (``#59;``), and ``end``,
which closes a block anywhere, too. A block must not cut through another, so attempts are in a ``loop`` only where no
other client has a part between the first and the last; elsewhere a note says which attempt it is.

Mermaid draws no more than 50,000 characters (``maxTextSize`` in its configuration), so there are no more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ._ladder import make_ladder
from ._rows import fate, rows
from ._show import plural, shortened, show_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._ladder import Arrow, Asked, Ladder
    from ._rows import Row
    from ._trace import Trace

LONGEST_TEXT = 50_000
MOST_DATAGRAMS = 2000  # as in the picture; there is rarely room for as many
ROOM_AT_THE_END = 200
ARROWS = {"lost": "-x", "not sent": "-x", "unseen": "-)"}


def mermaid(trace: Trace) -> str:
    """The ladder diagram of a trace, as the text of a Mermaid sequence diagram.

    ``->>`` is a datagram, ``-x`` one that was lost, ``-->>`` a second copy, ``-)`` one that nobody saw arrive. As
    many as Mermaid takes are in it, and a note says how many are not.

    Returns:
      lines, each with a newline at its end; the first is ``sequenceDiagram``.
    """
    ladder = make_ladder(trace, MOST_DATAGRAMS)
    text = ["sequenceDiagram\n"]
    for number, lifeline in enumerate(ladder.lifelines):
        text.append(f"    participant p{number} as {_escaped(shortened(lifeline.name, 40))}\n")
    size = sum(map(len, text)) + ROOM_AT_THE_END
    drawn = depth = 0
    for lines, datagrams, change in _blocks(ladder):
        size += len(lines) + 8 * max(change, 0)
        if size > LONGEST_TEXT:
            break
        drawn += datagrams
        depth += change
        text.append(lines)
    text += ["    end\n"] * depth
    if drawn < len(ladder.arrows) or ladder.left_out:
        text.append(f"    note over p0: Only the first {plural(drawn, 'datagram')} of the recording\n")
    return "".join(text)


def _blocks(ladder: Ladder) -> Iterator[tuple[str, int, int]]:
    """Lines, how many datagrams they are, and how much deeper in blocks whatever follows is."""
    happenings = rows(ladder)
    begins, ends = _loops(happenings)
    for number, row in enumerate(happenings):
        if number in begins:
            asked = begins[number]
            attempts = len(asked.request.attempts)
            yield f"    loop request {asked.request.number}, {plural(attempts, 'attempt')}\n", 0, 1
        if row.arrow is not None:
            yield _message(row.arrow), 1, 0
        elif row.asked is None or not _goes_without_saying(row):
            yield f"    note over p{row.lifeline}: {_escaped(row.note)}\n", 0, 0
        if number in ends:
            yield "    end\n", 0, -1


def _goes_without_saying(row: Row) -> bool:
    """A first attempt, and an answer, are what one sees anyway."""
    return ", attempt 1:" in row.note if row.waits > 0 else ": answered" in row.note


def _message(arrow: Arrow) -> str:
    travel = arrow.travel
    sign = ARROWS.get(travel.outcome, "-->>" if travel.is_copy else "->>")
    became = fate(travel)
    text = show_data(travel.data) + (f", {became}" if became else "")
    return f"    p{arrow.source}{sign}p{arrow.destination}: {_escaped(text)}\n"


def _loops(happenings: list[Row]) -> tuple[dict[int, Asked], set[int]]:
    """At which rows a loop begins, and for what, and after which one ends."""
    spans: dict[int, tuple[Asked, int, int]] = {}
    for number, row in enumerate(happenings):
        if row.asked is not None and len(row.asked.request.attempts) > 1:
            _, first, _ = spans.get(id(row.asked), (row.asked, number, number))
            spans[id(row.asked)] = (row.asked, first, number)
    undisturbed = [
        (asked, first, last)
        for asked, first, last in spans.values()
        if first < last and not any(_disturbs(row, asked) for row in happenings[first : last + 1])
    ]
    return {first: asked for asked, first, _ in undisturbed}, {last for _, _, last in undisturbed}


def _disturbs(row: Row, asked: Asked) -> bool:
    """It is another request's."""
    if row.asked is not None:
        return row.asked is not asked
    return row.arrow is not None and row.arrow.client_asks and row.arrow.client != asked.lifeline


def _escaped(text: str) -> str:
    coded = re.sub(r"[^A-Za-z0-9 .,()_/+-]", lambda found: f"#{ord(found[0])};", text)
    return re.sub(r"\be(?=nd\b)", lambda found: f"#{ord(found[0])};", coded, flags=re.IGNORECASE) or "#32;"
