"""`UDPChannel`: a conversation with one peer.

An endpoint talks to anybody, and so each datagram comes with an address. Between two programs that have found each
other that is in the way: here bytes go in, and bytes come out. It is still UDP. Datagrams get lost, doubled and
reordered; a channel adds no retries, no order and no end. That the peer refuses is therefore no error of the channel:
it is counted, and the peer may come back.

What carries the datagrams is a `Line`, and there are several kinds. `open_udp_channel` connects a socket, so the kernel
drops what comes from anybody else; and as all that comes is from one peer, long runs can be read and written together
(`_offload`), which is what `send_many` and `receive_many` are for. A server's channels share its socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

import trio

from ._address import Address
from ._batch import BATCH
from ._connection import open_connected
from ._statistics import UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any

    from typing_extensions import Self

__all__ = ["UDPChannel", "open_udp_channel"]


async def open_udp_channel(host: str, port: int) -> UDPChannel:
    """Open a channel to a peer. Nothing is sent, so nobody need be there.

    Use it as ``async with await open_udp_channel(...) as channel``.

    Args:
      host: a name or an address; of a name with several addresses, the first that this machine has a way to.
      port: 1 to 65535.

    Raises:
      OSError: the name could not be resolved, or no address can be reached from this machine.
      ValueError: the port is out of range.
    """
    await trio.lowlevel.checkpoint()
    return UDPChannel(await open_connected(host, port))


class Line(Protocol):
    """What carries a channel's datagrams."""

    @property
    def peer(self) -> Address | None:
        """Who is at the other end; not None here."""

    async def send_data(self, items: Iterable[bytes]) -> None:
        """`UDPChannel.send_many`."""

    async def receive_one(self, end: type[Exception]) -> bytes:
        """`UDPChannel.receive`; ``end`` is what to raise when nothing more is to come."""

    async def receive_data(self, limit: int) -> list[bytes]:
        """`UDPChannel.receive_many`, for a limit of at least 1."""

    def statistics(self) -> UDPStatistics:
        """What has gone through; after `close`, as it was then."""

    def close(self) -> None:
        """Wake whoever waits with ``trio.ClosedResourceError``; closing again does nothing."""


@final
class UDPChannel(trio.abc.Channel[bytes]):
    """Datagrams to and from one peer; made by `open_udp_channel` and, for each peer, by `serve_udp_peers`.

    Any number of tasks may send; one at a time may receive. Iterate over it for the payload of datagram after
    datagram::

        async for data in channel:
            ...
    """

    __slots__ = ("__weakref__", "_io")  # a server may have a hundred thousand of them

    def __init__(self, line: Line) -> None:
        self._io = line

    @property
    def peer_address(self) -> Address:
        """Who this is a conversation with."""
        assert self._io.peer is not None
        return self._io.peer

    async def send(self, value: bytes) -> None:
        """Send one datagram; waits only while the socket's send buffer is full.

        Args:
          value: the payload; an empty one is a datagram, too. Over DTLS it is none: dropped and counted there.

        Raises:
          DatagramTooLarge: nothing was sent.
          OSError: the system would not send it, for want of a route for example. That the peer refuses is not raised;
            on a server nothing is that the network says: it is counted.
          trio.ClosedResourceError: you have closed the channel.
        """
        await self.send_many([value])

    async def send_many(self, items: Iterable[bytes]) -> None:
        """Send datagrams in order; waits while the socket's send buffer is full.

        When one cannot be sent the error is raised at once: the ones before it were sent, it and the ones after it were
        not. The same holds for cancellation, and for whatever the iterable itself raises. Runs of equal size go to the
        system together, where it can do that.

        Args:
          items: the payloads.

        Raises what `send` raises.
        """
        await self._io.send_data(items)

    def receive(self) -> Coroutine[Any, Any, bytes]:
        """Wait for the next datagram and return its payload.

        Cancelled, it has taken none away. That the peer refuses is counted, not raised: it may come back.

        Raises:
          trio.BusyResourceError: another task is receiving.
          trio.ClosedResourceError: you have closed the channel.
          trio.EndOfChannel: on a server, nothing has come for ``idle_timeout`` seconds, or the server is stopping; over
            DTLS, the peer has ended it.
        """
        return self._io.receive_one(trio.EndOfChannel)

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        # Not a coroutine of its own, nor is `receive`: a frame more is a tenth of what a peer takes who says nothing.
        return self._io.receive_one(StopAsyncIteration)

    async def receive_many(self, limit: int = BATCH) -> list[bytes]:
        """Take what has arrived, at least one datagram; waits only for the first.

        Args:
          limit: how many at most, at least 1.

        Raises what `receive` raises, and ValueError for a limit below 1.
        """
        if limit < 1:
            await trio.lowlevel.checkpoint()
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        return await self._io.receive_data(limit)

    def statistics(self) -> UDPStatistics:
        """What has gone through, and what has not; after `close`, as it was then."""
        return self._io.statistics()

    def close(self) -> None:
        """Close the channel now, and its socket, unless that is a server's.

        A task that receives gets ``trio.ClosedResourceError``.
        """
        self._io.close()

    async def aclose(self) -> None:
        """The same as `close`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
