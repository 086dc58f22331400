"""A socket connected to a server that may have several addresses, and that may be exchanged for a fresh one.

``connect`` on a UDP socket sends nothing. It fixes the peer: the kernel then drops datagrams of anybody else, and tells
us when the peer's machine refuses ours. It also chooses the local port, at random on Linux and the BSDs, which together
with the address is what a forger has to guess (RFC 5452 section 4.5 tells why that matters).
"""

from __future__ import annotations

import errno
from collections import OrderedDict, deque
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, NoReturn

import trio

from ._address import Address, Target, check_peer_port, resolve
from ._batch import BatchSocket
from ._events import Emit, SocketExchanged, current_emit
from ._opening import RECEIVE_BUFFER, grow_receive_buffer
from ._statistics import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

# How many of its last ports a client does not use again, and how often it asks the kernel for another one. Linux offers
# some 28,000 (ip(7), ip_local_port_range), so one try is nearly always enough.
LATELY = 64
MOST_TRIES = 8

# How many ports that clients of this program have left are known: the late reply to one's request must not be taken for
# another's either. Few enough of 28,000 that a second try is seldom needed; where a thousand are left in a second, that
# is for two seconds. What other programs leave nobody tells us.
MOST_LEFT = 2048
_left: OrderedDict[int, None] = OrderedDict()


class Connection:
    """The socket through which a client talks to its server; ``io`` is the present one.

    Args:
      targets: the server's addresses, at least one.
      tally: counts for all sockets together.
      emit: told of each datagram.
    """

    io: BatchSocket

    def __init__(self, targets: Sequence[Target], tally: Tally, emit: Emit | None) -> None:
        self.targets = targets
        self._tally = tally
        self._emit = emit
        self._index = 0
        self._moving = trio.Lock()
        self._ports: deque[int] = deque(maxlen=LATELY)
        self._closing = trio.Event()
        self._context = copy_context()  # on a virtual network, it says on which host a socket is made
        self.late_possible = False  # may a reply to a request that is over still come to the present socket?

    @property
    def address(self) -> Address:
        """The server's address that the present socket is connected to."""
        return self.targets[self._index].address

    async def open(self) -> None:
        """Connect to the first address that this machine has a way to.

        Raises:
          OSError: there is none; this is what the first address failed with.
        """
        await self._exchange(range(len(self.targets)))

    async def renew(self) -> None:
        """Exchange the socket for one with a new port, which no late reply can find.

        Raises:
          OSError: no socket can be had, or there is no route any more; the present socket stays.
        """
        await self._exchange([self._index])
        self.late_possible = False

    async def move_on(self, refused: BatchSocket) -> bool:
        """Go to the next address, unless another task has done it since ``refused``; stay where there is no other.

        Returns whether this call has exchanged the socket.
        """
        async with self._moving:
            if self.io is refused and len(self.targets) > 1:
                count = len(self.targets)
                with suppress(OSError):  # no way to any of them
                    await self._exchange([(self._index + step) % count for step in range(1, count)])
                return self.io is not refused
        return False

    @property
    def closed(self) -> bool:
        """Has `close` been called?"""
        return self._closing.is_set()

    async def wait_closed(self) -> NoReturn:
        """What those do who have nothing to wait for: until it is closed, and then ``trio.ClosedResourceError``."""
        await self._closing.wait()
        raise trio.ClosedResourceError("this client was closed")

    def close(self) -> None:
        """Close the present socket, and let there be no other."""
        self._closing.set()
        self._leave(self.io)

    async def _exchange(self, indexes: Sequence[int]) -> None:
        """Connect to the first of these addresses that can be connected to."""
        failures: list[OSError] = []
        for index in indexes:
            try:
                io = await self._connect_anew(self.targets[index])
            except OSError as error:
                failures.append(error)
                continue
            if self.closed:
                io.close()
                raise trio.ClosedResourceError("this client was closed")
            old, self.io, self._index = getattr(self, "io", None), io, index
            if old is not None:
                self._leave(old)
                self._report_exchanged(old)
            return
        raise failures[0]

    def _report_exchanged(self, old: BatchSocket) -> None:
        if self._emit is not None:
            self._emit(SocketExchanged(trio.current_time(), self.io.local, self.address, old.local))

    async def _connect_anew(self, target: Target) -> BatchSocket:
        """A socket with a port that was not ours lately: a late reply to an earlier one may still look for it."""
        tried: list[BatchSocket] = []  # open as long as we look, or the kernel might offer the same port again
        try:
            while True:
                try:
                    tried.append(await self._connect(target))
                except OSError:
                    if not tried:
                        raise
                    return tried.pop()  # there is no other port
                if self._is_fresh(tried[-1]) or len(tried) > MOST_TRIES:
                    self._ports.append(tried[-1].local[1])
                    return tried.pop()
        finally:
            for io in tried:
                io.close()

    def _is_fresh(self, io: BatchSocket) -> bool:
        port = io.local[1]
        return port not in self._ports and not (io.is_systems_own and port in _left)

    def _leave(self, io: BatchSocket) -> None:
        io.close()
        if io.is_systems_own:  # a virtual host has ports of its own, and gives them in sequence
            with suppress(OSError):  # somebody has closed the Trio socket itself, and its port is not known any more
                _left[io.local[1]] = None
                _left.move_to_end(io.local[1])
            if len(_left) > MOST_LEFT:
                _left.popitem(last=False)

    async def _connect(self, target: Target) -> BatchSocket:
        socket = self._context.run(trio.socket.socket, target.family, trio.socket.SOCK_DGRAM)
        return await connect(socket, target, self._tally, self._emit)


async def open_connected(host: str, port: int) -> BatchSocket:
    """A socket of its own, connected to the first address of a peer that there is a way to; made for long runs.

    Raises:
      OSError: the name could not be resolved, or no address can be reached from this machine.
      ValueError: the port is out of range.
    """
    check_peer_port(port)
    failures: list[OSError] = []
    for target in await resolve(host, port):
        try:
            socket = trio.socket.socket(target.family, trio.socket.SOCK_DGRAM)
            return await connect(socket, target, Tally(), current_emit(), bulk=True)
        except OSError as error:
            failures.append(error)
    raise failures[0]


async def connect(
    socket: trio.socket.SocketType, target: Target, tally: Tally, emit: Emit | None, *, bulk: bool = False
) -> BatchSocket:
    """Connect a socket, which is closed if that fails.

    Args:
      socket: a new one, of the target's family.
      target: whom to connect to.
      tally, emit, bulk: as `BatchSocket` has them.

    Raises:
      OSError: there is no way to it from this machine, or no free port to send from.
    """
    try:
        grow_receive_buffer(socket, RECEIVE_BUFFER)
        await socket.connect(target.address)
        if socket.getsockname()[1] == 0:  # all are taken: Trio takes connect's EAGAIN for "going on"
            raise OSError(errno.EAGAIN, "no free port to send from")
        return BatchSocket(socket, tally, emit, peer=target.address, bulk=bulk)
    except BaseException:
        socket.close()
        raise
