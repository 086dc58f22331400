"""What the networks of a play have carried, and the trace brought together with it.

A trace tells of sockets by their own addresses, and of a program by its lines. A network knows which host a datagram
came from and what became of it, and nothing of programs. Here each gets from the other what it lacks: the trace the
addresses of endpoints that are bound to all addresses of their host, and the datagrams the lines that have sent them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._events import DatagramSent
from ..tracing import Happened
from ._look import line_in
from ._played import Carried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._events import Event
    from ..testing import RecordedDatagram, VirtualNetwork
    from ..tracing import Entry, Recording, Trace


def name_hosts(recording: Recording, networks: Sequence[VirtualNetwork]) -> None:
    """Call them in pictures what they are called on their network."""
    for address, name in _names(networks).items():
        recording.name(address, name)


def _names(networks: Sequence[VirtualNetwork]) -> dict[str, str]:
    return {address: host.name for network in networks for host in network.hosts.values() for address in host.addresses}


def _recorded(networks: Sequence[VirtualNetwork]) -> list[RecordedDatagram]:
    return [each for network in networks for each in network.datagrams]


# -- the trace gets addresses ------------------------------------------------------------------------------------------


def with_own_addresses(trace: Trace, networks: Sequence[VirtualNetwork]) -> Trace:
    """The trace, in which nobody is at 0.0.0.0.

    An endpoint that is bound to all addresses of its host knows no better. But its peers know it by one, and so does
    the network; else two hosts with such endpoints at one port would be one to a picture.
    """
    addresses = _Addresses(_recorded(networks))
    return replace(trace, entries=tuple(map(addresses.placed, trace.entries)))


class _Addresses:
    """Which address of its host an endpoint uses: by its port and its peer."""

    def __init__(self, datagrams: Sequence[RecordedDatagram]) -> None:
        self._ends: dict[tuple[int, object], set[str]] = {}
        for each in datagrams:
            self._ends.setdefault((each.source[1], each.destination), set()).add(each.source[0])
            self._ends.setdefault((each.destination[1], each.source), set()).add(each.destination[0])

    def placed(self, entry: Entry) -> Entry:
        if not isinstance(entry, Happened) or entry.event.local[0] not in ("0.0.0.0", "::"):
            return entry
        address = self._end(entry.event)
        if address is None:
            return entry
        return entry._replace(event=entry.event._replace(local=(address, entry.event.local[1])))

    def _end(self, event: Event) -> str | None:
        ends = self._ends.get((event.local[1], event.remote[:2]), set())
        return next(iter(ends)) if len(ends) == 1 else None


# -- datagrams get lines -----------------------------------------------------------------------------------------------


def carried(networks: Sequence[VirtualNetwork], trace: Trace, file: str) -> tuple[Carried, ...]:
    """All datagrams, in the order in which they were sent.

    Args:
      networks: that carried them.
      trace: with own addresses.
      file: the name of the learner's file.
    """
    names, lines = _names(networks), _Lines(trace, file)
    found = [
        Carried(
            each.time,
            names.get(each.source[0], each.source[0]),
            each.source[1],
            names.get(each.destination[0], each.destination[0]),
            each.destination[1],
            each.data,
            tuple(each.delivered),
            each.dropped or "",
            lines.of(each),
        )
        for each in _recorded(networks)
    ]
    return tuple(sorted(found, key=lambda each: (each.time, each.source, each.destination)))


class _Lines:
    """Which line has sent a datagram: the first sending that is told with its time, ends and data."""

    def __init__(self, trace: Trace, file: str) -> None:
        self._told: dict[tuple[object, ...], list[int | None]] = {}
        for entry in reversed(trace.entries):
            if isinstance(entry, Happened) and isinstance(event := entry.event, DatagramSent):
                key = event.time, event.local[:2], event.remote[:2], event.data
                self._told.setdefault(key, []).append(line_in(entry.source, file))

    def of(self, datagram: RecordedDatagram) -> int | None:
        told = self._told.get((datagram.time, datagram.source, datagram.destination, datagram.data))
        return told.pop() if told else None
