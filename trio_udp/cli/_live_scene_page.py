"""How the live view of the demo looks: a `Scene` and a tree become a screen of any size.

From top to bottom: what this is, and its time; the tasks beside the totals; a line for each client; what happened last.
Where there is not enough room, the tree and the clients share it, and what happened last goes without. On a narrow
terminal the totals become one line, and attempts are told in fewer words.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ._live_lane import draw_lane, draw_places
from ._live_look import BOLD, DIM, LOST, REPLY, WAITING, Look, beside, fitted, heading, joined, line, page
from ._live_tree import fitting, size, tree_lines
from ._story import TO_CLIENT, TO_SERVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from ._live_scene import Asking, Scene
    from ._live_tree import Node

# Cells.
TOTALS = 30
NARROW = 64
BAR = 10

# Lines of the tree with which it still says something.
ENOUGH = 10

STYLES = {"done": REPLY, "answered": REPLY, "gave up": LOST, "timed out": WAITING}


class Rows(NamedTuple):
    """How many lines each part has, without its heading."""

    top: int
    clients: int
    story: int


def share(room: int, tree: Sequence[Node], totals: int, clients: int) -> Rows:
    """Divide the lines: all clients, if so many are left for the top; else half; what is left over is the story's."""
    for_clients = min(clients, max((room + 1) // 2, room - ENOUGH))
    top = min(max(size(fitting(tree, room - for_clients)) or 1, totals), room - for_clients)
    for_clients = min(clients, room - top)
    left_over = room - top - for_clients - 1  # it has a heading, too
    return Rows(top, for_clients, max(0, left_over))


def draw_scene(
    scene: Scene, tree: Sequence[Node], now: float, width: int, height: int, look: Look, title: str, keys: str = ""
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
    """
    bottom = [line((scene.latest, BOLD)), fitted(line((keys, "reverse")), width, look)] if keys else []
    totals = totals_lines(scene) if width >= NARROW else []
    rows = share(max(0, height - 3 - len(bottom)), tree, len(totals), len(scene.clients))
    lines = [title_line(title, now - scene.started, width, look)]
    lines += _top(tree, totals or [totals_line(scene)], rows.top, width, look)
    lines += _clients(scene, now, rows.clients, width, look)
    if rows.story:
        lines.append(heading("what happened", width, look))
        lines += map(line, list(scene.lines)[-rows.story :])
    lines += [line()] * (height - len(bottom) - len(lines))
    return page(lines[: height - len(bottom)] + bottom, width, height, look)


def title_line(title: str, elapsed: float, width: int, look: Look) -> Text:
    """What this is, and its time at the right."""
    time = f" {elapsed:.3f} s"
    return joined(fitted(line((title, BOLD)), max(0, width - len(time)), look), line((time, BOLD)))


# -- the tree and the totals -----------------------------------------------------------------------------------------


def _top(tree: Sequence[Node], totals: list[Text], height: int, width: int, look: Look) -> list[Text]:
    if width < NARROW:
        return [heading(totals[0].plain, width, look), *tree_lines(tree, height, look)]
    left = width - TOTALS
    headings = joined(heading("nurseries and tasks", left, look), heading("totals", TOTALS, look, look.down))
    return [headings, *beside(tree_lines(tree, height, look), totals[:height], left, height, look)]


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


def totals_line(scene: Scene) -> Text:
    """The same in a few words."""
    story, asked = scene.story, len(scene.clients) * scene.requests
    return line(f"{story.answered}/{asked} answered, {sum(story.lost.values())} lost")


# -- the clients -----------------------------------------------------------------------------------------------------


def _clients(scene: Scene, now: float, height: int, width: int, look: Look) -> list[Text]:
    """Their heading, and as many as there is room for: those first that are not done."""
    numbers = list(scene.clients)
    if len(numbers) > height:
        numbers.sort(key=lambda number: (scene.clients[number].outcome == "done", number))
    shown = numbers if len(numbers) <= height else numbers[: max(0, height - 1)]
    name = len(f"client {len(numbers)}")
    progress = len(f"{scene.requests}/{scene.requests}")
    rows = []
    for number in shown:
        asking = scene.clients[number]
        at = f"{asking.request}/{scene.requests}"
        left = line((f"{f'client {number}':<{name}}  ", BOLD), f"{at:>{progress}}  ")
        rows.append((joined(left, attempt_line(asking, now, narrow=width < NARROW, look=look)), asking))
    # Wide enough for an attempt with a deadline, so that nothing moves when there is one.
    left_width = name + 2 + progress + 2 + (12 if width < NARROW else 31)
    lane_width = max(0, width - left_width)
    title = heading("clients", left_width - 1, look)
    lines = [joined(fitted(title, left_width - 1, look), line(" "), draw_places(lane_width, look))]
    for left, asking in rows:
        lines.append(joined(fitted(left, left_width, look), draw_lane(asking.lane, now, lane_width, look)))
    if height and len(shown) < len(numbers):
        lines.append(_others([scene.clients[number] for number in numbers[len(shown) :]], look))
    return lines


def _others(clients: list[Asking], look: Look) -> Text:
    outcomes = Counter(client.outcome for client in clients)
    how = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    return line((f"{look.dots} {len(clients)} more: {how}", DIM))


def attempt_line(asking: Asking, now: float, *, narrow: bool, look: Look) -> Text:
    """Which attempt it is, and its deadline counting down; or how it ended."""
    remaining = asking.remaining(now)
    if remaining is None:
        return line((asking.outcome, STYLES.get(asking.outcome, DIM)))
    time = f"{remaining:.2f} s"
    if narrow:
        return line(f"#{asking.attempt} ", (time, WAITING))
    share = remaining / asking.timeout if asking.timeout else 0.0
    full = round(share * BAR)
    bar = (look.full * full, WAITING), (look.spent * (BAR - full), DIM)
    return line(f"attempt {asking.attempt:<2} ", *bar, f" {time:>7}")
