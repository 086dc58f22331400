"""The socket underneath: what endpoints and clients do not show by themselves."""

from __future__ import annotations

import errno
import socket as stdlib_socket
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import Event, observe, open_udp_endpoint
from trio_udp._batch import BatchSocket
from trio_udp._counted import raw_socket
from trio_udp._statistics import Tally

from .fakes import OtherSocket, closed_port

LOCAL = "127.0.0.1"


async def connected_to(port: int) -> BatchSocket:
    socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await socket.connect((LOCAL, port))
    return BatchSocket(socket, Tally(), None, peer=(LOCAL, port))


def test_which_sockets_are_trios_own() -> None:
    async def main() -> None:
        class Derived(trio.socket.SocketType):
            """Has an inner socket as Trio's has, and may do anything with it."""

            def __init__(self, inner: stdlib_socket.socket) -> None:
                self._sock = inner

        real = stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM)
        with trio.socket.from_stdlib_socket(real) as trios:
            assert raw_socket(trios) is real
            assert raw_socket(OtherSocket(trios)) is None
            assert raw_socket(Derived(real)) is None

    trio.run(main)


async def test_a_connected_socket_raises_what_its_peer_refuses() -> None:
    io = await connected_to(await closed_port())
    io.send_now(b"anybody?", (LOCAL, 0))
    with pytest.raises(ConnectionRefusedError):
        await io.receive()
    assert io.tally.errors == {"ECONNREFUSED": 1}
    io.close()


async def test_an_error_behind_datagrams_comes_after_them() -> None:
    """The kernel tells it once: it must not get lost because there were datagrams to hand out first."""
    io = await connected_to(await closed_port())
    story: list[Any] = [(b"1", (LOCAL, 1)), (b"2", (LOCAL, 1)), ConnectionRefusedError(errno.ECONNREFUSED, "refused")]

    def read_now(size: int) -> Any:
        if not story:
            raise BlockingIOError
        if isinstance(story[0], Exception):
            raise story.pop(0)
        return story.pop(0)

    io._read_now = read_now
    assert [data for data, _ in await io.receive()] == [b"1", b"2"]
    with trio.testing.assert_checkpoints():
        with pytest.raises(ConnectionRefusedError):
            await io.receive()
    assert io.tally.errors == {"ECONNREFUSED": 1}
    io.close()


async def test_a_wake_up_for_nothing() -> None:
    """Linux may say readable for a datagram whose checksum turns out wrong: wait again."""
    with await open_udp_endpoint(LOCAL) as endpoint:
        io = endpoint._io
        read_now, nothing = io._read_now, [True, True]

        def sometimes_nothing(size: int) -> Any:
            if nothing and nothing.pop():
                raise BlockingIOError
            return read_now(size)

        io._read_now = sometimes_nothing
        await endpoint.send(b"x", endpoint.address)
        assert (await endpoint.receive()).data == b"x"


async def test_dropping_is_counted_and_told() -> None:
    events: list[Event] = []
    with observe(events.append), await open_udp_endpoint(LOCAL) as endpoint:
        endpoint._io.drop(b"x", (LOCAL, 9), "a reason", outgoing=True)
        endpoint._io.drop(b"y", (LOCAL, 9), "EPERM", outgoing=True, counted=True)
        assert endpoint.statistics().dropped == {"a reason": 1}
    assert [event.reason for event in events] == ["a reason", "EPERM"]  # type: ignore[union-attr]


async def test_a_cancelled_read_the_portable_way_keeps_what_it_had(autojump_clock: trio.testing.MockClock) -> None:
    """Three datagrams are taken one by one; the cancellation falls between them."""
    with await open_udp_endpoint(LOCAL) as inner:
        socket = OtherSocket(inner.socket)
        io = BatchSocket(socket, Tally(), None)
        for number in range(3):
            await inner.send(b"%d" % number, inner.address)
        scope = trio.CancelScope()
        reads = iter([None, scope.cancel, None, None])

        def before_receive() -> None:
            if (action := next(reads)) is not None:
                action()

        socket.before_receive = before_receive
        with scope:
            await io.receive()
        assert scope.cancelled_caught
        got: list[bytes] = []
        while len(got) < 3:
            got += [data for data, _ in await io.receive()]
        assert got == [b"0", b"1", b"2"]


async def test_what_has_arrived_without_waiting() -> None:
    for wrap in (lambda socket: socket, OtherSocket):
        with await open_udp_endpoint(LOCAL) as endpoint:
            io = BatchSocket(wrap(endpoint.socket), Tally(), None)
            assert await io.receive_arrived() == []
            await endpoint.send(b"x", endpoint.address)
            assert [data for data, _ in await io.receive_arrived()] == [b"x"]
