"""The legends: each sign of the pictures, and its meaning.

A sign that one must guess is decoration, and so is one that does not occur. So there are only those that do, found in
what was drawn: of a timeline that stands alone below it, and of both pictures of a page, where one that means the same
in both is told once. They are drawn by the functions, and have the classes, that
the pictures have.
"""

from __future__ import annotations

import re
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ._arrows import draw_arrow
from ._brackets import draw_bracket, draw_handler, draw_refusal
from ._loops import draw_loop
from ._travel import Travel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._travel import Outcome

__all__ = ["ROW", "SIGNS", "WIDTH", "legend_html", "legend_svg", "occurring"]

# Pixels, of a sign and its line.
WIDTH, HEIGHT = 22, 12
ROW = 16
ARROW, BRACKET = 34, 13  # the widths of signs with these
TALL = 16  # the height of one with something, and what is below it


class Sign(NamedTuple):
    """``seen`` is a regular expression that finds it in a picture."""

    seen: str
    drawing: str
    meaning: str
    width: int = WIDTH
    height: int = HEIGHT


_NUMBER = r"[^>]*>\d+\.\d+[:<]"  # what is short for its name
_BOX = "M1 11V1h20V11z"
NUMBER = "attempt 1 of request 2"
ANSWERED, TIMED_OUT, REFUSED = "an attempt: answered", "an attempt: timed out", "an attempt: refused"
GIVEN_UP, UNDECIDED = "an attempt: given up", "an attempt: not decided yet"
TIME_LEFT, LATER = "the time left until a deadline", "time left until a deadline that is further down"

SIGNS = (
    Sign('"bar task"', f'<g class="task"><path class="box" d="{_BOX}"/></g>', "a task"),
    Sign('"bar nursery"', f'<g class="nursery"><path class="box" d="{_BOX}"/></g>', "a nursery, which holds its tasks"),
    Sign('"bar scope"', f'<g class="scope"><path class="box" d="{_BOX}"/></g>', "a marked cancel scope"),
    Sign('"bar attempt"', f'<g class="attempt"><path class="box" d="{_BOX}"/></g>', ANSWERED),
    Sign('"bar attempt timed-out"', f'<g class="attempt timed-out"><path class="box" d="{_BOX}"/></g>', TIMED_OUT),
    Sign(
        '"bar attempt refused"',
        f'<g class="attempt refused"><path class="box" d="{_BOX}"/>{draw_refusal(11, 6)}</g>',
        REFUSED,
    ),
    Sign('"bar attempt given-up"', f'<g class="attempt given-up"><path class="box" d="{_BOX}"/></g>', GIVEN_UP),
    Sign(
        '"bar attempt undecided"', '<g class="attempt undecided"><path class="box" d="M1 12V1h20V12"/></g>', UNDECIDED
    ),
    Sign(rf'"number"{_NUMBER}', '<text class="number" x="11" y="10">2.1</text>', NUMBER),
    Sign('"cancelled"', '<path class="cancelled" d="M1 6h20"/>', "cancelled at this moment"),
    Sign('"caught"', '<path class="caught" d="M1 6h20"/>', "and here the cancellation was caught"),
    Sign(
        '"until"',
        '<g class="task"><path class="box" d="M1 0V4h20V0"/></g>'
        '<path class="rest" d="M11 5V14"/><path class="until" d="M7 14h8"/>',
        TIME_LEFT,
        height=TALL,
    ),
    Sign(
        '"later"',
        '<g class="task"><path class="box" d="M1 0V4h20V0"/></g>'
        '<path class="rest" d="M11 5V14"/><path class="later" d="M8 10l3 4 3-4"/>',
        LATER,
        height=TALL,
    ),
    Sign(
        '"box" d="[^"z]*"',
        '<g class="task"><path class="box" d="M1 12V1h20V12"/></g>',
        "open below: still running at the end",
    ),
)


def _arrow(kinds: str, outcome: Outcome = "arrived", *, is_back: bool = False) -> str:
    travel = Travel(0, ("", 0), ("", 0), b"", 0.0, outcome=outcome)
    ends = [(1.0, 4.0), (ARROW - 1.0 if outcome != "lost" else ARROW - 8.0, 8.0)]
    if is_back:
        ends = [(ARROW - 1.0, 4.0), (1.0, 8.0)]
    return f'<g class="datagram{kinds}">{"".join(draw_arrow(travel, *ends))}</g>'


def _bracket(fate: str, *, is_open: bool = False, rest: float | None = None) -> str:
    shape = draw_bracket(9, 0, 12 if rest is None else 7, is_timeout=fate == " timed-out", is_open=is_open, rest=rest)
    if fate == " refused":
        shape = chain(shape, [draw_refusal(10, 9)])
    return f'<g class="attempt{fate}">{"".join(shape)}</g>'


def _handler(fate: str) -> str:
    return f'<g class="handler{fate}">{"".join(draw_handler(4, 0.5, 9 if fate else 11.5, fate))}</g>'


_LOOP = f'<g class="request" transform="scale(.7)">{"".join(draw_loop(1, 17, [(0, 8.5), (8.5, 17)]))}</g>'

# The rest of the beginning of an arrow whose line is solid: one that is dotted has not been seen to arrive.
_ARRIVED = r'[^>]*>\s*<title>[^<]*</title>\s*<path class="hit"[^>]*>\s*<path class="line"'

LADDER_SIGNS = (
    Sign(f'"datagram"{_ARRIVED}', _arrow(""), "a datagram, and how long it took", ARROW),
    Sign(f'"datagram answer"{_ARRIVED}', _arrow(" answer", is_back=True), "what goes back: a reply", ARROW),
    Sign('"datagram[^"]* lost', _arrow(" lost", "lost"), "lost", ARROW),
    Sign('"datagram[^"]* dropped', _arrow(" dropped", "dropped"), "dropped where it arrived", ARROW),
    Sign('"mark"', _arrow(" ignored", "ignored"), "arrived, and not believed", ARROW),
    Sign('"datagram[^"]* copy', _arrow(" copy"), "a second copy", ARROW),
    Sign('"line guess"', _arrow("", "unseen"), "an end that nobody has seen", ARROW),
    Sign('"handler"', _handler(""), "a handler at work", BRACKET),
    Sign('"handler raised"', _handler(" raised"), "a handler that raised", BRACKET),
    Sign('"handler cancelled"', _handler(" cancelled"), "a handler that was cancelled", BRACKET),
    Sign('"attempt"', _bracket(""), ANSWERED, BRACKET),
    Sign('"attempt timed-out"', _bracket(" timed-out"), TIMED_OUT, BRACKET),
    Sign('"attempt refused"', _bracket(" refused"), REFUSED, BRACKET),
    Sign('"attempt given-up"', _bracket(" given-up"), GIVEN_UP, BRACKET),
    Sign('"attempt undecided"', _bracket(" undecided", is_open=True), UNDECIDED, BRACKET),
    Sign(
        rf'"beside"{_NUMBER}',
        '<g class="attempt"><text class="beside" x="7" y="10">2.1</text></g>',
        NUMBER,
        BRACKET + 2,
    ),
    Sign('"bracket rest"', _bracket("", rest=TALL), TIME_LEFT, BRACKET, TALL),
    Sign('"request"', _LOOP, "a loop: one request, and each time that it is sent again", BRACKET),
    Sign('"silence"', '<path class="cut" d="M6 0V12"/>', "a long silence, cut out", BRACKET),
)


def occurring(drawn: str) -> list[Sign]:
    """The signs of this timeline."""
    return _occurring(SIGNS, drawn)


def legend_svg(signs: Iterable[Sign], x: float, y: float) -> str:
    """A sign of a timeline and its meaning in each line, from there on down."""
    lines = []
    for row, sign in enumerate(signs):
        top = y + ROW * row
        lines.append(f'<g class="sign" transform="translate({x:.0f} {top:.0f})">{sign.drawing}')
        lines.append(f'<text class="caption" x="{WIDTH + 8}" y="10">{escape(sign.meaning)}</text></g>')
    return "\n".join(lines)


def legend_html(ladder: str, timelines: str) -> str:
    """What occurs in these pictures, for a page that has the styles of both; nothing if nothing does."""
    signs: dict[str, str] = {}
    for style, drawn, every in (("ladder", ladder, LADDER_SIGNS), ("timeline", timelines, SIGNS)):
        for sign in _occurring(every, drawn):
            size = f'width="{sign.width}" height="{sign.height}" viewBox="0 0 {sign.width} {sign.height}"'
            tall = " tall" * (sign.height > HEIGHT)
            picture = f'<svg class="{style} sign{tall}" aria-hidden="true" {size}>{sign.drawing}</svg>'
            signs[sign.meaning] = signs.get(sign.meaning, "") + picture
    if not signs:
        return ""
    lines = "\n".join(f"<span>{drawing} {escape(meaning)}</span>" for meaning, drawing in signs.items())
    return (
        f'<details id="legend" open><summary>What the signs mean</summary><div class="legend">{lines}</div></details>'
    )


def _occurring(signs: Iterable[Sign], drawn: str) -> list[Sign]:
    """Nothing that others have written looks like a class: in a picture, quotes are escaped."""
    return [sign for sign in signs if re.search(f"class={sign.seen}", drawn)]
