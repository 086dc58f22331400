"""`Hosts`: the hosts of a network by their names, and which of them a task is on.

A `Map` knows them by their addresses. Here is what people say: a name, a host that they have in their hands, or nothing
at all, for which there are addresses in sequence and a host for who is in none.
"""

from __future__ import annotations

import socket as stdlib_socket
from itertools import count
from typing import TYPE_CHECKING

from ._host import Host, entered_hosts
from ._ip import is_numeric, parse_unicast
from ._resolver import normal_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ._wire import Wire

# The host of code that is in no host: addresses that are set aside for documentation (RFC 5737 and 3849).
LOCALHOST = ("192.0.2.1", "2001:db8::1")


class Hosts:
    """All hosts of a network.

    Args:
      wire: between them.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._map = wire.map
        self._hosts: dict[str, Host] = {}
        self._numbers = count(1)
        self._localhost = self._add("localhost", LOCALHOST)

    def add(self, addresses: Sequence[str], name: str | None) -> Host:
        """Add a host, by the first address if it has no name; without addresses it gets the next that are free.

        Raises:
          ValueError: the name or an address is taken, or is none.
        """
        ips = [parse_unicast(address) for address in addresses or next(self._free_addresses())]
        for ip in ips:
            if ip.text in self._map.hosts:
                raise ValueError(f"{ip.text} is {self._map.hosts[ip.text].name}'s already")
        return self._add(ips[0].text if name is None else _a_name(name), list(dict.fromkeys(ip.text for ip in ips)))

    def _add(self, name: str, addresses: Sequence[str]) -> Host:
        if name in self._hosts:
            raise ValueError(f"there is a host named {name!r} already")
        host = self._hosts[name] = Host(self._wire, name, addresses)
        return host

    def _free_addresses(self) -> Iterator[tuple[str, str]]:
        for number in self._numbers:
            pair = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"fd00::{number:x}"
            if not any(address in self._map.hosts for address in pair):
                yield pair

    def by_name(self) -> Mapping[str, Host]:
        """All of them, in the order in which they came."""
        return dict(self._hosts)

    def here(self) -> Host:
        """The host that this task is in."""
        own = (host for host in reversed(entered_hosts()) if self._hosts.get(host.name) is host)
        return next(own, self._localhost)

    def find(self, host: Host | str) -> Host:
        """The host of that name or address, or this one itself.

        Raises:
          ValueError: it is none of this network's.
        """
        if isinstance(host, str):
            found = self._hosts.get(host) or self._map.hosts.get(host)
        else:
            found = host if isinstance(host, Host) and self._hosts.get(host.name) is host else None
        if found is None:
            raise ValueError(f"there is no host {host!r}; there are {', '.join(self._hosts)}")
        return found

    def addresses_of(self, name: str) -> tuple[str, ...] | None:
        """For the resolver; None: there is no such host."""
        host = self._hosts.get(name)
        return host.own_addresses if host else None

    def name_of(self, address: str) -> str | None:
        """The same the other way round."""
        host = self._map.hosts.get(address)
        return host.name if host else None

    def wake(self) -> None:
        """Whoever waits at a socket has to look again."""
        for host in self._hosts.values():
            host.wake()


def _a_name(text: str) -> str:
    name = normal_name(text)
    if name == "localhost" or name.endswith(".localhost"):
        raise ValueError(f"{text!r} is each host's own name for itself (RFC 6761 section 6.3), and cannot be another's")
    if not name or is_numeric(stdlib_socket.AF_INET, name) or is_numeric(stdlib_socket.AF_INET6, name):
        raise ValueError(f"a host cannot have the name {text!r}")
    return name
