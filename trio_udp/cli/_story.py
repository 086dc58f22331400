"""Tells what happens in the demo: as lines for a person, or as JSON for a program, and counts along.

The clients' side is told by the library's own events; what was lost or damaged on the way, by the relay that did it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from .._errors import NoReply
from .._events import AttemptStarted, AttemptTimedOut, DatagramSent, ReplyAccepted, RequestFailed
from ._common import milliseconds, quantile

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from .._address import Address
    from .._events import Event
    from ..relay import Relayed
    from ._faults import Network

TO_SERVER = "to_server"
TO_CLIENT = "to_client"


@dataclass
class Story:
    """What has happened so far.

    Args:
      tell: called with each thing that happens: its kind, the number of the client and of its request, and what else
        there is to say about it by name.
    """

    tell: Callable[[float, str, int, int, dict[str, float | str]], None]
    started: float = field(default_factory=trio.current_time)
    answered: int = 0
    attempts: int = 0
    timed_out: int = 0
    lost: dict[str, int] = field(default_factory=lambda: {TO_SERVER: 0, TO_CLIENT: 0})
    damaged: int = 0
    round_trips: list[float] = field(default_factory=list)
    _request: dict[int, int] = field(default_factory=dict)  # what each client is at
    _clients: dict[Address, int] = field(default_factory=dict)
    _asked: dict[bytes, int] = field(default_factory=dict)  # in which request

    def watch(self, client: int) -> Callable[[Event], None]:
        """An observer for one client."""
        return partial(self._client_event, client)

    def _client_event(self, client: int, event: Event) -> None:
        if isinstance(event, AttemptStarted):
            self.attempts += 1
            self._request[client] = event.request
            self._tell(event.time, "sent", client, event.request, attempt=event.number)
        elif isinstance(event, DatagramSent):
            self._clients[event.local] = client
            self._asked[event.data] = self._request[client]
        elif isinstance(event, AttemptTimedOut):
            self.timed_out += 1
            self._tell(event.time, "timed_out", client, event.request, attempt=event.number)
        elif isinstance(event, ReplyAccepted):
            self.answered += 1
            self.round_trips.append(event.elapsed)
            elapsed = round(event.elapsed, 6)
            self._tell(event.time, "answered", client, event.request, attempt=event.attempt, elapsed=elapsed)
        elif isinstance(event, RequestFailed) and event.reason == NoReply.__name__:  # Ctrl-C is not giving up
            attempts, reason = event.attempts, event.reason
            self._tell(event.time, "failed", client, event.request, attempts=attempts, reason=reason)

    def relayed(self, relayed: Relayed) -> None:
        """What the relay has done with a datagram. Anybody else on this machine may send to it as well: not told."""
        client = self.client_at(relayed.address)
        if client is None or not (relayed.dropped or relayed.damaged):
            return
        request = self.request_of(client, relayed.data)
        direction = TO_SERVER if relayed.forward else TO_CLIENT
        if relayed.dropped:
            self.lost[direction] += 1
            self._tell(relayed.time, "lost", client, request, direction=direction)
        else:
            self.damaged += 1
            self._tell(relayed.time, "damaged", client, request, direction=direction)

    def client_at(self, address: Address) -> int | None:
        """Who sends from there; None: none of ours."""
        return self._clients.get(address)

    def request_of(self, client: int, data: bytes) -> int:
        """Which request a datagram of this client belongs to.

        What is damaged on its way to the server comes back like that: then all we know is what its client is at.
        """
        return self._asked.get(data, self._request[client])

    def _tell(self, time: float, kind: str, client: int, request: int, **more: float | str) -> None:
        self.tell(time - self.started, kind, client, request, more)

    def round_trip(self, fraction: float) -> float | None:
        """A quantile of the round-trip times, in seconds; None if there are none."""
        return quantile(sorted(self.round_trips), fraction) if self.round_trips else None


def payload(client: int, request: int) -> bytes:
    """What a client of the demo asks: different for every request."""
    return b"client %d request %d" % (client, request)


def tell_line(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
    """One line for a person."""
    print(line_of(time, kind, client, request, more), flush=True)


def line_of(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> str:
    """What that line says."""
    if kind == "sent":
        text = f'-> sends "request {request}"' + (f", attempt {more['attempt']}" if more["attempt"] != 1 else "")
    elif kind in ("lost", "damaged") and more["direction"] == TO_SERVER:
        text = f" x request {request} is {kind} on its way to the server"
    elif kind in ("lost", "damaged"):
        text = f" x the reply to request {request} is {kind} on its way back"
    elif kind == "timed_out":
        text = f"   hears nothing: attempt {more['attempt']} of request {request} has timed out"
    elif kind == "answered":
        took = milliseconds(float(more["elapsed"]))
        text = f"<- has the reply to request {request}, {took} after attempt {more['attempt']}"
    else:
        text = f"   gives up on request {request} after {more['attempts']} attempts"
    return f"{time:6.3f} s  client {client}  {text}"


def tell_json(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
    """One JSON object on a line of its own, for a program."""
    print(json.dumps({"time": round(time, 6), "event": kind, "client": client, "request": request, **more}), flush=True)


def summary(story: Story, args: argparse.Namespace, network: Network) -> dict[str, float | str | None]:
    """The totals, by the names that programs know them by; times in seconds."""
    median, high = story.round_trip(0.5), story.round_trip(0.99)
    return {
        "requests": args.clients * args.requests,
        "answered": story.answered,
        "attempts": story.attempts,
        "lost_to_server": story.lost[TO_SERVER],
        "lost_to_client": story.lost[TO_CLIENT],
        "damaged": story.damaged,
        "seed": args.seed,
        "preset": args.preset,
        "loss": network.forward.loss,
        "clients": args.clients,
        "round_trip_median": None if median is None else round(median, 6),
        "round_trip_p99": None if high is None else round(high, 6),
        "duration": round(trio.current_time() - story.started, 6),
    }


def print_summary(story: Story, args: argparse.Namespace, network: Network) -> None:
    """The same for a person."""
    totals = summary(story, args, network)
    rows = [(name.replace("_", " "), str(totals[name])) for name in ("requests", "answered", "attempts")]
    rows += [
        ("lost to the server", str(totals["lost_to_server"])),
        ("lost to the clients", str(totals["lost_to_client"])),
    ]
    if story.damaged:
        rows.append(("damaged", str(story.damaged)))
    for fraction, label in ((0.5, "round trip, median"), (0.99, "round trip, 99th percentile")):
        value = story.round_trip(fraction)
        rows.append((label, "-" if value is None else milliseconds(value)))
    rows.append(("duration", f"{totals['duration']:.2f} s"))
    print()
    for line in table(rows):
        print(line)


def table(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Names and values below each other."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        yield f"{name:<{width}}  {value:>9}"
