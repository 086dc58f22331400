"""How people use trio_udp, for the type checker only: nothing here is run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import NoReturn

import trio
from typing_extensions import assert_type

import trio_udp
from trio_udp import Datagram, Retry, UDPChannel, UDPClient, UDPEndpoint, UDPStatistics, tracing
from trio_udp.dtls import client_context, open_dtls_channel, serve_dtls, serve_dtls_peers, server_context
from trio_udp.workers import Workers, serve_workers


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def silent(datagram: Datagram) -> None:
    print(datagram.address[0])


class Counting:
    async def __call__(self, datagram: Datagram) -> bytes | None:
        return None


async def servers(nursery: trio.Nursery) -> None:
    handlers: list[trio_udp.Handler] = [echo, silent, Counting()]
    for handler in handlers:
        nursery.start_soon(trio_udp.serve_udp, handler, 7)
    endpoints: list[UDPEndpoint] = await nursery.start(trio_udp.serve_udp, echo, 0)
    assert_type(await trio_udp.serve_endpoints(echo, endpoints, max_tasks=10, grace_period=1), NoReturn)


async def converse(channel: trio_udp.UDPChannel) -> None:
    async for data in channel:
        await channel.send(data)


async def peers(nursery: trio.Nursery) -> None:
    handler: trio_udp.PeerHandler = converse
    endpoints: list[UDPEndpoint] = await nursery.start(trio_udp.serve_udp_peers, handler, 0)
    await nursery.start(partial(trio_udp.serve_udp_peers, converse, 0, max_peers=10, idle_timeout=1.5))
    assert_type(await trio_udp.serve_peers(converse, endpoints, incoming_buffer=5, grace_period=1), NoReturn)


def has_cookie(datagram: Datagram) -> bool:
    cookies = trio_udp.AddressCookies(lifetime=60, key=bytes(32))
    assert_type(cookies.make(datagram.address), bytes)
    return cookies.check(datagram.address, datagram.data[: cookies.SIZE])


async def guards(nursery: trio.Nursery) -> None:
    guarded = trio_udp.cache_replies(echo, key=lambda datagram: (datagram.address, datagram.data), ttl=1, max_entries=1)
    guarded = trio_udp.limit_amplification(guarded, factor=2, validated=has_cookie)
    guarded = trio_udp.limit_rate(trio_udp.log_errors(guarded), rate=0.5, burst=5, total_rate=1000)
    assert_type(guarded, trio_udp.Guard)
    assert_type(guarded.statistics(), Mapping[str, int])
    handlers: list[trio_udp.Handler] = [
        guarded,
        trio_udp.log_errors(silent),
        trio_udp.limit_rate(silent, rate=1, burst=1),
    ]
    nursery.start_soon(trio_udp.serve_udp, handlers[0], 7)


async def processes(nursery: trio.Nursery) -> None:
    workers: Workers = await nursery.start(partial(serve_workers, echo, 0))
    assert_type(workers.addresses, list[trio_udp.Address])
    assert_type(workers.pids, list[int])
    assert_type(workers.restarts, int)
    assert_type(workers.statistics(), UDPStatistics)
    assert_type(await serve_workers(Counting(), 7, workers=4, restart=Retry(first=1)), NoReturn)


async def in_secret(nursery: trio.Nursery) -> None:
    async def converse(channel: UDPChannel) -> None:
        async for data in channel:
            await channel.send(data)

    context = server_context("cert.pem", Path("key.pem"))
    endpoints: list[UDPEndpoint] = await nursery.start(serve_dtls_peers, converse, 0, context)
    async with await open_dtls_channel("localhost", endpoints[0].address[1], client_context("ca.pem")) as channel:
        assert_type(channel, UDPChannel)
    await open_dtls_channel("localhost", 4433, server_name="server.example")
    if endpoints:
        assert_type(await serve_dtls(converse, endpoints, context, max_peers=10, grace_period=1), NoReturn)
    assert_type(await serve_dtls_peers(converse, 4433, context, max_peers=10, grace_period=1), NoReturn)


async def what_happens(cancel_scope: trio.CancelScope) -> tracing.Trace:
    with tracing.record(limit=5) as recording:
        assert_type(recording, tracing.Recording)
        with tracing.scope("lunch"), tracing.scope("dinner", cancel_scope) as entered:
            assert_type(entered, trio.CancelScope)
        recording.name("10.0.0.1", "server")
        recording.name(("10.0.0.1", 7), "its socket")
    assert_type(recording.problems, Mapping[str, int])
    tracing.save(recording.trace(), Path("run.jsonl"))
    return tracing.load("run.jsonl")


async def in_a_marked_scope() -> int:
    with tracing.scope("may be left early"):
        return 1
    return 2  # without it, "Missing return statement": the scope may catch a cancellation


async def endpoints() -> None:
    async with await trio_udp.open_udp_endpoint("127.0.0.1") as endpoint:
        assert_type(endpoint, UDPEndpoint)
        assert_type(await endpoint.receive(), Datagram)
        assert_type(await endpoint.receive_many(10), list[Datagram])
        async for data, address in endpoint:
            assert_type(data, bytes)
            await endpoint.send(data, address)
        assert_type(endpoint.join_group("239.0.0.1", interface="eth0", source="10.0.0.1"), None)
        assert_type(endpoint.leave_group("ff15::1", interface=2), None)
        assert_type(endpoint.set_multicast(interface="127.0.0.1", ttl=4, loopback=False), None)
        assert_type(endpoint.allow_broadcast(), None)
        await endpoint.send_many([Datagram(b"", ("::1", 7, 0, 0)), Datagram(b"", ("127.0.0.1", 7))])
        statistics = endpoint.statistics()
        assert_type(statistics, UDPStatistics)
        assert_type(statistics.dropped, Mapping[str, int])
        assert_type(statistics.kernel_drops, int | None)


async def channels() -> None:
    async with await trio_udp.open_udp_channel("localhost", 7) as channel:
        assert_type(channel, trio_udp.UDPChannel)
        assert_type(channel.peer_address, trio_udp.Address)
        assert_type(await channel.receive(), bytes)
        assert_type(await channel.receive_many(), list[bytes])
        await channel.send_many([b"a", b"b"])
        async for data in channel:
            await channel.send(data)
    (await trio_udp.open_udp_endpoint("::1", bulk=True)).close()
    assert_type(trio_udp.endpoints_from_systemd() or await trio_udp.open_udp_endpoints(7), list[UDPEndpoint])
    (await trio_udp.open_udp_endpoint("::", reply_from_asked=True)).close()


async def clients() -> None:
    async with await trio_udp.open_udp_client("localhost", 53, correlate=lambda data: data[:2]) as client:
        assert_type(client, UDPClient)
        reply = await client.request(b"x", retry=Retry.dns(), accept=lambda data: len(data) > 12)
        assert_type(reply, bytes)
    await trio_udp.open_udp_client("localhost", 53, random=Random(1))
    assert_type(await trio_udp.first_reply([("a", 1), ("b", 2)], b"x", stagger=0.1), Datagram)


def events() -> None:
    seen: list[trio_udp.Event] = []
    with trio_udp.observe(seen.append):
        pass
    for event in seen:
        assert_type(event.time, float)
        if isinstance(event, trio_udp.ReplyAccepted):
            assert_type(event.elapsed, float)


def failures(error: trio_udp.NoReply, large: trio_udp.DatagramTooLarge) -> None:
    assert_type(error.attempts, int)
    assert_type(error.elapsed, float)
    assert_type(error.address, trio_udp.Address | None)
    assert_type(large.limit, int)
