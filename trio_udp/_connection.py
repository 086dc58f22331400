"""A socket connected to a server that may have several addresses, and that may be exchanged for a fresh one.

``connect`` on a UDP socket sends nothing. It fixes the peer: the kernel then drops datagrams of anybody else, and tells
us when the peer's machine refuses ours. It also chooses the local port, at random on Linux and the BSDs, which together
with the address is what a forger has to guess (RFC 5452 section 4.5 tells why that matters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._address import Address, Target
from ._batch import BatchSocket
from ._opening import RECEIVE_BUFFER, grow_receive_buffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._events import Emit
    from ._statistics import Tally


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
        self._exchanging = trio.Lock()
        self.closed = False

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
        """Exchange the socket for one with a new port, which no late reply can find."""
        async with self._exchanging:
            await self._exchange([self._index])

    async def move_on(self, refused: BatchSocket) -> None:
        """Go to the next address, unless there is no other, or another task has done it since ``refused``."""
        async with self._exchanging:
            if self.io is refused and len(self.targets) > 1:
                count = len(self.targets)
                await self._exchange((self._index + step) % count for step in range(1, count + 1))

    def close(self) -> None:
        """Close the present socket, and let there be no other."""
        self.closed = True
        self.io.close()

    async def _exchange(self, indexes: Iterable[int]) -> None:
        """Connect to the first of these addresses that can be connected to."""
        failures: list[OSError] = []
        for index in indexes:
            try:
                io = await self._connect(self.targets[index])
            except OSError as error:
                failures.append(error)
                continue
            if self.closed:
                io.close()
                raise trio.ClosedResourceError("this client was closed")
            old, self.io, self._index = getattr(self, "io", None), io, index
            if old is not None:
                old.close()
            return
        raise failures[0]

    async def _connect(self, target: Target) -> BatchSocket:
        socket = trio.socket.socket(target.family, trio.socket.SOCK_DGRAM)
        try:
            grow_receive_buffer(socket, RECEIVE_BUFFER)
            await socket.connect(target.address)
            return BatchSocket(socket, self._tally, self._emit, peer=target.address)
        except BaseException:
            socket.close()
            raise
