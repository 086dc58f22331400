"""The legend of a timeline: each sign that it has, and its meaning.

A sign that one must guess is decoration. Which lines a picture has depends on the run; the legend has them all, so that
it is at the same place in each.
"""

from __future__ import annotations

from html import escape

__all__ = ["ROW", "WIDTH", "legend_html", "legend_svg"]

# Pixels, of a sign and its line.
WIDTH, HEIGHT = 22, 12
ROW = 16

_BOX = "M1 11V1h20V11z"
SIGNS = (
    (f'<g class="task"><path class="box" d="{_BOX}"/></g>', "a task"),
    (f'<g class="nursery"><path class="box" d="{_BOX}"/></g>', "a nursery, which holds its tasks"),
    (f'<g class="scope"><path class="box" d="{_BOX}"/></g>', "a marked cancel scope"),
    (f'<g class="attempt"><path class="box" d="{_BOX}"/></g>', "2.1: attempt 1 of request 2, answered"),
    (f'<g class="attempt timed-out"><path class="box" d="{_BOX}"/></g>', "one that timed out"),
    (f'<g class="attempt given-up"><path class="box" d="{_BOX}"/></g>', "one that was given up"),
    ('<g class="attempt undecided"><path class="box" d="M1 12V1h20V12"/></g>', "one that was not decided yet"),
    ('<path class="cancelled" d="M1 6h20"/>', "cancelled at this moment"),
    ('<path class="caught" d="M1 6h20"/>', "and here the cancellation was caught"),
    ('<path class="rest" d="M11 0V11m-4 0h8"/>', "the time left until a deadline"),
    ('<g class="task"><path class="box" d="M1 12V1h20V12"/></g>', "open below: still running at the end"),
)


def legend_svg(x: float, y: float) -> str:
    """A sign and its meaning in each line, from there on down."""
    lines = []
    for row, (sign, meaning) in enumerate(SIGNS):
        top = y + ROW * row
        lines.append(f'<g class="sign" transform="translate({x:.0f} {top:.0f})">{sign}')
        lines.append(f'<text class="caption" x="{WIDTH + 8}" y="10">{escape(meaning)}</text></g>')
    return "\n".join(lines)


def legend_html() -> str:
    """The same, beside each other, for a page that has the style of timelines."""
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return "\n".join(
        f'<span><svg class="timeline sign" aria-hidden="true" {size}>{sign}</svg> {escape(meaning)}</span>'
        for sign, meaning in SIGNS
    )
