"""What has gone through a socket, and what has not: counted while it happens, asked of the kernel when wanted.

Nothing that is lost here may be lost in silence, so every datagram that is discarded or refused is counted by its
reason. What the kernel drops, mostly because its buffer was full, only the kernel knows; on Linux it can be asked.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import trio

__all__ = ["UDPStatistics"]

_SO_MEMINFO = 55  # Linux, include/uapi/asm-generic/socket.h: an array of u32, of which ...
_SK_MEMINFO_DROPS = 8  # ... this one counts dropped datagrams (include/uapi/linux/sock_diag.h)


@dataclass(frozen=True)
class UDPStatistics:
    """What has gone through an endpoint or a client since it was opened, and what has not.

    Args:
      received: datagrams taken off the socket.
      received_bytes: their payload.
      sent: datagrams that the kernel took.
      sent_bytes: their payload.
      dropped: datagrams discarded here, by reason; for a client these are the replies that it did not believe.
      errors: what the socket reported, errno names and how often. A refusal is counted when the kernel tells, which may
        be at a later datagram.
      kernel_drops: datagrams that the kernel received and dropped, mostly because the receive buffer was full; None
        where the platform does not tell (Linux does). A client's are those of its present socket.
      receive_buffer: bytes, as the kernel tells them. Linux counts its own bookkeeping in: it says twice what it was
        asked for, as socket(7) explains.
    """

    received: int
    received_bytes: int
    sent: int
    sent_bytes: int
    dropped: Mapping[str, int]
    errors: Mapping[str, int]
    kernel_drops: int | None
    receive_buffer: int


def total(statistics: Sequence[UDPStatistics]) -> UDPStatistics:
    """What has gone through several sockets together."""
    tally = Tally()
    for one in statistics:
        tally.add(one)
    drops = [one.kernel_drops for one in statistics if one.kernel_drops is not None]
    return tally.with_kernels(sum(drops) if drops else None, sum(one.receive_buffer for one in statistics))


class Tally:
    """The counters behind the statistics; one may serve several sockets, one after another."""

    __slots__ = ("dropped", "errors", "received", "received_bytes", "sent", "sent_bytes")

    def __init__(self) -> None:
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self.dropped: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def add(self, other: Tally | UDPStatistics) -> None:
        """Count what others have counted, too; not what the kernel says of a socket."""
        self.received += other.received
        self.received_bytes += other.received_bytes
        self.sent += other.sent
        self.sent_bytes += other.sent_bytes
        self.dropped.update(other.dropped)
        self.errors.update(other.errors)

    def statistics(self, socket: trio.socket.SocketType) -> UDPStatistics:
        """The counters as they are now, and what the kernel says of the socket."""
        receive_buffer = socket.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF)
        return self.with_kernels(kernel_drops(socket), receive_buffer)

    def with_kernels(self, drops: int | None, receive_buffer: int) -> UDPStatistics:
        """The counters as they are now, and what the kernel says."""
        counted = self.received, self.received_bytes, self.sent, self.sent_bytes
        return UDPStatistics(*counted, dict(self.dropped), dict(self.errors), drops, receive_buffer)


def kernel_drops(socket: trio.socket.SocketType) -> int | None:
    """How many datagrams the kernel dropped at this socket; None where it does not tell.

    Asked only when somebody wants to know: SO_RXQ_OVFL would put the count on every datagram, and cost a ``recvmsg``.
    """
    if sys.platform != "linux":
        return None
    size = 4 * (_SK_MEMINFO_DROPS + 1)
    try:
        answer = socket.getsockopt(trio.socket.SOL_SOCKET, _SO_MEMINFO, size)
    except OSError:
        return None  # older than Linux 4.12, or a socket that is not the kernel's
    return int(struct.unpack_from("=I", answer, 4 * _SK_MEMINFO_DROPS)[0]) if len(answer) >= size else None
