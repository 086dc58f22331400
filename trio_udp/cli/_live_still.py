"""A still of the live view, for the documentation: the real program, in virtual time, after so many events.

It is what somebody sees who types ``demo --step``, and presses space so many times, on a terminal of that size, without
the terminal. So it is the same on every machine.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import trio
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from . import demo
from ._live_demo import Watched, step_through
from ._live_look import LINES
from ._live_scene import Scene

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from rich.text import Text

    from ._live_screen import Draw

# Of seed 1, which is the default: two clients have lost a datagram and wait, and the reply to the third is on its way.
# That it passes the relay is told above the keys alone: what is among what happened would stand there once more.
EVENTS = 33
WIDTH = 80
HEIGHT = 24


def take_still(arguments: Sequence[str] = (), events: int = EVENTS) -> Text:
    """The screen of a terminal of 80x24 after so many events.

    Args:
      arguments: what is typed after ``demo --step``.
      events: how many are seen.
    """
    from . import make_parser  # which knows this file's package

    args = make_parser().parse_args(["demo", "--step", *arguments])
    pages: list[Text] = []

    def show(draw: Draw) -> None:
        pages[:] = [draw(WIDTH, HEIGHT, LINES)]

    trio.run(_play, args, show, events, clock=args.clock(args))
    return pages[0]


async def _play(args: argparse.Namespace, show: Callable[[Draw], None], events: int) -> None:
    network = demo.choose_network(args, live=True)
    left = events

    async def goes_on() -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            nursery.cancel_scope.cancel()
        await trio.lowlevel.checkpoint()
        return True

    async with demo.sockets(args), trio.open_nursery() as nursery:
        scene = Scene(args.clients, args.requests, trio.current_time())
        watched = Watched(scene, demo.live_title(args, network))
        await step_through(watched, show, goes_on, demo.performance(args, network), nursery)


def still_text(still: Text) -> str:
    """As plain text, without spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in still.plain.splitlines()).rstrip() + "\n"


def still_svg(still: Text) -> str:
    """As an SVG that needs nothing from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(still)
    # rich's own picture would fetch a font from the net; any that the viewer has with equal widths will do.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="python -m trio_udp demo --step", code_format=template, unique_id="live")
