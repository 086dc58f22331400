"""`Relay`: listens, admits clients, and counts."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NoReturn, final

import trio

from .._address import Address, format_address
from .._connection import Connection
from .._errors import bare_exceptions, errno_name
from .._events import current_emit
from .._statistics import Tally
from ._client import Client, FollowingConnection
from ._statistics import RelayStatistics, total, way_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._address import Target
    from .._batch import Datagram
    from .._endpoint import UDPEndpoint
    from ..faults import Rebind
    from ._way import Terms


@final
class Relay:
    """A running relay; `serve_relay` and `relay_endpoints` make it."""

    def __init__(self, endpoints: Sequence[UDPEndpoint], terms: Terms) -> None:
        self._endpoints = endpoints
        self._terms = terms
        self._emit = current_emit()
        self._towards_target = Tally()  # of the sockets of all clients
        self._clients: set[Client] = set()
        self._opening = 0  # clients that are being admitted
        self._clients_in_all = 0
        self._refused = 0
        self._missed = 0  # what the kernel dropped at the sockets of clients that have gone

    @property
    def address(self) -> Address:
        """Where it listens, or the first of several addresses on one port."""
        return self._endpoints[0].address

    @property
    def addresses(self) -> list[Address]:
        """All of them."""
        return [endpoint.address for endpoint in self._endpoints]

    @trio.lowlevel.enable_ki_protection  # Ctrl-C ends the wait in the nursery; it must not fall into leaving it
    async def _run(self, rebind: Rebind | None, task_status: trio.TaskStatus[Relay]) -> NoReturn:
        try:
            with bare_exceptions():
                async with trio.open_nursery(strict_exception_groups=True) as self._nursery:
                    for endpoint in self._endpoints:
                        where = format_address(endpoint.address)
                        self._nursery.start_soon(self._listen, endpoint, name=f"trio_udp relay at {where}")
                    self._nursery.start_soon(self._terms.later.run, name="trio_udp relay, delays")
                    if rebind is not None:
                        self._nursery.start_soon(self._rebind, rebind, name="trio_udp relay, new ports")
                    task_status.started(self)
        finally:
            self._terms.later.discard()
        raise AssertionError("a relay does not end by itself")

    async def _listen(self, endpoint: UDPEndpoint) -> None:
        """Carry what the clients send."""
        clients: dict[Address, Client] = {}
        batch: Iterator[Datagram] = iter(())
        try:
            while True:
                batch = iter(await endpoint.receive_many())
                now = trio.current_time()
                for data, address in batch:
                    client = clients.get(address) or await self._admit(clients, endpoint, data, address)
                    if client is not None:
                        await client.forward.carry(now, data, address)
        finally:
            for data, address in (*batch, *endpoint._io.leftover()):
                self._turn_away(endpoint, data, address, "relay stopped")

    async def _admit(
        self, clients: dict[Address, Client], endpoint: UDPEndpoint, data: bytes, address: Address
    ) -> Client | None:
        """A new client; None if there is no room for it or no socket."""
        if len(self._clients) + self._opening >= self._terms.max_clients:
            self._refused += 1
            self._turn_away(endpoint, data, address, "too many clients")
            return None
        make = FollowingConnection if self._terms.follow_port else Connection
        connection = make(list(self._terms.targets), self._towards_target, self._emit)
        self._opening += 1  # another listener may admit one meanwhile
        try:
            with trio.CancelScope(shield=True):  # it waits for nobody, and a batch that was read is dealt with
                await connection.open()
        except OSError as error:
            self._turn_away(endpoint, data, address, errno_name(error))
            return None
        finally:
            self._opening -= 1
        self._clients_in_all += 1
        client = Client(self._terms, self._clients_in_all, address, endpoint._io, connection, self._nursery)
        self._begin(clients, client)
        return client

    @trio.lowlevel.enable_ki_protection  # Ctrl-C in the middle would leave a client that nobody sees to
    def _begin(self, clients: dict[Address, Client], client: Client) -> None:
        clients[client.address] = client
        self._clients.add(client)
        self._nursery.start_soon(self._see_to, clients, client, name=f"trio_udp relay, client {client.index}")

    def _turn_away(self, endpoint: UDPEndpoint, data: bytes, address: Address, reason: str) -> None:
        self._terms.forward.dropped[reason] += 1
        endpoint._io.drop(data, address, reason, outgoing=False, counted=True)

    async def _see_to(self, clients: dict[Address, Client], client: Client) -> None:
        try:
            await client.run()
        finally:
            del clients[client.address]
            self._clients.remove(client)
            self._missed += client.kernel_drops

    async def _rebind(self, rebind: Rebind) -> NoReturn:
        """Give all clients new ports, time and again."""
        at = trio.current_time() + rebind.first
        while True:
            await trio.sleep_until(at)
            for client in sorted(self._clients, key=lambda client: client.index):
                await client.rebind()
            at += rebind.every

    def statistics(self) -> RelayStatistics:
        """What has gone through and what has not, both ways; also after the end."""
        listeners = [endpoint.statistics() for endpoint in self._endpoints]
        here, there = total(listeners), self._towards_target
        missed_here = missed_there = None
        if listeners[0].kernel_drops is not None:
            missed_here = sum(one.kernel_drops or 0 for one in listeners)
            missed_there = self._missed + sum(client.kernel_drops for client in self._clients)
        return RelayStatistics(
            len(self._clients),
            self._clients_in_all,
            self._refused,
            way_statistics(self._terms.forward, here, there, missed_here),
            way_statistics(self._terms.backward, there, here, missed_there),
        )


async def check_target(endpoints: Sequence[UDPEndpoint], targets: Sequence[Target]) -> None:
    """Would it be its own target? Each datagram would come back to it as that of one more client.

    Raises:
      ValueError: it would.
    """
    for target in targets:
        for endpoint in endpoints:
            if await _is_reached(endpoint, target):
                raise ValueError(f"a relay cannot be its own target: {format_address(target.address)}")


async def _is_reached(endpoint: UDPEndpoint, target: Target) -> bool:
    here, there = _ip(endpoint.address), _ip(target.address)
    if here.version != there.version or endpoint.address[1] != target.address[1]:
        return False
    if there.is_unspecified:  # what is sent to 0.0.0.0 goes to this machine's loopback address
        return here.is_loopback or here.is_unspecified
    return here == there or (here.is_unspecified and await _is_of_this_machine(target))


def _ip(address: Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    ip = ipaddress.ip_address(address[0])
    return getattr(ip, "ipv4_mapped", None) or ip  # an IPv6 socket sends to ::ffff:127.0.0.1 by IPv4


async def _is_of_this_machine(target: Target) -> bool:
    """Only this machine's own addresses can be bound."""
    host, _, *more = target.address
    socket = trio.socket.socket(target.family, trio.socket.SOCK_DGRAM)
    try:
        await socket.bind((host, 0, *more))
    except OSError:
        return False
    finally:
        socket.close()
    return True
