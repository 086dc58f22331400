"""One flow of datagrams between two processes: senders and receivers, one kind of socket in each file.

Each is called as ``main("send")`` or ``main("receive")``. What they say to the benchmark is the same for all, and for
``c/flow.c``:

1. Each opens a socket on 127.0.0.1, says its port, hears the other one's, and says ``"ready"``.
2. The sender hears for how many seconds to send. It sends datagrams of `SIZE` bytes as fast as it can, then a few
   marks of one byte, and says how many were sent in how many seconds.
3. The receiver counts until it sees a mark, and says how many it has received.

The last two may come again.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from time import perf_counter

HOST = "127.0.0.1"
RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes
SIZE = 1200
PAYLOAD = bytes(SIZE)
AT_ONCE = 216  # datagrams that are sent in one go, where there is such a thing: four full runs of UDP_SEGMENT
LIMIT = 512  # datagrams that are received in one go, at most
MARK = b"."
_MARKS = 5  # any of them may fall to a buffer that is still full
MARK_PAUSE = 0.02  # seconds


def open_socket() -> socket.socket:
    """A bound socket with a large buffer."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.bind((HOST, 0))
    return sock


def swap_ports(port: int) -> tuple[str, int]:
    """Say our port, and return the other one's address."""
    print(port, flush=True)
    return HOST, int(sys.stdin.readline())


def say_ready() -> None:
    print('"ready"', flush=True)


class Sending:
    """How much one pass of the sender has sent."""

    def __init__(self, seconds: float) -> None:
        self.sent = 0
        self._began = perf_counter()
        self._end = self._began + seconds
        self.seconds = 0.0

    def goes_on(self) -> bool:
        now = perf_counter()
        self.seconds = now - self._began
        return now < self._end


def passes() -> Iterator[Sending]:
    """The passes of a sender: send until it no longer `goes_on`, then the `marks`."""
    for line in sys.stdin:
        sending = Sending(float(line))
        yield sending
        print(json.dumps({"sent": sending.sent, "seconds": sending.seconds}), flush=True)


def marks() -> range:
    """For each of these: wait for `MARK_PAUSE`, and send a mark."""
    return range(_MARKS)


def received(count: int) -> None:
    """What a receiver says when it has met a mark, unless that was all."""
    if count > _MARKS:
        print(json.dumps({"received": count - 1}), flush=True)
