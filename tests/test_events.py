from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    Datagram,
    DatagramArrived,
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    Event,
    HandlerFinished,
    HandlerStarted,
    NoReply,
    ReplyAccepted,
    ReplyIgnored,
    RequestFailed,
    Retry,
    SocketExchanged,
    UDPEndpoint,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_endpoints,
    serve_udp,
)
from trio_udp.faults import Link, drop_first
from trio_udp.testing import Host, VirtualNetwork

from .fakes import echo

LOCAL = "127.0.0.1"


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_an_endpoint_tells_what_it_sends_and_receives(sockets: str, clock: trio.testing.MockClock) -> None:
    events: list[Event] = []
    with observe(events.append), await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        await trio.sleep(1)
        await one.send(b"hello", two.address)
        sent_at = trio.current_time()
        await two.receive()
        brought = [DatagramArrived(sent_at + 1e-6, one.address, two.address, b"hello", sent_at)]
        assert events == [
            DatagramSent(sent_at, one.address, two.address, b"hello"),
            *(brought if sockets == "virtual" else []),
            DatagramReceived(trio.current_time(), two.address, one.address, b"hello"),
        ]


async def test_only_endpoints_opened_inside_and_only_inside() -> None:
    events: list[Event] = []
    before = await open_udp_endpoint(LOCAL)
    with observe(events.append):
        inside = await open_udp_endpoint(LOCAL)
        await before.send(b"unseen", inside.address)
        assert events == []
        await inside.send(b"seen", before.address)
        assert kinds(events) == ["DatagramSent"]
    await inside.send(b"the with is over", before.address)
    await inside.receive()
    assert kinds(events) == ["DatagramSent"]
    before.close()
    inside.close()


async def test_tasks_started_inside_count() -> None:
    events: list[Event] = []
    opened: list[UDPEndpoint] = []

    async def open_later() -> None:
        opened.append(await open_udp_endpoint(LOCAL))

    async with trio.open_nursery() as nursery:
        with observe(events.append):
            nursery.start_soon(open_later)
            await trio.testing.wait_all_tasks_blocked()
            await opened[0].send(b"x", opened[0].address)
    assert kinds(events) == ["DatagramSent"]
    opened[0].close()


async def test_observers_nest() -> None:
    outer: list[Event] = []
    inner: list[Event] = []
    with observe(outer.append):
        with observe(inner.append):
            endpoint = await open_udp_endpoint(LOCAL)
            await endpoint.send(b"1", endpoint.address)
        await endpoint.send(b"2", endpoint.address)
    endpoint.close()
    assert (len(outer), len(inner)) == (2, 1)


async def test_the_whole_story_of_a_lost_request(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Everything that a ladder diagram needs, in order and with exact times."""
    events: list[Event] = []

    async def pong(datagram: Datagram) -> bytes:
        return b"pong"

    network.link = Link(delay=0.25)
    with observe(events.append), network.rule(drop_first(1)):
        await nursery.start(server.run, partial(serve_udp, pong, 7, host="10.0.0.1"))
        async with await open_udp_client("server", 7) as client:
            there, here = client.remote_address, client._connection.io.local
            assert await client.request(b"ping", retry=Retry(first=1.5, jitter=0)) == b"pong"
    assert events == [
        AttemptStarted(0, here, there, 1, 1, 1.5, b"ping"),
        DatagramSent(0, here, there, b"ping"),
        DatagramLost(0, here, there, b"ping", "drop_first", 0),
        AttemptTimedOut(1.5, here, there, 1, 1),
        AttemptStarted(1.5, here, there, 1, 2, 3.0, b"ping"),
        DatagramSent(1.5, here, there, b"ping"),
        DatagramArrived(1.75, here, there, b"ping", 1.5),
        DatagramReceived(1.75, there, here, b"ping"),
        HandlerStarted(1.75, there, here, b"ping"),
        HandlerFinished(1.75, there, here, b"ping", "replied"),
        DatagramSent(1.75, there, here, b"pong"),
        DatagramArrived(2.0, there, here, b"pong", 1.75),
        DatagramReceived(2.0, here, there, b"pong"),
        ReplyAccepted(2.0, here, there, 1, 2, 0.5, b"pong"),
    ]


async def test_a_client_that_exchanges_its_socket(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The attempt is told with the socket that it has; then comes the new one, through which it is sent."""
    events: list[Event] = []
    await nursery.start(server.run, partial(serve_udp, echo, 7, host="10.0.0.1"))
    with observe(events.append):
        async with await open_udp_client("server", 7) as client:
            former, there = client._connection.io.local, client.remote_address
            with network.rule(drop_first(1)):
                assert await client.request(b"late", retry=Retry(first=1.5, jitter=0)) == b"late"
            events.clear()
            now = trio.current_time()
            assert await client.request(b"next", retry=Retry(first=1.0, jitter=0)) == b"next"
            here = client._connection.io.local
    assert events[:3] == [
        AttemptStarted(now, former, there, 2, 1, 1.0, b"next"),
        SocketExchanged(now, here, there, former),
        DatagramSent(now, here, there, b"next"),
    ]
    assert former != here


async def test_both_ends_over_real_loopback(nursery: trio.Nursery) -> None:
    events: list[Event] = []
    with observe(events.append):
        [endpoint] = await nursery.start(partial(serve_udp, echo, 0, host=LOCAL))
        async with await open_udp_client(LOCAL, endpoint.address[1]) as client:
            there, here = client.remote_address, client._connection.io.local
            assert await client.request(b"ping", retry=Retry(first=60)) == b"ping"
    assert kinds([event for event in events if event.local == here]) == [
        *("AttemptStarted", "DatagramSent", "DatagramReceived", "ReplyAccepted"),
    ]
    assert kinds([event for event in events if event.local == there]) == [
        *("DatagramReceived", "HandlerStarted", "HandlerFinished", "DatagramSent"),
    ]


async def test_a_handler_that_is_silent(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    events: list[Event] = []

    async def think(datagram: Datagram) -> None:
        await trio.sleep(2)

    network.link = Link(delay=0.25)
    with await open_udp_endpoint("192.0.2.1") as client, observe(events.append):
        await nursery.start(server.run, partial(serve_udp, think, 7, host="10.0.0.1"))
        await client.send(b"?", ("10.0.0.1", 7))
        await trio.sleep(3)
    there = ("10.0.0.1", 7)
    assert events == [
        DatagramReceived(0.25, there, client.address, b"?"),
        HandlerStarted(0.25, there, client.address, b"?"),
        HandlerFinished(2.25, there, client.address, b"?", "silent"),
    ]


async def test_a_request_that_fails(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    events: list[Event] = []

    async def garbage(datagram: Datagram) -> bytes:
        return b"garbage"

    network.link = Link(delay=0.125)
    await nursery.start(server.run, serve_udp, garbage, 7)
    with observe(events.append):
        async with await open_udp_client("server", 7) as client:
            there, here = client.remote_address, client._connection.io.local
            with trio.move_on_after(0.5):
                await client.request(b"ping", accept=lambda reply: reply == b"pong")
    assert events[-3:] == [
        DatagramReceived(0.25, here, there, b"garbage"),
        ReplyIgnored(0.25, here, there, b"garbage", "not accepted"),
        RequestFailed(0.5, here, there, 1, 1, "Cancelled"),
    ]


async def test_a_request_that_runs_out_of_attempts(
    network: VirtualNetwork, server: Host, clock: trio.testing.MockClock
) -> None:
    events: list[Event] = []
    network.link = Link(loss=1)
    with observe(events.append):
        async with await open_udp_client("server", 7) as client:
            there, here = client.remote_address, client._connection.io.local
            with pytest.raises(NoReply):
                await client.request(b"ping", retry=Retry(attempts=2, jitter=0))
    assert events == [
        AttemptStarted(0, here, there, 1, 1, 1.0, b"ping"),
        DatagramSent(0, here, there, b"ping"),
        DatagramLost(0, here, there, b"ping", "loss", 0),
        AttemptTimedOut(1, here, there, 1, 1),
        AttemptStarted(1, here, there, 1, 2, 2.0, b"ping"),
        DatagramSent(1, here, there, b"ping"),
        DatagramLost(1, here, there, b"ping", "loss", 1),
        AttemptTimedOut(3, here, there, 1, 2),
        RequestFailed(3, here, there, 1, 2, "NoReply"),
    ]


@pytest.mark.parametrize(
    "error",
    [BlockingIOError(11, "busy"), PermissionError(1, "log"), ConnectionResetError(104, "log"), TypeError("bug")],
)
@pytest.mark.parametrize("kind", [DatagramReceived, DatagramSent])
async def test_an_observers_exception_is_not_taken_for_the_sockets(sockets: str, error: Exception, kind: type) -> None:
    """Regression: a BlockingIOError of print() had the reply sent twice, a TypeError was "a handler's"."""

    def callback(event: Event) -> None:
        if isinstance(event, kind):
            raise error

    with await open_udp_endpoint(LOCAL) as client:
        with observe(callback):
            endpoint = await open_udp_endpoint(LOCAL)
        with observe(callback), pytest.raises(type(error)) as caught:
            server = await open_udp_endpoint(LOCAL)
            await client.send(b"x", server.address)
            await serve_endpoints(echo, [server])
        assert caught.value is error
        assert server.statistics().errors == {}
        assert server.statistics().sent == (kind is DatagramSent)
        endpoint.close()


async def test_how_handlers_end() -> None:
    events: list[Event] = []

    async def handler(datagram: Datagram) -> bytes | None:
        if datagram.data == b"raise":
            raise KeyError
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)
        return None

    with observe(events.append):
        client = await open_udp_endpoint(LOCAL)
        async with trio.open_nursery() as nursery:

            async def serve(task_status: trio.TaskStatus[list[UDPEndpoint]]) -> None:
                try:
                    await serve_udp(handler, 0, host=LOCAL, task_status=task_status)
                except KeyError:
                    nursery.cancel_scope.cancel()

            [endpoint] = await nursery.start(serve)
            await client.send(b"wait", endpoint.address)
            await client.send(b"raise", endpoint.address)
            await trio.sleep_forever()
    client.close()
    outcomes = {event.data: event.outcome for event in events if isinstance(event, HandlerFinished)}
    assert outcomes == {b"wait": "cancelled", b"raise": "KeyError"}


async def test_without_an_observer_the_primitives_are_the_sockets_own() -> None:
    """Nothing is paid per datagram: there is nothing of ours between the loop and the system call."""
    with await open_udp_endpoint(LOCAL) as endpoint:
        io = endpoint._io
        assert io._raw is not None
        assert io._read_now == io._raw.recvfrom
        assert io._write_now == io._raw.sendto


async def test_what_a_callback_raises_comes_out() -> None:
    def refuse(event: Event) -> None:
        raise KeyError

    with observe(refuse), await open_udp_endpoint(LOCAL) as endpoint:
        try:
            await endpoint.send(b"x", endpoint.address)
        except KeyError:
            return
    raise AssertionError("the callback's exception was swallowed")
