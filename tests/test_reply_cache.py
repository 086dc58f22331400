"""`cache_replies`: executed once, answered every time."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import Datagram, Guard, Retry, cache_replies, log_errors, open_udp_client, open_udp_endpoint, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import Host, VirtualNetwork

from .fakes import Later, echo

PEER = ("192.0.2.1", 4711)


def whole(datagram: Datagram) -> object:
    return datagram


def request(number: int) -> Datagram:
    return Datagram(b"%d" % number, PEER)


class Till:
    """A handler that must not run twice: it takes a second, and each time the reply is another one."""

    def __init__(self) -> None:
        self.executed = 0

    async def __call__(self, datagram: Datagram) -> bytes:
        self.executed += 1
        number = self.executed
        await trio.sleep(1)
        if datagram.data == b"fail":
            raise ValueError("in the middle")
        return b"%d" % number


async def into(replies: list[Any], guarded: Guard, datagram: Datagram) -> None:
    """Ask, and note the reply and the time."""
    replies.append((await guarded(datagram), trio.current_time()))


# -- duplicates -------------------------------------------------------------------------------------------------------


async def test_a_duplicate_gets_the_same_reply_for_as_long_as_it_is_remembered(clock: trio.testing.MockClock) -> None:
    """Which begins when the reply is there."""
    till = Till()
    guarded = cache_replies(till, key=whole, ttl=10)
    assert await guarded(request(7)) == b"1"
    assert trio.current_time() == 1
    for later in (0, 5, 4.75):
        await trio.sleep(later)
        assert await guarded(request(7)) == b"1"
    assert trio.current_time() == 10.75, "no duplicate takes time, nor makes it last longer"
    await trio.sleep(0.25)
    assert await guarded(request(7)) == b"2"
    assert guarded.statistics() == {"duplicate": 3}


async def test_duplicates_wait_for_the_one_that_runs(clock: trio.testing.MockClock) -> None:
    till = Till()
    guarded = cache_replies(till, key=whole)
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(into, replies, guarded, request(7))
            await trio.sleep(0.1)
        nursery.start_soon(into, replies, guarded, request(8))
    assert replies[:5] == [(b"1", 1.0)] * 5
    assert replies[5:] == [(b"2", pytest.approx(1.5))]
    assert guarded.statistics() == {"duplicate": 4}


async def test_the_key_says_what_is_a_duplicate(clock: trio.testing.MockClock) -> None:
    till = Till()
    guarded = cache_replies(till, key=lambda datagram: datagram.data[:2])
    assert await guarded(Datagram(b"id, first attempt", PEER)) == b"1"
    assert await guarded(Datagram(b"id, second attempt", ("192.0.2.9", 1))) == b"1"
    assert await guarded(Datagram(b"jd", PEER)) == b"2"


async def test_silence_is_remembered(clock: trio.testing.MockClock) -> None:
    executed: list[Datagram] = []

    async def handler(datagram: Datagram) -> None:
        executed.append(datagram)

    guarded = cache_replies(handler, key=whole)
    for _ in range(3):
        assert await guarded(request(7)) is None
    assert len(executed) == 1
    assert guarded.statistics() == {"duplicate": 2}


async def test_a_reply_is_remembered_as_it_was(clock: trio.testing.MockClock) -> None:
    buffer = bytearray(b"before")

    async def handler(datagram: Datagram) -> Any:
        return buffer

    guarded = cache_replies(handler, key=whole)
    assert await guarded(request(7)) == b"before"
    buffer[:] = b"after"
    assert await guarded(request(7)) == b"before"


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_what_has_failed_is_not_tried_again(clock: trio.testing.MockClock) -> None:
    till = Till()
    guarded = cache_replies(till, key=whole)
    replies: list[Any] = []
    fail = Datagram(b"fail", PEER)
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            with pytest.raises(ValueError, match="in the middle"):
                await guarded(fail)

        nursery.start_soon(run)
        await trio.sleep(0.5)
        nursery.start_soon(into, replies, guarded, fail)
    assert replies == [(None, 1.0)]
    assert await guarded(fail) is None
    assert till.executed == 1
    await trio.sleep(120)
    with pytest.raises(ValueError, match="in the middle"):
        await guarded(fail)


async def test_what_is_no_reply_has_failed(clock: trio.testing.MockClock) -> None:
    async def handler(datagram: Datagram) -> Any:
        return 42

    guarded = cache_replies(handler, key=whole)
    with pytest.raises(TypeError, match="a handler returns bytes or None, not int"):
        await guarded(request(7))
    assert await guarded(request(7)) is None


async def test_what_was_cancelled_leaves_no_trace(clock: trio.testing.MockClock) -> None:
    till = Till()
    guarded = cache_replies(till, key=whole)
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.75) as scope:
            async with trio.open_nursery() as runner:
                runner.start_soon(guarded.__call__, request(7))
                await trio.sleep(0.25)
                nursery.start_soon(into, replies, guarded, request(7))
        assert scope.cancelled_caught
    assert replies == [(None, 0.75)]
    assert await guarded(request(7)) == b"2"


async def test_cancelled_in_a_nursery_of_the_handlers_own_is_cancelled_too(clock: trio.testing.MockClock) -> None:
    executed: list[Datagram] = []

    async def handler(datagram: Datagram) -> None:
        executed.append(datagram)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)

    guarded = cache_replies(handler, key=whole)
    for _ in range(2):
        with trio.move_on_after(1):
            await guarded(request(7))
    assert len(executed) == 2


async def test_one_who_waits_may_be_cancelled(clock: trio.testing.MockClock) -> None:
    till = Till()
    guarded = cache_replies(till, key=whole)
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(into, replies, guarded, request(7))
        await trio.sleep(0.25)
        nursery.start_soon(into, replies, guarded, request(7))
        with trio.move_on_after(0.25) as scope:
            await guarded(request(7))
        assert scope.cancelled_caught
    assert replies == [(b"1", 1.0)] * 2


async def test_a_key_that_fails_is_an_error_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    guarded = cache_replies(echo, key=lambda datagram: datagram.data[7])
    with pytest.raises(IndexError):
        await guarded(request(7))
    assert await log_errors(guarded)(request(7)) is None


# -- bounds -----------------------------------------------------------------------------------------------------------


async def test_an_async_key_is_an_error() -> None:
    """Regression: each request had a key of its own, and was executed again."""
    guarded = cache_replies(echo, key=lambda _: Later())
    with pytest.raises(TypeError, match="key must be a function that is not async"):
        await guarded(Datagram(b"x", ("192.0.2.1", 5)))


async def test_strangers_push_no_reply_out(clock: trio.testing.MockClock) -> None:
    """Regression: the oldest was forgotten, and its request was executed again when it came again."""
    till = Till()
    guarded = cache_replies(till, key=whole, max_entries=3, ttl=120)
    for number in range(5):
        await guarded(request(number))
    assert [await guarded(request(number)) for number in (0, 1, 2, 3)] == [b"1", b"2", b"3", None]
    assert guarded.statistics() == {"reply cache full": 3, "duplicate": 3}
    await trio.sleep(120)
    assert await guarded(request(3)) == b"4"


async def test_old_replies_make_room(clock: trio.testing.MockClock) -> None:
    guarded = cache_replies(echo, key=whole, ttl=1, max_entries=2)
    for number in range(10):
        await guarded(request(number))
        await trio.sleep(0.5)
    assert guarded.statistics() == {}


async def test_when_all_are_running_the_newest_is_dropped(clock: trio.testing.MockClock) -> None:
    till = Till()
    guarded = cache_replies(till, key=whole, max_entries=2)
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(into, replies, guarded, request(number))
            await trio.sleep(0.125)
        nursery.start_soon(into, replies, guarded, request(1))
    assert sorted(replies, key=lambda reply: reply[1]) == [
        (None, 0.25),
        (None, 0.375),
        (b"1", 1.0),
        (b"2", 1.125),
        (b"2", 1.125),
    ]
    assert till.executed == 2
    assert guarded.statistics() == {"reply cache full": 2, "duplicate": 1}
    await trio.sleep(120)
    assert await guarded(request(2)) == b"3"


# -- for all of which it is there -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 0.02, 1.5])
async def test_exactly_once_on_a_bad_network(
    seconds: float, network: VirtualNetwork, server: Host, autojump_clock: object
) -> None:
    """Three of ten are lost and three of ten doubled, each way; handlers take no time, some, or longer than a client
    waits before it asks again."""
    network.link = Link(loss=0.3, duplicate=0.3, delay=0.05, jitter=0.05)
    executed: Counter[bytes] = Counter()

    async def sell(datagram: Datagram) -> bytes:
        executed[datagram.data] += 1
        await trio.sleep(seconds)
        return b"%s is number %d" % (datagram.data, executed.total())

    guarded = cache_replies(sell, key=whole)

    async def buy(name: str) -> None:
        with network.host(name=name):
            client = await open_udp_client("server", 7)
        async with client:
            for number in range(10):
                order = f"{name}, {number}".encode()
                reply = await client.request(
                    order, retry=Retry(attempts=60, first=0.25, maximum=1), accept=partial(_is_for, order)
                )
                assert reply.startswith(order + b" is number ")

    async with trio.open_nursery() as nursery:
        with server:
            await nursery.start(partial(serve_udp, guarded, 7, host=server.addresses[0]))
        async with trio.open_nursery() as clients:
            for number in range(10):
                clients.start_soon(buy, f"client{number}")
        nursery.cancel_scope.cancel()
    assert len(executed) == 100
    assert set(executed.values()) == {1}
    assert guarded.statistics()["duplicate"] > 50, "or there was nothing to guard against"


def _is_for(order: bytes, reply: bytes) -> bool:
    return reply.startswith(order + b" ")


async def test_over_loopback() -> None:
    executed = 0

    async def handler(datagram: Datagram) -> bytes:
        nonlocal executed
        executed += 1
        return b"%d" % executed

    async with trio.open_nursery() as nursery:
        [server] = await nursery.start(partial(serve_udp, cache_replies(handler, key=whole), 0, host="127.0.0.1"))
        with await open_udp_endpoint("127.0.0.1") as client, trio.fail_after(10):
            for data in (b"a", b"a", b"b", b"a"):
                await client.send(data, server.address)
            assert [(await client.receive()).data for _ in range(4)] == [b"1", b"1", b"2", b"1"]
        nursery.cancel_scope.cancel()


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"ttl": 0}, "ttl must be a finite number above 0, not 0"),
        ({"ttl": math.inf}, "ttl must be a finite number above 0, not inf"),
        ({"max_entries": 0}, "max_entries must be a whole number of at least 1, not 0"),
        ({"max_entries": 1.5}, "max_entries must be a whole number of at least 1, not 1.5"),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        cache_replies(echo, key=whole, **options)


def test_a_key_that_is_no_function() -> None:
    with pytest.raises(TypeError, match="key must be a function of the datagram, not b'id'"):
        cache_replies(echo, key=b"id")  # type: ignore[arg-type]
