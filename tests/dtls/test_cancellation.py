"""DTLS, cancelled at one moment after another, as everything else is in ``tests/test_cancellation.py``.

Trio reads the sockets in system tasks of its own, which end a moment after their socket.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
import trio

from tests.cancelling import Cut, at_every_moment
from tests.dtls.certificates import Authority, Pair
from tests.dtls.serving import LOCAL, echo, serving, trios_tasks
from trio_udp import UDPChannel, UDPEndpoint, open_udp_endpoint
from trio_udp.dtls import client_context, open_dtls_channel, serve_dtls, serve_dtls_peers, server_context

KINDS = "virtual", "fast"


async def check_it_works(server: UDPEndpoint, authority: Authority) -> None:
    async with await open_dtls_channel(LOCAL, server.address[1], client_context(authority.ca)) as channel:
        await check_echo(channel)


async def check_echo(channel: UDPChannel) -> None:
    await channel.send(b"still there?")
    assert await channel.receive() == b"still there?"


@pytest.mark.parametrize("kind", KINDS)
def test_opening(kind: str, authority: Authority, pair: Pair) -> None:
    async def scenario(cut: Cut) -> None:
        cut.others_come_and_go = True
        async with serving(pair) as server:
            context = client_context(authority.ca)
            if result := await cut(open_dtls_channel, LOCAL, server.address[1], context):
                async with result.value as channel:
                    await check_echo(channel)
            await check_it_works(server, authority)

    assert at_every_moment(scenario, kind) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_talking(kind: str, authority: Authority, pair: Pair) -> None:
    """What was sent before the cancellation is answered, and what comes back is not lost.

    Regression: a cancelled `send` left its record to the next one, and the peer got both as one payload.
    """

    async def scenario(cut: Cut) -> None:
        async with serving(pair, clients=0) as server:
            async with await open_dtls_channel(LOCAL, server.address[1], client_context(authority.ca)) as channel:
                await channel.send(b"0")
                got: list[bytes] = []

                async def talk() -> None:
                    got.append(await channel.receive())
                    await channel.send_many([b"1", b"2"])
                    got.append(await channel.receive())
                    got.append(await channel.receive())

                result = await cut(talk)
                with trio.move_on_after(1):
                    async for data in channel:
                        got.append(data)
                assert got in ([b"0", b"1", b"2"], [b"0", b"1"], [b"0"])
                assert len(got) == 3 or not result
                await check_echo(channel)

    assert at_every_moment(scenario, kind) > 0


@pytest.mark.parametrize("grace_period", [0, 5])
@pytest.mark.parametrize("at", ["a port", "endpoints"])
@pytest.mark.parametrize("kind", KINDS)
def test_serving(kind: str, at: str, grace_period: float, authority: Authority, pair: Pair) -> None:
    """No task is left, and no socket open."""

    async def scenario(cut: Cut) -> None:
        cut.others_come_and_go = True
        context = server_context(pair.certificate, pair.key)
        send, receive = trio.open_memory_channel[UDPEndpoint](1)

        class Started(trio.TaskStatus[list[UDPEndpoint]]):
            def started(self, value: list[UDPEndpoint] | None = None) -> None:
                assert value is not None
                send.send_nowait(value[0])

        async def ask() -> None:
            endpoint = await receive.receive()
            with trio.move_on_after(10), suppress(OSError, trio.EndOfChannel):
                await check_it_works(endpoint, authority)
            cut.end()

        serve = partial(serve_dtls_peers, echo, 0, context, host=LOCAL)
        if at == "endpoints":
            serve = partial(serve_dtls, echo, [await open_udp_endpoint(LOCAL) for _ in range(2)], context)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await cut(partial(serve, grace_period=grace_period, task_status=Started()))
            nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert trios_tasks() == []

    assert at_every_moment(scenario, kind) > 0
