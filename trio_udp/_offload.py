"""Segmentation offload: many datagrams in one system call.

To hand a small datagram to the kernel takes longer than anything else that a server does for it, and most of that time
goes to the way through the kernel and not to the bytes. Linux can go that way once for up to 64 datagrams to one
destination: they are sent as one long buffer, with the size of each in a control message (UDP_SEGMENT, since Linux
4.18), and whoever has asked for it gets what was sent like that in one buffer, too (UDP_GRO, since 5.0). Both are
plain ``sendmsg`` and ``recvmsg``. On one core of a shared machine (Linux 6.18, loopback), per datagram:

    64 bytes: sendto                               3.2 us
    64 bytes: 16 in one sendmsg                    0.6 us
    1200 bytes: recvfrom                           1.3 us
    1200 bytes: 54 in one recvmsg, cut             0.15 us

What can go wrong is that the system will not do it: here at all, for this destination, at this size, or at this moment.
Then the same datagrams are sent one by one, and what the kernel says to those is what counts. So nothing is lost by
trying. ``TRIO_UDP_OFFLOAD=0`` in the environment turns all of it off for sockets that are opened afterwards.
"""

from __future__ import annotations

import errno
import math
import os
import re
import struct
import sys
from contextlib import suppress
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

from ._errors import errno_numbers

if TYPE_CHECKING:
    import socket as stdlib_socket
    from collections.abc import Callable, Iterable, Iterator

    from ._address import Address

    Run = list[bytes]
    WayBack = Callable[[Address], Iterable[tuple[int, int, bytes]]]

# include/uapi/linux/udp.h and include/uapi/linux/in.h
IPPROTO_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
_SIZE_SENT = struct.Struct("=H")  # of each datagram, in the control message of a sendmsg ...
_SIZE_RECEIVED = struct.Struct("=i")  # ... and in that of a recvmsg

# UDP_MAX_SEGMENTS in include/linux/udp.h when it was new; later kernels take 128.
MOST_SEGMENTS = 64

# Bytes for control messages: UDP_GRO's 24, at most 40 for the address that was asked (`_asked`), and what a program has
# asked for at a socket of its own.
CONTROL_ROOM = 256

# "Not like this": the device cannot compute checksums (EIO), this is no size that it can do (EINVAL, EMSGSIZE), there
# is no room for so much at once, or no such thing. One by one they may be sent all the same. EINVAL is said of segments
# that are larger than the path's MTU (udp_send_skb in net/ipv4/udp.c), so it is about a destination and a size as well,
# and not about the socket: to turn everything off because of it would let one bad path slow all others.
_ONE_BY_ONE = errno_numbers("EIO EINVAL EMSGSIZE EAGAIN EWOULDBLOCK ENOBUFS ENOMEM EOPNOTSUPP ENOPROTOOPT")
_LASTING = errno_numbers("EIO EINVAL EMSGSIZE")

# So many hosts for which it did not work are remembered; what is forgotten is found out again.
_REMEMBERED = 1024

# So many hosts in a row for which it did not work, and the sizes for which it did not are not tried any more, with
# anybody: then it is not about them. (quic-go turns all of it off at the first.)
_ENOUGH = 64


def is_allowed() -> bool:
    """Does the environment leave it on?"""
    return os.environ.get("TRIO_UDP_OFFLOAD") != "0"


def sends_correctly(release: str) -> bool:
    """Can this release of Linux be trusted with it? 7.0 to 7.1.4 corrupt segmented sends, which no probe shows.

    Source: github.com/tailscale/tailscale, commit 8b58bd6c6. That is about the mainline: a distribution may have taken
    the mistake into another release, or the repair into one of these. A release that cannot be read is not trusted.
    """
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if numbers is None:
        return False
    version = tuple(int(number or 0) for number in numbers.groups())
    return not (7, 0, 0) <= version <= (7, 1, 4)


def segments_for(raw: stdlib_socket.socket, peer: Address | None, way_back: WayBack | None = None) -> Segments | None:
    """How this socket sends several datagrams at once; None if it cannot.

    Args:
      raw: the standard library's socket.
      peer: where it is connected to.
      way_back: gives more control messages for an address.
    """
    if sys.platform != "linux" or not is_allowed() or not sends_correctly(os.uname().release):
        return None
    try:
        raw.getsockopt(IPPROTO_UDP, UDP_SEGMENT)  # reading it changes nothing
    except OSError:
        return None
    if way_back is not None:
        more = way_back
        return Segments(
            lambda buffers, control, flags, to: raw.sendmsg(buffers, [*control, *more(to)], flags, to),
        )
    if peer is None:
        return Segments(raw.sendmsg)
    return Segments(lambda buffers, control, flags, address: raw.sendmsg(buffers, control, flags))


def merge_received(raw: stdlib_socket.socket) -> bool:
    """From now on ``recvmsg`` gives what was sent together together; False: this system cannot do that."""
    if sys.platform != "linux" or not is_allowed():
        return False
    try:
        raw.setsockopt(IPPROTO_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True


def keep_received_apart(raw: stdlib_socket.socket) -> None:
    """From now on ``recvmsg`` gives one datagram at a time, whatever was asked of this socket before."""
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel that has no such thing
            raw.setsockopt(IPPROTO_UDP, UDP_GRO, 0)


def split(data: bytes, control: Iterable[tuple[int, int, bytes]]) -> list[bytes]:
    """The datagrams that one ``recvmsg`` gave; the last may be shorter than the others."""
    for level, kind, value in control:
        if level == IPPROTO_UDP and kind == UDP_GRO:
            (size,) = _SIZE_RECEIVED.unpack_from(value)
            whole, rest = divmod(len(data), size)
            pieces = list(_equal_pieces(size, whole)(data))
            return [*pieces, data[-rest:]] if rest else pieces
    return [data]


@lru_cache(maxsize=128)
def _equal_pieces(size: int, count: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """Cuts bytes into so many of one size, in half of the time that so many slices take."""
    return struct.Struct(f"{size}s" * count).unpack_from


def runs_by_address(datagrams: Iterable[tuple[bytes, Address]], most_bytes: int) -> Iterator[tuple[Run, Address]]:
    """`runs` of neighbours that go to one address, and the address."""
    for address, neighbours in groupby(datagrams, key=itemgetter(1)):
        for run in runs(map(itemgetter(0), neighbours), most_bytes):
            yield run, address


def runs(items: Iterable[bytes], most_bytes: int) -> Iterator[Run]:
    """Neighbours that can be sent at once: of one size; a shorter one may end the run.

    Args:
      items: all that are to be sent, in order. What this iterable raises is raised when all before it was given.
      most_bytes: what fits into one datagram, and so into one run.
    """
    rest = iter(items)
    for first in rest:
        chunk: Run = [first]
        problem: BaseException | None = None
        most = min(MOST_SEGMENTS, most_bytes // len(first)) if type(first) is bytes and first else 1
        if most > 1:
            try:
                chunk.extend(islice(rest, most - 1))
            except BaseException as error:  # Ctrl-C in a generator, too: what it gave is to be sent
                problem = error
        if set(map(type, chunk)) == {bytes} and len(set(map(len, chunk))) == 1:
            yield chunk  # nearly always, and this way to see it takes a tenth of the time
        else:
            yield from _uneven_runs(chunk, most_bytes)
        if problem is not None:
            raise problem


def _uneven_runs(chunk: Run, most_bytes: int) -> Iterator[Run]:
    """The same, one look at each of a few."""
    run: Run = []
    size = room = 0  # of what may follow
    for data in chunk:
        length = len(data) if type(data) is bytes else 0
        if 0 < length <= size and length <= room:
            run.append(data)
            size, room = (size if length == size else 0), room - length
        else:
            if run:
                yield run
            run, size, room = [data], length, most_bytes - length
    yield run


class Segments:
    """Sends runs through one socket, and remembers for which destinations that did not work.

    Args:
      sendmsg: takes buffers, control messages, flags and an address; never waits.
    """

    def __init__(self, sendmsg: Callable[[list[bytes], list[tuple[int, int, bytes]], int, Address], int]) -> None:
        self._sendmsg = sendmsg
        self._too_large: dict[str, int] = {}  # by host, the smallest size that did not work; 0: none does
        self._in_a_row = 0  # hosts for which it did not work, since it last did ...
        self._largest = 0  # ... and the largest of those sizes
        self._limit: float = math.inf  # from this size on nobody is tried any more

    def send(self, run: Run, address: Address) -> int:
        """Send a run; returns how many of its datagrams the kernel has taken. The others are to be sent one by one.

        Raises:
          OSError: the kernel has something else to say.
        """
        size = len(run[0])
        if size >= self._limit or (self._too_large and size >= self._too_large.get(address[0], math.inf)):
            return 0
        control = [(IPPROTO_UDP, UDP_SEGMENT, _SIZE_SENT.pack(size))]
        try:
            taken = self._sendmsg([b"".join(run)], control, 0, address)
        except OSError as error:
            if error.errno not in _ONE_BY_ONE:
                raise
            if error.errno in _LASTING:
                self._remember(address[0], 0 if error.errno == errno.EIO else size)
            return 0
        self._in_a_row = self._largest = 0
        return -(-taken // size)

    def _remember(self, host: str, size: int) -> None:
        if host not in self._too_large:
            self._in_a_row += 1
            self._largest = max(self._largest, size)
        if len(self._too_large) >= _REMEMBERED:
            del self._too_large[next(iter(self._too_large))]
        self._too_large[host] = size
        if self._in_a_row >= _ENOUGH:
            self._limit = min(self._limit, self._largest)
            self._in_a_row = self._largest = 0
