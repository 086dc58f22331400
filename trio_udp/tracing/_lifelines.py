"""Who takes part: `Cast` says which lifeline of a picture a socket belongs to, and what it is called.

One lifeline for each socket would be simple, and on a host with many sockets nobody could read it; one for each host
is what a ladder diagram has, and on a machine that talks to itself there would be one line. So a host is one lifeline
unless it is loopback or its own sockets talk to each other: then each socket is.

Names are those that the recording was given, and equal names are one lifeline. Who has none is called by what it was
seen to do: who has handlers or peers is a server, who makes attempts a client, and the sockets of a relay are known by
the names of their tasks, where tasks were recorded. Who does none of that is called by its address.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .._address import format_address, parse_host_port
from .._events import AttemptStarted, DatagramArrived, DatagramLost, DatagramSent, HandlerStarted, PeerOpened
from ._entries import Happened, TaskStarted
from ._show import show_text
from ._sockets import ANYWHERE, WILDCARDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._address import Address
    from .._events import Event
    from ._sockets import Place, Sockets
    from ._trace import Trace
    from ._travel import Travel

Role: TypeAlias = Literal["client", "relay", "server", ""]

Group: TypeAlias = "tuple[str, Place]"  # what makes it one lifeline, and which

RELAY_TASK = "trio_udp relay"  # how the names of a relay's tasks begin
AND_MORE = ", ..."

LEAVING = (DatagramSent, DatagramArrived, DatagramLost)  # what tells whom something was sent to

LEFT, BETWEEN, RIGHT = range(3)


@dataclass(frozen=True)
class Lifeline:
    """A vertical line.

    ``name`` is its own alone, ``place`` the host or socket that it stands for; of several sockets it is the first, and
    `AND_MORE` says so. Both can be printed. ``role`` is empty if nobody knows.
    """

    name: str
    place: str
    role: Role


class Cast:
    """Everybody, from left to right: clients, who is between, servers; each kind in the order of appearance.

    Args:
      trace: what was recorded.
      sockets: what addresses mean there.
      travels: its datagrams.
    """

    def __init__(self, trace: Trace, sockets: Sockets, travels: Iterable[Travel]) -> None:
        self._sockets = sockets
        self._names = _names_of_places(trace.names, sockets)
        self._relays = _relays(trace, sockets)
        talks = [(sockets.home(one.source), sockets.home(one.destination)) for one in travels]
        self._split = {here[0] for here, there in talks if here[0] == there[0]} | {ANYWHERE, *WILDCARDS}
        self._ends: dict[Group, set[Place]] = {}  # all sockets of each
        self._groups = self._gather(trace, {end for one in travels for end in (one.source, one.destination)})
        roles = self._find_roles(trace)
        sides = self._find_sides(roles, talks)
        order = sorted(self._groups, key=lambda group: sides[group])  # which keeps the order of appearance
        self._numbers = {group: number for number, group in enumerate(order)}
        self.lifelines = tuple(self._name_all(order, roles))

    def __getitem__(self, place: Place) -> int:
        """The number of the lifeline, from the left, that a socket belongs to."""
        return self._numbers[self._group(self._sockets.home(place))]

    def _group(self, place: Place) -> Group:
        name = self._names.get(place) or self._names.get((place[0], 0))
        if name is not None:
            return "name", (name, 0)
        if (relay := self._relays.get(place)) is not None:
            return "relay", ("", relay)
        return ("socket", place) if self._is_alone(place) else ("host", (place[0], 0))

    def _is_alone(self, place: Place) -> bool:
        """Does each socket of its host stand for itself?"""
        return place[0] in self._split or place[0] == "::1" or place[0].startswith("127.")

    def _gather(self, trace: Trace, reached: set[Place]) -> dict[Group, Place]:
        """All groups in the order of appearance, each with the first socket there.

        Of those to whom something was sent only who was ``reached``: of what goes to many, nobody has the address.
        """
        groups: dict[Group, tuple[float, int, Place]] = {}
        for entry in trace.entries:
            if isinstance(entry, Happened):
                for number, address in enumerate(_ends(entry.event)):
                    if number and isinstance(entry.event, LEAVING) and self._sockets.at(address) not in reached:
                        continue
                    place = self._sockets.home(address)
                    groups.setdefault(self._group(place), (_begun(entry.event), number, place))
                    self._ends.setdefault(self._group(place), set()).add(self._sockets.at(address))
        # What happens at one instant, in virtual time, has an order by chance: 10.0.0.2 comes before 10.0.0.10.
        order = sorted(groups.items(), key=lambda item: (*item[1][:2], in_order(item[1][2])))
        return {group: place for group, (_, _, place) in order}

    def _find_roles(self, trace: Trace) -> dict[Group, set[Role]]:
        roles: dict[Group, set[Role]] = {group: set() for group in self._groups}
        for entry in trace.entries:
            if isinstance(entry, Happened):
                here = self._sockets.home(entry.event.local)
                if isinstance(entry.event, (HandlerStarted, PeerOpened)):
                    roles[self._group(here)].add("server")
                elif isinstance(entry.event, AttemptStarted):
                    roles[self._group(here)].add("client")
                elif here in self._relays:
                    roles[self._group(here)].add("relay")
        return roles

    def _find_sides(self, roles: dict[Group, set[Role]], talks: Iterable[tuple[Place, Place]]) -> dict[Group, int]:
        """Who plays no part stands opposite to those whom it talks to."""
        sides: dict[Group, int] = {}
        for group, played in roles.items():
            if played:
                sides[group] = LEFT if played == {"client"} else RIGHT if played == {"server"} else BETWEEN
        known = dict(sides)
        for pair in talks:
            source, destination = map(self._group, pair)
            for group, other, towards in ((source, destination, LEFT), (destination, source, RIGHT)):
                if other in known:
                    sides.setdefault(group, {LEFT: RIGHT, RIGHT: LEFT, BETWEEN: towards}[known[other]])
        return {group: sides.get(group, BETWEEN) for group in self._groups}

    def _name_all(self, order: list[Group], roles: dict[Group, set[Role]]) -> Iterable[Lifeline]:
        taken = {group[1][0] for group in order if group[0] == "name"}
        played: dict[Group, Role] = {group: _main_role(roles[group]) for group in order}
        several = Counter(role for group, role in played.items() if group[0] != "name")
        numbers: Counter[Role] = Counter()
        for group in order:
            kind, (text, _) = group
            role, place = played[group], self._groups[group]
            where = show_text(format_address(place) if self._is_alone(place) else place[0])
            where += AND_MORE * (self._is_alone(place) and len(self._ends[group]) > 1)
            name = show_text(text) if kind == "name" else role or where
            while kind != "name" and (name in taken or (role and several[role] > 1 and name == role)):
                numbers[role] += 1
                name = f"{role or where} {numbers[role]}"
            taken.add(name)
            yield Lifeline(name, where, role)


def _ends(event: Event) -> tuple[Address, Address]:
    """Whom it is about."""
    if isinstance(event, (DatagramArrived, DatagramLost)) and event.at is not None:
        return event.local, event.at
    return event.local, event.remote


def _begun(event: Event) -> float:
    """When it appears; those whom one sending has reached do so at once."""
    return event.sent_at if isinstance(event, (DatagramArrived, DatagramLost)) else event.time


def _main_role(played: set[Role]) -> Role:
    """What it is called by: who asks others in order to answer is a server."""
    roles: tuple[Role, ...] = ("server", "relay", "client")
    return next((role for role in roles if role in played), "")


def in_order(place: Place) -> list[tuple[int, str]]:
    """Its numbers by their size: the longer, the larger. A file may have one that is too long for `int`."""
    words = re.findall(r"0*([0-9]+)|([^0-9]+)", format_address(place))
    return [(len(number), number) if number else (-1, word) for number, word in words]


def _names_of_places(names: Mapping[str, str], sockets: Sockets) -> dict[Place, str]:
    """Those of hosts stand at port 0."""
    found: dict[Place, str] = {}
    for where, name in names.items():
        try:
            host, port = parse_host_port(where)
        except ValueError:  # no port, so a host
            found[where, 0] = name
        else:
            found[sockets.home((host or "", port))] = name
    return found


def _relays(trace: Trace, sockets: Sockets) -> dict[Place, int]:
    """The sockets of relays, each with the number of its relay's nursery: all that is told from tasks in there."""
    nurseries = {
        entry.task: entry.nursery or 0
        for entry in trace.entries
        if isinstance(entry, TaskStarted) and entry.name.startswith(RELAY_TASK)
    }
    return {
        sockets.home(entry.event.local): nurseries[entry.task]
        for entry in trace.entries
        if isinstance(entry, Happened) and entry.task in nurseries
    }
