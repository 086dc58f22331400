"""`mermaid`: a ladder as text that Mermaid draws, on pages where Markdown is shown.

Mermaid knows neither time nor columns: what comes first stands first. Its text has a syntax of its own, and payloads
come from a network; so whatever is not a letter, a digit or harmless is written as a number (``#59;``), and ``end``,
which closes a block anywhere, too.

A request that was sent again is a ``loop`` around its attempts. Whatever other clients do meanwhile is inside as well,
their loops too; but a block must not cut through another one. So where two loops would, as with clients that begin one
after the other and end in that order, the shorter one is drawn, and of the other one notes say which attempt it is.

Mermaid draws no more than 50,000 characters (``maxTextSize`` in its configuration), so there are no more.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ._ladder import make_ladder
from ._rows import fate, rows, words_of_loop
from ._show import plural, shortened, show_data
from ._trace import what_is_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._ladder import Arrow, Ladder
    from ._rows import Row
    from ._trace import Trace

LONGEST_TEXT = 50_000
MOST_DATAGRAMS = 2000  # as in the picture; there is rarely room for as many
ROOM_AT_THE_END = 200
ARROWS = {"lost": "-x", "not sent": "-x", "unseen": "-)"}


def mermaid(trace: Trace) -> str:
    """The ladder diagram of a trace, as the text of a Mermaid sequence diagram.

    ``->>`` is a datagram, and how long it took: on real sockets, where nobody tells of its arrival, until it was read;
    ``-x`` one that was lost, ``-->>`` a second copy, ``-)`` one that nobody has read. A request that was sent again
    is in a ``loop``, unless a shorter loop of another client would cut through it. As many datagrams as Mermaid takes
    are in it; a note says how many those are, and another one if the recording was full.

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
    if trace.forgotten and ladder.lifelines:
        text.append(f"    note over p0: {_escaped(what_is_forgotten(trace))}\n")
    return "".join(text)


def _blocks(ladder: Ladder) -> Iterator[tuple[str, int, int]]:
    """Lines, how many datagrams they are, and how much deeper in blocks whatever follows is."""
    happenings = rows(ladder)
    ends = _loops(happenings)
    after = Counter(ends.values())
    several = len({row.lifeline for row in happenings if row.asked is not None}) > 1
    for number, row in enumerate(happenings):
        if row.arrow is not None:
            yield _message(row.arrow), 1, 0
        elif number in ends and row.asked is not None:
            whose = f"{_escaped(shortened(ladder.lifelines[row.lifeline].name, 40))}, " if several else ""
            yield f"    loop {whose}{words_of_loop(row.asked)}\n", 0, 1
        elif not _goes_without_saying(row):
            yield f"    note over p{row.lifeline}: {_escaped(row.note)}\n", 0, 0
        for _ in range(after[number]):
            yield "    end\n", 0, -1


def _goes_without_saying(row: Row) -> bool:
    """The only attempt, and an answer, are what one sees anyway."""
    if row.attempt is None or row.asked is None:
        return False
    return len(row.asked.request.attempts) == 1 if row.change > 0 else row.attempt.outcome == "answered"


def _message(arrow: Arrow) -> str:
    travel = arrow.travel
    sign = ARROWS.get(travel.outcome, "-->>" if travel.is_copy else "->>")
    became = fate(travel)
    text = show_data(travel.data) + (f", {became}" if became else "")
    return f"    p{arrow.source}{sign}p{arrow.destination}: {_escaped(text)}\n"


def _loops(happenings: list[Row]) -> dict[int, int]:
    """At which rows a loop begins, and after which that one ends: the shorter first, and none that cuts through one."""
    begins = {id(row.asked): number for number, row in enumerate(happenings) if row.is_loop}
    lasts = {id(row.asked): number for number, row in enumerate(happenings) if id(row.asked) in begins}
    loops: dict[int, int] = {}
    for first, last in sorted(
        ((begins[one], lasts[one]) for one in begins), key=lambda ends: (ends[1] - ends[0], ends)
    ):
        if not any(_cuts_through(first, last, *other) for other in loops.items()):
            loops[first] = last
    return loops


def _cuts_through(first: int, last: int, begins: int, ends: int) -> bool:
    return first < begins <= last < ends or begins < first <= ends < last


def _escaped(text: str) -> str:
    coded = re.sub(r"[^A-Za-z0-9 .,()_/+-]", lambda found: f"#{ord(found[0])};", text)
    return re.sub(r"\be(?=nd\b)", lambda found: f"#{ord(found[0])};", coded, flags=re.IGNORECASE) or "#32;"
