"""Hosts that cannot be found or reached, and ports that cannot be had, explained in a line.

The system's own words for it, ``[Errno -2] Name or service not known``, leave out the most important thing: which name.
"""

from __future__ import annotations

import errno
import socket
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import trio

from .._asked import is_available
from .._client import UDPClient, open_udp_client
from .._connection import open_connected
from .._endpoint import UDPEndpoint
from .._opening import open_udp_endpoints
from .._systemd import endpoints_from_systemd
from ._common import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from .._address import HostPort
    from .._batch import BatchSocket


async def open_client(server: HostPort, correlate: Callable[[bytes], Hashable] | None = None) -> UDPClient:
    """`open_udp_client`.

    Raises:
      Failure: the host cannot be found, or there is no way to it.
    """
    host = server.host or "localhost"
    with _explained(host, lambda error: f"cannot reach {host!r}: {error.strerror or error}"):
        return await open_udp_client(host, server.port, correlate=correlate)


async def open_socket(server: HostPort, number: int) -> BatchSocket:
    """`open_connected`, for client number so-and-so.

    Raises:
      Failure: the host cannot be found, there is no way to it, or there are no sockets left.
    """
    host = server.host or "localhost"
    with _explained(host, lambda error: f"cannot open client {number}: {error.strerror or error}{_limit(error)}"):
        return await open_connected(host, server.port)


def _limit(error: OSError) -> str:
    return " (take fewer clients, or raise the limit: ulimit -n)" if error.errno == errno.EMFILE else ""


async def open_endpoints(address: HostPort) -> list[UDPEndpoint]:
    """`open_udp_endpoints`, which reply from the address that was asked, where the platform can tell.

    Raises:
      Failure: the host cannot be found, or the port cannot be had.
    """
    with opening(address):
        return await open_udp_endpoints(address.port, host=address.host, reply_from_asked=is_available())


def take_endpoints() -> list[UDPEndpoint]:
    """`endpoints_from_systemd`.

    Raises:
      Failure: it has passed none, or what makes no sense.
    """
    try:
        endpoints = endpoints_from_systemd(reply_from_asked=is_available())
    except ValueError as error:
        raise Failure(str(error)) from None
    if not endpoints:
        raise Failure(
            "systemd has passed no socket: this has to be started by a .socket unit, or by systemd-socket-activate "
            "--datagram -l PORT"
        )
    return endpoints


async def take_or_open(address: HostPort | None) -> list[UDPEndpoint]:
    """`take_endpoints` if there is no address, else `open_endpoints`, and their failures."""
    return take_endpoints() if address is None else await open_endpoints(address)


async def open_metrics_listeners(address: HostPort) -> list[trio.SocketListener]:
    """`trio.open_tcp_listeners`.

    Raises:
      Failure: the host cannot be found, or the port cannot be had.
    """
    host, port = address
    where = f"cannot open TCP {'*' if host is None else host}:{port} for --metrics: "
    with _explained(host, lambda error: where + (error.strerror or str(error)) + _advice(error, port)):
        return await trio.open_tcp_listeners(port, host=host)


def opening(address: HostPort) -> AbstractContextManager[None]:
    """While a port is opened there: say why that is not possible.

    Raises:
      Failure: the host cannot be found, or the port cannot be had.
    """
    host, port = address
    return _explained(host, lambda error: (error.strerror or str(error)) + _advice(error, port))


@contextmanager
def _explained(host: str | None, explain: Callable[[OSError], str]) -> Iterator[None]:
    """Make a `Failure` of an OSError: a name that cannot be found is the same for all, ``explain`` tells the others."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has gone, which is no matter of a host
    except socket.gaierror as error:
        raise Failure(f"cannot find the host {host!r}: {error.strerror}") from None
    except OSError as error:
        raise Failure(explain(error)) from None


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EACCES and port < 1024:
        return " (a port below 1024 needs special rights; take one from 1024 to 65535, or 0 for any)"
    if error.errno == errno.EADDRINUSE:
        return " (another program has it; take another port, or 0 for any)"
    if error.errno == errno.EADDRNOTAVAIL:
        return " (this is not an address of this machine)"
    return ""
