"""`UDPEndpoint`: one UDP socket that talks to anybody.

Plain sockets have three habits that cost people a bug. A receive size that is too small truncates without a word; a
receive buffer that is too small loses datagrams without a word; and on some systems the next receive raises because a
datagram sent earlier, to somebody else, was refused. An endpoint reads whole datagrams, says how large the buffer is
and what it lost (opening one asks for a large buffer), and counts refusals instead of raising them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, final

import trio

from . import _multicast
from ._address import Address
from ._batch import BATCH, BatchSocket, Datagram
from ._counted import CLOSED_ERRORS
from ._events import current_emit
from ._statistics import Tally, UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

__all__ = ["UDPEndpoint"]


@final
class UDPEndpoint(trio.abc.AsyncResource):
    """A UDP socket that sends to and receives from anybody.

    Usually made by `open_udp_endpoint`; this constructor takes a bound Trio socket of your own, and closes it in the
    end. Any number of tasks may send; one at a time may receive. Iterate over it for datagram after datagram::

        async for data, address in endpoint:
            ...

    Args:
      socket: a ``trio.socket`` of type ``SOCK_DGRAM``.
      bulk: long runs of datagrams from one peer are expected: where the system can hand them over together, it is asked
        to (UDP_GRO, which stays on for that socket until an endpoint without it is made of it). For many peers with
        little to say each that would cost more than it saves.
      reply_from_asked: if the socket is bound to all addresses of this machine, what is sent to the address of a
        received datagram leaves from that one of them to which the datagram came (IP_PKTINFO, which then stays on for
        that socket). Without it the system chooses, and a peer that has asked another one does not know the reply.

    Raises:
      TypeError: this is not a Trio socket.
      ValueError: it is one of another type, or cannot tell which address was asked.
    """

    def __init__(self, socket: trio.socket.SocketType, *, bulk: bool = False, reply_from_asked: bool = False) -> None:
        if not isinstance(socket, trio.socket.SocketType):
            raise TypeError(f"UDPEndpoint needs a socket made by trio.socket, not {socket!r}")
        if socket.type != trio.socket.SOCK_DGRAM:
            raise ValueError(f"UDPEndpoint needs a SOCK_DGRAM socket, not {socket!r}")
        self.socket = socket
        self._io = BatchSocket(socket, Tally(), current_emit(), bulk=bulk, reply_from_asked=reply_from_asked)

    @property
    def address(self) -> Address:
        """The local address; the port is the real one even when port 0 was asked for."""
        return self._io.local

    async def send(self, data: bytes, address: Address) -> None:
        """Send one datagram; waits only while the socket's send buffer is full.

        A host *name* is resolved at every call: resolve it once if you send often.

        Args:
          data: the payload; an empty one is a datagram, too.
          address: where to, as the ``socket`` module has it.

        Raises:
          DatagramTooLarge: nothing was sent.
          OSError: the system would not send it, for want of a route for example.
          trio.ClosedResourceError: you have closed the endpoint.
        """
        await self.send_many([Datagram(data, address)])

    async def send_many(self, datagrams: Iterable[Datagram]) -> None:
        """Send datagrams in order; waits while the socket's send buffer is full.

        When one cannot be sent the error is raised at once: the ones before it were sent, it and the ones after it were
        not. The same holds for cancellation, and for whatever the iterable itself raises.

        Args:
          datagrams: `Datagram` or plain ``(data, address)`` pairs.

        Raises what `send` raises.
        """
        await self._io.send_many(datagrams)

    async def receive(self) -> Datagram:
        """Wait for the next datagram.

        Cancelled, it has taken none off the socket. ICMP errors, which are about datagrams sent earlier, are counted
        and never raised.

        Raises:
          trio.BusyResourceError: another task is receiving.
          trio.ClosedResourceError: you have closed the endpoint.
        """
        return (await self._receive(1))[0]

    async def receive_many(self, limit: int = BATCH) -> list[Datagram]:
        """Take what has arrived, at least one datagram; waits only for the first.

        Args:
          limit: how many at most, at least 1.

        Raises what `receive` raises, and ValueError for a limit below 1.
        """
        if limit < 1:
            await trio.lowlevel.checkpoint()
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        return await self._receive(limit)

    async def _receive(self, limit: int) -> list[Datagram]:
        batch = await self._io.receive(limit)
        self._io.report_received(batch)
        return batch

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Datagram:
        return await self.receive()

    def join_group(self, group: str, *, interface: str | int | None = None, source: str | None = None) -> None:
        """Hear what is sent to a group from now on, at this endpoint's port.

        Open the endpoint on ``"0.0.0.0"`` or ``"::"``, and it hears what is sent to it alone as well; or on the address
        of the group, which Linux and macOS allow, and it hears nothing else. It never hears groups that other programs
        of this machine have joined. To share the port with them open all with ``reuse_port=True``: on Linux each of
        them then gets every datagram of the group.

        Args:
          group: its address, 224.0.0.0 to 239.255.255.255, or one that begins with ff.
          interface: where to listen, by its name or index, for IPv4 also by its address, ``"127.0.0.1"`` for this
            machine alone; None: where the system's routes lead.
          source: hear this address alone (RFC 4607); may be called for several. Do not join one group both ways.

        Raises:
          ValueError: this is no group, or none for this endpoint's family or the address that it is bound to.
          OSError: there is no such interface, it is a member already, or of too many groups; the message says which.
          trio.ClosedResourceError: you have closed the endpoint.
        """
        with self._opened() as socket:
            _multicast.Group(socket, group, interface, source).join()

    def leave_group(self, group: str, *, interface: str | int | None = None, source: str | None = None) -> None:
        """Hear no more of a group; closing the endpoint does the same.

        Args:
          group: as it was joined.
          interface: the same.
          source: the same; with the last one the group is left.

        Raises what `join_group` raises; the OSError also if this endpoint is no member.
        """
        with self._opened() as socket:
            _multicast.Group(socket, group, interface, source).leave()

    def set_multicast(
        self, *, interface: str | int | None = None, ttl: int | None = None, loopback: bool | None = None
    ) -> None:
        """Say how this endpoint sends to groups; what is None stays as it is. Nobody has to join a group to send to it.

        Args:
          interface: by which one, named as in `join_group`. Until it is said the system's routes decide.
          ttl: how many networks it may cross: 0 stays on this machine, 1 in this network, which is what a system does
            unless told (RFC 1112 section 6.1), 255 is the most.
          loopback: do members on this machine hear it, too? They do unless told. (On Windows it is the receivers that
            decide this.)

        Raises:
          ValueError: an argument makes no sense.
          OSError: there is no such interface.
          trio.ClosedResourceError: you have closed the endpoint.
        """
        with self._opened() as socket:
            _multicast.set_sending(socket, interface, ttl, loopback)

    def allow_broadcast(self, allow: bool = True) -> None:
        """Allow sending to broadcast addresses (SO_BROADCAST), which is an error until then.

        255.255.255.255 is everybody in this network. Whoever is bound to ``"0.0.0.0"`` hears it.

        Args:
          allow: False takes it back.

        Raises:
          ValueError: this is an IPv6 endpoint, and IPv6 has none.
          trio.ClosedResourceError: you have closed the endpoint.
        """
        with self._opened() as socket:
            _multicast.allow_broadcast(socket, allow)

    @contextmanager
    def _opened(self) -> Iterator[trio.socket.SocketType]:
        try:
            yield self.socket
        except OSError as error:
            if error.errno in CLOSED_ERRORS:
                raise trio.ClosedResourceError("this socket was already closed") from None
            raise

    def statistics(self) -> UDPStatistics:
        """What has gone through, and what has not; after `close`, as it was then."""
        return self._io.statistics()

    def close(self) -> None:
        """Close the socket now. A task that waits on it gets ``trio.ClosedResourceError``."""
        self._io.close()

    async def aclose(self) -> None:
        """The same as `close`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
