"""`VirtualSocket`: what ``trio.socket.socket`` gives on a virtual network.

It does what Trio's own socket over a Linux UDP socket does: the same results, the same errors at the same moments, the
same checkpoints. What it cannot do raises NotImplementedError and says what that is; nothing is accepted and ignored.
A test makes the same calls on both kinds and compares.

This file has the methods that programs call. What is behind them is in a `Mailbox`, which ``dup`` shares.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import trio

from ..faults._link import headers
from ._ancillary import ControlMessage, asked_source, told
from ._ip import IP, is_numeric, parse_ip, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer, Self

    from .._address import Address
    from ._mailbox import Arrived, Mailbox

T = TypeVar("T")

# Beyond any number that the system would give to a file, so that nobody can take one for the other.
_filenos = count(10_000_000)

_PEEK, _TRUNC, _CTRUNC = (int(getattr(stdlib_socket, name, 0)) for name in ("MSG_PEEK", "MSG_TRUNC", "MSG_CTRUNC"))


def _flags(*names: str) -> int:
    total = 0
    for name in names:
        total |= int(getattr(stdlib_socket, name, 0))
    return total


# MSG_DONTWAIT changes nothing, since Trio never lets the system wait; the others mean nothing to datagrams here.
_RECEIVE_FLAGS = _PEEK | _TRUNC | _flags("MSG_DONTWAIT", "MSG_WAITALL", "MSG_CMSG_CLOEXEC")
_SEND_FLAGS = _flags("MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_CONFIRM", "MSG_DONTROUTE", "MSG_EOR")

# Bytes: 65,535, less the headers that count (RFC 768 and 791; RFC 8200 does not count its own).
_LARGEST_IPV4, _LARGEST_IPV6 = 65507, 65527


class VirtualSocket(trio.socket.SocketType):
    """A handle to a socket on a virtual host.

    Args:
      mailbox: the socket.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._fileno = next(_filenos)
        self._reading = False

    # -- what it is ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        state = "closed " if self._fileno < 0 else ""
        return f"<{state}virtual socket {self._mailbox.shown_local} on {self._mailbox.host.name}>"

    @property
    def family(self) -> stdlib_socket.AddressFamily:
        return stdlib_socket.AddressFamily(self._mailbox.family)

    @property
    def type(self) -> stdlib_socket.SocketKind:
        return stdlib_socket.SOCK_DGRAM

    @property
    def proto(self) -> int:
        return self._mailbox.proto

    @property
    def did_shutdown_SHUT_WR(self) -> bool:
        return False

    @property
    def _sock(self) -> Self:
        """Where libraries expect the standard library's socket, to ask it for its names and options."""
        return self

    def fileno(self) -> int:
        """A number that is no file's; -1 once it is closed."""
        return self._fileno

    def getsockname(self) -> Any:
        return self._opened().shown_local

    def getpeername(self) -> Any:
        mailbox = self._opened()
        if mailbox.peer is None:
            raise _error(errno.ENOTCONN)
        return shown(mailbox.family, mailbox.peer)

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> Any:
        return self._opened().options.get(level, optname, buflen or 0)

    def setsockopt(self, level: int, optname: int, value: int | Buffer | None, optlen: int | None = None) -> None:
        self._opened().options.set(level, optname, value, optlen)

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        if inheritable:
            raise NotImplementedError("a virtual socket cannot be inherited by another process")

    # -- opening and closing ------------------------------------------------------------------------------------------

    async def bind(self, address: Any) -> None:
        ip, port = self._read(await self._resolve(address, local=True), "bind")
        await _at_once(lambda: self._bind(ip, port))

    def _bind(self, ip: IP, port: int) -> None:
        mailbox = self._opened()
        if mailbox.local is not None:
            raise _error(errno.EINVAL)
        if ip.is_multicast or ip.is_broadcast:
            raise NotImplementedError(f"the virtual network has no multicast or broadcast: cannot bind {ip.text}")
        mailbox.host.bind(mailbox, ip, port)

    async def connect(self, address: Any) -> None:
        try:
            ip, port = self._read(await self._resolve(address), "connect")
            await _at_once(lambda: self._connect(ip, port))
        except trio.Cancelled:
            self.close()  # as Trio's own does
            raise

    def _connect(self, ip: IP, port: int) -> None:
        mailbox = self._opened()
        ip = _not_wildcard(ip)
        source = self._source_towards(ip)
        if mailbox.local is None:
            mailbox.host.bind(mailbox, source, 0)
        elif parse_ip(mailbox.local[0]).is_wildcard:
            mailbox.listen_at(source, mailbox.local[1])
        mailbox.peer = (ip.text, port)

    def dup(self) -> VirtualSocket:
        mailbox = self._opened()
        mailbox.handles += 1
        return VirtualSocket(mailbox)

    def close(self) -> None:
        if self._fileno < 0:
            return
        self._fileno = -1
        mailbox = self._mailbox
        mailbox.handles -= 1
        if not mailbox.is_open:
            mailbox.closed_at = trio.current_time()
            mailbox.host.ports.release(mailbox)
        mailbox.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def detach(self) -> NoReturn:
        raise NotImplementedError("a virtual socket cannot be detached: there is no file behind it")

    def shutdown(self, flag: int) -> None:
        raise NotImplementedError("the virtual network does not have shutdown() of a datagram socket")

    def listen(self, backlog: int = 0) -> NoReturn:
        self._opened()
        raise _error(errno.EOPNOTSUPP)

    async def accept(self) -> NoReturn:
        await _at_once(self._opened)
        raise _error(errno.EOPNOTSUPP)

    def share(self, process_id: int) -> NoReturn:
        raise NotImplementedError("a virtual socket cannot be shared with another process")

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def recv(self, buflen: int, flags: int = 0, /) -> bytes:
        return _cut((await self._receive(flags)).data, buflen, flags)

    async def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        arrived = await self._receive(flags)
        return _cut(arrived.data, bufsize, flags), shown(self._mailbox.family, arrived.source)

    async def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        return (await self.recvfrom_into(buffer, nbytes, flags))[0]

    async def recvfrom_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        with memoryview(buffer) as view:
            room = _room(view.nbytes, nbytes)
        arrived = await self._receive(flags)
        size = _scatter(arrived.data[:room], [buffer])
        return len(arrived.data) if flags & _TRUNC else size, shown(self._mailbox.family, arrived.source)

    async def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[ControlMessage], int, Any]:
        arrived = await self._receive(flags)
        return (_cut(arrived.data, bufsize, flags), *self._about(arrived, bufsize, ancbufsize))

    async def recvmsg_into(
        self, buffers: Iterable[Buffer], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[ControlMessage], int, Any]:
        buffers = list(buffers)
        arrived = await self._receive(flags)
        size = _scatter(arrived.data, buffers)
        return (len(arrived.data) if flags & _TRUNC else size, *self._about(arrived, size, ancbufsize))

    def _about(self, arrived: Arrived, room: int, control_room: int) -> tuple[list[ControlMessage], int, Address]:
        """What ``recvmsg`` tells beside the data: control messages, flags and the sender."""
        messages, some_missing = told(self._mailbox, arrived, control_room)
        flags = (_TRUNC if len(arrived.data) > room else 0) | (_CTRUNC if some_missing else 0)
        return messages, flags, shown(self._mailbox.family, arrived.source)

    async def _receive(self, flags: int) -> Arrived:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
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
        return arrived

    async def _wait_readable(self) -> None:
        if self._reading:
            await trio.lowlevel.checkpoint()
            raise trio.BusyResourceError("another task is already reading this socket")
        self._reading = True
        try:
            await self._mailbox.wait()
        finally:
            self._reading = False
        if self._fileno < 0:
            raise trio.ClosedResourceError("another task closed this socket")

    def is_readable(self) -> bool:
        if self._fileno < 0:
            raise ValueError("file descriptor cannot be a negative integer (-1)")  # what asking the system says
        return self._mailbox.readable

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, data: Buffer, flags: int = 0, /) -> int:
        return await _at_once(lambda: self._send(_bytes(data), flags, None))

    async def sendto(self, data: Buffer, *args: Any) -> int:
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(args)} given)")
        *some_flags, address = args
        flags = some_flags[0] if some_flags else 0
        place = self._read(await self._resolve(address), "sendto")
        return await _at_once(lambda: self._send(_bytes(data), flags, place))

    async def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancdata: Iterable[tuple[int, int, Buffer]] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        place = None if address is None else self._read(await self._resolve(address), "sendmsg")
        data = b"".join(map(_bytes, buffers))
        return await _at_once(lambda: self._send(data, flags, place, asked_source(ancdata)))

    def _send(self, data: bytes, flags: int, place: tuple[IP, int] | None, source: IP | None = None) -> int:
        mailbox = self._opened()
        if flags & ~_SEND_FLAGS:
            raise NotImplementedError(f"the virtual network does not know how to send with flags {flags:#x}")
        ip, port = self._target(place)
        if source is not None and not mailbox.host.has(source):
            raise _error(errno.EINVAL)
        own = source or self._source_towards(ip)
        self._check_size(len(data), ip)
        mailbox.raise_error()
        if mailbox.local is None:
            wildcard = parse_ip("::" if mailbox.family == stdlib_socket.AF_INET6 else "0.0.0.0")
            mailbox.host.bind(mailbox, wildcard, 0)
        assert mailbox.local is not None
        mailbox.host.send(mailbox, (own.text, mailbox.local[1]), ip, port, data)
        return len(data)

    def _target(self, place: tuple[IP, int] | None) -> tuple[IP, int]:
        """Where a datagram goes: to the place that the program gave, or to the peer."""
        if place is None:
            if self._mailbox.peer is None:
                raise _error(errno.EDESTADDRREQ)
            place = parse_ip(self._mailbox.peer[0]), self._mailbox.peer[1]
        if place[1] == 0:
            raise _error(errno.EINVAL)
        return _not_wildcard(place[0]), place[1]

    def _source_towards(self, ip: IP) -> IP:
        """Which of the host's addresses a datagram for ``ip`` comes from.

        Raises:
          OSError: there is no way from this socket to there.
        """
        mailbox = self._mailbox
        if ip.is_broadcast and not mailbox.options.broadcast:
            raise _error(errno.EACCES)
        if ip.is_multicast or ip.is_broadcast:
            raise NotImplementedError(f"the virtual network has no multicast or broadcast: cannot send to {ip.text}")
        bound = parse_ip(mailbox.local[0]) if mailbox.local else None
        if mailbox.family == stdlib_socket.AF_INET6 and ip.is_ipv4 and mailbox.options.v6only:
            raise _error(errno.ENETUNREACH)
        if bound is None or bound.is_wildcard:
            own = mailbox.host.address_towards(ip)
            if own is None:
                raise _error(errno.ENETUNREACH)
            return parse_ip(own)
        if bound.is_ipv4 != ip.is_ipv4:
            raise _error(errno.ENETUNREACH if ip.is_ipv4 else errno.EINVAL)
        if bound.is_loopback and not mailbox.host.has(ip):
            raise _error(errno.EINVAL)
        return bound

    def _check_size(self, size: int, ip: IP) -> None:
        options = self._mailbox.options
        mtu = self._mailbox.host.way_to(ip).link.mtu
        dont_fragment = options.dont_fragment_ipv4 if ip.is_ipv4 else options.dont_fragment
        if size > (_LARGEST_IPV4 if ip.is_ipv4 else _LARGEST_IPV6):
            raise _error(errno.EMSGSIZE)
        if dont_fragment and mtu is not None and size + headers(ip.text) > mtu:
            raise _error(errno.EMSGSIZE)

    async def wait_writable(self) -> None:
        await _at_once(self._opened)  # the network takes all that it is given

    # -- addresses ----------------------------------------------------------------------------------------------------

    def _opened(self) -> Mailbox:
        if self._fileno < 0:
            raise _error(errno.EBADF)
        return self._mailbox

    async def _resolve(self, address: Any, *, local: bool = False) -> tuple[Any, ...]:
        """The address with a number for a host; names are looked up, as Trio's own sockets do it."""
        family = self._mailbox.family
        most = 4 if family == stdlib_socket.AF_INET6 else 2
        if not isinstance(address, tuple) or not 2 <= len(address) <= most:
            raise ValueError(f"address should be a (host, port) tuple, not {address!r}")
        host, port, *rest = address
        if isinstance(port, int) and isinstance(host, str) and is_numeric(family, host):
            return address
        host = {"": None, "<broadcast>": "255.255.255.255"}.get(host, host)
        flags = stdlib_socket.AI_PASSIVE if local else 0
        if family == stdlib_socket.AF_INET6 and not self._opened().options.v6only:
            flags |= stdlib_socket.AI_V4MAPPED
        found = await trio.socket.getaddrinfo(host, port, family, self.type, self.proto, flags)
        return (*found[0][4][:2], *rest)

    def _read(self, address: tuple[Any, ...], call: str) -> tuple[IP, int]:
        host, port = address[:2]
        if not 0 <= port <= 65535:
            raise OverflowError(f"{call}(): port must be 0-65535.")
        if len(address) == 4 and address[3] and not parse_ip(host).is_loopback:
            raise NotImplementedError(f"the virtual network has no scopes: {address!r}")
        return parse_ip(host), port


def _not_wildcard(ip: IP) -> IP:
    """Linux takes "any address" as a destination for its own loopback."""
    return parse_ip("127.0.0.1" if ip.is_ipv4 else "::1") if ip.is_wildcard else ip


async def _at_once(do: Callable[[], T]) -> T:
    """Do it without waiting, and be a checkpoint, as a system call inside Trio is one."""
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        return do()
    finally:
        await trio.lowlevel.cancel_shielded_checkpoint()


def _cut(data: bytes, room: int, flags: int) -> bytes:
    if room < 0:
        raise ValueError("negative buffersize in recv")
    if len(data) <= room:
        return data
    # With MSG_TRUNC the length is the datagram's. What is beyond the buffer CPython leaves undefined; here it is zero.
    return data[:room] + bytes(len(data) - room) if flags & _TRUNC else data[:room]


def _room(size: int, asked: int) -> int:
    if asked < 0:
        raise ValueError("negative buffersize in recvfrom_into")
    if asked > size:
        raise ValueError("nbytes is greater than the length of the buffer")
    return asked or size


def _scatter(data: bytes, buffers: Iterable[Buffer]) -> int:
    """Write the data into the buffers, one after another; how much of it they took."""
    written = 0
    for buffer in buffers:
        with memoryview(buffer) as view, view.cast("B") as target:
            piece = data[written : written + len(target)]
            target[: len(piece)] = piece
        written += len(piece)
    return written


def _bytes(data: Buffer) -> bytes:
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not 'str'")
    return data if type(data) is bytes else bytes(memoryview(data))


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
