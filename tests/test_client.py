"""The client.

Its logic is tested on the virtual network, where every time is exact; what real sockets do, over loopback; and what
only a kernel in trouble does, with sockets that say so.
"""

from __future__ import annotations

import collections
import errno
import itertools
import random
import signal
import socket as stdlib_socket
import zlib
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import (
    Address,
    AttemptTimedOut,
    Datagram,
    DatagramSent,
    DatagramTooLarge,
    Event,
    NoReply,
    ReplyAccepted,
    ReplyIgnored,
    Retry,
    SocketExchanged,
    UDPClient,
    UDPEndpoint,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_endpoints,
    serve_udp,
)
from trio_udp._address import Target
from trio_udp._attempts import Attempts
from trio_udp._batch import BATCH
from trio_udp._connection import LATELY, MOST_TRIES
from trio_udp._request import Request
from trio_udp._waiting import Waiting
from trio_udp.faults import Link, drop_first, partition
from trio_udp.testing import Host, RecordedDatagram, VirtualNetwork

from .fakes import OtherSockets, about, closed_port, echo, echo_after, settled, silent, start_on_loopback

LOCAL = "127.0.0.1"
PLAIN = Retry(jitter=0)  # 1, 2, 4, 8, 16 seconds
ONCE = Retry(attempts=1, jitter=0)  # 1 second


def asked(network: VirtualNetwork) -> list[RecordedDatagram]:
    """Everything that was sent to the server, whether it got there or not."""
    return [datagram for datagram in network.datagrams if datagram.destination == ("10.0.0.1", 7)]


def first_byte(data: bytes) -> int:
    return data[0]


class TwoAddresses(trio.abc.HostnameResolver):
    """Every name stands for ::1 and then 127.0.0.1, as ``localhost`` does on most machines."""

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
        answers = [(trio.socket.AF_INET6, "::1"), (trio.socket.AF_INET, LOCAL)]
        return [(family, trio.socket.SOCK_DGRAM, 17, "", (host, port)) for family, host in answers]

    async def getnameinfo(self, *args: Any) -> Any:
        raise NotImplementedError


# -- one after another ------------------------------------------------------------------------------------------------


async def test_request_and_reply(sockets: str, nursery: trio.Nursery) -> None:
    clients: set[Address] = set()

    async def remember(datagram: Datagram) -> bytes:
        clients.add(datagram.address)
        return datagram.data

    port = await start_on_loopback(nursery, remember)
    async with await open_udp_client(LOCAL, port) as client:
        for data in (b"hello", b"", bytes(65507)):
            assert await client.request(data) == data
        assert client.remote_address == (LOCAL, port)
        assert client.statistics().receive_buffer > 212_992  # the kernel's own choice
        statistics = client.statistics()
        assert (statistics.sent, statistics.received) == (3, 3)
        assert statistics.sent_bytes == statistics.received_bytes == 65512
    assert len(clients) == 1  # all went well: one socket served all
    assert client.statistics() == statistics


async def test_the_schedule_is_kept_to_the_instant(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    await nursery.start(server.run, serve_udp, silent, 7)
    async with await open_udp_client("server", 7) as client:
        with pytest.raises(NoReply) as caught:
            await client.request(b"anybody?", retry=Retry.stun())
    assert trio.current_time() == 39.5
    assert [datagram.time for datagram in asked(network)] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    error = caught.value
    assert (error.address, error.attempts, error.elapsed, error.ignored) == (("10.0.0.1", 7), 7, 39.5, 0)
    assert error.__cause__ is None


async def test_jitter_comes_from_the_clients_random(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    network.link = Link(loss=1)
    retry = Retry(attempts=4)
    async with await open_udp_client("server", 7, random=random.Random(7)) as client:
        with pytest.raises(NoReply):
            await client.request(b"anybody?", retry=retry)
    assert trio.current_time() == pytest.approx(sum(retry.timeouts(random.Random(7))))


async def test_a_lost_request_is_sent_again(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        with network.rule(drop_first(2)):
            assert await client.request(b"hello", retry=PLAIN) == b"hello"
    assert trio.current_time() == 3.25  # attempts at 0, 1 and 3; there and back
    assert [(each.time, each.data, each.dropped) for each in asked(network)] == [
        (0, b"hello", "drop_first"),
        (1, b"hello", "drop_first"),
        (3, b"hello", None),
    ]


async def test_a_lost_reply_makes_the_server_do_it_again(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """At least once, as it is documented."""
    account: list[bytes] = []

    async def deposit(datagram: Datagram) -> bytes:
        account.append(datagram.data)
        return b"done"

    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, deposit, 7)
    async with await open_udp_client("server", 7) as client:
        with network.rule(drop_first(1, match=lambda flight: flight.source == ("10.0.0.1", 7))):
            assert await client.request(b"100 euros", retry=PLAIN) == b"done"
    assert trio.current_time() == 1.25
    assert account == [b"100 euros"] * 2


async def test_requests_wait_in_order(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    done: list[bytes] = []

    async def ask(client: UDPClient, data: bytes) -> None:
        assert await client.request(data, retry=PLAIN) == data
        done.append(data)

    network.link = Link(delay=0.25)
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client, trio.open_nursery() as askers:
        for number in range(10):
            askers.start_soon(ask, client, b"%d" % number)
            await trio.testing.wait_all_tasks_blocked()  # tasks that start together start in any order
    assert trio.current_time() == 5.0
    assert done == [datagram.data for datagram in asked(network)] == [b"%d" % number for number in range(10)]


async def test_round_trips_are_measured_but_not_of_what_was_sent_twice(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        network.link = Link(delay=0.25)
        await client.request(b"0.5 seconds", retry=PLAIN)
        assert (client.round_trip.smoothed, client.round_trip.timeout) == (0.5, 1.5)
        network.link = Link(delay=0.875)
        await client.request(b"1.75 seconds, or 0.75?", retry=PLAIN)
        assert (client.round_trip.smoothed, client.round_trip.timeout) == (0.5, 1.5)
    assert trio.current_time() == 0.5 + 1.75


# -- bad days ---------------------------------------------------------------------------------------------------------


async def test_a_server_that_crashes_and_starts_again(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """A machine that is down refuses nothing: there is only silence."""
    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        assert await client.request(b"before", retry=PLAIN) == b"before"
        server.crash()

        async def repair() -> None:
            await trio.sleep(5)
            server.restart()

        nursery.start_soon(repair)
        assert await client.request(b"after", retry=PLAIN) == b"after"
        assert client.statistics().errors == {}
    # The second request begins at 0.25; its attempts come after 0, 1, 3 and 7 seconds.
    assert trio.current_time() == 0.25 + 7.25
    assert [datagram.dropped for datagram in asked(network)] == [None, *["host down"] * 3, None]


async def test_a_server_that_crashes_over_a_request(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """It has the request and loses it: the next attempt finds the server that has started again."""
    crashes = iter([True, False])

    async def handler(datagram: Datagram) -> bytes:
        await trio.sleep(0.25)
        if next(crashes):
            server.crash()
            await trio.sleep_forever()
        return datagram.data

    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, handler, 7)
    async with await open_udp_client("server", 7) as client:

        async def repair() -> None:
            await trio.sleep(0.5)
            server.restart()

        nursery.start_soon(repair)
        assert await client.request(b"hello", retry=PLAIN) == b"hello"
    assert trio.current_time() == 1.5


async def test_a_partition_that_heals(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, echo, 7)

    async def cut_for_three_seconds() -> None:
        with network.rule(partition(network.hosts["localhost"], server)):
            await trio.sleep(3)

    nursery.start_soon(cut_for_three_seconds)
    await trio.testing.wait_all_tasks_blocked()
    async with await open_udp_client("server", 7) as client:
        assert await client.request(b"hello", retry=Retry(first=2, jitter=0)) == b"hello"
    assert trio.current_time() == 6.25  # attempts at 0, 2 and 6
    assert [datagram.dropped for datagram in asked(network)] == ["partition", "partition", None]


async def test_a_client_stays_on_the_host_on_which_it_was_opened(
    network: VirtualNetwork, server: Host, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Outside its host's ``with`` it took its next socket, after a loss, on the host of code that is on none."""
    with server:
        await nursery.start(serve_udp, echo, 7)
    with network.host("10.0.0.2"):
        client = await open_udp_client("10.0.0.1", 7)
    with network.rule(drop_first(1)):
        assert await client.request(b"lost once", retry=PLAIN) == b"lost once"
    assert await client.request(b"from a new port", retry=PLAIN) == b"from a new port"
    client.close()
    assert {datagram.source[0] for datagram in asked(network)} == {"10.0.0.2"}
    assert len({datagram.source for datagram in asked(network)}) == 2


async def test_a_client_behind_a_nat_that_forgets_it(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The reply goes to an address that is nobody's any more; the next attempt comes from the new one."""
    clients: list[Address] = []

    async def slow(datagram: Datagram) -> bytes:
        clients.append(datagram.address)
        await trio.sleep(0.5)
        return datagram.data

    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, slow, 7)
    home = network.host("192.168.1.2", name="home")
    home.rebind("203.0.113.5")

    async def rebind() -> None:
        await trio.sleep(0.25)
        home.rebind("203.0.113.6")

    nursery.start_soon(rebind)
    with home:
        client = await open_udp_client("server", 7)
    async with client:
        assert await client.request(b"hello", retry=PLAIN) == b"hello"
    assert trio.current_time() == 1.75
    assert [host for host, *_ in clients] == ["203.0.113.5", "203.0.113.6"]
    assert [datagram.dropped for datagram in network.datagrams] == [None, "rebound", None, None]


# -- what a client does not believe -----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [1.5, 0.25], ids=["after the next request", "before the next request"])
async def test_a_late_reply_is_never_taken_for_the_next_ones(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery, late: float
) -> None:
    """The reply to the request that gave up comes either before the next request is sent, or after it."""
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        network.set_link(server, "localhost", Link(delay=1 + late))
        with pytest.raises(NoReply):
            await client.request(b"first", retry=ONCE)
        await trio.sleep(0.5)
        network.set_link(server, "localhost", Link(delay=2))
        assert await client.request(b"second", retry=Retry(attempts=1, first=5, jitter=0)) == b"second"
    first, second = asked(network)
    assert (first.time, second.time) == (0, 1.5)
    assert first.source != second.source


async def test_a_late_reply_is_counted_and_told(
    sockets: str, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Regression: the socket at which it lay was left without a look."""
    events: list[Event] = []
    port = await start_on_loopback(nursery, echo_after(1.5, 0))
    with observe(events.append):
        async with await open_udp_client(LOCAL, port) as client:
            with pytest.raises(NoReply):
                await client.request(b"first", retry=ONCE)
            await trio.sleep(1)
            assert await client.request(b"second") == b"second"
            assert client.statistics().dropped == {"no request waits for it": 1}
    assert [event.data for event in events if isinstance(event, ReplyIgnored)] == [b"first"]


async def test_a_datagram_counts_as_sent_whatever_is_raised_then(
    sockets: str, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Regression: an observer raised just after sending, and the next request believed the late reply."""

    def raise_once(event: Event) -> None:
        if isinstance(event, DatagramSent) and event.data == b"first":
            raise KeyError

    port = await start_on_loopback(nursery, echo_after(1, 2))
    with observe(raise_once):
        async with await open_udp_client(LOCAL, port) as client:
            with pytest.raises(KeyError):
                await client.request(b"first")
            assert await client.request(b"second", retry=Retry(attempts=1, first=9)) == b"second"


async def test_a_reply_counts_that_came_while_the_program_stood_still(clock: trio.testing.MockClock) -> None:
    """Regression: whose deadline was handled before the reader's turn lost a reply that was there.

    Over real sockets: on a virtual network nothing comes while the program stands still.
    """
    with stdlib_socket.socket(type=stdlib_socket.SOCK_DGRAM) as server:
        server.bind((LOCAL, 0))
        got: list[bytes] = []
        async with await open_udp_client(LOCAL, server.getsockname()[1], correlate=bytes) as client:

            async def ask(number: int) -> None:
                got.append(await client.request(b"%d" % number, retry=Retry(attempts=1, first=0.1, jitter=0)))

            clock.autojump_threshold = float("inf")
            async with trio.open_nursery() as askers:
                for number in range(20):
                    askers.start_soon(ask, number)
                await trio.testing.wait_all_tasks_blocked()
                for _ in range(20):
                    server.sendto(*server.recvfrom(100))
                clock.jump(0.2)
        assert len(got) == 20


async def test_a_request_on_a_socket_that_is_being_left_goes_on(
    clock: trio.testing.MockClock, nursery: trio.Nursery, ipv6: None
) -> None:
    """Regression: it was sent while another one was moving on, and waited at the wrong address."""
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    connecting, go_on = trio.Event(), trio.Event()

    class SlowToConnect(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)
            connect = socket.connect

            async def wait(address: Any) -> None:
                connecting.set()
                await go_on.wait()
                await connect(address)

            if len(self.made) > 1:
                socket.connect = wait  # type: ignore[method-assign]
            return socket

    [server] = await nursery.start(serve_endpoints, echo, [await open_udp_endpoint(LOCAL)])
    port = server.address[1]
    trio.socket.set_custom_socket_factory(SlowToConnect())
    async with await open_udp_client("localhost", port, correlate=bytes) as client:
        got: list[bytes] = []

        async def ask(data: bytes) -> None:
            got.append(await client.request(data, retry=Retry(attempts=1)))

        start = trio.current_time()
        async with trio.open_nursery() as askers:
            askers.start_soon(ask, b"first")
            await connecting.wait()
            askers.start_soon(ask, b"second")
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
        assert sorted(got) == [b"first", b"second"]
        assert trio.current_time() == start


async def test_closing_ends_a_request_that_cannot_be_sent(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    async with await open_udp_client("server", 7) as client:

        async def down() -> None:
            raise OSError(errno.ENETUNREACH, "down")

        client._connection.late_possible = True
        client._connection.renew = down  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await client.request(b"x")

            nursery.start_soon(ask)
            await trio.sleep(0.25)
            client.close()
    assert trio.current_time() == 0.25


async def test_waits_of_no_time_still_send(sockets: str, clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    """Regression: on other sockets than Trio's own such an attempt was over before it had sent anything."""
    asked_for: list[bytes] = []

    async def remember(datagram: Datagram) -> None:
        asked_for.append(datagram.data)

    port = await start_on_loopback(nursery, remember)
    async with await open_udp_client(LOCAL, port) as client:
        for number in range(3):
            with pytest.raises(NoReply):
                await client.request(b"%d" % number, retry=Retry(attempts=2, first=0))
        assert client.statistics().sent == 6
        await settled()
    assert trio.current_time() == about(0)
    assert asked_for == [b"0", b"0", b"1", b"1", b"2", b"2"]


async def test_no_free_port_is_an_error_and_leaks_nothing() -> None:
    """Trio takes the EAGAIN of a UDP connect for "going on", and the socket stays unbound."""

    class Unbound(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)

            async def connect(address: Any) -> None:
                await trio.lowlevel.checkpoint()

            socket.connect = connect  # type: ignore[method-assign]
            return socket

    trio.socket.set_custom_socket_factory(factory := Unbound())
    with pytest.raises(OSError, match="no free port to send from"):
        await open_udp_client(LOCAL, 9)
    assert all(socket.inner.fileno() == -1 for socket in factory.made)


async def test_two_replies_to_two_attempts(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Both attempts get their reply in the end, the second one after the next request was sent."""
    await nursery.start(server.run, serve_udp, echo, 7)
    network.set_link("localhost", server, Link(delay=0.5))
    network.set_link(server, "localhost", Link(delay=1))
    async with await open_udp_client("server", 7) as client:
        assert await client.request(b"first", retry=PLAIN) == b"first"
        assert trio.current_time() == 1.5
        # At 2.5 seconds the second reply to "first" arrives, at 3.25 the one to "second".
        await trio.sleep(0.25)
        assert await client.request(b"second", retry=Retry(first=2, jitter=0)) == b"second"
        assert trio.current_time() == 3.25


async def test_a_cancelled_requests_reply(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(delay=0.5)
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        with trio.move_on_after(0.5):
            await client.request(b"first", retry=Retry(first=9, jitter=0))
        # Its reply arrives at 1, half a second before the next one's.
        assert await client.request(b"second", retry=Retry(first=9, jitter=0)) == b"second"
    assert trio.current_time() == 1.5


async def test_a_doubled_reply_is_discarded(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(delay=0.125)
    network.set_link(server, "localhost", Link(delay=0.125, duplicate=1))
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        assert await client.request(b"1") == b"1"
        assert await client.request(b"2") == b"2"
        assert client.statistics().dropped == {"answered already": 2}
    assert trio.current_time() == 0.5


@pytest.mark.parametrize("correlate", [None, bytes], ids=["plain", "correlated"])
async def test_a_doubled_reply_whose_copy_comes_late(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery, correlate: Any
) -> None:
    """It arrives after the next request was sent: the one hole that no socket can close, and ``correlate`` does."""
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7, correlate=correlate) as client:
        network.set_link(server, "localhost", Link(duplicate=1, reorder=1, reorder_delay=1))  # now, and in a second
        assert await client.request(b"first", retry=Retry(first=9)) == b"first"
        network.set_link(server, "localhost", Link(delay=2))
        reply = await client.request(b"second", retry=Retry(first=9))
        assert reply == (b"second" if correlate else b"first")
        assert client.statistics().dropped == ({"no request waits for it": 1} if correlate else {})


async def test_replies_from_another_address_are_not_seen(sockets: str, nursery: trio.Nursery) -> None:
    """The kernel drops them: the socket is connected."""

    async def stranger_answers_first(datagram: Datagram) -> bytes:
        with await open_udp_endpoint(LOCAL) as stranger:
            await stranger.send(b"forged", datagram.address)
        return b"genuine"

    port = await start_on_loopback(nursery, stranger_answers_first)
    async with await open_udp_client(LOCAL, port) as client:
        assert await client.request(b"who?") == b"genuine"
        assert client.statistics().received == 1


async def test_a_forger_who_knows_everything_but_the_servers_address(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """It sees the request, answers from the server's port, and is nearer."""
    network.link = Link(delay=0.25)
    network.set_link(forger := network.host("10.0.0.66", name="forger"), "localhost", Link(delay=0.125))
    with forger:
        forging = await open_udp_endpoint("10.0.0.66", 7)

    async def wiretapped(datagram: Datagram) -> bytes:
        await forging.send(b"forged", datagram.address)
        return b"genuine"

    await nursery.start(server.run, serve_udp, wiretapped, 7)
    async with forging, await open_udp_client("server", 7) as client:
        assert await client.request(b"who?", retry=PLAIN) == b"genuine"
        assert client.statistics().received == 1
    assert trio.current_time() == 0.5
    [forged] = [datagram for datagram in network.datagrams if datagram.data == b"forged"]
    assert (forged.time, forged.delivered, forged.dropped) == (0.25, [], "refused")


async def test_a_server_that_answers_from_another_address(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """A machine with two addresses and a server that does not mind which: its replies are a stranger's."""
    server = network.host("10.0.0.1", "10.0.0.2", name="server")
    with server:
        other = await open_udp_endpoint("10.0.0.2", 7)

    async def from_elsewhere(datagram: Datagram) -> None:
        await other.send(*datagram)

    await nursery.start(server.run, partial(serve_udp, from_elsewhere, 7, host="10.0.0.1"))
    async with other, await open_udp_client("10.0.0.1", 7) as client:
        with pytest.raises(NoReply) as caught:
            await client.request(b"x", retry=Retry(attempts=2, jitter=0))
    assert caught.value.elapsed == trio.current_time() == 3


async def test_what_accept_refuses_is_ignored_and_the_wait_goes_on(
    sockets: str, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    async def garbage_first() -> None:
        async for _, address in server:
            await server.send_many([Datagram(data, address) for data in (b"", b"\xff", b"no")])
            await trio.sleep(0.25)
            await server.send(b"yes", address)

    with await open_udp_endpoint(LOCAL) as server:
        nursery.start_soon(garbage_first)
        async with await open_udp_client(LOCAL, server.address[1]) as client:
            reply = await client.request(b"?", accept=lambda data: chr(data[0]) == "y", retry=PLAIN)
            assert reply == b"yes"
            assert trio.current_time() == about(0.25)
            assert client.statistics().dropped == {"accept raised IndexError": 1, "not accepted": 2}
        nursery.cancel_scope.cancel()


async def test_a_damaged_reply_is_ignored_and_asked_for_again(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    async def with_checksum(datagram: Datagram) -> bytes:
        return datagram.data + zlib.crc32(datagram.data).to_bytes(4, "big")

    def is_whole(reply: bytes) -> bool:
        return zlib.crc32(reply[:-4]).to_bytes(4, "big") == reply[-4:]

    async def repair() -> None:
        await trio.sleep(2)
        network.set_link(server, "localhost", None)

    network.link = Link(delay=0.125)
    network.set_link(server, "localhost", Link(delay=0.125, corrupt=1))
    nursery.start_soon(repair)
    await nursery.start(server.run, serve_udp, with_checksum, 7)
    async with await open_udp_client("server", 7) as client:
        reply = await client.request(b"hello", accept=is_whole, retry=PLAIN)
        assert reply[:-4] == b"hello"
        assert client.statistics().dropped == {"not accepted": 2}
    assert trio.current_time() == 3.25


async def test_what_was_ignored_is_told_when_nothing_came(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """An `accept` with a bug looks like a lost reply: the exception shows itself as the cause."""
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        with pytest.raises(NoReply, match=r"to 2 attempts in 3 s \(2 not believed\)") as caught:
            await client.request(b"", accept=lambda data: data[0] == 1, retry=Retry(attempts=2, jitter=0))
        assert caught.value.ignored == 2
        assert isinstance(caught.value.__cause__, IndexError)


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_a_lost_attempt_and_no_more(
    sockets: str, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The server starts up between the second and the third attempt."""
    port = await closed_port()
    async with await open_udp_client(LOCAL, port) as client:

        async def start_late() -> None:
            await trio.sleep(2)
            await serve_udp(echo, port, host=LOCAL)

        nursery.start_soon(start_late)
        assert await client.request(b"hello", retry=PLAIN) == b"hello"
        assert trio.current_time() == about(3)
        statistics = client.statistics()
        assert (statistics.sent, statistics.errors) == (3, {"ECONNREFUSED": 2})


async def test_refused_to_the_end(sockets: str, clock: trio.testing.MockClock) -> None:
    events: list[Event] = []
    port = await closed_port()
    with observe(events.append):
        async with await open_udp_client(LOCAL, port) as client:
            with pytest.raises(NoReply) as caught:
                await client.request(b"x", retry=PLAIN)
            assert isinstance(caught.value.__cause__, ConnectionRefusedError)
            assert (caught.value.attempts, caught.value.refused) == (5, True)
            # 1 + 2 + 4 + 8, and nothing to wait for after the refusal of the last attempt.
            assert trio.current_time() == about(15)
            with pytest.raises(NoReply):
                await client.request(b"x", retry=Retry(attempts=1))
            assert trio.current_time() == about(15)
    assert [event.reason for event in events if isinstance(event, AttemptTimedOut)] == ["ECONNREFUSED"] * 6


async def test_refused_and_then_silent(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The last refusal is told as the cause, and that it is of the past."""

    async def start_late() -> None:
        await trio.sleep(0.5)
        await serve_udp(silent, 7)

    network.link = Link(delay=0.125)
    nursery.start_soon(server.run, start_late)
    async with await open_udp_client("server", 7) as client:
        with pytest.raises(NoReply) as caught:
            await client.request(b"x", retry=Retry(attempts=2, jitter=0))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert not caught.value.refused
    assert trio.current_time() == 3
    assert [datagram.dropped for datagram in asked(network)] == ["refused", None]


async def test_the_reply_to_an_attempt_before_the_refusal_counts(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """A server answers and exits; the answer is slow, and the next attempt is refused before it is there."""
    serving = trio.CancelScope()

    async def answer_once(task_status: trio.TaskStatus[Any]) -> None:
        with serving:
            await serve_udp(echo, 7, task_status=task_status)

    network.set_link("localhost", server, Link(delay=0.25))
    network.set_link(server, "localhost", Link(delay=1.5))
    await nursery.start(server.run, answer_once)
    async with await open_udp_client("server", 7) as client:

        async def next_link_and_exit() -> None:
            await trio.sleep(0.5)
            serving.cancel()
            network.set_link(server, "localhost", Link(delay=0.25))

        nursery.start_soon(next_link_and_exit)
        # Refused at 1.5, and the reply arrives at 1.75.
        assert await client.request(b"hello", retry=PLAIN) == b"hello"
        assert client.statistics().errors == {"ECONNREFUSED": 1}
    assert trio.current_time() == 1.75


async def test_a_refusal_that_send_reports_belongs_to_an_earlier_datagram(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Nobody waits any more when the refusal comes: so the next request's sending is told, and tries again."""
    network.link = Link(delay=0.25)
    async with await open_udp_client("server", 7, correlate=bytes) as client:
        with trio.move_on_after(0.25):
            await client.request(b"nobody there")
        await trio.sleep(0.75)
        await nursery.start(server.run, serve_udp, echo, 7)
        assert await client.request(b"hello", retry=ONCE) == b"hello"
        statistics = client.statistics()
        assert (statistics.sent, statistics.errors) == (2, {"ECONNREFUSED": 1})
    assert trio.current_time() == 1.5


async def test_a_refusal_that_send_reports_on_a_real_socket(nursery: trio.Nursery) -> None:
    """The kernel says it at once."""
    port = await start_on_loopback(nursery, echo)
    async with await open_udp_client(LOCAL, port) as client:
        io = client._connection.io
        write_now = io._write_now

        def refuse_once(data: bytes, address: Any) -> int:
            io._write_now = write_now
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

        io._write_now = refuse_once
        assert await client.request(b"hello", retry=Retry(attempts=1, first=60)) == b"hello"
        assert client.statistics().errors == {"ECONNREFUSED": 1}


async def test_a_refusal_of_the_last_request_does_not_touch_the_next(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """It waits in the socket when the next request starts, and is about a datagram that is long gone.

    The network doubles the first request. The server answers, exits, and the copy is refused; then it starts again.
    """
    serving = trio.CancelScope()

    async def serve_for_a_while(task_status: trio.TaskStatus[Any]) -> None:
        with serving:
            await serve_udp(echo, 7, task_status=task_status)

    await nursery.start(server.run, serve_for_a_while)
    network.set_link("localhost", server, Link(duplicate=1, reorder=1, reorder_delay=1))  # now, and in a second
    async with await open_udp_client("server", 7) as client:
        assert await client.request(b"1", retry=PLAIN) == b"1"
        serving.cancel()
        network.set_link("localhost", server, None)
        await trio.sleep(2)
        await nursery.start(server.run, serve_udp, echo, 7)
        assert await client.request(b"2", retry=ONCE) == b"2"
        assert client.statistics().errors == {"ECONNREFUSED": 1}
    assert [datagram.dropped for datagram in asked(network)] == ["refused", None]


async def test_a_size_error_of_an_earlier_datagram_is_not_this_ones(nursery: trio.Nursery) -> None:
    """Regression: ICMP "fragmentation needed" shows itself at the next send, and a 5-byte request was "too large"."""
    port = await start_on_loopback(nursery, echo)
    async with await open_udp_client(LOCAL, port) as client:
        io = client._connection.io
        write_now = io._write_now

        def too_large_once(data: bytes, address: Any) -> int:
            io._write_now = write_now
            raise OSError(errno.EMSGSIZE, "Message too long")

        io._write_now = too_large_once
        assert await client.request(b"small", retry=PLAIN) == b"small"


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EPERM])
async def test_one_requests_bad_luck_is_no_others(
    clock: trio.testing.MockClock, nursery: trio.Nursery, number: int
) -> None:
    """Regression: a send that failed here was taken for the network's refusal of all requests."""
    port = await start_on_loopback(nursery, echo_after(0.5))
    async with await open_udp_client(LOCAL, port, correlate=bytes) as client:
        io = client._connection.io
        write_now = io._write_now

        def unlucky(data: bytes, address: Any) -> int:
            if data == b"unlucky":
                raise OSError(number, "trouble")
            return write_now(data, address)

        io._write_now = unlucky
        outcomes: dict[bytes, object] = {}

        async def ask(data: bytes) -> None:
            try:
                outcomes[data] = await client.request(data, retry=ONCE)
            except NoReply as error:
                outcomes[data] = (error.elapsed, error.__cause__.errno)  # type: ignore[union-attr]

        async with trio.open_nursery() as askers:
            askers.start_soon(ask, b"lucky")
            await trio.testing.wait_all_tasks_blocked()
            askers.start_soon(ask, b"unlucky")
        assert outcomes == {b"lucky": b"lucky", b"unlucky": (1.0, number)}


async def test_a_forged_refusal_does_not_make_a_late_reply_believable(
    clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Regression: "refused" was taken for "never answered", and the next request used the old socket."""
    port = await start_on_loopback(nursery, echo_after(1, 2))
    async with await open_udp_client(LOCAL, port) as client:
        io = client._connection.io
        read_now, story = io._read_now, [BlockingIOError(), ConnectionRefusedError(errno.ECONNREFUSED, "forged")]

        def forged(size: int) -> Any:
            if story:
                raise story.pop(0)
            return read_now(size)

        io._read_now = forged
        with pytest.raises(NoReply):
            await client.request(b"first", retry=ONCE)
        assert await client.request(b"second", retry=Retry(attempts=1, first=5, jitter=0)) == b"second"


async def test_a_pending_refusal_does_not_hide_stale_replies(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The kernel tells an error before it gives what came earlier; both have to go before the next request.

    Request and reply are doubled; the copy of the reply comes, and then the copy of the request is refused.
    """
    serving = trio.CancelScope()

    async def serve_for_a_while(task_status: trio.TaskStatus[Any]) -> None:
        with serving:
            await serve_udp(echo, 7, task_status=task_status)

    await nursery.start(server.run, serve_for_a_while)
    network.set_link("localhost", server, Link(duplicate=1, reorder=1, reorder_delay=1))
    network.set_link(server, "localhost", Link(duplicate=1, reorder=1, reorder_delay=0.5))
    async with await open_udp_client("server", 7) as client:
        assert await client.request(b"1", retry=PLAIN) == b"1"
        serving.cancel()
        network.set_link("localhost", server, None)
        network.set_link(server, "localhost", None)
        await trio.sleep(2)
        await nursery.start(server.run, serve_udp, echo, 7)
        assert await client.request(b"2", retry=ONCE) == b"2"
        statistics = client.statistics()
        assert (statistics.errors, statistics.dropped) == ({"ECONNREFUSED": 1}, {"no request waits for it": 1})


async def test_a_flood_before_the_request_is_left_behind(
    sockets: str, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Regression: all of it was read first, without a pause, for as long as it lasted."""
    clients: list[Address] = []

    async def flood_once() -> None:
        async for datagram in server:
            clients.append(datagram.address)
            await server.send_many([datagram] * (200 if len(clients) == 1 else 1))

    with await open_udp_endpoint(LOCAL) as server:
        nursery.start_soon(flood_once)
        async with await open_udp_client(LOCAL, server.address[1]) as client:
            assert await client.request(b"1", retry=PLAIN) == b"1"
            await settled()
            assert await client.request(b"2", retry=PLAIN) == b"2"
            assert client.statistics().received <= 2 + 2 * BATCH
        first, second = clients
        assert first != second
        nursery.cancel_scope.cancel()


async def test_a_reply_that_came_before_the_refusal_counts() -> None:
    """A server answers and exits: the kernel tells of the refusal of another request first, then gives the reply."""
    with await open_udp_endpoint(LOCAL) as server:
        async with await open_udp_client(LOCAL, server.address[1], correlate=bytes) as client:
            io = client._connection.io
            read_now = io._read_now
            story: list[Any] = [ConnectionRefusedError(errno.ECONNREFUSED, "refused"), (b"mine", server.address)]

            def told(size: int) -> Any:
                if not story:
                    return read_now(size)
                if isinstance(story[0], Exception):
                    raise story.pop(0)
                return story.pop(0)

            io._read_now = told
            assert await client.request(b"mine", retry=Retry(attempts=1, first=60)) == b"mine"


async def test_no_route_for_a_new_socket_is_a_lost_attempt(
    network: VirtualNetwork,
    server: Host,
    clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Regression: after an unanswered request the next one raised a bare OSError at once."""
    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7) as client:
        renew, downs = client._connection.renew, [errno.ENETUNREACH, errno.EADDRNOTAVAIL]

        async def down_for_a_while() -> None:
            if downs:
                raise OSError(downs.pop(), "down")
            await renew()

        monkeypatch.setattr(client._connection, "renew", down_for_a_while)
        client._connection.late_possible = True
        assert await client.request(b"x", retry=PLAIN) == b"x"
        assert trio.current_time() == 3.25
        client._connection.late_possible = True
        downs.append(errno.EMFILE)
        with pytest.raises(OSError, match="down"):
            await client.request(b"x", retry=PLAIN)


async def test_a_port_is_not_used_again_soon() -> None:
    """Regression: the kernel may offer the port of a request before, for which a late reply is still on its way."""
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        ports = [client._connection.io.local[1]]
        for _ in range(200):
            await client._connection.renew()
            ports.append(client._connection.io.local[1])
    assert all(len(set(ports[start : start + LATELY])) == LATELY for start in range(len(ports) - LATELY))


@pytest.mark.parametrize("leave", ["close", "renew"])
async def test_a_port_that_another_client_has_left_is_not_used_soon(leave: str) -> None:
    """Regression: it got the late reply to that one's request, and from then on all its own replies were one off.

    With 60 clients that gave up on a fifth of their attempts, that was one reply of 2000.
    """

    class Offers(trio.abc.SocketFactory):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = stdlib_socket.socket(*args)
            if ports:
                socket.bind((LOCAL, ports.pop()))
            return trio.socket.from_stdlib_socket(socket)

    nobody = await closed_port()
    async with await open_udp_client(LOCAL, nobody) as one:
        ports = [left := one._connection.io.local[1]]
        if leave == "renew":
            await one._connection.renew()
        else:
            one.close()
        trio.socket.set_custom_socket_factory(Offers())
        async with await open_udp_client(LOCAL, nobody) as other:
            assert not ports
            assert other._connection.io.local[1] != left


async def test_when_every_port_was_used_lately() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        client._connection._ports = collections.deque(range(65536))
        made = len(factory.made)
        await client._connection.renew()
        assert len(factory.made) - made == MOST_TRIES + 1
        assert sum(socket.inner.fileno() != -1 for socket in factory.made) == 1

        async def no_more(address: Any) -> None:
            raise OSError(errno.EAGAIN, "no port left")

        class Full(OtherSockets):
            def socket(self, *args: Any) -> trio.socket.SocketType:
                socket = super().socket(*args)
                if len(self.made) > 3:
                    socket.connect = no_more  # type: ignore[method-assign]
                return socket

        trio.socket.set_custom_socket_factory(full := Full())
        await client._connection.renew()
        assert sum(socket.inner.fileno() != -1 for socket in full.made) == 1


@pytest.mark.parametrize("correlate", [None, bytes], ids=["plain", "correlated"])
def test_ctrl_c_leaves_a_client_that_can_be_used(monkeypatch: pytest.MonkeyPatch, correlate: Any) -> None:
    """Regression: in a line of ours it left the key of a request that was gone, or the lock of a turn nobody had.

    And an entry for a task that was gone, whose waking was a TrioInternalError.
    """
    run = Attempts.run

    async def interrupted(*args: Any) -> None:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        await run(*args)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            port = await start_on_loopback(nursery, silent)
            other = await start_on_loopback(nursery, echo)
            async with await open_udp_client(LOCAL, port, correlate=correlate) as client:
                monkeypatch.setattr(Attempts, "run", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    await client.request(b"x")
                client._connection.targets = [Target(trio.socket.AF_INET, (LOCAL, other))]
                await client._connection.renew()
                assert await client.request(b"x") == b"x"
            nursery.cancel_scope.cancel()

    trio.run(main)


async def test_ctrl_c_ends_a_function_of_yours_that_does_not_return(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    protected: list[bool] = []

    def accept(reply: bytes) -> bool:
        protected.append(trio.lowlevel.currently_ki_protected())
        return True

    def correlate(data: bytes) -> bytes:
        protected.append(trio.lowlevel.currently_ki_protected())
        return data

    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7, correlate=correlate) as client:
        await client.request(b"x", accept=accept)
    assert protected == [False, False, False]


async def test_what_accept_must_not_raise_costs_no_other_request_its_reply(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """An exception that is no Exception comes out; the replies that came with that one are handed out all the same."""

    def accept(reply: bytes) -> bool:
        raise SystemExit

    await nursery.start(server.run, serve_udp, echo, 7)
    log: list[Event] = []
    with observe(log.append), pytest.raises(BaseException) as caught:  # noqa: PT011 - a group
        async with await open_udp_client("server", 7, correlate=bytes) as client, trio.open_nursery() as askers:
            for number in range(10):
                askers.start_soon(client.request, b"%d" % number)
            askers.start_soon(partial(client.request, b"!", accept=accept))
    assert caught.group_contains(SystemExit)
    assert {event.data for event in log if isinstance(event, ReplyAccepted)} == {b"%d" % n for n in range(10)}


async def test_the_turn_is_given_to_one_at_a_time(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Regression: each request that was answered woke another one to read, though somebody was to read already."""
    turns: list[Request | None] = []

    class Counting(Waiting):
        def wake_one(self) -> Request | None:
            turns.append(request := super().wake_one())
            return request

    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7, correlate=bytes) as client:
        client._replies._waiting = Counting()
        async with trio.open_nursery() as askers:
            for number in range(BATCH * 4):
                askers.start_soon(client.request, b"%d" % number)
    assert len([turn for turn in turns if turn is not None]) <= 4  # a reader's reply may be in any of four batches


async def test_many_refusals_wake_each_request_once(
    clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: each of them woke everybody, so that 10,000 refused requests took twelve seconds."""
    woken = 0
    wake = Waiting.wake

    def counting(self: Waiting, request: Request) -> None:
        nonlocal woken
        woken += 1
        wake(self, request)

    monkeypatch.setattr(Waiting, "wake", counting)
    async with await open_udp_client(LOCAL, await closed_port(), correlate=bytes) as client:

        async def ask(number: int) -> None:
            with pytest.raises(NoReply):
                await client.request(b"%d" % number, retry=Retry(attempts=2, jitter=0))

        async with trio.open_nursery() as askers:
            for number in range(200):
                askers.start_soon(ask, number)
        assert client.statistics().errors["ECONNREFUSED"] >= 200
    assert woken <= 200 * 2 * 4  # each attempt: told at sending, told once it was sent again, and its time is over


async def test_no_route_is_a_lost_attempt(clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    port = await start_on_loopback(nursery, echo)
    async with await open_udp_client(LOCAL, port) as client:
        io = client._connection.io
        write_now = io._write_now
        story = [True] * 4  # two attempts, each tries twice

        def no_route(data: bytes, address: Any) -> int:
            if story:
                story.pop()
                raise OSError(errno.ENETUNREACH, "unreachable")
            return write_now(data, address)

        io._write_now = no_route
        assert await client.request(b"hello", retry=PLAIN) == b"hello"
        assert trio.current_time() == 3


async def test_a_broken_socket_is_not_a_lost_attempt() -> None:
    async with await open_udp_client(LOCAL, await closed_port()) as client:

        def broken(*args: Any) -> Any:
            raise OSError(errno.EFAULT, "bad address")

        client._connection.io._write_now = broken
        with pytest.raises(OSError, match="bad address"):
            await client.request(b"x")


async def test_too_large(sockets: str, nursery: trio.Nursery) -> None:
    port = await start_on_loopback(nursery, echo)
    async with await open_udp_client(LOCAL, port) as client:
        with pytest.raises(DatagramTooLarge) as caught:
            await client.request(bytes(65508))
        assert (caught.value.size, caught.value.limit) == (65508, 65507)
        numbers: Any = memoryview(bytes(80000)).cast("I")
        with pytest.raises(DatagramTooLarge) as caught:
            await client.request(numbers)
        assert caught.value.size == 80000
        assert await client.request(b"still works") == b"still works"


# -- several addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [LOCAL, "::1"])
@pytest.mark.parametrize("correlate", [None, first_byte], ids=["plain", "correlated"])
async def test_localhost_finds_the_server_on_either_address(
    sockets: str, nursery: trio.Nursery, ipv6: None, correlate: Any, host: str
) -> None:
    """The address that refuses is left at once: no attempt is lost."""
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    port = await start_on_loopback(nursery, echo, host)
    events: list[Event] = []
    with observe(events.append):
        async with await open_udp_client("localhost", port, correlate=correlate) as client:
            assert await client.request(b"hello", retry=Retry(attempts=1, first=60)) == b"hello"
            assert client.remote_address[0] == host
            assert await client.request(b"again", retry=Retry(attempts=1, first=60)) == b"again"
    exchanged = [(event.former[0], event.local[0]) for event in events if isinstance(event, SocketExchanged)]
    assert exchanged == [("::1", LOCAL)] * (host == LOCAL)


async def test_the_address_that_refuses_costs_a_round_trip_and_no_attempt(
    network: VirtualNetwork, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    server = network.host("fd00::1", "10.0.0.1", name="server")
    network.link = Link(delay=0.125)
    await nursery.start(server.run, partial(serve_udp, echo, 7, host="10.0.0.1"))
    async with await open_udp_client("server", 7) as client:
        assert client.remote_address[0] == "fd00::1"
        assert await client.request(b"hello", retry=ONCE) == b"hello"
        assert trio.current_time() == 0.5
        assert client.remote_address == ("10.0.0.1", 7)
        assert await client.request(b"again", retry=ONCE) == b"again"
        assert trio.current_time() == 0.75


async def test_all_addresses_refuse(sockets: str, clock: trio.testing.MockClock, ipv6: None) -> None:
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    async with await open_udp_client("localhost", await closed_port()) as client:
        with pytest.raises(NoReply) as caught:
            await client.request(b"x", retry=Retry(attempts=2, jitter=0))
        assert (caught.value.attempts, caught.value.elapsed) == (2, about(1))
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert client.statistics().sent == 4  # each address at each attempt


async def test_many_requests_move_on_together(sockets: str, nursery: trio.Nursery, ipv6: None) -> None:
    """Regression: one moved on and closed the socket, and those that were still sending through it failed."""
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    port = await start_on_loopback(nursery, echo)
    async with await open_udp_client("localhost", port, correlate=bytes) as client:

        async def ask(number: int) -> None:
            assert await client.request(b"%d" % number, retry=Retry(attempts=1, first=60)) == b"%d" % number

        async with trio.open_nursery() as askers:
            for number in range(50):
                askers.start_soon(ask, number)


async def test_addresses_without_a_way_are_stepped_over(nursery: trio.Nursery) -> None:
    """A name with an IPv6 address, on a machine without IPv6."""

    class NoIPv6(OtherSockets):
        def socket(self, family: Any = None, *args: Any) -> trio.socket.SocketType:
            if family == trio.socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "no IPv6 here")
            return super().socket(family, *args)

    trio.socket.set_custom_socket_factory(NoIPv6())
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    [server] = await nursery.start(serve_endpoints, echo, [await open_udp_endpoint(LOCAL)])
    port = server.address[1]
    async with await open_udp_client("two-addresses", port) as client:
        assert await client.request(b"hello") == b"hello"
        assert client.remote_address[0] == LOCAL
    with pytest.raises(OSError, match="no IPv6 here"):
        await open_udp_client("::1", 9)


# -- side by side -----------------------------------------------------------------------------------------------------


async def test_correlated_requests_share_a_socket(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The last that was sent is the first that is answered."""

    async def backwards(datagram: Datagram) -> bytes:
        await trio.sleep(1 - datagram.data[0] / 64)
        return datagram.data

    done: list[tuple[float, int]] = []
    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, backwards, 7)
    async with await open_udp_client("server", 7, correlate=first_byte) as client:

        async def ask(number: int) -> None:
            assert await client.request(bytes([number]), retry=Retry(first=2, jitter=0)) == bytes([number])
            done.append((trio.current_time(), number))

        async with trio.open_nursery() as askers:
            for number in range(50):
                askers.start_soon(ask, number)
    assert done == [(1.25 - number / 64, number) for number in reversed(range(50))]
    assert len({datagram.source for datagram in asked(network)}) == 1


async def test_replies_with_a_key_that_nobody_waits_for(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    async def confuse() -> None:
        with await open_udp_endpoint("10.0.0.1", 7) as endpoint:
            async for data, address in endpoint:
                await endpoint.send_many([Datagram(each, address) for each in (b"\x63other", b"", data, data)])

    nursery.start_soon(server.run, confuse)
    await trio.testing.wait_all_tasks_blocked()
    async with await open_udp_client("server", 7, correlate=first_byte) as client:
        assert await client.request(b"\x01mine") == b"\x01mine"
        assert await client.request(b"\x02mine") == b"\x02mine"
        assert client.statistics().dropped == {
            "no request waits for it": 2,
            "correlate raised IndexError": 2,
            "answered already": 2,
        }


async def test_two_in_flight_with_one_key(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(loss=1)
    async with await open_udp_client("server", 7, correlate=first_byte) as client:
        nursery.start_soon(partial(client.request, b"same"))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ValueError, match="a request with the key 115 is on its way already"):
            await client.request(b"same")
        client._correlate = lambda data: None
        with pytest.raises(ValueError, match="correlate gave None for the request itself"):
            await client.request(b"x")
        client._correlate = first_byte
        with pytest.raises(IndexError):  # correlate's own exception about the request comes out as it is
            await client.request(b"")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("reader_goes", ["cancelled", "timed out", "answered"])
async def test_the_turn_at_reading_is_passed_on(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery, reader_goes: str
) -> None:
    """The first of three reads for all; whatever ends it, the others still get their replies."""

    async def answer(datagram: Datagram) -> bytes | None:
        if datagram.data == b"first":
            return datagram.data if reader_goes == "answered" else None
        await trio.sleep(0.5)
        return datagram.data

    got: list[bytes] = []
    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, answer, 7)
    async with await open_udp_client("server", 7, correlate=bytes) as client:

        async def ask(data: bytes, first: float = 5.0) -> None:
            with trio.move_on_after(0.5 if reader_goes == "cancelled" and data == b"first" else 9):
                try:
                    got.append(await client.request(data, retry=Retry(attempts=1, first=first, jitter=0)))
                except NoReply:
                    assert reader_goes == "timed out"

        async with trio.open_nursery() as askers:
            askers.start_soon(ask, b"first", 0.5 if reader_goes == "timed out" else 5.0)
            await trio.testing.wait_all_tasks_blocked()
            askers.start_soon(ask, b"second")
            askers.start_soon(ask, b"third")
        assert trio.current_time() == 0.75
    assert sorted(got) == sorted([b"second", b"third"] + [b"first"] * (reader_goes == "answered"))


async def test_ten_thousand_cancelled_at_once(clock: trio.testing.MockClock) -> None:
    """Leaving must not cost more the more there are: this takes seconds, not minutes."""
    with await open_udp_endpoint(LOCAL) as server:
        async with await open_udp_client(LOCAL, server.address[1], correlate=bytes) as client:
            with trio.move_on_after(0.5):
                async with trio.open_nursery() as askers:
                    for number in range(10_000):
                        askers.start_soon(client.request, b"%d" % number)
            assert not client._replies._waiting
            assert not client._replies._requests


async def test_each_attempt_of_many_ends_at_its_own_time(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """A later request may be the first whose wait is over; one cancel scope serves them all."""
    network.link = Link(loss=1)
    failed: dict[int, float] = {}
    async with await open_udp_client("server", 7, correlate=bytes) as client:

        async def ask(number: int) -> None:
            await trio.sleep(number / 64)
            with pytest.raises(NoReply) as caught:
                await client.request(b"%d" % number, retry=Retry(attempts=2, first=(20 - number) / 2, jitter=0))
            failed[number] = trio.current_time()
            assert caught.value.elapsed == failed[number] - number / 64

        async with trio.open_nursery() as askers:
            for number in range(20):
                askers.start_soon(ask, number)
    assert failed == {number: number / 64 + (20 - number) * 1.5 for number in range(20)}
    assert list(failed) == list(reversed(range(20)))
    sent_at = [datagram.time for datagram in asked(network) if datagram.data == b"7"]
    assert sent_at == [7 / 64, 7 / 64 + 6.5]


async def test_the_callers_deadline_wins_also_among_many(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    """Each falls on the instant at which an attempt ends; no other request is touched by that."""
    network.link = Link(loss=1)
    cancelled: list[int] = []
    async with await open_udp_client("server", 7, correlate=bytes) as client:

        async def ask(number: int, deadline: float) -> None:
            with trio.move_on_after(deadline):
                with pytest.raises(NoReply):
                    await client.request(b"%d" % number, retry=Retry(attempts=2, first=1, jitter=0))
                return
            assert trio.current_time() == deadline
            cancelled.append(number)

        async with trio.open_nursery() as askers:
            for number in range(30):
                askers.start_soon(ask, number, [1.0, 3.0, 99.0][number % 3])
    assert sorted(cancelled) == [number for number in range(30) if number % 3 < 2]
    assert trio.current_time() == 3
    assert len(asked(network)) == 10 + 20 + 20


async def test_cancelled_before_anything_is_sent(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    async with await open_udp_client("server", 7, correlate=bytes) as client:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.request(b"x")
        assert scope.cancelled_caught
        assert not asked(network)


async def test_hundreds_side_by_side_on_a_bad_network(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """30 % lost each way, some doubled, many overtaken; 300 requests over one socket: each gets its own reply."""

    async def label(datagram: Datagram) -> bytes:
        return b"re:" + datagram.data

    def without_label(data: bytes) -> bytes:
        return data.removeprefix(b"re:")

    got: dict[int, bytes] = {}
    network.link = Link(delay=0.05, jitter=0.2, loss=0.3, duplicate=0.1)
    await nursery.start(server.run, serve_udp, label, 7)
    async with await open_udp_client("server", 7, correlate=without_label, random=random.Random(5)) as client:

        async def ask(number: int) -> None:
            reply = await client.request(b"%d" % number, retry=Retry(attempts=60, maximum=2))
            assert number not in got
            got[number] = reply

        async with trio.open_nursery() as askers:
            for number in range(300):
                askers.start_soon(ask, number)
    assert got == {number: b"re:%d" % number for number in range(300)}


async def test_half_of_everything_lost_each_way(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """And late replies all the time: no request takes another's."""
    network.link = Link(delay=0.1, jitter=2, jitter_shape="exponential", loss=0.5)
    await nursery.start(server.run, serve_udp, echo, 7)
    async with await open_udp_client("server", 7, random=random.Random(6)) as client:
        for number in range(100):
            assert await client.request(b"%d" % number, retry=Retry(attempts=100)) == b"%d" % number


# -- deadlines, cancellation, closing ---------------------------------------------------------------------------------


async def test_the_callers_deadline_wins(network: VirtualNetwork, server: Host, clock: trio.testing.MockClock) -> None:
    """Also when it falls on the very instant at which an attempt ends."""
    network.link = Link(loss=1)
    async with await open_udp_client("server", 7) as client:
        for deadline in (0.25, 1.0, 1.5, 3.0, 15.0):
            start = trio.current_time()
            with trio.move_on_after(deadline) as scope:
                await client.request(b"x", retry=PLAIN)
            assert scope.cancelled_caught
            assert trio.current_time() == start + deadline
        with pytest.raises(trio.TooSlowError), trio.fail_after(2):
            await client.request(b"x", retry=PLAIN)


async def test_a_deadline_covers_the_wait_for_the_turn(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    network.link = Link(loss=1)
    async with await open_udp_client("server", 7) as client:
        nursery.start_soon(client.request, b"first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.5) as scope:
            await client.request(b"second")
        assert scope.cancelled_caught
        assert [datagram.data for datagram in asked(network)] == [b"first"]
        nursery.cancel_scope.cancel()


async def test_exceptions_come_out_bare(sockets: str) -> None:
    async with await open_udp_client(LOCAL, await closed_port(), correlate=bytes) as client:
        with pytest.raises(NoReply):
            await client.request(b"x", retry=Retry(attempts=1))


@pytest.mark.parametrize("correlate", [None, bytes], ids=["plain", "correlated"])
async def test_closing_wakes_everybody(sockets: str, clock: trio.testing.MockClock, correlate: Any) -> None:
    closed: list[int] = []
    with await open_udp_endpoint(LOCAL) as server:
        client = await open_udp_client(LOCAL, server.address[1], correlate=correlate)

        async def ask(number: int) -> None:
            with pytest.raises(trio.ClosedResourceError):
                await client.request(b"%d" % number)
            closed.append(number)

        async with trio.open_nursery() as askers:
            for number in range(5):
                askers.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
            client.close()
        assert trio.current_time() == 0
        assert sorted(closed) == [0, 1, 2, 3, 4]
        with pytest.raises(trio.ClosedResourceError):
            await client.request(b"x")
        await client.aclose()


async def test_closing_while_the_socket_is_exchanged() -> None:
    """The new socket must not outlive the client."""
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        client.close()
        with pytest.raises(trio.ClosedResourceError):
            await client._connection.renew()


async def test_cancelled_at_any_checkpoint(sockets: str, nursery: trio.Nursery) -> None:
    """A request is cancelled at its first checkpoint, its second, its third ...: the client must work afterwards."""
    port = await start_on_loopback(nursery, echo)
    for correlate in (None, bytes):
        async with await open_udp_client(LOCAL, port, correlate=correlate) as client:
            for steps in range(12):
                async with trio.open_nursery() as askers:

                    async def ask() -> None:
                        await client.request(b"cancelled")

                    askers.start_soon(ask)
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    askers.cancel_scope.cancel()
                assert await client.request(b"fine") == b"fine"


async def test_everything_is_a_checkpoint(sockets: str, nursery: trio.Nursery) -> None:
    port = await start_on_loopback(nursery, echo)
    with trio.testing.assert_checkpoints():
        client = await open_udp_client(LOCAL, port)
    with trio.testing.assert_checkpoints():
        await client.request(b"x")
    with trio.testing.assert_checkpoints():
        with pytest.raises(DatagramTooLarge):
            await client.request(bytes(70_000))
    with trio.testing.assert_checkpoints():
        await client.aclose()
    with trio.testing.assert_checkpoints():
        with pytest.raises(trio.ClosedResourceError):
            await client.request(b"x")
    with trio.testing.assert_checkpoints():
        with pytest.raises(ValueError, match="port 0 cannot be sent to"):
            await open_udp_client(LOCAL, 0)


async def test_the_synchronous_with() -> None:
    with await open_udp_client(LOCAL, await closed_port()) as client:
        pass
    assert client.remote_address[0] == LOCAL


async def test_names_are_resolved_once(nursery: trio.Nursery) -> None:
    asked_for: list[object] = []

    class Counting(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
            asked_for.append(host)
            return [(trio.socket.AF_INET, trio.socket.SOCK_DGRAM, 17, "", (LOCAL, port))]

        async def getnameinfo(self, *args: Any) -> Any:
            raise NotImplementedError

    port = await start_on_loopback(nursery, echo)
    trio.socket.set_custom_hostname_resolver(Counting())
    async with await open_udp_client("a-name", port) as client:
        for _ in range(3):
            await client.request(b"x")
    assert asked_for == [b"a-name"]


async def test_a_refusal_behind_a_late_reply_is_not_the_next_ones(clock: trio.testing.MockClock) -> None:
    """Regression: it was put off, the socket was kept, and the next request was told that it was refused."""

    async def answer(server: UDPEndpoint) -> None:
        async for data, address in server:
            if data == b"2":
                await trio.sleep(0.05)
            await server.send(b"re:" + data, address)

    with await open_udp_endpoint(LOCAL) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, server)
            async with await open_udp_client(LOCAL, server.address[1]) as client:
                assert await client.request(b"1") == b"re:1"
                io, calls = client._connection.io, itertools.count(1)
                await server.send(b"re:1", io.local)  # as if the network had doubled it
                await settled()
                read_now = io._read_now

                def refused_at_last(size: int) -> tuple[bytes, Address]:
                    if next(calls) == 2:
                        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
                    return read_now(size)

                io._read_now = refused_at_last
                assert await client.request(b"2", retry=ONCE) == b"re:2"
            nursery.cancel_scope.cancel()
