"""What guards have in common, and the two that remember nothing: `log_errors` and `limit_amplification`."""

from __future__ import annotations

import inspect
import logging
import math
import pickle
import re
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from textwrap import dedent
from typing import Any, cast

import pytest
import trio
import trio.testing

import trio_udp
from trio_udp import (
    AddressCookies,
    Datagram,
    Event,
    Guard,
    Handler,
    HandlerFinished,
    HandlerStarted,
    UDPEndpoint,
    cache_replies,
    limit_amplification,
    limit_rate,
    log_errors,
    observe,
    open_udp_endpoint,
    serve_endpoints,
    serve_udp,
)
from trio_udp.testing import Host, VirtualNetwork

from .fakes import Later, echo

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

LOCAL = "127.0.0.1"
PEER = ("192.0.2.1", 4711)
REQUEST = Datagram(b"four", PEER)


def key(datagram: Datagram) -> object:
    return datagram


GUARDS = [
    log_errors,
    limit_amplification,
    partial(limit_rate, rate=10, burst=10),
    partial(cache_replies, key=key),
]


NOT_ASYNC = "a handler must be an async function; this one returned b'four'"
not_async = cast("Handler", lambda datagram: datagram.data)


def answers(reply: object) -> Handler:
    async def handler(datagram: Datagram) -> Any:
        return reply

    return handler


@asynccontextmanager
async def serving(handler: Handler, host: str = LOCAL) -> AsyncIterator[UDPEndpoint]:
    async with trio.open_nursery() as nursery:
        [endpoint] = await nursery.start(partial(serve_udp, handler, 0, host=host))
        yield endpoint
        nursery.cancel_scope.cancel()


# -- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", GUARDS)
async def test_what_is_fine_goes_through(guard: Any) -> None:
    guarded = guard(echo)
    assert isinstance(guarded, Guard)
    assert await guarded(REQUEST) == b"four"
    assert guarded.statistics() == {}


@pytest.mark.parametrize("guard", GUARDS)
async def test_silence_goes_through(guard: Any) -> None:
    assert await guard(answers(None))(REQUEST) is None


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("reply", [bytearray(b"four"), memoryview(b"four")])
async def test_other_kinds_of_bytes_go_through(guard: Any, reply: object) -> None:
    assert await guard(answers(reply))(REQUEST) == b"four"


@pytest.mark.parametrize("guard", GUARDS)
async def test_what_cannot_be_called_is_no_handler(guard: Any) -> None:
    with pytest.raises(TypeError, match="a handler must be an async function, not None"):
        guard(None)


@pytest.mark.parametrize("guard", GUARDS[1:])
async def test_what_is_not_async_ends_the_server(guard: Any) -> None:
    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send(b"four", server.address)
        with pytest.raises(TypeError, match=NOT_ASYNC), trio.fail_after(10):
            await serve_endpoints(guard(not_async), [server])


async def test_what_is_not_async_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert await log_errors(not_async)(REQUEST) is None
    assert NOT_ASYNC in caplog.text


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_guard_can_be_given_to_another_process(guard: Any) -> None:
    copy = pickle.loads(pickle.dumps(guard(echo)))
    assert await copy(REQUEST) == b"four"


async def test_the_outermost_tells_for_all(clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(datagram: Datagram) -> bytes:
        return bytes(1000 // len(datagram.data))  # fails for an empty one

    amplification = limit_amplification(handler)
    guarded = limit_rate(log_errors(amplification), rate=1, burst=4)
    for data in (b"", b"x", b"y" * 100, b"x", b"x", b"x"):
        await guarded(Datagram(data, PEER))
    assert amplification.statistics() == {"amplifying reply": 2}
    assert guarded.statistics() == {"over rate": 2, "ZeroDivisionError": 1, "amplifying reply": 2}
    assert list(caplog.messages) == ["the handler raised ZeroDivisionError at 0 bytes from 192.0.2.1:4711"]


async def test_all_of_them_over_loopback(caplog: pytest.LogCaptureFixture) -> None:
    """One of each, stacked, before a real socket; and what an observer sees of them."""
    cookies = AddressCookies()
    executed: list[bytes] = []

    def has_cookie(datagram: Datagram) -> bool:
        return cookies.check(datagram.address, datagram.data[: cookies.SIZE])

    async def handler(datagram: Datagram) -> bytes:
        executed.append(datagram.data)
        if datagram.data == b"please":
            return cookies.make(datagram.address)
        return bytes(1000 // len(datagram.data))

    guarded = cache_replies(handler, key=key)
    guarded = limit_amplification(guarded, validated=has_cookie)
    guarded = limit_rate(log_errors(guarded), rate=1e-9, burst=6)
    events: list[Event] = []
    with observe(events.append):
        async with serving(guarded) as server:
            with await open_udp_endpoint(LOCAL) as client, trio.fail_after(10):
                await client.send(b"please", server.address)
                cookie = (await client.receive()).data
                for data in (b"x", b"", cookie, cookie, cookie, cookie):
                    await client.send(data, server.address)
                for _ in range(3):
                    assert len((await client.receive()).data) == 1000 // cookies.SIZE
                while len([event for event in events if isinstance(event, HandlerFinished)]) < 7:
                    await trio.sleep(0.001)
    assert executed == [b"please", b"x", b"", cookie]
    assert guarded.statistics() == {
        "over rate": 1,
        "ZeroDivisionError": 1,
        "amplifying reply": 1,
        "duplicate": 2,
    }
    outcomes = [event.outcome for event in events if isinstance(event, HandlerFinished)]
    assert outcomes == ["replied", "silent", "silent", "replied", "replied", "replied", "silent"]


# -- log_errors -------------------------------------------------------------------------------------------------------


async def test_errors_are_logged_and_the_server_goes_on(
    network: VirtualNetwork, server: Host, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(datagram: Datagram) -> bytes:
        return b"%d" % int(datagram.data)

    guarded = log_errors(handler)
    async with trio.open_nursery() as nursery:
        with server:
            await nursery.start(partial(serve_udp, guarded, 7, host=server.addresses[0]))
        with await open_udp_endpoint("0.0.0.0") as client:
            for data in (b"1", b"one", b"2"):
                await client.send(data, (server.addresses[0], 7))
            assert {(await client.receive()).data for _ in range(2)} == {b"1", b"2"}
            who = client.address
        nursery.cancel_scope.cancel()
    [record] = caplog.records
    assert (record.name, record.levelno) == ("trio_udp", logging.ERROR)
    assert record.getMessage().startswith("the handler raised ValueError at 3 bytes from ")
    assert f":{who[1]}" in record.getMessage()
    assert "in handler" in caplog.text
    assert "ValueError: invalid literal" in caplog.text
    assert guarded.statistics() == {"ValueError": 1}


async def test_what_is_no_reply_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    guarded = log_errors(answers("text"))
    assert await guarded(REQUEST) is None
    assert guarded.statistics() == {"TypeError": 1}
    assert "a handler returns bytes or None, not str" in caplog.text


async def test_a_type_error_of_the_handler_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(datagram: Datagram) -> bytes:
        raise TypeError("mine")

    assert await log_errors(handler)(REQUEST) is None
    assert "TypeError: mine" in caplog.text


async def test_a_cancelled_handler_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(datagram: Datagram) -> None:
        await trio.sleep_forever()

    guarded = log_errors(handler)
    with trio.CancelScope() as scope:
        scope.cancel()
        await guarded(REQUEST)
    assert scope.cancelled_caught
    assert guarded.statistics() == {}
    assert not caplog.records


async def fails_when_cancelled(datagram: Datagram) -> None:
    """A task in a nursery of the handler's own has a bug in how it ends."""

    async def tidy_up_wrongly() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("the bug")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tidy_up_wrongly)
        await trio.sleep_forever()


async def test_a_failure_while_the_server_stops_is_logged_and_the_stop_is_clean(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cancelled and ValueError came out in one group, which is no Exception, and the stop of the server failed."""
    guarded = log_errors(fails_when_cancelled)
    events: list[Event] = []
    with observe(events.append):
        async with serving(guarded) as server:
            with await open_udp_endpoint(LOCAL) as client, trio.fail_after(10):
                await client.send(b"four", server.address)
                while not any(isinstance(event, HandlerStarted) for event in events):
                    await trio.sleep(0.001)
    assert guarded.statistics() == {"ExceptionGroup": 1}
    [record] = caplog.records
    assert record.getMessage().startswith("the handler raised ExceptionGroup at 4 bytes from 127.0.0.1:")
    assert "ValueError: the bug" in caplog.text
    assert [event.outcome for event in events if isinstance(event, HandlerFinished)] == ["cancelled"]


async def test_a_group_with_more_than_that_goes_its_way_whole(caplog: pytest.LogCaptureFixture) -> None:
    group = BaseExceptionGroup("of the handler", [ValueError(), KeyboardInterrupt()])

    async def handler(datagram: Datagram) -> None:
        raise group

    guarded = log_errors(handler)
    with pytest.raises(BaseExceptionGroup) as caught:
        await guarded(REQUEST)
    assert caught.value is group
    assert guarded.statistics() == {}
    assert not caplog.records


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_what_is_no_exception_goes_its_way(error: type[BaseException]) -> None:
    async def handler(datagram: Datagram) -> None:
        raise error

    with pytest.raises(error):
        await log_errors(handler)(REQUEST)


# -- limit_amplification ----------------------------------------------------------------------------------------------


async def test_the_example_of_its_docstring(clock: trio.testing.MockClock) -> None:
    """As it stands there."""
    [example] = re.findall(r"::\n\n(.*?)\n\n(?=Args:)", inspect.getdoc(limit_amplification) or "", re.DOTALL)
    names: dict[str, Any] = dict(vars(trio_udp), long_text=b"long" * 100)
    exec(dedent(example), names)
    cookie = await names["guarded"](Datagram(b"hello!", PEER))
    assert len(cookie) == AddressCookies.SIZE
    assert await names["guarded"](Datagram(cookie, PEER)) == b"long" * 100
    assert await names["guarded"](Datagram(b"", PEER)) is None
    assert names["guarded"].statistics() == {"amplifying reply": 1}


@pytest.mark.parametrize(
    ("factor", "request_size", "reply_size", "goes_out"),
    [
        (3.0, 4, 12, True),
        (3.0, 4, 13, False),
        (3.0, 0, 0, True),
        (3.0, 0, 1, False),
        (1.5, 5, 7, True),
        (1.5, 5, 8, False),
        (0.5, 4, 2, True),
        (0.5, 4, 3, False),
        (3.0, 65507, 65507, True),
    ],
)
async def test_replies_up_to_the_factor_go_out(
    factor: float, request_size: int, reply_size: int, goes_out: bool
) -> None:
    guarded = limit_amplification(answers(bytes(reply_size)), factor=factor)
    reply = await guarded(Datagram(bytes(request_size), PEER))
    assert reply == (bytes(reply_size) if goes_out else None)
    assert guarded.statistics() == ({} if goes_out else {"amplifying reply": 1})


async def test_the_bytes_of_a_reply_are_counted_whatever_its_items_are() -> None:
    four_numbers = memoryview(bytes(16)).cast("I")
    assert len(four_numbers) == 4
    assert await limit_amplification(answers(four_numbers))(REQUEST) is None


async def test_the_validated_get_all() -> None:
    asked: list[Datagram] = []

    def validated(datagram: Datagram) -> bool:
        asked.append(datagram)
        return datagram.data.startswith(b"v")

    async def handler(datagram: Datagram) -> bytes:
        return datagram.data if datagram.data.startswith(b"small") else bytes(1000)

    guarded = limit_amplification(handler, validated=validated)
    assert await guarded(Datagram(b"valid", PEER)) == bytes(1000)
    assert await guarded(Datagram(b"forged", PEER)) is None
    assert await guarded(Datagram(b"small", PEER)) == b"small"
    assert asked == [(b"valid", PEER), (b"forged", PEER)], "nobody asks where it does not matter"


async def test_what_is_no_reply_is_said() -> None:
    with pytest.raises(TypeError, match="a handler returns bytes or None, not int"):
        await limit_amplification(answers(42))(REQUEST)


@pytest.mark.parametrize("factor", [0, -1, math.nan, math.inf, "3", None])
async def test_factors_that_make_no_sense(factor: Any) -> None:
    with pytest.raises(ValueError, match="factor must be a finite number above 0, not "):
        limit_amplification(echo, factor=factor)


async def test_a_validated_that_is_no_function() -> None:
    with pytest.raises(TypeError, match="validated must be a function of the datagram, or None, not True"):
        limit_amplification(echo, validated=True)  # type: ignore[arg-type]


def test_a_guard_of_ones_own() -> None:
    class Odd(Guard):
        def __call__(self, datagram: Datagram) -> Awaitable[bytes | None]:
            return self._handler(datagram)

    assert Odd(log_errors(echo)).statistics() == {}


async def test_an_async_function_validates_nobody() -> None:
    """Regression: what it returned was never awaited, and counted as yes."""

    async def large(_: Datagram) -> bytes:
        return bytes(1000)

    guarded = limit_amplification(large, validated=lambda _: Later())  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="validated must be a function that is not async"):
        await guarded(Datagram(b"x", ("192.0.2.1", 5)))
