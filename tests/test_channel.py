"""A channel: bytes to one peer and from it, and nothing of what anybody else sends."""

from __future__ import annotations

import errno
import socket as stdlib_socket
import sys
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import (
    Datagram,
    DatagramArrived,
    DatagramReceived,
    DatagramSent,
    DatagramTooLarge,
    Event,
    UDPChannel,
    _offload,
    observe,
    open_udp_channel,
    open_udp_endpoint,
)
from trio_udp._batch import BatchSocket
from trio_udp.faults import Link
from trio_udp.testing import Host, VirtualNetwork

from .fakes import OtherSocket, OtherSockets, closed_port, settled

LOCAL = "127.0.0.1"


def socket_of(channel: UDPChannel) -> BatchSocket:
    assert isinstance(channel._io, BatchSocket)
    return channel._io


async def test_there_and_back(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer:
        async with await open_udp_channel(*peer.address) as channel:
            assert channel.peer_address == peer.address
            await channel.send(b"hello")
            await channel.send(b"")
            datagrams = [await peer.receive(), await peer.receive()]
            assert [data for data, _ in datagrams] == [b"hello", b""]
            for answer in (b"back", b""):
                await peer.send(answer, datagrams[0].address)
                assert await channel.receive() == answer
            statistics = channel.statistics()
            assert (statistics.sent, statistics.sent_bytes) == (2, 5)
            assert (statistics.received, statistics.received_bytes) == (2, 4)


async def test_over_ipv6(sockets: str, ipv6: None) -> None:
    with await open_udp_endpoint("::1") as peer, await open_udp_channel("::1", peer.address[1]) as channel:
        await channel.send(b"hello")
        data, address = await peer.receive()
        await peer.send(data, address)
        assert await channel.receive() == b"hello"


async def test_many_there_and_many_back(sockets: str) -> None:
    wanted = [b"%03d" % number * (1 + number % 3) for number in range(200)]
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address) as channel:
        await channel.send_many(iter(wanted))
        datagrams: list[Datagram] = []
        while len(datagrams) < 200:
            datagrams += await peer.receive_many()
        assert [data for data, _ in datagrams] == wanted
        await peer.send_many(Datagram(data, datagrams[0].address) for data in wanted)
        got: list[bytes] = []
        while len(got) < 200:
            batch = await channel.receive_many(7)
            assert 1 <= len(batch) <= 7
            got += batch
        assert got == wanted


async def test_iteration(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address) as channel:
        await channel.send(b"hello")
        _, address = await peer.receive()
        await peer.send_many([Datagram(b"%d" % number, address) for number in range(3)])
        got = []
        async for data in channel:
            got.append(data)
            if len(got) == 3:
                break
        assert got == [b"0", b"1", b"2"]


async def test_strangers_are_not_heard(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_endpoint(LOCAL) as stranger:
        with await open_udp_channel(*peer.address) as channel:
            await channel.send(b"hello")
            _, address = await peer.receive()
            await stranger.send(b"believe me", address)
            await settled()
            await peer.send(b"it is me", address)
            assert await channel.receive() == b"it is me"
            assert channel.statistics().received == 1


async def test_a_peer_that_refuses_may_come_back(network: VirtualNetwork, server: Host, clock: Any) -> None:
    network.link = Link(delay=0.1)
    async with trio.open_nursery() as nursery:
        got: list[tuple[float, bytes]] = []

        async def listen(channel: UDPChannel) -> None:
            got.append((await channel.receive(), trio.current_time())[::-1])
            nursery.cancel_scope.cancel()

        with await open_udp_channel("server", 7) as channel:
            nursery.start_soon(listen, channel)
            for _ in range(3):
                await channel.send(b"anybody?")
                await trio.sleep(1)
            with server:
                peer = await open_udp_endpoint("10.0.0.1", 7)
            with peer:
                await channel.send(b"anybody?")
                await peer.send(b"yes", (await peer.receive()).address)
                await trio.sleep_forever()
    assert [(round(time, 3), data) for time, data in got] == [(3.2, b"yes")]
    assert channel.statistics().errors == {"ECONNREFUSED": 3}


async def test_to_send_to_a_closed_port_is_no_error(sockets: str) -> None:
    """The refusal of one is told when the next is sent, and that one is not sent then: so it is sent once more."""
    with await open_udp_channel(LOCAL, await closed_port()) as channel:
        for number in range(5):
            await channel.send(b"%d" % number)
            await settled()
        await channel.send_many([b"a", b"b", b"c"])
        assert channel.statistics().sent == 8
        assert set(channel.statistics().errors) == {"ECONNREFUSED"}


async def test_a_peer_that_refuses_again_and_again() -> None:
    story = [ConnectionRefusedError(errno.ECONNREFUSED, "no"), ConnectionRefusedError(errno.ECONNREFUSED, "no")]

    def trouble() -> None:
        if story:
            raise story.pop(0)

    trio.socket.set_custom_socket_factory(OtherSockets())
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address) as channel:
        other = socket_of(channel).socket
        assert isinstance(other, OtherSocket)
        other.before_send = trouble
        await channel.send_many([b"lost", b"not lost"])
        assert (await peer.receive()).data == b"not lost"


async def test_too_large(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address) as channel:
        with pytest.raises(DatagramTooLarge) as caught:
            await channel.send_many([b"fits", bytes(65508), b"too late"])
        assert (caught.value.size, caught.value.limit) == (65508, 65507)
        assert (await peer.receive()).data == b"fits"
        assert channel.statistics().sent == 1


async def test_one_receiver_at_a_time(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address) as channel:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.receive)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await channel.receive()
            nursery.cancel_scope.cancel()


async def test_closing(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer:
        channel = await open_udp_channel(*peer.address)

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await channel.receive()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await channel.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await channel.send(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await channel.receive_many()
        assert channel.statistics().sent == 0
        await channel.aclose()


async def test_a_cancelled_receive_has_taken_nothing(sockets: str, clock: trio.testing.MockClock) -> None:
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address) as channel:
        with trio.move_on_after(1) as scope:
            await channel.receive()
        assert scope.cancelled_caught
        await channel.send(b"hello")
        await peer.send(b"x", (await peer.receive()).address)
        await settled()
        with trio.CancelScope() as scope:
            scope.cancel()
            await channel.receive()
        assert await channel.receive() == b"x"


async def test_everything_is_a_checkpoint(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as peer:
        with trio.testing.assert_checkpoints():
            channel = await open_udp_channel(*peer.address)
        with trio.testing.assert_checkpoints():
            await channel.send_many([])
        with trio.testing.assert_checkpoints():
            await channel.send(b"x")
        await peer.send_many([Datagram(b"y", (await peer.receive()).address)] * 2)
        await settled()
        with trio.testing.assert_checkpoints():
            assert await channel.receive() == b"y"
        with trio.testing.assert_checkpoints(), pytest.raises(ValueError, match="limit must be at least 1, not 0"):
            await channel.receive_many(0)
        with trio.testing.assert_checkpoints():
            await channel.aclose()
        for call in (channel.receive, channel.receive_many):
            with trio.testing.assert_checkpoints(), pytest.raises(trio.ClosedResourceError):
                await call()


async def test_where_nothing_can_be_opened() -> None:
    with trio.testing.assert_checkpoints(), pytest.raises(ValueError, match="port 0 cannot be sent to"):
        await open_udp_channel(LOCAL, 0)
    with trio.testing.assert_checkpoints(), pytest.raises(OSError, match=r"known|found|resolution"):
        await open_udp_channel("no.such.host.invalid", 7)


async def test_the_first_address_that_there_is_a_way_to(network: VirtualNetwork, clock: Any) -> None:
    network.host("fd00::9", "10.0.0.9", name="both")
    with network.host("10.0.0.2", name="old"):
        with await open_udp_channel("both", 7) as channel:
            assert channel.peer_address == ("10.0.0.9", 7)
    network.host("fd00::8", name="new")
    with network.hosts["old"], pytest.raises(OSError, match=r"etwork") as caught:
        await open_udp_channel("new", 7)
    assert caught.value.errno == errno.ENETUNREACH


async def test_who_watches_sees_both_ways(sockets: str) -> None:
    events: list[Event] = []
    with await open_udp_endpoint(LOCAL) as peer, observe(events.append):
        with await open_udp_channel(*peer.address) as channel:
            await channel.send(b"hello")
            await peer.send(b"back", (await peer.receive()).address)
            await channel.receive()
    assert [(type(event), event.remote) for event in events if not isinstance(event, DatagramArrived)] == [
        (DatagramSent, peer.address),
        (DatagramReceived, peer.address),
    ]


async def test_where_nothing_is_merged_no_recvmsg_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has none. Regression: it was called all the same, and receiving was an AttributeError."""
    monkeypatch.setattr(_offload, "merge_received", lambda raw: False)
    monkeypatch.setattr(stdlib_socket.socket, "recvmsg", None)
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address[:2]) as channel:
        await channel.send_many([b"1", b"2"])
        [(data, address), _] = [await peer.receive() for _ in range(2)]
        assert data == b"1"
        await peer.send_many([Datagram(b"%d" % number, address) for number in range(3)])
        assert await channel.receive_many() == [b"0", b"1", b"2"]


async def test_no_free_port_is_an_error() -> None:
    """Regression: Trio takes connect's EAGAIN for "going on", and the channel was connected to nobody."""

    async def is_going_on(address: Any) -> None:
        await trio.lowlevel.checkpoint()

    class NoPort(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)
            socket.connect = is_going_on  # type: ignore[method-assign]
            return socket

    trio.socket.set_custom_socket_factory(NoPort())
    with pytest.raises(OSError, match="no free port to send from"):
        await open_udp_channel(LOCAL, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="UDP_GRO is Linux' own")
async def test_what_was_sent_together_is_received_together() -> None:
    """A channel asks for that by itself."""
    with await open_udp_endpoint(LOCAL) as peer, await open_udp_channel(*peer.address[:2]) as channel:
        assert socket_of(channel).socket.getsockopt(_offload.IPPROTO_UDP, _offload.UDP_GRO) == 1
        await channel.send(b"hello")
        address = (await peer.receive()).address
        await peer.send_many([Datagram(b"%02d" % number, address) for number in range(30)])
        raw = socket_of(channel)._raw
        assert raw is not None
        assert len(raw.recv(65535)) == 60
