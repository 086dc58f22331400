"""`serve_udp_peers`: a channel and a task for each peer.

UDP has no connections, but conversations do happen over it: games, VoIP, file transfers. In `serve_udp` a handler would
have to find, for each datagram, how far the conversation with that peer has come. Here each address that sends
something gets a channel and a task of its own, and how far it has come is simply where the task is:

    async def chat(channel):
        await channel.send(b"what is your name?")
        name = await channel.receive()
        async for data in channel:
            ...

Nobody says goodbye in UDP. So a peer that says nothing for ``idle_timeout`` has gone: its channel ends, as does the
loop above. And anybody can pretend to be many: so the number of peers is bounded, and what lies unread of each is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

import trio

from ._address import format_address
from ._batch import BATCH, Datagram
from ._channel import UDPChannel
from ._checks import check_count
from ._endpoint import UDPEndpoint
from ._errors import is_cancellation
from ._events import PeerClosed, PeerOpened
from ._handler import check_awaitable, check_handler
from ._idle import Idle
from ._opening import open_udp_endpoints
from ._peer import Peer
from ._shelter import check_grace_period, serve_in_shelter
from ._vacancies import Vacancies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._address import Address
    from ._batch import BatchSocket
    from ._peer import Table
    from ._shelter import Part

__all__ = ["PeerHandler", "serve_peers", "serve_udp_peers"]

PeerHandler: TypeAlias = Callable[[UDPChannel], Awaitable[object]]
"""An async function that talks to one peer, and returns when that is over."""


async def serve_udp_peers(
    handler: PeerHandler,
    port: int,
    *,
    host: str | None = None,
    max_peers: int = 1000,
    max_peers_per_source: int | None = None,
    admit: Callable[[Address], bool] | None = None,
    idle_timeout: float = 60.0,
    incoming_buffer: int = 10,
    grace_period: float = 0.0,
    reply_from_asked: bool = False,
    task_status: trio.TaskStatus[list[UDPEndpoint]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Talk to every peer that sends to a port, each in a task of its own, until cancelled.

    ``await handler(channel)`` is called when a datagram comes from an address that has no handler; that datagram is the
    first that the channel gives. When the handler returns the channel is closed, and if the address sends again it is a
    new peer. Source addresses can be forged: each datagram of a stranger may cost you a task.

    Args:
      handler: an async function from a `UDPChannel`. Its channel's order is that of arrival.
      port: 0 lets the system choose, the same for all addresses.
      host: None listens on every interface, IPv4 and IPv6; ``"localhost"`` for this machine only.
      max_peers: how many handlers may be running at once, at least 1. A datagram of one more peer is dropped and
        counted in the endpoint's statistics, as ``"too many peers"``.
      max_peers_per_source: how many of them one IPv4 address may have, or one network of IPv6 (/64); the next one is
        counted as ``"too many of one source"``. None: no such bound.
      admit: asked for the address of each new peer for which there is a place; False turns it away, counted as ``"not
        admitted"``. That of a `RateLimit` bounds how often somebody comes. What it raises ends the server.
      idle_timeout: seconds. A ``receive`` that has waited so long for its peer raises ``trio.EndOfChannel``, and an
        ``async for`` over the channel ends. A handler that does something else is never idle.
      incoming_buffer: datagrams of one peer that may wait to be received, at least 1. One that comes when there are so
        many is dropped and counted, as ``"peer's buffer full"``; the other peers do not notice.
      grace_period: seconds. When the server is cancelled it stops receiving at once; handlers then get this much time.
        They receive what has come already, and then ``trio.EndOfChannel``.
      reply_from_asked: where this machine has several addresses, talk to each peer from the one that it has asked; see
        `UDPEndpoint`. An address that sends to two of them is a peer of each.
      task_status: ``await nursery.start(serve_udp_peers, ...)`` returns the list of `UDPEndpoint`, which tell the
        addresses and the statistics.

    Returns:
      Never; it ends by being cancelled or by an exception.

    Error handling:
      What a handler raises ends the server and comes out of here as it is, not in a group. Should several handlers fail
      at once, the first failure is raised, the others are logged.
      The network cannot end the server: what it refuses to send is counted, in the statistics of the endpoint and of
      the channel. Only a datagram that is too large for UDP is an error of who sends it, `DatagramTooLarge`.

    Raises:
      OSError: the port could not be opened.
      ValueError: an argument is out of range, or the platform does not have what it asks for.
    """
    await trio.lowlevel.checkpoint()
    check_peer_arguments(handler, idle_timeout, incoming_buffer)
    check_grace_period(grace_period)
    endpoints = await open_udp_endpoints(port, host=host, reply_from_asked=reply_from_asked)
    await serve_peers(
        handler,
        endpoints,
        max_peers=max_peers,
        max_peers_per_source=max_peers_per_source,
        admit=admit,
        idle_timeout=idle_timeout,
        incoming_buffer=incoming_buffer,
        grace_period=grace_period,
        task_status=task_status,
    )


async def serve_peers(
    handler: PeerHandler,
    endpoints: Sequence[UDPEndpoint],
    *,
    max_peers: int = 1000,
    max_peers_per_source: int | None = None,
    admit: Callable[[Address], bool] | None = None,
    idle_timeout: float = 60.0,
    incoming_buffer: int = 10,
    grace_period: float = 0.0,
    task_status: trio.TaskStatus[list[UDPEndpoint]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_udp_peers` on endpoints that you have opened.

    Args:
      endpoints: at least one. They share the ``max_peers``. An address that sends to two of them is a peer of each.

    Resource handling:
      The endpoints are closed when this ends, however it ends.

    The other arguments and everything else are as in `serve_udp_peers`.
    """

    def make_parts() -> list[Part]:
        check_peer_arguments(handler, idle_timeout, incoming_buffer)
        idle = Idle(idle_timeout)
        vacancies = Vacancies(max_peers, max_peers_per_source, admit)
        return [*(_Peers(handler, endpoint, vacancies, idle, incoming_buffer) for endpoint in endpoints), idle]

    await serve_in_shelter(make_parts, endpoints, grace_period, task_status)


def check_peer_arguments(handler: object, idle_timeout: float, incoming_buffer: int) -> None:
    """Raise the TypeError or ValueError that says which of them makes no sense."""
    check_handler(handler)
    check_count("incoming_buffer", incoming_buffer)
    if not idle_timeout > 0:
        raise ValueError(f"idle_timeout must be a number of seconds above 0, not {idle_timeout!r}")


class _Peers:
    """The peers of one endpoint: its datagrams are sorted by their addresses."""

    def __init__(
        self,
        handler: PeerHandler,
        endpoint: UDPEndpoint,
        vacancies: Vacancies,
        idle: Idle,
        incoming_buffer: int,
    ) -> None:
        self._io = endpoint._io
        self._handler = handler
        self._vacancies = vacancies
        self._idle = idle
        self._room = incoming_buffer
        self._table: Table = {}
        self._name = f"trio_udp peer at {format_address(endpoint.address)}"  # one string for all tasks
        self._listening = trio.CancelScope()

    def start(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        nursery.start_soon(self._receive, name=f"{self._name}: receiving")

    def stop(self, _: float) -> None:
        """Receive no more. The handlers hear of it from `Idle`."""
        self._listening.cancel()

    def discard(self) -> None:
        """What was taken off the socket and not sorted is at least counted."""
        self._io.drop_all(self._io.leftover(), "server stopped")

    async def _receive(self) -> None:
        with self._listening:
            while True:
                self._sort(await self._io.receive(BATCH))
        self._sort(self._io.leftover())

    def _sort(self, batch: list[Datagram]) -> None:
        n = 0  # so many have gone where they belong, or nowhere
        try:
            self._io.report_received(batch)
            for data, address in batch:
                peer = self._table.get(address)
                problem = "" if peer is not None else self._vacancies.objection(address)
                if not problem:
                    peer = peer or self._welcome(address)
                    problem = "" if peer.deliver(data) else "peer's buffer full"
                n += 1
                if problem:
                    self._io.drop(data, address, problem, outgoing=False)
        except BaseException:  # of ``admit``, or of an observer
            self._io.drop_all(batch[n:], "server stopped")
            raise

    def _welcome(self, address: Address) -> Peer:
        self._vacancies.take(address)
        peer = self._table[address] = Peer(address, self._io, self._table, self._idle, self._room)
        talk = self._talk if self._io.emit is None else self._talk_observed
        self._nursery.start_soon(talk, peer, name=self._name)
        return peer

    async def _talk(self, peer: Peer) -> None:
        awaitable = None
        try:
            awaitable = self._handler(UDPChannel(peer))
            await awaitable
        except TypeError:
            if awaitable is not None:
                check_awaitable(awaitable)
            raise
        finally:
            peer.close()
            self._vacancies.give_back(peer.peer)

    async def _talk_observed(self, peer: Peer) -> None:
        """`_talk`, telling of it."""
        try:
            with told_of(peer, self._io):
                await self._talk(peer)
        finally:
            peer.close()  # an observer may have raised before anybody talked


class _Line(Protocol):
    @property
    def peer(self) -> Address:
        """Its address."""

    @property
    def ended_by(self) -> str:
        """Why the latest receive has raised EndOfChannel, if it has."""


@contextmanager
def told_of(line: _Line, io: BatchSocket) -> Iterator[None]:
    """Tell who watches the socket that a peer's handler begins, and why it has ended."""
    if io.emit is None:
        yield
        return
    io.emit(PeerOpened(trio.current_time(), io.local, line.peer))
    reason = "returned"
    try:
        yield
        reason = line.ended_by or reason
    except BaseException as error:
        reason = "cancelled" if is_cancellation(error) else type(error).__name__
        raise
    finally:
        io.emit(PeerClosed(trio.current_time(), io.local, line.peer, reason))
