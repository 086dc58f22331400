"""A socket that loses datagrams on purpose, the same ones each time.

To lose 30 % one would roll a die for each datagram. But tasks take turns in an order that differs from run to run, so
the same rolls would hit other datagrams each time, and no run could be told twice. So the roll for a datagram depends
on the datagram alone: on the seed, the direction, its bytes, and how often its client has sent or been sent them.

Any process of this machine can send to the server, too. Strangers lose nothing and are not counted: no luck of theirs
can become a client's, and they cannot fill our memory.

It stands between the kernel and a server as any Trio socket does; the server cannot know.
"""

from __future__ import annotations

import socket as stdlib_socket
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._address import Address

TO_SERVER = "to_server"
TO_CLIENT = "to_client"


class LossySocket(trio.socket.SocketType):
    """A server's socket; everything but receiving and sending is passed on to the real one.

    Args:
      inner: a bound datagram socket; closed with this one.
      loss: the probability that a datagram is lost, each way.
      seed: the same seed loses the same datagrams.
      concerns: called with a peer's address and a payload; is it one that may be lost, or a stranger's?
      on_loss: called with `TO_SERVER` or `TO_CLIENT`, the peer's address and the payload of each datagram that is lost.
    """

    def __init__(
        self,
        inner: trio.socket.SocketType,
        loss: float,
        seed: int,
        concerns: Callable[[Address, bytes], bool],
        on_loss: Callable[[str, Address, bytes], None],
    ) -> None:
        self._inner = inner
        self._loss = loss
        self._seed = seed
        self._concerns = concerns
        self._on_loss = on_loss
        self._seen: Counter[tuple[str, Address, bytes]] = Counter()

    async def recvfrom(self, *args: int) -> Any:
        """The next datagram that gets here."""
        while True:
            data, address = await self._inner.recvfrom(*args)
            if not self._loses(TO_SERVER, address, data):
                return data, address

    async def sendto(self, data: Any, *args: Any) -> int:
        """Send, or say so; who sends over UDP cannot see the difference."""
        if self._loses(TO_CLIENT, args[-1], bytes(data)):
            await trio.lowlevel.checkpoint()
            return len(data)
        return await self._inner.sendto(data, *args)

    def _loses(self, direction: str, peer: Address, data: bytes) -> bool:
        if not self._concerns(peer, data):
            return False
        self._seen[direction, peer, data] += 1
        # Without the peer: its port is another one in each run.
        roll = Random(f"{self._seed} {direction} {data!r} {self._seen[direction, peer, data]}").random()
        if roll < self._loss:
            self._on_loss(direction, peer, data)
            return True
        return False

    def is_readable(self) -> bool:
        """Never known: what is there may be about to be lost."""
        return False

    @property
    def family(self) -> stdlib_socket.AddressFamily:
        return self._inner.family

    @property
    def type(self) -> stdlib_socket.SocketKind:
        return self._inner.type

    def getsockname(self) -> Any:
        return self._inner.getsockname()

    def getsockopt(self, *args: Any) -> Any:
        return self._inner.getsockopt(*args)

    def close(self) -> None:
        self._inner.close()
