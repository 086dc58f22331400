"""Tells what happens in the demo: as lines for a person, or as JSON for a program, and counts along.

The clients' side is told by the library's own events; what was lost, by the socket that loses it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from .._events import AttemptStarted, AttemptTimedOut, DatagramSent, ReplyAccepted, RequestFailed
from ._common import milliseconds, quantile
from ._lossy_socket import TO_CLIENT, TO_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._address import Address
    from .._events import Event


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
    round_trips: list[float] = field(default_factory=list)
    _request: dict[int, int] = field(default_factory=dict)  # what each client is at
    _asked: dict[tuple[Address, bytes], tuple[int, int]] = field(default_factory=dict)

    def watch(self, client: int) -> Callable[[Event], None]:
        """An observer for one client."""
        return partial(self._client_event, client)

    def _client_event(self, client: int, event: Event) -> None:
        if isinstance(event, AttemptStarted):
            self.attempts += 1
            self._request[client] = event.request
            self._tell("sent", client, event.request, attempt=event.number)
        elif isinstance(event, DatagramSent):  # only now is it known from where: a client may take a new socket
            self._asked[event.local, event.data] = client, self._request[client]
        elif isinstance(event, AttemptTimedOut):
            self.timed_out += 1
            self._tell("timed_out", client, event.request, attempt=event.number)
        elif isinstance(event, ReplyAccepted):
            self.answered += 1
            self.round_trips.append(event.elapsed)
            self._tell("answered", client, event.request, attempt=event.attempt, elapsed=round(event.elapsed, 6))
        elif isinstance(event, RequestFailed):
            self._tell("failed", client, event.request, attempts=event.attempts, reason=event.reason)

    def concerns(self, address: Address, data: bytes) -> bool:
        """Has one of the clients asked this from there? Anybody else may have sent the same bytes."""
        return (address, data) in self._asked

    def loss(self, direction: str, address: Address, data: bytes) -> None:
        """A datagram of the demo's clients, or its reply, was lost on its way."""
        self.lost[direction] += 1
        client, request = self._asked[address, data]
        self._tell("lost", client, request, direction=direction)

    def _tell(self, kind: str, client: int, request: int, **more: float | str) -> None:
        self.tell(trio.current_time() - self.started, kind, client, request, more)

    def round_trip(self, fraction: float) -> float | None:
        """A quantile of the round-trip times, in seconds; None if there are none."""
        return quantile(sorted(self.round_trips), fraction) if self.round_trips else None


def payload(client: int, request: int) -> bytes:
    """What a client of the demo asks: different for every request."""
    return b"client %d request %d" % (client, request)


def tell_line(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
    """One line for a person."""
    if kind == "sent":
        text = f'-> sends "request {request}"' + (f", attempt {more['attempt']}" if more["attempt"] != 1 else "")
    elif kind == "lost" and more["direction"] == TO_SERVER:
        text = f" x request {request} is lost on its way to the server"
    elif kind == "lost":
        text = f" x the reply to request {request} is lost on its way back"
    elif kind == "timed_out":
        text = f"   hears nothing: attempt {more['attempt']} of request {request} has timed out"
    elif kind == "answered":
        took = milliseconds(float(more["elapsed"]))
        text = f"<- has the reply to request {request}, {took} after attempt {more['attempt']}"
    else:
        text = f"   gives up on request {request} after {more['attempts']} attempts"
    print(f"{time:6.3f} s  client {client}  {text}", flush=True)


def tell_json(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
    """One JSON object on a line of its own, for a program."""
    print(json.dumps({"time": round(time, 6), "event": kind, "client": client, "request": request, **more}), flush=True)


def table(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Names and values below each other."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        yield f"{name:<{width}}  {value:>9}"
