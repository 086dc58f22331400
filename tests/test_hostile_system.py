"""A system that refuses: no buffer, no permission, no more descriptors; and a clock that jumps.

Errors of one datagram end no server and no client; a socket that cannot be had is told as it is, and leaves nothing
open. Time that jumps is what a program sees that was stopped, or whose machine has slept.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import (
    Datagram,
    NoReply,
    Retry,
    first_reply,
    open_udp_channel,
    open_udp_client,
    open_udp_endpoint,
    open_udp_endpoints,
    serve_udp,
    serve_udp_peers,
)
from trio_udp.relay import serve_relay

from .cancelling import Sockets, at_every_moment, play
from .fakes import OtherSockets, echo
from .test_cancellation import SCENARIOS
from .test_hostile import SERVERS, Count, send_and_hear

LOCAL = "127.0.0.1"


def name_of(number: int) -> str:
    return errno.errorcode[number]


# -- datagrams --------------------------------------------------------------------------------------------------------


def raising(number: int, times: int) -> Callable[[], None]:
    """Raises it so many times."""
    left = iter(range(times))

    def trouble() -> None:
        if next(left, None) is not None:
            raise OSError(number, "trouble")

    return trouble


class Troubled(OtherSockets):
    """The first three calls of each socket that there is fail, after `trouble`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def trouble(self, which: str) -> None:
        for socket in self.made:
            setattr(socket, which, raising(self._number, 3))


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EPERM, errno.ENOMEM, errno.EACCES], ids=name_of)
@pytest.mark.parametrize(("name", "arrive"), [("a crew", 7), ("peers", 7), ("a relay", 4)])
async def test_sending_fails_at_a_server(name: str, arrive: int, number: int, clock: trio.testing.MockClock) -> None:
    """Three replies are lost, and counted, which the sums of each server tell; the next ones are sent."""
    trio.socket.set_custom_socket_factory(factory := Troubled(number))
    async with SERVERS[name]() as server:
        factory.trouble("before_send")
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(b"x", server.address)] * 10)
            await trio.sleep(1)
            assert len(await client.receive_many()) == arrive
            await send_and_hear(client, server.address, [b"still there?"])


@pytest.mark.parametrize(
    "number", [errno.ECONNRESET, errno.ECONNREFUSED, errno.ENETRESET, errno.EHOSTUNREACH], ids=name_of
)
@pytest.mark.parametrize("name", ["a crew", "peers", "a relay"])
async def test_receiving_fails_at_a_server(name: str, number: int, clock: trio.testing.MockClock) -> None:
    """As on Windows: the refusal of a reply comes out of a receive that has nothing to do with it."""
    trio.socket.set_custom_socket_factory(factory := Troubled(number))
    async with SERVERS[name]() as server:
        with await open_udp_endpoint(LOCAL) as client:
            for _ in range(5):
                factory.trouble("before_receive")
                await send_and_hear(client, server.address, [b"1", b"2", b"3"])


# -- sockets ----------------------------------------------------------------------------------------------------------


class Scarce(Sockets):
    """There are so many sockets to be had, and no more."""

    def __init__(self, number: int) -> None:
        super().__init__(lambda *args: trio.socket.from_stdlib_socket(stdlib_socket.socket(*args)))
        self.left = 0
        self._number = number

    def socket(self, family: Any = None, type: Any = None, proto: int = 0) -> trio.socket.SocketType:
        if not self.left:
            raise OSError(self._number, "no socket for you")
        self.left -= 1
        return super().socket(family, type, proto)


OPENERS: dict[str, Callable[[], Awaitable[Any]]] = {
    "open_udp_endpoint": partial(open_udp_endpoint, LOCAL),
    "open_udp_endpoints": open_udp_endpoints,
    "open_udp_channel": partial(open_udp_channel, LOCAL, 9),
    "open_udp_client": partial(open_udp_client, LOCAL, 9),
    "serve_udp": partial(serve_udp, echo, 0),
    "serve_udp_peers": partial(serve_udp_peers, Count().talk, 0),
    "serve_relay": partial(serve_relay, None, 0, LOCAL, 9),
}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EPERM], ids=name_of)
@pytest.mark.parametrize("name", OPENERS)
async def test_there_is_no_socket(name: str, number: int, ipv6: None, clock: trio.testing.MockClock) -> None:
    """Not the first, or not the second: the error is the system's, and what was opened before is closed."""
    trio.socket.set_custom_socket_factory(scarce := Scarce(number))
    outcomes = []
    for left in range(3):
        scarce.left = left
        with trio.move_on_after(1):
            try:
                opened = await OPENERS[name]()
            except OSError as error:
                outcomes.append(error.errno)
            else:
                for each in opened if isinstance(opened, list) else [opened]:
                    each.close()
        assert not scarce.open()
    assert outcomes in ([number], [number, number])  # so it needs one, or two


async def test_no_socket_for_one_of_the_servers(clock: trio.testing.MockClock) -> None:
    """`first_reply` asks the other."""
    trio.socket.set_custom_socket_factory(scarce := Scarce(errno.EMFILE))
    scarce.left = 2
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, echo, 0, host=LOCAL))
        there = server.address[:2]
        assert await first_reply([there, there], b"x", stagger=0) == (b"x", there)
        scarce.left = 0
        with pytest.raises(NoReply) as caught:
            await first_reply([there, there], b"x")
        assert "no socket for you" in str(caught.value.__cause__.exceptions)  # type: ignore[union-attr]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EPERM], ids=name_of)
async def test_no_socket_to_leave_late_replies_behind(number: int, clock: trio.testing.MockClock) -> None:
    """A request that needs one tells, or where that is the network's fault its attempts are lost; and then it works."""
    trio.socket.set_custom_socket_factory(scarce := Scarce(number))
    scarce.left = 2
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, Late(), 0, host=LOCAL))
        async with await open_udp_client(*server.address) as client:
            with pytest.raises(NoReply):
                await client.request(b"first", retry=Retry(1))
            fault_of_the_network = number in (errno.ENOBUFS, errno.EPERM)
            with pytest.raises(NoReply if fault_of_the_network else OSError) as caught:
                await client.request(b"second", retry=Retry(2))
            error = caught.value.__cause__ if fault_of_the_network else caught.value
            assert isinstance(error, OSError)
            assert error.errno == number
            assert server.statistics().received == 1
            scarce.left = 1
            assert await client.request(b"third") == b"third"
        nursery.cancel_scope.cancel()


class Late:
    """Echoes; the first one after an hour."""

    def __init__(self) -> None:
        self._seconds = 3600.0

    async def __call__(self, datagram: Datagram) -> bytes:
        seconds, self._seconds = self._seconds, 0
        await trio.sleep(seconds)
        return datagram.data


# -- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_clock_jumps_at_every_moment(name: str) -> None:
    """By two hours: a machine that has slept. What every scenario looks at holds all the same."""

    def jump() -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(7200)

    at_every_moment(SCENARIOS[name], "virtual", lambda n: play(SCENARIOS[name], "virtual", n, jump))
