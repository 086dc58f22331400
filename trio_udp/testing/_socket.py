"""`VirtualSocket`: what ``trio.socket.socket`` gives on a virtual network.

It does what Trio's own socket over a Linux UDP socket does: the same results, the same errors at the same moments, the
same checkpoints. What it cannot do raises NotImplementedError and says what that is; nothing is accepted and ignored.
A test makes the same calls on both kinds and compares. And it tells those who observe the calling task what was sent
and received, unless an endpoint of this library calls, which tells that itself.

This file has the calls that wait, or could: for an address, for a datagram. The rest of what a program holds is the
`Handle`; what is behind it is a `Mailbox`; what the system does in a call is in `_kernel`.
"""

from __future__ import annotations

import socket as stdlib_socket
from operator import index
from typing import TYPE_CHECKING, Any

import trio

from .._events import DatagramReceived
from .._told import emit_of_socket
from . import _kernel
from ._ancillary import ControlMessage, told
from ._buffers import TRUNC, as_bytes, check_buffers, check_room, check_sizes, cut, is_empty, scatter
from ._handle import Handle, at_once
from ._ip import IP, is_numeric, parse_ip, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Buffer

    from .._address import Address
    from ._ancillary import AskedMessage
    from ._mailbox import Arrived, Mailbox

_PEEK, _CTRUNC, _DONTWAIT, _NOSIGNAL = (  # Windows does not have them all
    int(getattr(stdlib_socket, name, 0)) for name in ("MSG_PEEK", "MSG_CTRUNC", "MSG_DONTWAIT", "MSG_NOSIGNAL")
)

# MSG_DONTWAIT changes nothing, since Trio never lets the system wait; no signal comes from a datagram.
_RECEIVE_FLAGS = _PEEK | TRUNC | _DONTWAIT
_SEND_FLAGS = _DONTWAIT | _NOSIGNAL


class VirtualSocket(Handle):
    """A UDP socket on a virtual host.

    Args:
      mailbox: the socket.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(mailbox)
        self._reading = False

    # -- who talks to whom --------------------------------------------------------------------------------------------

    async def bind(self, address: Any) -> None:
        async with at_once:
            ip, port = await self._place(address, "bind", stdlib_socket.AI_PASSIVE)
            _kernel.bind(self._opened(), ip, port)

    async def connect(self, address: Any) -> None:
        try:
            async with at_once:
                ip, port = await self._place(address, "connect")
                _kernel.connect(self._opened(), ip, port)
        except trio.Cancelled:
            self.close()  # as Trio's own does
            raise

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def recv(self, buflen: int, flags: int = 0, /) -> bytes:
        if buflen == 0:  # asks the system for nothing, not even for a datagram to throw away
            async with at_once:
                return b""
        return cut((await self._receive(flags, check_sizes, buflen)).data, buflen, flags)

    async def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        arrived = await self._receive(flags, check_sizes, bufsize)
        return cut(arrived.data, bufsize, flags), shown(self._mailbox.family, arrived.source)

    async def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        if not nbytes and is_empty(buffer):
            return len(await self.recv(0))
        return (await self.recvfrom_into(buffer, nbytes, flags))[0]

    async def recvfrom_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        arrived = await self._receive(flags, check_room, buffer, nbytes)
        size = scatter(arrived.data[: nbytes or None], [buffer])
        return len(arrived.data) if flags & TRUNC else size, shown(self._mailbox.family, arrived.source)

    async def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[ControlMessage], int, Any]:
        arrived = await self._receive(flags, check_sizes, bufsize, ancbufsize)
        return (arrived.data[:bufsize], *self._about(arrived, bufsize, ancbufsize))  # even with MSG_TRUNC

    async def recvmsg_into(
        self, buffers: Iterable[Buffer], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[ControlMessage], int, Any]:
        buffers = list(buffers)
        arrived = await self._receive(flags, check_buffers, buffers, ancbufsize)
        size = scatter(arrived.data, buffers)
        return (len(arrived.data) if flags & TRUNC else size, *self._about(arrived, size, ancbufsize))

    def _about(self, arrived: Arrived, room: int, control_room: int) -> tuple[list[ControlMessage], int, Address]:
        """What ``recvmsg`` tells beside the data: control messages, flags and the sender."""
        messages, some_missing = told(self._mailbox, arrived, control_room)
        flags = (TRUNC if len(arrived.data) > room else 0) | (_CTRUNC if some_missing else 0)
        return messages, flags, shown(self._mailbox.family, arrived.source)

    async def _receive(self, flags: int, check: Callable[..., None], *sizes: Any) -> Arrived:
        """The next datagram, once ``check(*sizes)`` has found nothing wrong with the call."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            check(*sizes)
            if flags & ~_RECEIVE_FLAGS:
                raise NotImplementedError(f"the virtual network does not know how to receive with flags {flags:#x}")
            arrived = self._opened().take(peek=bool(flags & _PEEK))
        except BaseException:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise
        if arrived is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while arrived is None:
            await self._wait_readable()
            arrived = self._mailbox.take(peek=bool(flags & _PEEK))
        if not flags & _PEEK:
            self._tell(arrived)
        return arrived

    def _tell(self, arrived: Arrived) -> None:
        """Tell who observes this task what it has received, and at which address; what was sent the `Wire` tells."""
        emit, is_ours_to_tell = emit_of_socket()
        if emit is not None and is_ours_to_tell:
            mailbox = self._mailbox
            local, remote = mailbox.shown_asked(arrived), shown(mailbox.family, arrived.source)
            emit(DatagramReceived(trio.current_time(), local, remote, arrived.data))

    async def _wait_readable(self) -> None:
        if self._reading:
            await trio.lowlevel.checkpoint()
            raise trio.BusyResourceError("another task is already reading this socket")
        self._reading = True
        host = self._mailbox.host
        try:
            if host.network_is_over:
                await trio.lowlevel.cancel_shielded_checkpoint()
            else:
                await self._mailbox.wait()
        finally:
            self._reading = False
        if self._fileno < 0:
            raise trio.ClosedResourceError("another task closed this socket")
        if host.network_is_over:
            raise trio.ClosedResourceError("the virtual network of this socket has ended")

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, data: Buffer, flags: int = 0, /) -> int:
        async with at_once:
            return self._send(as_bytes(data), flags)

    async def sendto(self, data: Buffer, *args: Any) -> int:
        async with at_once:
            if not 1 <= len(args) <= 2:
                raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(args)} given)")
            *some_flags, address = args
            flags = some_flags[0] if some_flags else 0
            return self._send(as_bytes(data), flags, await self._place(address, "sendto"))

    async def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancdata: Iterable[AskedMessage] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        async with at_once:
            place = None if address is None else await self._place(address, "sendmsg")
            return self._send(b"".join(map(as_bytes, buffers)), flags, place, list(ancdata))

    def _send(
        self, data: bytes, flags: int, place: tuple[IP, int] | None = None, messages: Sequence[AskedMessage] = ()
    ) -> int:
        if flags & ~_SEND_FLAGS:
            raise NotImplementedError(f"the virtual network does not know how to send with flags {flags:#x}")
        _kernel.send(self._opened(), data, place, messages)
        return len(data)

    # -- addresses ----------------------------------------------------------------------------------------------------

    async def _place(self, address: Any, call: str, flags: int = 0) -> tuple[IP, int]:
        """Where an address is; names are looked up, as Trio's own sockets do it."""
        family = self._mailbox.family
        if family == stdlib_socket.AF_INET6:
            self._opened()  # Trio asks such a socket for its IPV6_V6ONLY, whatever the address looks like
        if not isinstance(address, tuple) or not 2 <= len(address) <= (4 if family == stdlib_socket.AF_INET6 else 2):
            raise ValueError(f"address should be a (host, port) tuple, not {address!r}")
        host, port = address[:2]
        if not (isinstance(port, int) and isinstance(host, str) and is_numeric(family, host)):
            host, port = await self._look_up(host, port, flags)
        if not 0 <= port <= 65535:
            raise OverflowError(f"{call}(): port must be 0-65535.")
        if len(address) > 2 and not 0 <= index(address[2]) < 2**20:
            raise OverflowError(f"{call}(): flowinfo must be 0-1048575.")
        ip = parse_ip(host)
        if len(address) == 4 and address[3] and not ip.is_loopback:
            raise NotImplementedError(f"the virtual network has no scopes: {address!r}")
        return ip, port

    async def _look_up(self, host: Any, port: Any, flags: int) -> Any:
        host = {"": None, "<broadcast>": "255.255.255.255"}.get(host, host)
        if self._mailbox.family == stdlib_socket.AF_INET6 and not self._mailbox.options.v6only:
            flags |= stdlib_socket.AI_V4MAPPED
        found = await trio.socket.getaddrinfo(host, port, self._mailbox.family, self.type, self.proto, flags)
        return found[0][4][:2]
