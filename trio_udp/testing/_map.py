"""`Map`: which host has which address, and which link is between two of them.

A link is what somebody has said, a `Way` knows what is on it just now. So another link is another way, and what was
sent before goes the old one to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faults import Link
from ._way import Way

if TYPE_CHECKING:
    from ._host import Host
    from ._ip import IP


class Map:
    """The hosts of a network.

    Args:
      link: of all pairs that have none of their own.
      seed: of every chance in the network.
    """

    def __init__(self, link: Link, seed: int) -> None:
        self.link = link
        self.seed = seed
        self.hosts: dict[str, Host] = {}  # by address
        self._links: dict[tuple[Host, Host | None], Link] = {}
        self._ways: dict[tuple[Host, Host | None], Way] = {}

    def claim(self, address: str, host: Host) -> str:
        """Give an address to a host; returns it.

        Raises:
          ValueError: another host has it.
        """
        owner = self.hosts.get(address, host)
        if owner is not host and address in owner.addresses:  # else a NAT had given it, and has given another since
            raise ValueError(f"{address} is {owner.name}'s already")
        self.hosts[address] = host
        return address

    def set_link(self, source: Host, destination: Host, link: Link | None) -> None:
        """From now on this is the link between two hosts; None: the network's own."""
        if link is None:
            self._links.pop((source, destination), None)
        else:
            self._links[source, destination] = link
        self._ways.pop((source, destination), None)

    def set_default_link(self, link: Link) -> None:
        """From now on this is the link of all that have none of their own."""
        self.link = link
        for pair in [pair for pair in self._ways if pair not in self._links]:
            del self._ways[pair]

    def way(self, source: Host, target: Host | None) -> Way:
        """How datagrams get from one host to another; None: to an address that no host has."""
        pair = (source, target)
        if pair not in self._ways:
            # A host's own loopback is perfect unless somebody says otherwise.
            default = Link() if source is target else self.link
            self._ways[pair] = Way(self._links.get(pair, default), self.seed, source, target)
        return self._ways[pair]

    def way_to(self, source: Host, ip: IP) -> Way:
        """How datagrams get from a host to an address."""
        return self.way(source, source if source.has(ip) else self.hosts.get(ip.text))

    def ways_to_many(self, source: Host, is_ipv4: bool, near: bool, far: bool) -> tuple[Way, ...]:
        """The ways to all who might hear a group, or everybody: the host itself, and all others.

        In an order that does not depend on who was added first.
        """
        others = {host.name: host for address, host in self.hosts.items() if (":" not in address) == is_ipv4}
        others.pop(source.name, None)  # on its loopback a host has both families
        chosen = [host for _, host in sorted(others.items())] if far else []
        return tuple(self.way(source, host) for host in [source, *chosen][not near :])
