"""`Loops`: the requests of one client that were sent more than once, in the picture of a ladder, around their attempts.

In a sequence diagram a loop is a frame with a condition, which is drawn once, whatever became of each turn. But here
time goes down and every attempt has a place of its own, so going back up would be a lie. So a loop is a bracket around
all attempts of a request, and between two of them an arrow goes round: out where one has ended, and in again where the
next begins. There are as many of those as the request was sent *again*.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ._beside import BESIDE, HOOK, TRACK, beside, tracks
from ._show import plural, show_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._requests import Request

ROUND = 5.0  # the radius of a turn; pixels, as all lengths
REACH = 15.0
HEAD = 4.0


class Loop(NamedTuple):
    """A request, whose task it is, and from where to where in the picture each of its attempts goes."""

    request: Request
    task: int | None
    spans: Sequence[tuple[float, float]]

    @property
    def span(self) -> tuple[float, float]:
        """From the first attempt's start to the last one's end."""
        return self.spans[0][0], self.spans[-1][1]


def room_for_loops(loops: Sequence[Loop]) -> float:
    """What they need on the left of all else."""
    return TRACK * max(tracks(loop.span for loop in loops)) + HOOK + BESIDE if loops else 0.0


def draw_loops(loops: Sequence[Loop], x: float, inside: float, client: str) -> Iterator[str]:
    """Each in a group of its own, of the client with this name: from ``inside``, where attempts are, out to ``x``."""
    places = tracks(loop.span for loop in loops)
    for loop, track in zip(loops, places, strict=True):
        left, (top, bottom) = x - TRACK * track, loop.span
        text = f"loop request {loop.request.number}: {plural(len(loop.request.attempts), 'attempt')}"
        outcome = loop.request.attempts[-1].outcome
        task = "" if loop.task is None else f' data-task="{loop.task}"'
        yield f'<g class="request"{task} data-client="{escape(client)}">'
        yield f"<title>{escape(f'{text}, {show_text(outcome)}' if outcome else text)}</title>"
        yield from draw_loop(left - HOOK, inside, loop.spans)
        if not any(places):
            yield from beside(left - HOOK - 4, top, bottom, text)
        yield "</g>"


def draw_loop(x: float, inside: float, spans: Sequence[tuple[float, float]]) -> Iterator[str]:
    """The bracket around attempts, and its arrows."""
    (top, _), (_, bottom) = spans[0], spans[-1]
    yield f'<path class="bracket" d="M{x + HOOK:.1f} {top + 1:.1f}H{x:.1f}V{bottom - 1:.1f}h{HOOK}"/>'
    for (_, ended), (began, _) in pairwise(spans):
        yield _again(x, inside, ended, began)


def _again(x: float, inside: float, ended: float, began: float) -> str:
    """Round, and in again, with a head."""
    out = f"M{inside - HEAD:.1f} {ended - ROUND:.1f}H{x + ROUND:.1f}a{ROUND} {ROUND} 0 0 0 {-ROUND} {ROUND}"
    back = f"V{began:.1f}a{ROUND} {ROUND} 0 0 0 {ROUND} {ROUND}H{inside - HEAD:.1f}"
    head = f"M{inside:.1f} {began + ROUND:.1f}l{-HEAD} -2.4v4.8z"
    return f'<path class="again" d="{out}{back}"/><path class="head" d="{head}"/>'
