"""The client against a server that a test plays, over real loopback in virtual time, so that every time is exact."""

from __future__ import annotations

import collections
import errno
import random
import socket as stdlib_socket
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import (
    Datagram,
    DatagramSent,
    DatagramTooLarge,
    Event,
    NoReply,
    ReplyIgnored,
    Retry,
    UDPClient,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_udp,
)
from trio_udp._batch import BATCH
from trio_udp._connection import LATELY, MOST_TRIES

from .fakes import FakeServer, OtherSockets, closed_port, echo, start_fake_server

LOCAL = "127.0.0.1"
PLAIN = Retry(jitter=0)  # 1, 2, 4, 8, 16 seconds


async def answer_echo(server: FakeServer, number: int, datagram: Datagram) -> None:
    await server.endpoint.send(datagram.data, datagram.address)


async def never_answer(server: FakeServer, number: int, datagram: Datagram) -> None:
    pass


def first_byte(data: bytes) -> int:
    return data[0]


class TwoAddresses(trio.abc.HostnameResolver):
    """Every name stands for ::1 and then 127.0.0.1, as ``localhost`` does on most machines."""

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
        answers = [(trio.socket.AF_INET6, "::1"), (trio.socket.AF_INET, LOCAL)]
        return [(family, trio.socket.SOCK_DGRAM, 17, "", (host, port)) for family, host in answers]

    async def getnameinfo(self, *args: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """All times in here are Trio's, and virtual."""
    return autojump_clock


# -- one after another ------------------------------------------------------------------------------------------------


async def test_request_and_reply(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            for data in (b"hello", b"", bytes(65507)):
                assert await client.request(data) == data
            assert client.remote_address == (LOCAL, server.port)
            assert client.statistics().receive_buffer > 212_992  # the kernel's own choice
            statistics = client.statistics()
            assert (statistics.sent, statistics.received) == (3, 3)
            assert statistics.sent_bytes == statistics.received_bytes == 65512
        assert len({address for _, _, address in server.seen}) == 1  # all went well: one socket served all
        assert client.statistics() == statistics
        nursery.cancel_scope.cancel()


async def test_the_schedule_is_kept_to_the_instant(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port) as client:
            start = trio.current_time()
            with pytest.raises(NoReply) as caught:
                await client.request(b"anybody?", retry=Retry.stun())
            assert [time - start for time in server.times] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
            assert trio.current_time() - start == 39.5
            error = caught.value
            assert (error.address, error.attempts, error.elapsed, error.ignored) == ((LOCAL, server.port), 7, 39.5, 0)
            assert error.__cause__ is None
        nursery.cancel_scope.cancel()


async def test_jitter_comes_from_the_clients_random(clock: trio.testing.MockClock) -> None:
    retry = Retry(attempts=4)
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port, random=random.Random(7)) as client:
            start = trio.current_time()
            with pytest.raises(NoReply):
                await client.request(b"anybody?", retry=retry)
            assert trio.current_time() - start == pytest.approx(sum(retry.timeouts(random.Random(7))))
        nursery.cancel_scope.cancel()


async def test_a_lost_datagram_is_sent_again(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async def lose_two(server: FakeServer, number: int, datagram: Datagram) -> None:
        if number == 2:
            await answer_echo(server, number, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, lose_two)
        async with await open_udp_client(LOCAL, server.port) as client:
            start = trio.current_time()
            assert await client.request(b"hello", retry=PLAIN) == b"hello"
            assert trio.current_time() - start == 3
            assert [data for _, data, _ in server.seen] == [b"hello"] * 3
        nursery.cancel_scope.cancel()


async def test_requests_wait_in_order(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async def slow_echo(server: FakeServer, number: int, datagram: Datagram) -> None:
        await trio.sleep(0.5)
        await answer_echo(server, number, datagram)

    done: list[bytes] = []

    async def ask(client: UDPClient, data: bytes) -> None:
        assert await client.request(data, retry=PLAIN) == data
        done.append(data)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, slow_echo)
        async with await open_udp_client(LOCAL, server.port) as client, trio.open_nursery() as askers:
            for number in range(10):
                askers.start_soon(ask, client, b"%d" % number)
                await trio.testing.wait_all_tasks_blocked()  # tasks that start together start in any order
            start = trio.current_time()
        assert trio.current_time() - start == 5.0
        assert done == [data for _, data, _ in server.seen] == [b"%d" % number for number in range(10)]
        nursery.cancel_scope.cancel()


async def test_round_trips_are_measured_but_not_of_what_was_sent_twice(clock: trio.testing.MockClock) -> None:
    async def slow_first(server: FakeServer, number: int, datagram: Datagram) -> None:
        await trio.sleep([0.5, 1.7, 0][number])
        await answer_echo(server, number, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, slow_first)
        async with await open_udp_client(LOCAL, server.port) as client:
            await client.request(b"0.5 seconds", retry=PLAIN)
            assert (client.round_trip.smoothed, client.round_trip.timeout) == (0.5, 1.5)
            await client.request(b"1.7 seconds, or 0.7?", retry=PLAIN)
            assert (client.round_trip.smoothed, client.round_trip.timeout) == (0.5, 1.5)
        nursery.cancel_scope.cancel()


# -- what a client does not believe -------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [1.5, 0.0], ids=["after the next request", "before the next request"])
async def test_a_late_reply_is_never_taken_for_the_next_ones(
    sockets: OtherSockets | None, clock: trio.testing.MockClock, late: float
) -> None:
    """The reply to the request that gave up comes either before the next request is sent, or after it."""

    async def reply_later(server: FakeServer, number: int, datagram: Datagram) -> None:
        if number == 0:
            nursery.start_soon(reply_after, server, datagram)
        else:
            await trio.sleep(2)
            await answer_echo(server, number, datagram)

    async def reply_after(server: FakeServer, datagram: Datagram) -> None:
        await trio.sleep(1.1 + late)
        await answer_echo(server, 0, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, reply_later)
        async with await open_udp_client(LOCAL, server.port) as client:
            with pytest.raises(NoReply):
                await client.request(b"first", retry=Retry(attempts=1, jitter=0))
            await trio.sleep(0.5)
            assert await client.request(b"second", retry=Retry(attempts=1, first=5, jitter=0)) == b"second"
        ports = [address[1] for _, _, address in server.seen]
        assert ports[0] != ports[1]
        nursery.cancel_scope.cancel()


async def test_a_late_reply_is_counted_and_told(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    """Regression: the socket at which it lay was left without a look."""

    async def late(server: FakeServer, number: int, datagram: Datagram) -> None:
        await trio.sleep([1.5, 0][number])
        await answer_echo(server, number, datagram)

    events: list[Event] = []
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, late)
        with observe(events.append):
            async with await open_udp_client(LOCAL, server.port) as client:
                with pytest.raises(NoReply):
                    await client.request(b"first", retry=Retry(attempts=1, jitter=0))
                await trio.sleep(1)
                assert await client.request(b"second") == b"second"
                assert client.statistics().dropped == {"no request waits for it": 1}
        assert [event.data for event in events if isinstance(event, ReplyIgnored)] == [b"first"]
        nursery.cancel_scope.cancel()


async def test_a_datagram_counts_as_sent_whatever_is_raised_then(clock: trio.testing.MockClock) -> None:
    """Regression: an observer raised just after sending, and the next request believed the late reply."""

    async def late(server: FakeServer, number: int, datagram: Datagram) -> None:
        await trio.sleep([1, 2][number])
        await answer_echo(server, number, datagram)

    def raise_once(event: Event) -> None:
        if isinstance(event, DatagramSent) and event.data == b"first":
            raise KeyError

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, late)
        with observe(raise_once):
            async with await open_udp_client(LOCAL, server.port) as client:
                with pytest.raises(KeyError):
                    await client.request(b"first")
                assert await client.request(b"second", retry=Retry(attempts=1, first=9)) == b"second"
        nursery.cancel_scope.cancel()


async def test_a_reply_counts_that_came_while_the_program_stood_still(clock: trio.testing.MockClock) -> None:
    """Regression: whose deadline was handled before the reader's turn lost a reply that was there."""
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


async def test_a_request_on_a_socket_that_is_being_left_goes_on(clock: trio.testing.MockClock, ipv6: None) -> None:
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

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        trio.socket.set_custom_socket_factory(SlowToConnect())
        async with await open_udp_client("localhost", server.port, correlate=bytes) as client:
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
        nursery.cancel_scope.cancel()


async def test_closing_ends_a_request_that_cannot_be_sent(clock: trio.testing.MockClock) -> None:
    async with await open_udp_client(LOCAL, await closed_port()) as client:

        async def down() -> None:
            raise OSError(errno.ENETUNREACH, "down")

        client._connection.late_possible = True
        client._connection.renew = down  # type: ignore[method-assign]
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await client.request(b"x")

            nursery.start_soon(ask)
            await trio.sleep(0.25)
            client.close()
        assert trio.current_time() - start == 0.25


async def test_waits_of_no_time_still_send(clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port) as client:
            for number in range(3):
                with pytest.raises(NoReply):
                    await client.request(b"%d" % number, retry=Retry(attempts=2, first=0))
            await trio.testing.wait_all_tasks_blocked()
        assert [data for _, data, _ in server.seen] == [b"0", b"0", b"1", b"1", b"2", b"2"]
        nursery.cancel_scope.cancel()


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


async def test_two_replies_to_two_attempts(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    """Both attempts get their reply in the end, the second one after the next request was sent."""

    async def delay(server: FakeServer, number: int, datagram: Datagram) -> None:
        nursery.start_soon(answer_after, [1.5, 1.5, 0.8][number], server, datagram)

    async def answer_after(seconds: float, server: FakeServer, datagram: Datagram) -> None:
        await trio.sleep(seconds)
        await answer_echo(server, 0, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, delay)
        async with await open_udp_client(LOCAL, server.port) as client:
            start = trio.current_time()
            assert await client.request(b"first", retry=PLAIN) == b"first"
            assert trio.current_time() - start == 1.5
            # At 2.3 seconds the second reply to "first" arrives, at 2.5 the one to "second".
            await trio.sleep(0.2)
            assert await client.request(b"second", retry=PLAIN) == b"second"
            assert trio.current_time() - start == 2.5
        nursery.cancel_scope.cancel()


async def test_a_cancelled_requests_reply(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async def slow_echo(server: FakeServer, number: int, datagram: Datagram) -> None:
        await trio.sleep(1)
        await answer_echo(server, number, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, slow_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            with trio.move_on_after(0.5):
                await client.request(b"first", retry=Retry(first=9, jitter=0))
            assert await client.request(b"second", retry=Retry(first=9, jitter=0)) == b"second"
        nursery.cancel_scope.cancel()


async def test_a_reply_that_came_twice_is_discarded_before_the_next(
    sockets: OtherSockets | None, clock: trio.testing.MockClock
) -> None:
    async def twice(server: FakeServer, number: int, datagram: Datagram) -> None:
        await server.endpoint.send_many([datagram, datagram])

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, twice)
        async with await open_udp_client(LOCAL, server.port) as client:
            assert await client.request(b"1") == b"1"
            await trio.sleep(0.1)
            assert await client.request(b"2") == b"2"
            dropped = client.statistics().dropped
            assert sum(dropped.values()) >= 1
            assert set(dropped) <= {"answered already", "no request waits for it"}
        nursery.cancel_scope.cancel()


async def test_replies_from_another_address_are_not_seen(
    sockets: OtherSockets | None, clock: trio.testing.MockClock
) -> None:
    """The kernel drops them: the socket is connected."""

    async def stranger_answers_first(server: FakeServer, number: int, datagram: Datagram) -> None:
        with await open_udp_endpoint(LOCAL) as stranger:
            await stranger.send(b"forged", datagram.address)
        await server.endpoint.send(b"genuine", datagram.address)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, stranger_answers_first)
        async with await open_udp_client(LOCAL, server.port) as client:
            assert await client.request(b"who?") == b"genuine"
        nursery.cancel_scope.cancel()


async def test_a_server_that_answers_from_another_address(clock: trio.testing.MockClock) -> None:
    async def from_elsewhere(server: FakeServer, number: int, datagram: Datagram) -> None:
        with await open_udp_endpoint(LOCAL) as other:
            await other.send(datagram.data, datagram.address)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, from_elsewhere)
        async with await open_udp_client(LOCAL, server.port) as client:
            with pytest.raises(NoReply) as caught:
                await client.request(b"x", retry=Retry(attempts=2, jitter=0))
            assert caught.value.elapsed == 3
        nursery.cancel_scope.cancel()


async def test_what_accept_refuses_is_ignored_and_the_wait_goes_on(
    sockets: OtherSockets | None, clock: trio.testing.MockClock
) -> None:
    async def garbage_first(server: FakeServer, number: int, datagram: Datagram) -> None:
        await server.endpoint.send_many([Datagram(data, datagram.address) for data in (b"", b"\xff", b"no")])
        await trio.sleep(0.25)
        await server.endpoint.send(b"yes", datagram.address)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, garbage_first)
        async with await open_udp_client(LOCAL, server.port) as client:
            start = trio.current_time()
            reply = await client.request(b"?", accept=lambda data: chr(data[0]) == "y", retry=PLAIN)
            assert reply == b"yes"
            assert trio.current_time() - start == 0.25
            assert client.statistics().dropped == {"accept raised IndexError": 1, "not accepted": 2}
        nursery.cancel_scope.cancel()


async def test_what_was_ignored_is_told_when_nothing_came(clock: trio.testing.MockClock) -> None:
    """An `accept` with a bug looks like a lost reply: the exception shows itself as the cause."""

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            with pytest.raises(NoReply, match=r"to 2 attempts in 3 s \(2 not believed\)") as caught:
                await client.request(b"", accept=lambda data: data[0] == 1, retry=Retry(attempts=2, jitter=0))
            assert caught.value.ignored == 2
            assert isinstance(caught.value.__cause__, IndexError)
        nursery.cancel_scope.cancel()


# -- refusals -------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_a_lost_attempt_and_no_more(
    sockets: OtherSockets | None, clock: trio.testing.MockClock
) -> None:
    """The server starts up between the second and the third attempt."""
    port = await closed_port()
    async with await open_udp_client(LOCAL, port) as client, trio.open_nursery() as nursery:

        async def start_late() -> None:
            await trio.sleep(2)
            await serve_udp(echo, port, host=LOCAL)

        nursery.start_soon(start_late)
        start = trio.current_time()
        assert await client.request(b"hello", retry=PLAIN) == b"hello"
        assert trio.current_time() - start == 3
        statistics = client.statistics()
        assert (statistics.sent, statistics.errors) == (3, {"ECONNREFUSED": 2})
        nursery.cancel_scope.cancel()


async def test_refused_to_the_end(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        start = trio.current_time()
        with pytest.raises(NoReply) as caught:
            await client.request(b"x", retry=PLAIN)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert (caught.value.attempts, caught.value.refused) == (5, True)
        # 1 + 2 + 4 + 8, and nothing to wait for after the refusal of the last attempt.
        assert trio.current_time() - start == 15
        with pytest.raises(NoReply):
            await client.request(b"x", retry=Retry(attempts=1))
        assert trio.current_time() - start == 15


async def test_refused_and_then_silent(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    """The last refusal is told as the cause, and that it is of the past."""
    port = await closed_port()
    async with await open_udp_client(LOCAL, port) as client, trio.open_nursery() as nursery:

        async def start_late() -> None:
            await trio.sleep(0.5)
            with await open_udp_endpoint(LOCAL, port):
                await trio.sleep_forever()

        nursery.start_soon(start_late)
        with pytest.raises(NoReply) as caught:
            await client.request(b"x", retry=Retry(attempts=2, jitter=0))
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert not caught.value.refused
        nursery.cancel_scope.cancel()


async def test_a_refusal_that_send_reports_belongs_to_an_earlier_datagram(clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            io = client._connection.io
            write_now = io._write_now

            def refuse_once(data: bytes, address: Any) -> int:
                io._write_now = write_now
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

            io._write_now = refuse_once
            start = trio.current_time()
            assert await client.request(b"hello", retry=PLAIN) == b"hello"
            assert trio.current_time() == start
        nursery.cancel_scope.cancel()


async def test_a_refusal_of_the_last_request_does_not_touch_the_next(
    sockets: OtherSockets | None, clock: trio.testing.MockClock
) -> None:
    """It waits in the socket when the next request starts, and is about a datagram that is long gone."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            assert await client.request(b"1", retry=PLAIN) == b"1"
            io = client._connection.io
            receive_arrived = io.receive_arrived

            async def refused_once() -> Any:
                io.receive_arrived = receive_arrived  # type: ignore[method-assign]
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

            io.receive_arrived = refused_once  # type: ignore[method-assign]
            start = trio.current_time()
            assert await client.request(b"2", retry=Retry(attempts=1)) == b"2"
            assert trio.current_time() == start
        nursery.cancel_scope.cancel()


async def test_a_size_error_of_an_earlier_datagram_is_not_this_ones(clock: trio.testing.MockClock) -> None:
    """Regression: ICMP "fragmentation needed" shows itself at the next send, and a 5-byte request was "too large"."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            io = client._connection.io
            write_now = io._write_now

            def too_large_once(data: bytes, address: Any) -> int:
                io._write_now = write_now
                raise OSError(errno.EMSGSIZE, "Message too long")

            io._write_now = too_large_once
            assert await client.request(b"small", retry=PLAIN) == b"small"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EPERM])
async def test_one_requests_bad_luck_is_no_others(clock: trio.testing.MockClock, number: int) -> None:
    """Regression: a send that failed here was taken for the network's refusal of all requests."""

    async def answer_later(server: FakeServer, number: int, datagram: Datagram) -> None:
        await trio.sleep(0.5)
        await answer_echo(server, number, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_later)
        async with await open_udp_client(LOCAL, server.port, correlate=bytes) as client:
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
                    outcomes[data] = await client.request(data, retry=Retry(attempts=1, jitter=0))
                except NoReply as error:
                    outcomes[data] = (error.elapsed, error.__cause__.errno)  # type: ignore[union-attr]

            async with trio.open_nursery() as askers:
                askers.start_soon(ask, b"lucky")
                await trio.testing.wait_all_tasks_blocked()
                askers.start_soon(ask, b"unlucky")
            assert outcomes == {b"lucky": b"lucky", b"unlucky": (1.0, number)}
        nursery.cancel_scope.cancel()


async def test_a_forged_refusal_does_not_make_a_late_reply_believable(clock: trio.testing.MockClock) -> None:
    """Regression: "refused" was taken for "never answered", and the next request used the old socket."""

    async def answer_late(server: FakeServer, number: int, datagram: Datagram) -> None:
        if number == 0:
            nursery.start_soon(answer_after, 1.0, server, datagram)
        else:
            nursery.start_soon(answer_after, 2.0, server, datagram)

    async def answer_after(seconds: float, server: FakeServer, datagram: Datagram) -> None:
        await trio.sleep(seconds)
        await answer_echo(server, 0, datagram)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_late)
        async with await open_udp_client(LOCAL, server.port) as client:
            io = client._connection.io
            read_now, story = io._read_now, [BlockingIOError(), ConnectionRefusedError(errno.ECONNREFUSED, "forged")]

            def forged(size: int) -> Any:
                if story:
                    raise story.pop(0)
                return read_now(size)

            io._read_now = forged
            with pytest.raises(NoReply):
                await client.request(b"first", retry=Retry(attempts=1, jitter=0))
            assert await client.request(b"second", retry=Retry(attempts=1, first=5, jitter=0)) == b"second"
        nursery.cancel_scope.cancel()


async def test_a_pending_refusal_does_not_hide_stale_replies(clock: trio.testing.MockClock) -> None:
    """The kernel tells an error before it gives what came earlier; both have to go before the next request."""

    async def twice(server: FakeServer, number: int, datagram: Datagram) -> None:
        await server.endpoint.send_many([datagram, datagram])

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, twice)
        async with await open_udp_client(LOCAL, server.port) as client:
            assert await client.request(b"1", retry=PLAIN) == b"1"
            io = client._connection.io
            read_now, refused = io._read_now, [True]

            def refused_once(size: int) -> Any:
                if refused:
                    refused.clear()
                    raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
                return read_now(size)

            io._read_now = refused_once
            assert await client.request(b"2", retry=PLAIN) == b"2"
            assert not refused
        nursery.cancel_scope.cancel()


async def test_a_flood_before_the_request_is_left_behind(
    sockets: OtherSockets | None, clock: trio.testing.MockClock
) -> None:
    """Regression: all of it was read first, without a pause, for as long as it lasted."""

    async def flood_once(server: FakeServer, number: int, datagram: Datagram) -> None:
        await server.endpoint.send_many([Datagram(datagram.data, datagram.address)] * (200 if number == 0 else 1))

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, flood_once)
        async with await open_udp_client(LOCAL, server.port) as client:
            assert await client.request(b"1", retry=PLAIN) == b"1"
            await trio.testing.wait_all_tasks_blocked()
            assert await client.request(b"2", retry=PLAIN) == b"2"
        (_, _, first), (_, _, second) = server.seen
        assert first != second
        assert client.statistics().received <= 2 + 2 * BATCH
        nursery.cancel_scope.cancel()


async def test_a_reply_that_came_before_the_refusal_counts(clock: trio.testing.MockClock) -> None:
    """A server answers and exits: the kernel tells of the refusal of another request first, then gives the reply."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port, correlate=bytes) as client:
            io = client._connection.io
            read_now = io._read_now
            story: list[Any] = [ConnectionRefusedError(errno.ECONNREFUSED, "refused"), (b"mine", (LOCAL, server.port))]

            def told(size: int) -> Any:
                if not story:
                    return read_now(size)
                if isinstance(story[0], Exception):
                    raise story.pop(0)
                return story.pop(0)

            io._read_now = told
            assert await client.request(b"mine", retry=Retry(attempts=1)) == b"mine"
        nursery.cancel_scope.cancel()


async def test_no_route_for_a_new_socket_is_a_lost_attempt(
    clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: after an unanswered request the next one raised a bare OSError at once."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            renew, downs = client._connection.renew, [errno.ENETUNREACH, errno.EADDRNOTAVAIL]

            async def down_for_a_while() -> None:
                if downs:
                    raise OSError(downs.pop(), "down")
                await renew()

            monkeypatch.setattr(client._connection, "renew", down_for_a_while)
            client._connection.late_possible = True
            start = trio.current_time()
            assert await client.request(b"x", retry=PLAIN) == b"x"
            assert trio.current_time() - start == 3
            client._connection.late_possible = True
            downs.append(errno.EMFILE)
            with pytest.raises(OSError, match="down"):
                await client.request(b"x", retry=PLAIN)
        nursery.cancel_scope.cancel()


async def test_a_port_is_not_used_again_soon(sockets: OtherSockets | None) -> None:
    """Regression: the kernel may offer the port of a request before, for which a late reply is still on its way."""
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        ports = [client._connection.io.local[1]]
        for _ in range(200):
            await client._connection.renew()
            ports.append(client._connection.io.local[1])
    assert all(len(set(ports[start : start + LATELY])) == LATELY for start in range(len(ports) - LATELY))


async def test_when_every_port_was_used_lately() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        client._connection._ports.extend(())
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


async def test_ctrl_c_cannot_fall_between_taking_turns(clock: trio.testing.MockClock) -> None:
    """Regression: an entry was left behind for a task that was gone, and waking it was a TrioInternalError."""
    protected: list[bool] = []

    def accept(reply: bytes) -> bool:
        protected.append(trio.lowlevel.currently_ki_protected())
        return True

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port, correlate=bytes) as client:
            await client.request(b"x", accept=accept)
        nursery.cancel_scope.cancel()
    assert protected == [True]


async def test_no_route_is_a_lost_attempt(clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            io = client._connection.io
            write_now = io._write_now
            story = [True] * 4  # two attempts, each tries twice

            def no_route(data: bytes, address: Any) -> int:
                if story:
                    story.pop()
                    raise OSError(errno.ENETUNREACH, "unreachable")
                return write_now(data, address)

            io._write_now = no_route
            start = trio.current_time()
            assert await client.request(b"hello", retry=PLAIN) == b"hello"
            assert trio.current_time() - start == 3
        nursery.cancel_scope.cancel()


async def test_a_broken_socket_is_not_a_lost_attempt(clock: trio.testing.MockClock) -> None:
    async with await open_udp_client(LOCAL, await closed_port()) as client:

        def broken(*args: Any) -> Any:
            raise OSError(errno.EFAULT, "bad address")

        client._connection.io._write_now = broken
        with pytest.raises(OSError, match="bad address"):
            await client.request(b"x")


async def test_too_large(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client(LOCAL, server.port) as client:
            with pytest.raises(DatagramTooLarge) as caught:
                await client.request(bytes(65508))
            assert (caught.value.size, caught.value.limit) == (65508, 65507)
            assert await client.request(b"still works") == b"still works"
        nursery.cancel_scope.cancel()


# -- several addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlate", [None, first_byte], ids=["plain", "correlated"])
async def test_localhost_finds_the_server_on_either_address(
    sockets: OtherSockets | None, clock: trio.testing.MockClock, ipv6: None, correlate: Any
) -> None:
    """The address that refuses is left at once: no attempt is lost, no time passes."""
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    for host in (LOCAL, "::1"):
        async with trio.open_nursery() as nursery:
            server = await start_fake_server(nursery, answer_echo, host)
            async with await open_udp_client("localhost", server.port, correlate=correlate) as client:
                start = trio.current_time()
                assert await client.request(b"hello", retry=Retry(attempts=1)) == b"hello"
                assert trio.current_time() == start
                assert client.remote_address[0] == host
                assert await client.request(b"again", retry=Retry(attempts=1)) == b"again"
            nursery.cancel_scope.cancel()


async def test_all_addresses_refuse(sockets: OtherSockets | None, clock: trio.testing.MockClock, ipv6: None) -> None:
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    async with await open_udp_client("localhost", await closed_port()) as client:
        with pytest.raises(NoReply) as caught:
            await client.request(b"x", retry=Retry(attempts=2, jitter=0))
        assert (caught.value.attempts, caught.value.elapsed) == (2, 1)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert client.statistics().sent == 4  # each address at each attempt


async def test_many_requests_move_on_together(
    sockets: OtherSockets | None, clock: trio.testing.MockClock, ipv6: None
) -> None:
    """Regression: one moved on and closed the socket, and those that were still sending through it failed."""
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client("localhost", server.port, correlate=bytes) as client:

            async def ask(number: int) -> None:
                assert await client.request(b"%d" % number, retry=Retry(attempts=1)) == b"%d" % number

            async with trio.open_nursery() as askers:
                for number in range(50):
                    askers.start_soon(ask, number)
        nursery.cancel_scope.cancel()


async def test_addresses_without_a_way_are_stepped_over(clock: trio.testing.MockClock) -> None:
    """A name with an IPv6 address, on a machine without IPv6."""

    class NoIPv6(OtherSockets):
        def socket(self, family: Any = None, *args: Any) -> trio.socket.SocketType:
            if family == trio.socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "no IPv6 here")
            return super().socket(family, *args)

    trio.socket.set_custom_socket_factory(NoIPv6())
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client("two-addresses", server.port) as client:
            assert await client.request(b"hello") == b"hello"
            assert client.remote_address[0] == LOCAL
        nursery.cancel_scope.cancel()
    with pytest.raises(OSError, match="no IPv6 here"):
        await open_udp_client("::1", 9)


# -- side by side -----------------------------------------------------------------------------------------------------


async def test_correlated_requests_share_a_socket(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    async def backwards(server: FakeServer, number: int, datagram: Datagram) -> None:
        nursery.start_soon(answer_after, 1 - datagram.data[0] / 100, server, datagram)

    async def answer_after(seconds: float, server: FakeServer, datagram: Datagram) -> None:
        await trio.sleep(seconds)
        await answer_echo(server, 0, datagram)

    done: list[int] = []

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, backwards)
        async with await open_udp_client(LOCAL, server.port, correlate=first_byte) as client:

            async def ask(number: int) -> None:
                assert await client.request(bytes([number]), retry=PLAIN) == bytes([number])
                done.append(number)

            start = trio.current_time()
            async with trio.open_nursery() as askers:
                for number in range(50):
                    askers.start_soon(ask, number)
            assert trio.current_time() - start == 1
            assert done == list(reversed(range(50)))
        assert len({address for _, _, address in server.seen}) == 1
        nursery.cancel_scope.cancel()


async def test_replies_with_a_key_that_nobody_waits_for(clock: trio.testing.MockClock) -> None:
    async def confuse(server: FakeServer, number: int, datagram: Datagram) -> None:
        for data in (b"\x63other", b"", datagram.data, datagram.data):
            await server.endpoint.send(data, datagram.address)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, confuse)
        async with await open_udp_client(LOCAL, server.port, correlate=first_byte) as client:
            assert await client.request(b"\x01mine") == b"\x01mine"
            assert await client.request(b"\x02mine") == b"\x02mine"
            dropped = client.statistics().dropped
            assert dropped["correlate raised IndexError"] >= 1
            assert dropped["no request waits for it"] >= 1
        nursery.cancel_scope.cancel()


async def test_two_in_flight_with_one_key(clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port, correlate=first_byte) as client:
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
async def test_the_turn_at_reading_is_passed_on(clock: trio.testing.MockClock, reader_goes: str) -> None:
    """The first of three reads for all; whatever ends it, the others still get their replies."""

    async def answer(server: FakeServer, number: int, datagram: Datagram) -> None:
        if datagram.data == b"first" and reader_goes != "answered":
            return
        nursery.start_soon(answer_after, 0.2 if datagram.data == b"first" else 0.8, server, datagram)

    async def answer_after(seconds: float, server: FakeServer, datagram: Datagram) -> None:
        await trio.sleep(seconds)
        await answer_echo(server, 0, datagram)

    got: list[bytes] = []
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer)
        async with await open_udp_client(LOCAL, server.port, correlate=bytes) as client:

            async def ask(data: bytes, first: float = 5.0) -> None:
                with trio.move_on_after(0.5 if reader_goes == "cancelled" and data == b"first" else 9):
                    try:
                        got.append(await client.request(data, retry=Retry(attempts=1, first=first, jitter=0)))
                    except NoReply:
                        assert reader_goes == "timed out"

            start = trio.current_time()
            async with trio.open_nursery() as askers:
                askers.start_soon(ask, b"first", 0.5 if reader_goes == "timed out" else 5.0)
                await trio.testing.wait_all_tasks_blocked()
                askers.start_soon(ask, b"second")
                askers.start_soon(ask, b"third")
            assert trio.current_time() - start == 0.8
        nursery.cancel_scope.cancel()
    assert sorted(got) == sorted([b"second", b"third"] + [b"first"] * (reader_goes == "answered"))


async def test_ten_thousand_cancelled_at_once(clock: trio.testing.MockClock) -> None:
    """Leaving must not cost more the more there are: this takes seconds, not minutes."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port, correlate=bytes) as client:
            with trio.move_on_after(0.5):
                async with trio.open_nursery() as askers:
                    for number in range(10_000):
                        askers.start_soon(client.request, b"%d" % number)
            assert not client._replies._waiting
            assert not client._replies._requests
        nursery.cancel_scope.cancel()


async def test_a_thousand_side_by_side_with_losses(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    """30 % lost each way, 1,000 requests over one socket: each gets its own reply, exactly once."""
    rng = random.Random(5)

    async def lossy(datagram: Datagram) -> bytes | None:
        if rng.random() < 0.3:
            return None
        await trio.sleep(rng.random() * 0.2)
        return b"re:" + datagram.data if rng.random() >= 0.3 else None

    got: dict[int, bytes] = {}
    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, lossy, 0, host=LOCAL))
        port = server.address[1]
        async with await open_udp_client(LOCAL, port, correlate=lambda data: data.removeprefix(b"re:")) as client:

            async def ask(number: int) -> None:
                reply = await client.request(b"%d" % number, retry=Retry(attempts=60, maximum=2))
                assert number not in got
                got[number] = reply

            async with trio.open_nursery() as askers:
                for number in range(1000):
                    askers.start_soon(ask, number)
        nursery.cancel_scope.cancel()
    assert got == {number: b"re:%d" % number for number in range(1000)}


async def test_half_of_everything_lost_each_way(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    rng = random.Random(6)

    async def lossy(datagram: Datagram) -> bytes | None:
        return datagram.data if rng.random() >= 0.5 and rng.random() >= 0.5 else None

    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, lossy, 0, host=LOCAL))
        async with await open_udp_client(LOCAL, server.address[1]) as client:
            for number in range(200):
                assert await client.request(b"%d" % number, retry=Retry(attempts=100)) == b"%d" % number
        nursery.cancel_scope.cancel()


# -- deadlines, cancellation, closing -----------------------------------------------------------------------------


async def test_the_callers_deadline_wins(sockets: OtherSockets | None, clock: trio.testing.MockClock) -> None:
    """Also when it falls on the very instant at which an attempt ends."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port) as client:
            for deadline in (0.3, 1.0, 1.5, 3.0, 15.0):
                start = trio.current_time()
                with trio.move_on_after(deadline) as scope:
                    await client.request(b"x", retry=PLAIN)
                assert scope.cancelled_caught
                assert trio.current_time() == pytest.approx(start + deadline)
            with pytest.raises(trio.TooSlowError), trio.fail_after(2):
                await client.request(b"x", retry=PLAIN)
        nursery.cancel_scope.cancel()


async def test_a_deadline_covers_the_wait_for_the_turn(clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        async with await open_udp_client(LOCAL, server.port) as client:
            nursery.start_soon(client.request, b"first")
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.5) as scope:
                await client.request(b"second")
            assert scope.cancelled_caught
            assert [data for _, data, _ in server.seen] == [b"first"]
            nursery.cancel_scope.cancel()


async def test_exceptions_come_out_bare(clock: trio.testing.MockClock) -> None:
    async with await open_udp_client(LOCAL, await closed_port(), correlate=bytes) as client:
        with pytest.raises(NoReply):
            await client.request(b"x", retry=Retry(attempts=1))


@pytest.mark.parametrize("correlate", [None, bytes], ids=["plain", "correlated"])
async def test_closing_wakes_everybody(
    sockets: OtherSockets | None, clock: trio.testing.MockClock, correlate: Any
) -> None:
    closed: list[int] = []
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        client = await open_udp_client(LOCAL, server.port, correlate=correlate)

        async def ask(number: int) -> None:
            with pytest.raises(trio.ClosedResourceError):
                await client.request(b"%d" % number)
            closed.append(number)

        start = trio.current_time()
        async with trio.open_nursery() as askers:
            for number in range(5):
                askers.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
            client.close()
        assert trio.current_time() == start
        assert sorted(closed) == [0, 1, 2, 3, 4]
        with pytest.raises(trio.ClosedResourceError):
            await client.request(b"x")
        await client.aclose()
        nursery.cancel_scope.cancel()


async def test_closing_while_the_socket_is_exchanged() -> None:
    """The new socket must not outlive the client."""
    async with await open_udp_client(LOCAL, await closed_port()) as client:
        client.close()
        with pytest.raises(trio.ClosedResourceError):
            await client._connection.renew()


async def test_cancelled_at_any_checkpoint(sockets: OtherSockets | None) -> None:
    """A request is cancelled at its first checkpoint, its second, its third ...: the client must work afterwards."""
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        for correlate in (None, bytes):
            async with await open_udp_client(LOCAL, server.port, correlate=correlate) as client:
                for steps in range(12):
                    async with trio.open_nursery() as askers:

                        async def ask() -> None:
                            await client.request(b"cancelled")

                        askers.start_soon(ask)
                        for _ in range(steps):
                            await trio.lowlevel.checkpoint()
                        askers.cancel_scope.cancel()
                    assert await client.request(b"fine") == b"fine"
        nursery.cancel_scope.cancel()


async def test_everything_is_a_checkpoint() -> None:
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        with trio.testing.assert_checkpoints():
            client = await open_udp_client(LOCAL, server.port)
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
        nursery.cancel_scope.cancel()


async def test_the_synchronous_with() -> None:
    with await open_udp_client(LOCAL, await closed_port()) as client:
        pass
    assert client.remote_address[0] == LOCAL


async def test_names_are_resolved_once() -> None:
    asked: list[object] = []

    class Counting(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
            asked.append(host)
            return [(trio.socket.AF_INET, trio.socket.SOCK_DGRAM, 17, "", (LOCAL, port))]

        async def getnameinfo(self, *args: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Counting())
    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_echo)
        async with await open_udp_client("a-name", server.port) as client:
            for _ in range(3):
                await client.request(b"x")
        nursery.cancel_scope.cancel()
    assert len(asked) == 1
