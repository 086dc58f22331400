"""Hosts that cannot be found or reached, and ports that cannot be had, explained in a line.

The system's own words for it, ``[Errno -2] Name or service not known``, leave out the most important thing: which name.
"""

from __future__ import annotations

import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._client import UDPClient, open_udp_client
from .._endpoint import UDPEndpoint
from .._opening import open_udp_endpoints
from ._common import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from .._address import HostPort


@contextmanager
def lookup_explained(host: str | None) -> Iterator[None]:
    """Turn what a name that cannot be resolved raises into a `Failure` that says so."""
    try:
        yield
    except UnicodeError as error:  # no DNS name at all: the idna codec refuses an empty label or one of 64 letters
        raise Failure(f"cannot find the host {host!r}: {error}") from None
    except socket.gaierror as error:
        raise Failure(f"cannot find the host {host!r}: {error.strerror}") from None


async def open_client(server: HostPort, correlate: Callable[[bytes], Hashable] | None = None) -> UDPClient:
    """`open_udp_client`.

    Raises:
      Failure: the host cannot be found, or there is no way to it.
    """
    host = server.host or "localhost"
    with lookup_explained(host):
        try:
            return await open_udp_client(host, server.port, correlate=correlate)
        except socket.gaierror:
            raise
        except OSError as error:
            raise Failure(f"cannot reach {host!r}: {error.strerror or error}") from None


async def open_endpoints(address: HostPort) -> list[UDPEndpoint]:
    """`open_udp_endpoints`.

    Raises:
      Failure: the host cannot be found, or the port cannot be had.
    """
    host, port = address
    with lookup_explained(host):
        try:
            return await open_udp_endpoints(port, host=host)
        except socket.gaierror:
            raise
        except OSError as error:
            raise Failure((error.strerror or str(error)) + _advice(error, port)) from None


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EACCES and port < 1024:
        return " (a port below 1024 needs special rights; take one from 1024 to 65535, or 0 for any)"
    if error.errno == errno.EADDRINUSE:
        return " (another program has it; take another port, or 0 for any)"
    if error.errno == errno.EADDRNOTAVAIL:
        return " (this is not an address of this machine)"
    return ""
