"""The buffers of a receive call: how the ``socket`` module fills them, and which ones it refuses.

A call that is refused has taken nothing, so what can be wrong is looked at before.
"""

from __future__ import annotations

import socket as stdlib_socket
import sys
from operator import index
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

TRUNC = int(getattr(stdlib_socket, "MSG_TRUNC", 0))  # Windows has none


def as_bytes(data: Buffer) -> bytes:
    """What is to be sent.

    Raises:
      TypeError: it is no buffer.
      BufferError: its bytes do not lie one behind the other.
    """
    if type(data) is bytes:
        return data
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return bytes(view)


def check_sizes(size: int, control_size: int = 0) -> None:
    """Raises ValueError if one is negative, TypeError and OverflowError if it is no number for a size."""
    for number in (size, control_size):
        if index(number) > sys.maxsize:
            raise OverflowError("Python int too large to convert to C ssize_t")
        if number < 0:
            raise ValueError("negative buffersize in recv")


def check_room(buffer: Buffer, size: int) -> None:
    """Is there so much room in a buffer?

    Raises:
      ValueError: there is less.
      TypeError: nothing can be written into it.
    """
    check_buffers([buffer], size)
    if size > memoryview(buffer).nbytes:
        raise ValueError("nbytes is greater than the length of the buffer")


def check_buffers(buffers: Sequence[Buffer], size: int) -> None:
    """Raises TypeError if nothing can be written into one of them, and what `check_sizes` raises."""
    check_sizes(size)
    for buffer in buffers:
        view = memoryview(buffer)
        if view.readonly or not view.c_contiguous:
            raise TypeError(f"read-write bytes-like object expected, not {type(buffer).__name__!r}")


def is_empty(buffer: Buffer) -> bool:
    """Is it a buffer without room?"""
    try:
        return not memoryview(buffer).nbytes
    except TypeError:
        return False


def cut(data: bytes, room: int, flags: int) -> bytes:
    """What ``recv`` returns of a datagram."""
    if len(data) <= room:
        return data
    # With MSG_TRUNC the length is the datagram's. What is beyond the buffer CPython leaves undefined; here it is zero.
    return data[:room] + bytes(len(data) - room) if flags & TRUNC else data[:room]


def scatter(data: bytes, buffers: Sequence[Buffer]) -> int:
    """Write a datagram into buffers, one after another; how much of it they took."""
    written = 0
    for buffer in buffers:
        with memoryview(buffer) as view, view.cast("B") as target:
            piece = data[written : written + len(target)]
            target[: len(piece)] = piece
        written += len(piece)
    return written
