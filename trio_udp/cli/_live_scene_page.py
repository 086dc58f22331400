"""How the live view of the demo looks: a row for each client, with its attempt, its deadline, and its lane.

Where there is not room for all, those that are not done come first, and keys scroll to the others (`Scroll`). On a
narrow terminal an attempt is told in fewer words, and its deadline has no bar: the lane needs what is left.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ._live_lane import draw_lane, draw_places
from ._live_look import BOLD, DIM, LOST, REPLY, WAITING, Look, fitted, heading, joined, line
from ._live_page import NARROW, Page, draw_page
from ._live_scroll import Scroll, not_shown
from ._story import TO_CLIENT, TO_SERVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from ._live_scene import Asking, Scene
    from ._live_tree import Node

# Cells.
TOTALS = 30
BAR = 10
ATTEMPT = 31  # "attempt 12 ██████████  0.12 s  "
ATTEMPT_IN_SHORT = 12  # "#12 0.12 s  "

STORY_LINES = 4  # at least, on an ordinary terminal

# Of what happened, one after the other, as long as the line has no room. What is lost on its way back is still a reply.
FEWER_WORDS = (
    (" has the reply to ", " reply to "),
    (" hears nothing: ", " "),
    (" on its way to the server", ""),
    (" on its way back", ""),
    (" the reply to ", " reply to "),
    (" passes the relay", " at the relay"),
    (" reply to request ", " reply "),
    (" attempt ", " #"),
)

STYLES = {"done": REPLY, "answered": REPLY, "gave up": LOST, "timed out": WAITING}


def draw_scene(
    scene: Scene,
    tree: Sequence[Node],
    now: float,
    width: int,
    height: int,
    look: Look,
    title: str,
    keys: str = "",
    scroll: Scroll | None = None,
) -> Text:
    """The whole screen.

    Args:
      scene: what has happened.
      tree: nurseries and tasks.
      now: seconds, on the clock of the events.
      width: cells.
      height: lines.
      look: what it is drawn with.
      title: what stands in the first line.
      keys: what may be pressed, for the last line, if anything may; above it stands what has happened last.
      scroll: which lines are shown where there is not room for all; the first unless given.
    """
    scroll = scroll or Scroll()
    scroll.measure()
    what = Page(
        title,
        now - scene.started,
        tree,
        totals_lines(scene),
        TOTALS,
        totals_in_short(scene),
        len(scene.clients),
        lambda height, width: client_lines(scene, now, height, width, look, scroll),
        "what happened",
        [told_in(width, told, look) for told in list(scene.lines)[-height:]],
        [
            line(("now ", DIM), (told_in(width - len("now "), scene.latest, look), BOLD)),
            line((keys.ljust(width), "reverse")),
        ]
        if keys
        else (),
        STORY_LINES,
        scroll,
    )
    screen = draw_page(what, width, height, look)
    scroll.measured()
    return screen


def told_in(width: int, text: str, look: Look) -> str:
    """What happened, in so many cells: in fewer words, or else without the last of them; half a number is another."""
    for words, fewer in FEWER_WORDS:
        if len(text) <= width:
            return text
        text = text.replace(words, fewer)
    if len(text) <= width:
        return text
    kept = text[: width + 1]
    while kept and (len(kept) + len(look.dots) > width or kept[-1].isdigit()):
        kept = kept.rpartition(" ")[0].rstrip()
    return kept + look.dots


# -- the totals ------------------------------------------------------------------------------------------------------


def totals_lines(scene: Scene) -> list[Text]:
    """The running totals, one thing a line."""
    story = scene.story
    rows = [
        ("answered", f"{story.answered}", REPLY, f" of {len(scene.clients) * scene.requests}"),
        ("attempts", f"{story.attempts}", "", ""),
        ("timed out", f"{story.timed_out}", WAITING, ""),
        ("lost to the server", f"{story.lost[TO_SERVER]}", LOST, ""),
        ("lost to the clients", f"{story.lost[TO_CLIENT]}", LOST, ""),
    ]
    if story.damaged:
        rows.append(("damaged", f"{story.damaged}", WAITING, ""))
    return [line(f"{name:<20}", (number, style), more) for name, number, style, more in rows]


def totals_in_short(scene: Scene) -> str:
    """The same in a few words."""
    story, asked = scene.story, len(scene.clients) * scene.requests
    return f"{story.answered}/{asked} answered, {sum(story.lost.values())} lost"


# -- the clients -----------------------------------------------------------------------------------------------------


def client_lines(scene: Scene, now: float, height: int, width: int, look: Look, scroll: Scroll) -> list[Text]:
    """Their heading, and as many as there is room for: those first that are not done."""
    numbers = list(scene.clients)
    if len(numbers) > height:
        numbers.sort(key=lambda number: (scene.clients[number].outcome == "done", number))
    window = scroll.window(len(numbers), height)
    shown = numbers[window]
    left, lane = _widths(scene, width)
    lines = [joined(heading("clients", left - 1, look), line(" "), draw_places(lane, look))]
    for number in shown:
        asking = scene.clients[number]
        who = _who_line(scene, number, narrow=width < NARROW, now=now, look=look)
        lines.append(joined(fitted(who, left, look), draw_lane(asking.lane, now, lane, look)))
    if len(shown) < min(height, len(numbers)):
        others = [scene.clients[number] for number in numbers if number not in shown]
        lines.append(_others(others, window.start, scroll.keys, width, look))
    return lines


def _widths(scene: Scene, width: int) -> tuple[int, int]:
    """Cells for what is told of a client, and for its lane: nothing moves when a deadline comes or goes."""
    name, at = _columns(scene)
    left = name + 2 + at + 2 + (ATTEMPT_IN_SHORT if width < NARROW else ATTEMPT)
    return left, max(0, width - left)


def _columns(scene: Scene) -> tuple[int, int]:
    return len(f"client {len(scene.clients)}"), len(f"{scene.requests}/{scene.requests}")


def _who_line(scene: Scene, number: int, *, narrow: bool, now: float, look: Look) -> Text:
    asking = scene.clients[number]
    name, at = _columns(scene)
    who = (f"{f'client {number}':<{name}}  ", BOLD)
    return joined(
        line(who, f"{f'{asking.request}/{scene.requests}':>{at}}  "),
        attempt_line(asking, now, narrow=narrow, look=look),
    )


def _others(clients: list[Asking], above: int, keys: str, width: int, look: Look) -> Text:
    outcomes = Counter(client.outcome for client in clients)
    how = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    more = f"{look.dots} {len(clients)} more"
    others = f"{more}, {above} of them above" if above else more
    return not_shown((f"{others}: {how}", others, more), keys, width)


def attempt_line(asking: Asking, now: float, *, narrow: bool, look: Look) -> Text:
    """Which attempt it is, and its deadline counting down; or how it ended."""
    remaining = asking.remaining(now)
    if remaining is None:
        return line((asking.outcome, STYLES.get(asking.outcome, DIM)))
    time = f"{remaining:.2f} s" if remaining < 1000 else f"{remaining:.0f} s"
    if narrow:
        return line(f"#{asking.attempt} ", (time, WAITING))
    share = remaining / asking.timeout if asking.timeout else 0.0
    full = round(share * BAR)
    bar = (look.full * full, WAITING), (look.spent * (BAR - full), DIM)
    return line(f"attempt {asking.attempt:<2} ", *bar, f" {time:>7}")
