"""Many requests at once to one echo server, one way of asking in each file.

``main(port, requests)`` says ``"ready"``, and then for each line that it hears asks for so many replies, all at once,
and says how many came.
"""

from __future__ import annotations

import resource
import struct
import sys
from collections.abc import Iterator

HOST = "127.0.0.1"
_NUMBER = struct.Struct("!I")


def allow_many_sockets() -> None:
    """As many as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def request(number: int) -> bytes:
    """42 bytes that begin with a number."""
    return _NUMBER.pack(number) + bytes(38)


def key(data: bytes) -> bytes:
    """What a request and its reply share."""
    return data[:4]


def passes() -> Iterator[None]:
    """One for each line that is heard."""
    print('"ready"', flush=True)
    for _ in sys.stdin:
        yield
