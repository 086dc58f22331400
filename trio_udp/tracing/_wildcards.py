"""`told_apart`: sockets of several virtual hosts that have one address, as each is bound to all addresses of its host.

On each of them that is 0.0.0.0, and where the ports are the same, too, a picture would have one server in place of two.
A virtual network knows better, and its sockets say so (`WildcardAddress`). Where there is one such host at a port,
nothing is changed: who has given a name to the address that the socket tells is understood. Nor is it where somebody
asks at 127.0.0.1: that is reached, too, and nobody tells on which host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._address import WildcardAddress
from ._entries import Happened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._entries import Entry

__all__: list[str] = []


def told_apart(entries: Iterable[Entry]) -> list[Entry]:
    """The same, but where several hosts have such an address, each event has that of its own host."""
    entries = list(entries)
    hosts: dict[WildcardAddress, set[str]] = {}
    for entry in entries:
        if isinstance(entry, Happened) and type(local := entry.event.local) is WildcardAddress:
            hosts.setdefault(local, set()).add(local.host)
    several = {address for address, found in hosts.items() if len(found) > 1}
    if several:
        asked_at_home = _ports_asked_at_home(entries)
        several = {address for address in several if address[1] not in asked_at_home}
        entries = [_of_its_host(entry, several) for entry in entries]
    return entries


def _ports_asked_at_home(entries: Iterable[Entry]) -> set[int]:
    remotes = {entry.event.remote for entry in entries if isinstance(entry, Happened)}
    return {remote[1] for remote in remotes if remote[0] == "::1" or remote[0].startswith("127.")}


def _of_its_host(entry: Entry, several: set[WildcardAddress]) -> Entry:
    if isinstance(entry, Happened) and type(local := entry.event.local) is WildcardAddress and local in several:
        return entry._replace(event=entry.event._replace(local=local.of_host))
    return entry
