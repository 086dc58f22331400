"""Opening sockets: which addresses, which port, how large a buffer.

A server for everybody needs a socket per family, both on one port. With port 0 the second one has to ask for the number
that the first one got, which somebody may have taken in the meantime; we try again with another. Of a family that this
machine does not have there is simply no socket, as long as another one remains.

What we refuse: SO_REUSEADDR. For UDP it does not mean what it means for TCP: another process could bind the same port
and take the datagrams.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from functools import partial
from typing import TYPE_CHECKING

import trio

from ._address import Target, format_address, resolve
from ._endpoint import UDPEndpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["open_udp_endpoint", "open_udp_endpoints"]

# Bytes asked for by SO_RCVBUF. Linux keeps only some 256 small datagrams in its default of 212,992 bytes (socket(7),
# net.core.rmem_default) and drops the rest; this holds the burst of a few thousand that a busy moment brings.
RECEIVE_BUFFER = 4 * 1024 * 1024

# How often open_udp_endpoints looks for a port that is free in both families.
PORT_TRIES = 32


async def open_udp_endpoint(
    host: str,
    port: int = 0,
    *,
    receive_buffer: int = RECEIVE_BUFFER,
    reuse_port: bool = False,
    bulk: bool = False,
    reply_from_asked: bool = False,
) -> UDPEndpoint:
    """Open a socket bound to one address.

    Args:
      host: ``"127.0.0.1"`` or ``"::1"`` to talk within this machine, ``"0.0.0.0"`` or ``"::"`` to talk to the world.
        Of a name with several addresses, the first that can be bound. An IPv6 endpoint speaks IPv6 only.
      port: 0 lets the system choose; see ``.address``.
      receive_buffer: bytes to ask for; the system may give less, see ``statistics().receive_buffer``.
      reuse_port: let several processes share the port (SO_REUSEPORT), the system spreads the peers over them.
      bulk: long runs of datagrams from one peer are expected; see `UDPEndpoint`.
      reply_from_asked: an endpoint with all addresses of this machine replies from the one that was asked; see
        `UDPEndpoint`.

    Raises:
      OSError: the host is unknown, or no address could be bound; the message says which and why.
      ValueError: an argument is out of range, or the platform has no SO_REUSEPORT or cannot tell which address was
        asked.
    """
    open_one = partial(
        _open, receive_buffer=receive_buffer, reuse_port=reuse_port, bulk=bulk, reply_from_asked=reply_from_asked
    )
    failures: list[OSError] = []
    for target in await resolve(host, port, passive=True):
        try:
            return await open_one(target)
        except OSError as error:
            failures.append(error)
    raise failures[0]


async def open_udp_endpoints(
    port: int = 0,
    *,
    host: str | None = None,
    receive_buffer: int = RECEIVE_BUFFER,
    reuse_port: bool = False,
    bulk: bool = False,
    reply_from_asked: bool = False,
) -> list[UDPEndpoint]:
    """Open a socket for each address of a host, all on one port: one for IPv4 and one for IPv6, usually.

    A family that this machine does not have is left out, as long as one address remains.

    Args:
      port: 0 lets the system choose one that is free for all of them.
      host: None means every interface.
      receive_buffer: as in `open_udp_endpoint`.
      reuse_port: as in `open_udp_endpoint`.
      bulk: as in `open_udp_endpoint`.
      reply_from_asked: as in `open_udp_endpoint`.

    Raises what `open_udp_endpoint` raises.
    """
    open_one = partial(
        _open, receive_buffer=receive_buffer, reuse_port=reuse_port, bulk=bulk, reply_from_asked=reply_from_asked
    )
    targets = await resolve(host, port, passive=True)
    for _ in range(PORT_TRIES - 1):
        try:
            return await _open_all(targets, open_one)
        except OSError as error:
            if port != 0 or error.errno != errno.EADDRINUSE:
                raise
    return await _open_all(targets, open_one)


async def _open_all(targets: list[Target], open_one: Callable[[Target], Awaitable[UDPEndpoint]]) -> list[UDPEndpoint]:
    """One endpoint per target, all on the port that the first one gets; none is left open when that fails."""
    endpoints: list[UDPEndpoint] = []
    missing: list[OSError] = []
    try:
        for target in targets:
            if endpoints:
                target = _on_port(target, endpoints[0].address[1])
            try:
                endpoints.append(await open_one(target))
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


async def _open(
    target: Target, *, receive_buffer: int, reuse_port: bool, bulk: bool, reply_from_asked: bool
) -> UDPEndpoint:
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
            return UDPEndpoint(socket, bulk=bulk, reply_from_asked=reply_from_asked)
        except BaseException:
            socket.close()
            raise
    except OSError as error:
        where = format_address(target.address)
        raise OSError(error.errno, f"cannot open UDP {where}: {error.strerror or error}") from None


def grow_receive_buffer(socket: trio.socket.SocketType, size: int) -> None:
    """Ask for a receive buffer of ``size`` bytes and take what the system gives.

    Raises:
      ValueError: the size is below 1.
    """
    if size < 1:
        raise ValueError(f"receive_buffer must be at least 1 byte, not {size!r}")
    size = min(size, 2**31 - 1)  # a C int
    while True:
        try:
            socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, size)
            return  # Linux clamps silently to net.core.rmem_max ...
        except OSError:
            size //= 2  # ... where macOS refuses what is above kern.ipc.maxsockbuf
            if not size:
                raise
