"""`UDPEndpoint`: one UDP socket that talks to anybody, and how to open one.

Plain sockets have three habits that cost people a bug. A receive size that is too small truncates without a word; a
receive buffer that is too small loses datagrams without a word; and on some systems the next receive raises because a
datagram sent earlier, to somebody else, was refused. An endpoint reads whole datagrams, asks for a large buffer and
says what it got, and counts refusals instead of raising them.

Opening has one more. A server for everybody needs a socket per family, both on one port, and with port 0 the second
one has to ask for the number that the first one got, which somebody may have taken in the meantime. We try again then.

What we refuse: SO_REUSEADDR. For UDP it does not mean what it means for TCP: another process could bind the same port
and take the datagrams.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
from typing import TYPE_CHECKING, final

import trio

from ._address import Address, Target, format_address, resolve
from ._batch import BATCH, BatchSocket, Datagram
from ._errors import DatagramTooLarge
from ._events import current_emit
from ._statistics import Tally, UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

__all__ = ["UDPEndpoint", "open_udp_endpoint", "open_udp_endpoints"]

# Bytes asked for by SO_RCVBUF. Linux keeps only some 256 small datagrams in its default of 212,992 bytes (socket(7),
# net.core.rmem_default) and drops the rest; this holds the burst of a few thousand that a busy moment brings.
RECEIVE_BUFFER = 4 * 1024 * 1024

# How often open_udp_endpoints looks for a port that is free in both families.
PORT_TRIES = 32


@final
class UDPEndpoint(trio.abc.AsyncResource):
    """A UDP socket that sends to and receives from anybody.

    Usually made by `open_udp_endpoint`; this constructor takes a bound Trio socket of your own, and closes it in the
    end. Any number of tasks may send; one at a time may receive. Iterate over it for datagram after datagram::

        async for data, address in endpoint:
            ...

    Args:
      socket: a ``trio.socket`` of type ``SOCK_DGRAM``.

    Raises:
      TypeError: this is not a Trio socket.
      ValueError: it is one of another type.
    """

    def __init__(self, socket: trio.socket.SocketType) -> None:
        if not isinstance(socket, trio.socket.SocketType):
            raise TypeError(f"UDPEndpoint needs a socket made by trio.socket, not {socket!r}")
        if socket.type != trio.socket.SOCK_DGRAM:
            raise ValueError(f"UDPEndpoint needs a SOCK_DGRAM socket, not {socket!r}")
        self.socket = socket
        self._io = BatchSocket(socket, Tally(), current_emit())

    @property
    def address(self) -> Address:
        """The local address; the port is the real one also when port 0 was asked for."""
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
        not. The same holds for cancellation.

        Args:
          datagrams: `Datagram` or plain ``(data, address)`` pairs.

        Raises:
          As `send`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            for number, (data, address) in enumerate(datagrams, 1):
                await self._send_one(data, address)
                if number % BATCH == 0:
                    await trio.lowlevel.checkpoint()
        finally:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _send_one(self, data: bytes, address: Address) -> None:
        try:
            # Only a numeric host may go straight to the kernel: sendto would look a name up, and block everybody.
            if not (_is_numeric(self.socket.family, address[0]) and self._io.send_now(data, address)):
                await self._io.send_waiting(data, address)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise DatagramTooLarge(len(data), payload_limit(self.socket.family)) from None
            raise

    async def receive(self) -> Datagram:
        """Wait for the next datagram.

        Cancelled, it has taken none off the socket. ICMP errors, which are about datagrams sent earlier, are counted
        and never raised.

        Raises:
          trio.BusyResourceError: another task is receiving.
          trio.ClosedResourceError: you have closed the endpoint.
        """
        return (await self._io.receive(1))[0]

    async def receive_many(self, limit: int = BATCH) -> list[Datagram]:
        """Take what has arrived, at least one datagram; waits only for the first.

        Args:
          limit: how many at most, at least 1.

        Raises:
          As `receive`, and ValueError for a limit below 1.
        """
        if limit < 1:
            await trio.lowlevel.checkpoint()
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        return await self._io.receive(limit)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Datagram:
        return await self.receive()

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


async def open_udp_endpoint(
    host: str, port: int = 0, *, receive_buffer: int = RECEIVE_BUFFER, reuse_port: bool = False
) -> UDPEndpoint:
    """Open a socket bound to one address.

    Args:
      host: ``"127.0.0.1"`` or ``"::1"`` to talk within this machine, ``"0.0.0.0"`` or ``"::"`` to talk to the world.
        Of a name with several addresses, the first that can be bound. An IPv6 endpoint speaks IPv6 only.
      port: 0 lets the system choose; see ``.address``.
      receive_buffer: bytes to ask for; the system may give less, see ``statistics().receive_buffer``.
      reuse_port: let several processes share the port (SO_REUSEPORT), the system spreads the peers over them.

    Raises:
      OSError: the host is unknown, or no address could be bound; the message says which and why.
      ValueError: an argument is out of range, or the platform has no SO_REUSEPORT.
    """
    failures: list[OSError] = []
    for target in await resolve(host, port, passive=True):
        try:
            return await _open(target, receive_buffer, reuse_port)
        except OSError as error:
            failures.append(error)
    raise failures[0]


async def open_udp_endpoints(
    port: int = 0, *, host: str | None = None, receive_buffer: int = RECEIVE_BUFFER, reuse_port: bool = False
) -> list[UDPEndpoint]:
    """Open a socket for each address of a host, all on one port: one for IPv4 and one for IPv6, usually.

    A family that this machine does not have is left out, as long as one address remains.

    Args:
      port: 0 lets the system choose one that is free for all of them.
      host: None means every interface.
      receive_buffer: as in `open_udp_endpoint`.
      reuse_port: as in `open_udp_endpoint`.

    Raises:
      As `open_udp_endpoint`.
    """
    targets = await resolve(host, port, passive=True)
    for tries_left in reversed(range(PORT_TRIES)):
        try:
            return await _open_all(targets, receive_buffer, reuse_port)
        except OSError as error:
            if port != 0 or error.errno != errno.EADDRINUSE or not tries_left:
                raise
    raise AssertionError("unreachable")


async def _open_all(targets: list[Target], receive_buffer: int, reuse_port: bool) -> list[UDPEndpoint]:
    """One endpoint per target, all on the port that the first one gets; none is left open when that fails."""
    endpoints: list[UDPEndpoint] = []
    missing: list[OSError] = []
    try:
        for target in targets:
            if endpoints:
                target = _on_port(target, endpoints[0].address[1])
            try:
                endpoints.append(await _open(target, receive_buffer, reuse_port))
            except OSError as error:
                # EAFNOSUPPORT: no such family in this kernel; EADDRNOTAVAIL: IPv6 is there, and switched off.
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                missing.append(error)
    except BaseException:
        for endpoint in endpoints:
            endpoint.close()
        raise
    if not endpoints:
        raise missing[0]
    return endpoints


def _on_port(target: Target, port: int) -> Target:
    host, _, *rest = target.address
    return Target(target.family, (host, port, *rest))  # type: ignore[arg-type]


async def _open(target: Target, receive_buffer: int, reuse_port: bool) -> UDPEndpoint:
    if reuse_port and not hasattr(stdlib_socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port: this platform has no SO_REUSEPORT")
    try:
        socket = trio.socket.socket(target.family, trio.socket.SOCK_DGRAM)
        try:
            if target.family == trio.socket.AF_INET6:
                socket.setsockopt(trio.socket.IPPROTO_IPV6, trio.socket.IPV6_V6ONLY, 1)
            if reuse_port:
                socket.setsockopt(trio.socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
            grow_receive_buffer(socket, receive_buffer)
            await socket.bind(target.address)
            return UDPEndpoint(socket)
        except BaseException:
            socket.close()
            raise
    except OSError as error:
        where = format_address(target.address)
        raise OSError(error.errno, f"cannot open UDP {where}: {os.strerror(error.errno or 0)}") from None


def grow_receive_buffer(socket: trio.socket.SocketType, size: int) -> None:
    """Ask for a receive buffer of ``size`` bytes and take what the system gives.

    Raises:
      ValueError: the size is below 1.
    """
    if size < 1:
        raise ValueError(f"receive_buffer must be at least 1 byte, not {size!r}")
    while size > socket.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF):
        try:
            socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, size)
            return  # Linux clamps silently to net.core.rmem_max ...
        except OSError:
            size //= 2  # ... where macOS refuses what is above kern.ipc.maxsockbuf


def payload_limit(family: int) -> int:
    """The largest payload of a datagram: 65,535 less the headers inside that count (RFC 768, 791 and 8200)."""
    return 65527 if family == trio.socket.AF_INET6 else 65507


def _is_numeric(family: int, host: str) -> bool:
    try:
        stdlib_socket.inet_pton(family, host)
    except OSError:
        return False
    return True
