"""``serve --live`` and ``relay --live``: what is shown of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from .._events import observe
from .._statistics import total
from ._live_carried import AllCarried, draw_carried
from ._live_server import live_server
from ._live_visitors import Visitors
from ._live_visitors_page import draw_visitors
from ._telling import in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rich.text import Text

    from .._endpoint import UDPEndpoint
    from .._guards import Guard
    from .._statistics import UDPStatistics
    from ..relay import Relay, Relayed, RelayStatistics, WayStatistics
    from ._answering import Answering
    from ._live_look import Look
    from ._live_server import LiveServer
    from ._live_tree import Node


@asynccontextmanager
async def watched_endpoints(
    open_them: Callable[[], Awaitable[list[UDPEndpoint]]], answering: Answering, guarded: Guard
) -> AsyncIterator[tuple[list[UDPEndpoint], LiveServer]]:
    """Open a server's endpoints, and show what happens there."""
    visitors = Visitors(trio.current_time())
    answering.tell_failure = visitors.failed
    with observe(visitors.event):
        endpoints = await open_them()
        visitors.ports = {endpoint.address[1] for endpoint in endpoints}
        title = f"trio_udp serve: {in_words([endpoint.address for endpoint in endpoints])}"

        def draw(tree: Sequence[Node], said: Sequence[str], now: float, width: int, height: int, look: Look) -> Text:
            statistics = total([endpoint.statistics() for endpoint in endpoints])
            totals = [*server_totals(statistics), *trouble(answering, guarded)]
            return draw_visitors(visitors, tree, totals, said, now, width, height, look, title)

        async with live_server(draw) as view:
            yield endpoints, view


def server_totals(statistics: UDPStatistics) -> list[str]:
    """What has gone through the sockets, in short lines."""
    lines = [
        f"received {statistics.received} ({statistics.received_bytes} bytes)",
        f"sent     {statistics.sent} ({statistics.sent_bytes} bytes)",
    ]
    lines += [f"dropped  {number} {reason}" for reason, number in statistics.dropped.items()]
    lines += [f"error    {number} {name}" for name, number in statistics.errors.items()]
    if statistics.kernel_drops:
        lines.append(f"lost     {statistics.kernel_drops} in the kernel")
    return lines


def trouble(answering: Answering, guarded: Guard) -> list[str]:
    """What handlers have raised, what guards have stepped in for, and who is busy."""
    lines = [f"raised   {number} {name}" for name, number in answering.failures.items()]
    lines += [f"guards   {number} {reason}" for reason, number in guarded.statistics().items()]
    return [*lines, f"busy     {answering.busy}"]


@asynccontextmanager
async def watched_relay(title: str) -> AsyncIterator[tuple[LiveRelay, LiveServer]]:
    """Show what a relay does, once it is there (`LiveRelay.show`)."""
    live = LiveRelay(title)
    async with live_server(live.draw) as view:
        yield live, view


class LiveRelay:
    """What is shown of a relay."""

    def __init__(self, title: str) -> None:
        self._relay: Relay | None = None
        self._title = title
        self._carried = AllCarried(trio.current_time())

    def show(self, relay: Relay) -> None:
        """It is this one."""
        self._relay = relay

    def tell(self, relayed: Relayed) -> None:
        """For ``tell=`` of the relay."""
        self._carried.relayed(relayed)

    def draw(self, tree: Sequence[Node], said: Sequence[str], now: float, width: int, height: int, look: Look) -> Text:
        """The whole screen."""
        totals = [] if self._relay is None else relay_totals(self._relay.statistics())
        return draw_carried(self._carried, tree, totals, said, now, width, height, look, self._title)


def relay_totals(statistics: RelayStatistics) -> list[str]:
    """What has gone through a relay, and what has not, in short lines."""
    return [
        *_way_totals("to the server ", statistics.forward),
        *_way_totals("to the clients", statistics.backward),
    ]


def _way_totals(name: str, way: WayStatistics) -> list[str]:
    lines = [f"{name}  received {way.received}", f"{'':{len(name)}}  sent     {way.forwarded}"]
    counts = {"doubled": way.duplicated, "damaged": way.damaged}
    lines += [f"{'':{len(name)}}  {kind:<8} {number}" for kind, number in counts.items() if number]
    return lines + [f"{'':{len(name)}}  {number} {reason}" for reason, number in way.dropped.items()]
