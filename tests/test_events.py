from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    Datagram,
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
    UDPEndpoint,
    observe,
    open_udp_client,
    open_udp_endpoint,
    serve_endpoints,
    serve_udp,
)

from .fakes import FakeServer, OtherSockets, start_fake_server


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_an_endpoint_tells_what_it_sends_and_receives(
    sockets: OtherSockets | None, autojump_clock: trio.testing.MockClock
) -> None:
    events: list[Event] = []
    with (
        observe(events.append),
        await open_udp_endpoint("127.0.0.1") as one,
        await open_udp_endpoint("127.0.0.1") as two,
    ):
        await trio.sleep(1)
        await one.send(b"hello", two.address)
        await two.receive()
        now = trio.current_time()
        assert events == [
            DatagramSent(now, one.address, two.address, b"hello"),
            DatagramReceived(now, two.address, one.address, b"hello"),
        ]


async def test_only_endpoints_opened_inside_and_only_inside() -> None:
    events: list[Event] = []
    before = await open_udp_endpoint("127.0.0.1")
    with observe(events.append):
        inside = await open_udp_endpoint("127.0.0.1")
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
        opened.append(await open_udp_endpoint("127.0.0.1"))

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
            endpoint = await open_udp_endpoint("127.0.0.1")
            await endpoint.send(b"1", endpoint.address)
        await endpoint.send(b"2", endpoint.address)
    endpoint.close()
    assert (len(outer), len(inner)) == (2, 1)


async def test_the_whole_story_of_a_lost_request(
    sockets: OtherSockets | None, autojump_clock: trio.testing.MockClock
) -> None:
    """Everything that a ladder diagram needs, in order and with exact times."""
    events: list[Event] = []
    replies = iter([None, b"pong"])

    async def lose_the_first(datagram: Datagram) -> bytes | None:
        return next(replies)

    async with trio.open_nursery() as nursery:
        with observe(events.append):
            [endpoint] = await nursery.start(partial(serve_udp, lose_the_first, 0, host="127.0.0.1"))
            async with await open_udp_client("127.0.0.1", endpoint.address[1]) as client:
                there, here = client.remote_address, client._connection.io.local
                start = trio.current_time()
                assert await client.request(b"ping", retry=Retry(first=1.5, jitter=0)) == b"pong"
        nursery.cancel_scope.cancel()
    again = start + 1.5
    mine = [event for event in events if event.local == here]
    assert mine == [
        AttemptStarted(start, here, there, 1, 1, 1.5, b"ping"),
        DatagramSent(start, here, there, b"ping"),
        AttemptTimedOut(again, here, there, 1, 1),
        AttemptStarted(again, here, there, 1, 2, 3.0, b"ping"),
        DatagramSent(again, here, there, b"ping"),
        DatagramReceived(again, here, there, b"pong"),
        ReplyAccepted(again, here, there, 1, 2, 0.0, b"pong"),
    ]
    servers = [event for event in events if event.local == there]
    assert servers == [
        DatagramReceived(start, there, here, b"ping"),
        HandlerStarted(start, there, here, b"ping"),
        HandlerFinished(start, there, here, b"ping", "silent"),
        DatagramReceived(again, there, here, b"ping"),
        HandlerStarted(again, there, here, b"ping"),
        HandlerFinished(again, there, here, b"ping", "replied"),
        DatagramSent(again, there, here, b"pong"),
    ]


async def test_a_request_that_fails(autojump_clock: trio.testing.MockClock) -> None:
    events: list[Event] = []

    async def answer_garbage(server: FakeServer, number: int, datagram: Datagram) -> None:
        await server.endpoint.send(b"garbage", datagram.address)

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, answer_garbage)
        with observe(events.append):
            async with await open_udp_client(server.host, server.port) as client:
                there, here = client.remote_address, client._connection.io.local
                start = trio.current_time()
                with trio.move_on_after(0.5):
                    await client.request(b"ping", accept=lambda reply: reply == b"pong")
        nursery.cancel_scope.cancel()
    assert events[-2:] == [
        ReplyIgnored(start, here, there, b"garbage", "not accepted"),
        RequestFailed(start + 0.5, here, there, 1, 1, "Cancelled"),
    ]


async def test_a_request_that_runs_out_of_attempts(autojump_clock: trio.testing.MockClock) -> None:
    events: list[Event] = []

    async def never_answer(server: FakeServer, number: int, datagram: Datagram) -> None:
        pass

    async with trio.open_nursery() as nursery:
        server = await start_fake_server(nursery, never_answer)
        with observe(events.append):
            async with await open_udp_client(server.host, server.port) as client:
                there, here = client.remote_address, client._connection.io.local
                start = trio.current_time()
                with pytest.raises(NoReply):
                    await client.request(b"ping", retry=Retry(attempts=2, jitter=0))
        nursery.cancel_scope.cancel()
    assert events == [
        AttemptStarted(start, here, there, 1, 1, 1.0, b"ping"),
        DatagramSent(start, here, there, b"ping"),
        AttemptTimedOut(start + 1, here, there, 1, 1),
        AttemptStarted(start + 1, here, there, 1, 2, 2.0, b"ping"),
        DatagramSent(start + 1, here, there, b"ping"),
        AttemptTimedOut(start + 3, here, there, 1, 2),
        RequestFailed(start + 3, here, there, 1, 2, "NoReply"),
    ]


@pytest.mark.parametrize(
    "error",
    [BlockingIOError(11, "busy"), PermissionError(1, "log"), ConnectionResetError(104, "log"), TypeError("bug")],
)
@pytest.mark.parametrize("kind", [DatagramReceived, DatagramSent])
async def test_an_observers_exception_is_not_taken_for_the_sockets(
    sockets: OtherSockets | None, error: Exception, kind: type
) -> None:
    """Regression: a BlockingIOError of print() had the reply sent twice, a TypeError was "a handler's"."""

    def callback(event: Event) -> None:
        if isinstance(event, kind):
            raise error

    async def handler(datagram: Datagram) -> bytes:
        return datagram.data

    with await open_udp_endpoint("127.0.0.1") as client:
        with observe(callback):
            endpoint = await open_udp_endpoint("127.0.0.1")
        with observe(callback), pytest.raises(type(error)) as caught:
            server = await open_udp_endpoint("127.0.0.1")
            await client.send(b"x", server.address)
            await serve_endpoints(handler, [server])
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
        client = await open_udp_endpoint("127.0.0.1")
        async with trio.open_nursery() as nursery:

            async def serve(task_status: trio.TaskStatus[list[UDPEndpoint]]) -> None:
                try:
                    await serve_udp(handler, 0, host="127.0.0.1", task_status=task_status)
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
    with await open_udp_endpoint("127.0.0.1") as endpoint:
        io = endpoint._io
        assert io._raw is not None
        assert io._read_now == io._raw.recvfrom
        assert io._write_now == io._raw.sendto


async def test_what_a_callback_raises_comes_out() -> None:
    def refuse(event: Event) -> None:
        raise KeyError

    with observe(refuse), await open_udp_endpoint("127.0.0.1") as endpoint:
        try:
            await endpoint.send(b"x", endpoint.address)
        except KeyError:
            return
    raise AssertionError("the callback's exception was swallowed")
