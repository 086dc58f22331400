"""Servers whose answers a test chooses, handlers for `serve`, and a peer for it."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from trio.testing import MockClock

from tests.cli.child import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[[bytes], "list[bytes]"]
    StartServer = Callable[[Answer], int]


@contextmanager
def _answering(answer: Answer) -> Iterator[int]:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        stopped = False

        def work() -> None:
            while True:
                data, address = server.recvfrom(65535)
                if stopped:
                    return
                for reply in answer(data):
                    server.sendto(reply, address)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopped = True
            server.sendto(b"", server.getsockname())
            thread.join()


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """``start_server(answer)``: a server on 127.0.0.1 that sends all that ``answer(data)`` lists; returns its port."""
    with ExitStack() as servers:
        yield lambda answer: servers.enter_context(_answering(answer))


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port on 127.0.0.1 where everybody is refused, and that nobody else can get meanwhile.

    A connected socket hears its peer only: to others the port is closed.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as holder, socket.socket(type=socket.SOCK_DGRAM) as peer:
        holder.bind(("127.0.0.1", 0))
        peer.bind(("127.0.0.1", 0))
        holder.connect(peer.getsockname())
        yield holder.getsockname()[1]


@pytest.fixture
def clock() -> MockClock:
    """Virtual time that moves on when nothing has happened for a moment: what crosses real sockets gets there first."""
    return MockClock(autojump_threshold=0.02)


HANDLERS = """\
import time
from pathlib import Path

import trio

async def shout(datagram):
    return datagram.data.upper()

async def sulk(datagram):
    if datagram.data == b"raise":
        raise ValueError("do not say \\x1b[2J to me")
    if datagram.data == b"number":
        return 42
    if datagram.data == b"array":
        return bytearray(b"of bytes")
    if datagram.data == b"silence":
        return None
    return b"all right"

async def dawdle(datagram):
    print("begun", flush=True)
    await trio.sleep(float(datagram.data))
    return b"at last"

async def until_there_is_a_file(datagram):
    print("begun", flush=True)
    while not Path(datagram.data.decode()).exists():
        await trio.sleep(0.01)
    return b"at last"

async def never_let_go(datagram):
    print("begun", flush=True)
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()

async def block(datagram):
    print("begun", flush=True)
    time.sleep(3600)

async def quit(datagram):
    raise SystemExit(7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    return tmp_path


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE)
        yield peer
