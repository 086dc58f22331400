"""Handlers for ``serve --dtls --handler``."""

from __future__ import annotations

from trio_udp import Datagram


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def much(datagram: Datagram) -> bytes:
    """More than DTLS carries, unless it is asked not to; or less."""
    if datagram.data == b"nothing":
        return b""
    return datagram.data if datagram.data == b"small" else bytes(20000)
