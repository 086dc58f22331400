"""`told_apart`: sockets of several virtual hosts that have one address: the wildcard, or one of loopback.

On each host all addresses are 0.0.0.0, and 127.0.0.1 is the host itself. So a picture would have one server in place of
two, where the ports are the same, or one that is there in place of one that is not; and one client in place of all who
ask on their own hosts. A virtual network knows better, and its sockets say so (`SharedAddress`). At which address of
loopback they ask somebody is on their own host, too. What is sent to many is told of with the hosts' addresses
(``at``), so all sockets have theirs then. Where nothing can be confused, nothing is changed: who has given a name to
the address that the socket tells is understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._address import SharedAddress
from .._events import SocketExchanged
from ._entries import Happened
from ._sockets import MAPPED, is_for_many

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._address import Address
    from ._entries import Entry

__all__: list[str] = []


def told_apart(entries: Iterable[Entry]) -> list[Entry]:
    """The same, but where several hosts have such an address, each event has those of its own host."""
    entries = list(entries)
    unclear, at_home = _unclear_ports(entries), _hosts_at_home(entries)
    if unclear or len(at_home) > 1:
        return [_of_its_host(entry, unclear) for entry in entries]
    return entries


def _unclear_ports(entries: list[Entry]) -> set[int]:
    """Those that several hosts share; or at which one has all its addresses, and something goes to another, or many."""
    shared: dict[int, set[tuple[str, ...]]] = {}
    wild: set[int] = set()
    others: dict[int, set[str]] = {}
    was_spread = False
    for entry in entries:
        if isinstance(entry, Happened):
            was_spread = was_spread or getattr(entry.event, "at", None) is not None
            local, remote = entry.event.local, entry.event.remote
            if type(local) is SharedAddress:
                shared.setdefault(local[1], set()).add(local.own)
                if not _is_loopback(local):
                    wild.add(local[1])
            if not _is_loopback(remote):
                others.setdefault(remote[1], set()).add(remote[0].removeprefix(MAPPED))
    own = {port: {address for host in hosts for address in host} for port, hosts in shared.items()}
    elsewhere = {port for port in wild if was_spread or not others.get(port, set()) <= own[port]}
    return elsewhere | {port for port, hosts in shared.items() if len(hosts) > 1}


def _hosts_at_home(entries: list[Entry]) -> set[tuple[str, ...]]:
    """Those that talk to themselves by an address of loopback."""
    return {
        local.own
        for entry in entries
        if isinstance(entry, Happened)
        and type(local := entry.event.local) is SharedAddress
        and (_is_loopback(local) or _is_loopback(entry.event.remote))
    }


def _is_loopback(address: Address) -> bool:
    """By its text, as it is asked three times of each entry."""
    return address[0] == "::1" or address[0].startswith(("127.", "::ffff:127."))


def _of_its_host(entry: Entry, unclear: set[int]) -> Entry:
    if not isinstance(entry, Happened):
        return entry
    event, local = entry.event, entry.event.local
    if type(local) is SharedAddress:
        if _is_loopback(event.remote) and not is_for_many(event.remote):
            event = event._replace(remote=local.of_host(event.remote))
        event = event._replace(local=_told(local, unclear))
    if isinstance(event, SocketExchanged):
        event = event._replace(former=_told(event.former, unclear))
    return entry._replace(event=event)


def _told(address: Address, unclear: set[int]) -> Address:
    """All of loopback, and the wildcard at ports where that is unclear."""
    if type(address) is SharedAddress and (_is_loopback(address) or address[1] in unclear):
        return address.of_host(address)
    return address
