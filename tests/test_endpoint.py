from __future__ import annotations

import errno
import socket as stdlib_socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_udp import Datagram, DatagramTooLarge, UDPEndpoint, open_udp_endpoint
from trio_udp._batch import BatchSocket
from trio_udp._statistics import Tally

from .fakes import OtherSockets, closed_port, settled

LOCAL = "127.0.0.1"


async def test_there_and_back(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        await one.send(b"hello", two.address)
        data, address = await two.receive()
        assert (data, address) == (b"hello", one.address)
        await two.send(b"", address)
        assert await one.receive() == Datagram(b"", two.address)


async def test_there_and_back_over_ipv6(sockets: str, ipv6: None) -> None:
    with await open_udp_endpoint("::1") as one, await open_udp_endpoint("::1") as two:
        await one.send(b"hello", two.address)
        assert await two.receive() == (b"hello", one.address)
        await one.send(b"short address", two.address[:2])
        assert (await two.receive()).data == b"short address"


async def test_iteration(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as one:
        for number in range(3):
            await one.send(b"%d" % number, one.address)
        seen = []
        async for data, _ in one:
            seen.append(data)
            if len(seen) == 3:
                break
        assert seen == [b"0", b"1", b"2"]


async def test_receive_many_takes_what_is_there_and_waits_only_for_the_first(
    sockets: str, clock: trio.testing.MockClock
) -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        await one.send_many([Datagram(b"%d" % number, two.address) for number in range(10)])
        assert [data for data, _ in await two.receive_many(4)] == [b"0", b"1", b"2", b"3"]
        assert [data for data, _ in await two.receive_many()] == [b"4", b"5", b"6", b"7", b"8", b"9"]
        batches: list[list[Datagram]] = []

        async def receive() -> None:
            batches.append(await two.receive_many())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await settled()
            assert batches == []
            await one.send(b"late", two.address)
        assert batches == [[Datagram(b"late", one.address)]]


async def test_limit_must_make_sense() -> None:
    with await open_udp_endpoint(LOCAL) as one, pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        await one.receive_many(0)


async def test_send_many_takes_any_iterable_and_keeps_the_order(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        await one.send_many((b"%d" % number, two.address) for number in range(200))  # type: ignore[misc]
        seen: list[bytes] = []
        while len(seen) < 200:
            seen += [data for data, _ in await two.receive_many()]
        assert seen == [b"%d" % number for number in range(200)]
        await one.send_many([])
        assert one.statistics().sent == 200


async def test_send_many_lets_others_run() -> None:
    """Sending to loopback never blocks, so without checkpoints nobody else would run, and nothing could cancel it."""

    def endless(target: UDPEndpoint) -> object:
        while True:
            yield (b"x", target.address)

    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        with trio.move_on_after(0.05) as scope:
            await one.send_many(endless(two))  # type: ignore[arg-type]
        assert scope.cancelled_caught


async def test_send_waits_in_order_when_the_buffer_is_full() -> None:
    """The kernel says EAGAIN for a while: nothing is lost, nothing is overtaken."""
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        full = [True, False, True, True, False]
        write_now = one._io._write_now

        def sometimes_full(data: bytes, address: object) -> int:
            if full and full.pop(0):
                raise BlockingIOError
            return write_now(data, address)  # type: ignore[arg-type]

        one._io._write_now = sometimes_full
        await one.send_many([Datagram(b"%d" % number, two.address) for number in range(6)])
        assert [data for data, _ in await two.receive_many()] == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert one.statistics().sent == 6


@pytest.mark.skipif(sys.platform != "linux", reason="relies on the size of Linux's buffers")
async def test_a_really_full_buffer() -> None:
    """All tasks wait for room in one socket, where Trio by itself would raise BusyResourceError for the second."""
    left, right = stdlib_socket.socketpair(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_DGRAM)
    with trio.socket.from_stdlib_socket(left) as sending, trio.socket.from_stdlib_socket(right) as receiving:
        io = BatchSocket(sending, Tally(), None, peer=("unused", 0))
        got = []
        async with trio.open_nursery() as nursery:
            for letter in (b"a", b"b", b"c"):

                async def send(letter: bytes = letter) -> None:
                    for _ in range(100):
                        if io.send_now(letter * 10_000, ("unused", 0)) is not None:
                            await io.send_waiting(letter * 10_000, ("unused", 0))

                nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            assert io.tally.sent < 300
            for _ in range(300):
                got.append((await receiving.recv(65535))[:1])
        assert (got.count(b"a"), got.count(b"b"), got.count(b"c")) == (100, 100, 100)


@pytest.mark.skipif(sys.platform != "linux", reason="relies on the size of Linux's buffers")
async def test_somebody_else_waits_for_room_in_the_socket() -> None:
    """Who that is, and when it will be over, we cannot know: so that is an error, and not a wait for ever."""
    left, right = stdlib_socket.socketpair(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_DGRAM)
    with trio.socket.from_stdlib_socket(left) as sending, right:
        io = BatchSocket(sending, Tally(), None, peer=("unused", 0))
        while io.send_now(bytes(10_000), ("unused", 0)) is None:
            pass
        raised = []

        async def send() -> None:
            with pytest.raises(trio.BusyResourceError):
                await io.send_waiting(b"x", ("unused", 0))
            raised.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.wait_writable, sending)
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as senders:
                for _ in range(3):
                    senders.start_soon(send)
            nursery.cancel_scope.cancel()
        assert len(raised) == 3


@pytest.mark.parametrize(("host", "limit"), [(LOCAL, 65507), ("::1", 65527)])
async def test_the_largest_datagram_and_one_more(
    sockets: str, host: str, limit: int, request: pytest.FixtureRequest
) -> None:
    if host == "::1":
        request.getfixturevalue("ipv6")
    with await open_udp_endpoint(host) as one:
        await one.send(bytes(limit), one.address)
        assert len((await one.receive()).data) == limit
        with pytest.raises(DatagramTooLarge) as caught:
            await one.send(bytes(limit + 1), one.address)
        assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
        statistics = one.statistics()
        assert (statistics.sent, statistics.errors) == (1, {"EMSGSIZE": 1})


async def test_a_view_that_is_too_large_is_measured_in_bytes(sockets: str) -> None:
    numbers: Any = memoryview(bytes(80000)).cast("I")
    with await open_udp_endpoint(LOCAL) as one:
        with pytest.raises(DatagramTooLarge) as caught:
            await one.send(numbers, one.address)
        assert caught.value.size == 80000
        await one.send(numbers[:5], one.address)
        assert (await one.receive()).data == bytes(20)
        assert one.statistics().sent_bytes == 20


def test_every_size_arrives_whole() -> None:
    """From 0 to 65,507 bytes: a receive size that is too small somewhere would truncate without a word.

    Few at a time, and again what does not come: the kernel drops a large one now and then, when memory is short.
    """

    async def send_until_all_are_there(one: UDPEndpoint, two: UDPEndpoint, sizes: set[int]) -> None:
        while sizes:
            await one.send_many([Datagram(PAYLOAD[:size], two.address) for size in sizes])
            with trio.move_on_after(0.5):
                while sizes:
                    for data, _ in await two.receive_many():
                        assert data == PAYLOAD[: len(data)]
                        sizes.discard(len(data))

    async def main() -> None:
        with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
            for start in range(0, 65508, 3):
                with trio.fail_after(60):
                    await send_until_all_are_there(one, two, set(range(start, min(start + 3, 65508))))

    trio.run(main)


PAYLOAD = bytes(range(251)) * 262


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=40))
def test_any_batch_comes_back_as_it_was(payloads: list[bytes]) -> None:
    async def main() -> None:
        with await open_udp_endpoint(LOCAL) as one:
            await one.send_many([Datagram(data, one.address) for data in payloads])
            got: list[bytes] = []
            while len(got) < len(payloads):
                got += [data for data, _ in await one.receive_many()]
            assert got == payloads
            statistics = one.statistics()
            assert statistics.sent_bytes == statistics.received_bytes == sum(map(len, payloads))

    trio.run(main)


async def test_statistics(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        for data in (b"", b"1234567"):
            await one.send(data, two.address)
            await two.receive()
        sent, got = one.statistics(), two.statistics()
        assert (sent.sent, sent.sent_bytes, sent.received, sent.received_bytes) == (2, 7, 0, 0)
        assert (got.sent, got.sent_bytes, got.received, got.received_bytes) == (0, 0, 2, 7)
        assert (got.dropped, got.errors) == ({}, {})
    assert two.statistics() == got  # also after closing


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_the_kernels_drops_are_counted(sockets: str, clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL, receive_buffer=2048) as two:
        await one.send_many([Datagram(bytes(1000), two.address)] * 1000)
        await settled()
        seen = two.statistics()
        assert seen.kernel_drops
        arrived = 1000 - seen.kernel_drops
        got = 0
        while got < arrived:
            got += len(await two.receive_many())
        assert two.statistics().received == arrived


async def test_the_wrong_sockets_are_refused() -> None:
    with pytest.raises(TypeError, match="needs a socket made by trio"):
        UDPEndpoint(object())  # type: ignore[arg-type]
    with trio.socket.socket(type=trio.socket.SOCK_STREAM) as tcp:
        with pytest.raises(ValueError, match="needs a SOCK_DGRAM socket"):
            UDPEndpoint(tcp)


async def test_trios_newest_sockets_get_the_fast_path() -> None:
    with await open_udp_endpoint(LOCAL) as endpoint:
        assert endpoint._io._raw is not None


async def test_other_sockets_get_the_portable_path() -> None:
    trio.socket.set_custom_socket_factory(OtherSockets())
    with await open_udp_endpoint(LOCAL) as endpoint:
        assert endpoint._io._raw is None


async def test_names_are_resolved_at_every_call_without_blocking(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        await one.send(b"hello", ("localhost", two.address[1]))
        assert (await two.receive()).data == b"hello"
        assert one.statistics().sent == 1
        with pytest.raises(stdlib_socket.gaierror):
            await one.send(b"hello", ("no-such-host.invalid", 9))
        assert one.statistics().errors == {}  # the socket has done nothing wrong


async def test_a_name_goes_through_trios_resolver() -> None:
    """The standard library's sendto would look it up itself, and block everybody."""
    asked: list[object] = []

    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
            asked.append(host)
            return [(trio.socket.AF_INET, trio.socket.SOCK_DGRAM, 17, "", (LOCAL, port))]

        async def getnameinfo(self, *args: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Resolver())
    with await open_udp_endpoint(LOCAL) as one:
        await one.send(b"hello", ("localhost", one.address[1]))
        assert (await one.receive()).data == b"hello"
    assert asked == [b"localhost"]


@pytest.mark.parametrize("name", ["a..b", "\udcff"])
async def test_a_name_that_cannot_be_one(name: str) -> None:
    """Regression: of the second, which is how Python reads a byte that is no text, it was a UnicodeEncodeError."""
    with await open_udp_endpoint(LOCAL) as one:
        with pytest.raises(OSError, match="cannot be a host name"):
            await one.send(b"x", (name, 9))
        assert one.statistics().errors == {}


async def test_what_was_taken_off_the_socket_is_handed_out_whenever_the_cancellation_comes(
    sockets: str, clock: trio.testing.MockClock
) -> None:
    with await open_udp_endpoint(LOCAL) as one:
        for steps in range(8):
            for number in range(3):
                await one.send(b"%d" % number, one.address)
            await settled()
            got: list[bytes] = []

            async def receive(scope: trio.CancelScope) -> None:
                with scope:
                    got.extend(data for data, _ in await one.receive_many())  # noqa: B023

            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(receive, scope)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
            with trio.fail_after(10):
                while len(got) < 3:
                    got += [data for data, _ in await one.receive_many()]
            assert got == [b"0", b"1", b"2"]


async def test_what_an_iterable_gave_is_sent_before_what_it_raises(sockets: str) -> None:
    """Up to 64 are taken before the first is sent; those were lost where it was Ctrl-C that a generator raised."""

    def five_and_an_error(address: object, error: BaseException) -> Any:
        for number in range(5):
            yield (b"%d" % number, address)
        raise error

    with trio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(trio.Cancelled) as cancelled:
            await trio.lowlevel.checkpoint()
    for error in (ZeroDivisionError(), KeyboardInterrupt(), cancelled.value):
        with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
            with pytest.raises(type(error)):
                await one.send_many(five_and_an_error(two.address, error))
            await one.send(b"end", two.address)
            seen: list[bytes] = []
            while seen[-1:] != [b"end"]:
                seen += [data for data, _ in await two.receive_many()]
            assert seen == [b"0", b"1", b"2", b"3", b"4", b"end"]


async def test_what_was_sent_is_not_cancelled_afterwards() -> None:
    with await open_udp_endpoint(LOCAL) as one:
        with trio.CancelScope() as scope:

            def cancelling() -> Any:
                yield (b"x", one.address)
                scope.cancel()

            await one.send_many(cancelling())
        assert not scope.cancelled_caught
        assert one.statistics().sent == 1


# -- closing, cancelling, sharing ---------------------------------------------------------------------------------


async def test_closing_wakes_the_receiver(sockets: str) -> None:
    endpoint = await open_udp_endpoint(LOCAL)
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await endpoint.receive()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await endpoint.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.receive()
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.send(b"x", (LOCAL, 9))
    await endpoint.aclose()
    assert endpoint.address[0] == LOCAL


async def test_closing_the_socket_itself(sockets: str) -> None:
    endpoint = await open_udp_endpoint(LOCAL)
    endpoint.socket.close()
    endpoint.close()
    with pytest.raises(trio.ClosedResourceError):
        await endpoint.receive()


async def test_one_receiver_at_a_time(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as endpoint:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.receive)
            await trio.testing.wait_all_tasks_blocked()
            with trio.testing.assert_checkpoints():
                with pytest.raises(trio.BusyResourceError):
                    await endpoint.receive()
            nursery.cancel_scope.cancel()
        await endpoint.send(b"free again", endpoint.address)
        assert (await endpoint.receive()).data == b"free again"


async def test_a_cancelled_receive_has_taken_nothing(sockets: str, clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as endpoint:
        for _ in range(3):
            await endpoint.send(b"x", endpoint.address)
        await settled()
        with trio.CancelScope() as scope:
            scope.cancel()
            await endpoint.receive_many()
        assert scope.cancelled_caught
        with trio.move_on_after(0):
            await endpoint.receive()
        got = 0
        while got < 3:
            got += len(await endpoint.receive_many())
        assert endpoint.statistics().received == 3


async def test_everything_is_a_checkpoint(sockets: str) -> None:
    endpoint = await open_udp_endpoint(LOCAL)
    actions: list[Callable[[], Awaitable[object]]] = [
        lambda: endpoint.send(b"x", endpoint.address),
        lambda: endpoint.send_many([]),
        endpoint.receive,
        endpoint.aclose,
    ]
    for action in actions:
        with trio.testing.assert_checkpoints():
            await action()
    failing: list[Callable[[], Awaitable[object]]] = [endpoint.receive, lambda: endpoint.receive_many(0)]
    for action in failing:
        with trio.testing.assert_checkpoints(), pytest.raises((trio.ClosedResourceError, ValueError)):
            await action()
    with trio.testing.assert_checkpoints(), pytest.raises(trio.ClosedResourceError):
        await endpoint.send(b"x", (LOCAL, 9))


# -- what the network says -----------------------------------------------------------------------------------------


async def test_a_refusal_of_an_earlier_datagram_is_counted_and_not_raised() -> None:
    """Windows reports it on unconnected sockets, as ECONNRESET; one dead peer would end a naive server."""
    with await open_udp_endpoint(LOCAL) as endpoint:
        read_now = endpoint._io._read_now
        story = [ConnectionResetError(errno.ECONNRESET, "reset"), None, OSError(errno.ENETUNREACH, "unreachable")]

        def troubled(size: int) -> object:
            trouble = story.pop(0) if story else None
            if trouble is not None:
                raise trouble
            return read_now(size)

        endpoint._io._read_now = troubled  # type: ignore[assignment]
        await endpoint.send(b"fine", endpoint.address)
        assert (await endpoint.receive()).data == b"fine"
        await endpoint.send(b"fine too", endpoint.address)
        assert (await endpoint.receive()).data == b"fine too"
        assert endpoint.statistics().errors == {"ECONNRESET": 1, "ENETUNREACH": 1}


async def test_the_same_on_other_sockets() -> None:
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    with await open_udp_endpoint(LOCAL) as endpoint:
        await endpoint.send(b"fine", endpoint.address)
        story = [ConnectionResetError(errno.ECONNRESET, "reset")]

        def troubled() -> None:
            if story:
                raise story.pop()

        factory.made[0].before_receive = troubled
        assert (await endpoint.receive()).data == b"fine"
        assert endpoint.statistics().errors == {"ECONNRESET": 1}


async def test_sending_to_a_dead_port_does_no_harm(sockets: str) -> None:
    dead = await closed_port()
    with await open_udp_endpoint(LOCAL) as endpoint:
        for _ in range(3):
            await endpoint.send(b"anybody?", (LOCAL, dead))
        await endpoint.send(b"x", endpoint.address)
        assert (await endpoint.receive()).data == b"x"


async def test_a_broken_socket_is_not_the_networks_fault() -> None:
    with await open_udp_endpoint(LOCAL) as endpoint:

        def broken(size: int) -> object:
            raise OSError(errno.EFAULT, "bad address")

        endpoint._io._read_now = broken  # type: ignore[assignment]
        with pytest.raises(OSError, match="bad address"):
            await endpoint.receive()


async def test_an_error_of_send_is_raised_and_counted(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as endpoint:
        with pytest.raises(OSError, match=r"."):
            await endpoint.send(b"x", ("255.255.255.255", 9))  # broadcast needs SO_BROADCAST
        assert endpoint.statistics().errors == {"EACCES": 1}
        assert endpoint.statistics().sent == 0


async def test_address_is_known_once_it_can_change_no_more() -> None:
    """Until then it is asked for: the port comes with the first datagram, the host when the socket is connected."""
    with await open_udp_endpoint(LOCAL) as other:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as socket:
            endpoint = UDPEndpoint(socket)
            assert endpoint.address == ("0.0.0.0", 0)
            await endpoint.send(b"x", other.address)
            assert endpoint.address == ("0.0.0.0", (await other.receive()).address[1])
            await socket.connect(other.address)
            assert endpoint.address == socket.getsockname()
            assert endpoint.address[0] == LOCAL
            assert endpoint.address is endpoint.address
