"""`Relay`: listens, admits clients, and counts."""

from __future__ import annotations

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
    from collections.abc import Sequence

    from .._endpoint import UDPEndpoint
    from ..faults import Rebind
    from ._way import Terms


@final
class Relay:
    """A running relay; `serve_relay` makes it.

    It closes the endpoints when it ends, or when it raises ValueError here because it would be its own target.
    """

    def __init__(self, endpoints: Sequence[UDPEndpoint], terms: Terms) -> None:
        self._endpoints = endpoints
        self._terms = terms
        self._emit = current_emit()
        self._towards_target = Tally()  # of the sockets of all clients
        self._clients: set[Client] = set()
        self._clients_in_all = 0
        self._refused = 0
        self._missed = 0  # what the kernel dropped at the sockets of clients that have gone

        here = {address[:2] for address in self.addresses}
        for target in terms.targets:
            if target.address[:2] in here:
                self._close()
                raise ValueError(f"a relay cannot be its own target: {format_address(target.address)}")

    @property
    def address(self) -> Address:
        """Where it listens, or the first of several addresses on one port."""
        return self._endpoints[0].address

    @property
    def addresses(self) -> list[Address]:
        """All of them."""
        return [endpoint.address for endpoint in self._endpoints]

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
            self._close()
        raise AssertionError("a relay does not end by itself")

    def _close(self) -> None:
        for endpoint in self._endpoints:
            endpoint.close()

    async def _listen(self, endpoint: UDPEndpoint) -> None:
        """Carry what the clients send."""
        clients: dict[Address, Client] = {}
        while True:
            batch = await endpoint.receive_many()
            now = trio.current_time()
            for data, address in batch:
                client = clients.get(address) or await self._admit(clients, endpoint, data, address)
                if client is not None:
                    await client.forward.carry(now, data, address)

    async def _admit(
        self, clients: dict[Address, Client], endpoint: UDPEndpoint, data: bytes, address: Address
    ) -> Client | None:
        """A new client; None if there is no room for it or no socket."""
        if len(self._clients) >= self._terms.max_clients:
            self._refused += 1
            self._turn_away(endpoint, data, address, "too many clients")
            return None
        make = FollowingConnection if self._terms.follow_port else Connection
        connection = make(list(self._terms.targets), self._towards_target, self._emit)
        try:
            await connection.open()
        except OSError as error:
            self._turn_away(endpoint, data, address, errno_name(error))
            return None
        self._clients_in_all += 1
        client = Client(self._terms, self._clients_in_all, address, endpoint._io, connection)
        clients[address] = client
        self._clients.add(client)
        self._nursery.start_soon(self._see_to, clients, client, name=f"trio_udp relay, client {client.index}")
        return client

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
