from __future__ import annotations

import errno
import socket as stdlib_socket
from typing import Any

import pytest
import trio

from trio_udp import open_udp_endpoint, open_udp_endpoints
from trio_udp._opening import PORT_TRIES

from .fakes import OtherSockets

LOCAL = "127.0.0.1"


async def test_both_families_share_one_port_also_when_the_system_chooses_it(sockets: str, ipv6: None) -> None:
    endpoints = await open_udp_endpoints()
    try:
        assert {endpoint.socket.family for endpoint in endpoints} == {stdlib_socket.AF_INET, stdlib_socket.AF_INET6}
        assert len({endpoint.address[1] for endpoint in endpoints}) == 1
        assert endpoints[0].address[1] != 0
    finally:
        for endpoint in endpoints:
            endpoint.close()


async def test_a_port_that_is_taken_in_the_other_family_is_given_up_for_another(ipv6: None) -> None:
    """The second family asks for the number that the first one got; somebody may have it."""
    taken: list[int] = []

    class FirstTwiceTaken(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)
            original = socket.bind

            async def bind(address: tuple[object, ...]) -> None:
                if address[1] != 0 and len(taken) < 2:
                    taken.append(address[1])  # type: ignore[arg-type]
                    raise OSError(errno.EADDRINUSE, "Address already in use")
                await original(address)

            socket.bind = bind  # type: ignore[method-assign]
            return socket

    factory = FirstTwiceTaken()
    trio.socket.set_custom_socket_factory(factory)
    endpoints = await open_udp_endpoints()
    assert len(taken) == 2
    ports = {endpoint.address[1] for endpoint in endpoints}
    assert len(ports) == 1
    for endpoint in endpoints:
        endpoint.close()
    assert all(socket.inner.fileno() == -1 for socket in factory.made)


async def test_giving_up_on_a_port_has_an_end(ipv6: None) -> None:
    class Taken(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)

            async def bind(address: object) -> None:
                raise OSError(errno.EADDRINUSE, "Address already in use")

            socket.bind = bind  # type: ignore[method-assign]
            return socket

    factory = Taken()
    trio.socket.set_custom_socket_factory(factory)
    with pytest.raises(OSError, match="Address already in use"):
        await open_udp_endpoints()
    assert len(factory.made) == PORT_TRIES
    assert all(socket.inner.fileno() == -1 for socket in factory.made)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_a_missing_family_is_left_out(number: int) -> None:
    """A kernel without IPv6 refuses the socket, one with IPv6 switched off refuses the address."""

    class NoIPv6(OtherSockets):
        def socket(self, family: Any = None, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(family, *args)
            if family == stdlib_socket.AF_INET6:
                socket.close()
                raise OSError(number, "no IPv6 here")
            return socket

    trio.socket.set_custom_socket_factory(NoIPv6())
    [endpoint] = await open_udp_endpoints()
    assert endpoint.socket.family == stdlib_socket.AF_INET
    endpoint.close()
    with pytest.raises(OSError, match=r"cannot open UDP \[::1\]:0"):
        await open_udp_endpoints(host="::1")


async def test_only_a_missing_family_is_left_out(ipv6: None) -> None:
    class Forbidden(OtherSockets):
        def socket(self, family: Any = None, *args: Any) -> trio.socket.SocketType:
            if family == stdlib_socket.AF_INET6:
                raise OSError(errno.EACCES, "not allowed")
            return super().socket(family, *args)

    trio.socket.set_custom_socket_factory(factory := Forbidden())
    with pytest.raises(OSError, match="not allowed"):
        await open_udp_endpoints()
    assert all(socket.inner.fileno() == -1 for socket in factory.made)


async def test_a_system_that_takes_no_buffer_at_all() -> None:
    class Refusing(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)

            def setsockopt(*args: Any) -> None:
                raise OSError(errno.ENOBUFS, "none")

            socket.setsockopt = setsockopt  # type: ignore[method-assign,assignment]
            return socket

    trio.socket.set_custom_socket_factory(Refusing())
    with pytest.raises(OSError, match="none"):
        await open_udp_endpoint(LOCAL)


async def test_a_port_in_use_is_said_clearly(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as endpoint:
        port = endpoint.address[1]
        with pytest.raises(OSError, match=rf"cannot open UDP 127.0.0.1:{port}: Address already in use") as caught:
            await open_udp_endpoint(LOCAL, port)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match="Address already in use"):
            await open_udp_endpoints(port)


@pytest.mark.skipif(not hasattr(stdlib_socket, "SO_REUSEPORT"), reason="this platform cannot share ports")
async def test_a_port_is_shared_only_when_both_ask(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL, reuse_port=True) as endpoint:
        port = endpoint.address[1]
        with await open_udp_endpoint(LOCAL, port, reuse_port=True) as other:
            assert other.address == endpoint.address
        with pytest.raises(OSError, match="Address already in use"):
            await open_udp_endpoint(LOCAL, port)
        assert not endpoint.socket.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEADDR)


async def test_a_platform_that_cannot_share_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(stdlib_socket, "SO_REUSEPORT", raising=False)
    with pytest.raises(ValueError, match="has no SO_REUSEPORT"):
        await open_udp_endpoint(LOCAL, reuse_port=True)


async def test_a_single_endpoint_of_a_name(sockets: str) -> None:
    with await open_udp_endpoint("localhost") as endpoint:
        assert endpoint.address[0] in (LOCAL, "::1")


async def test_receive_buffer_is_asked_for_and_shown(sockets: str) -> None:
    with await open_udp_endpoint(LOCAL) as large, await open_udp_endpoint(LOCAL, receive_buffer=300_000) as small:
        assert large.statistics().receive_buffer > 212_992
        assert small.statistics().receive_buffer >= 212_992
    with await open_udp_endpoint(LOCAL, receive_buffer=8192) as tiny:  # smaller than the kernel's own choice
        assert tiny.statistics().receive_buffer < 100_000
    with await open_udp_endpoint(LOCAL, receive_buffer=2**40) as huge:
        assert huge.statistics().receive_buffer >= 212_992
    with pytest.raises(ValueError, match="receive_buffer must be at least 1 byte, not 0"):
        await open_udp_endpoint(LOCAL, receive_buffer=0)


async def test_a_system_that_refuses_large_buffers_gets_smaller_wishes() -> None:
    """MacOS refuses what Linux clamps."""
    wishes = []

    class Stingy(OtherSockets):
        def socket(self, *args: Any) -> trio.socket.SocketType:
            socket = super().socket(*args)
            original = socket.setsockopt

            def setsockopt(level: int, name: int, value: int) -> None:
                if name == trio.socket.SO_RCVBUF:
                    wishes.append(value)
                    if value > 1_000_000:
                        raise OSError(errno.ENOBUFS, "No buffer space available")
                original(level, name, value)

            socket.setsockopt = setsockopt  # type: ignore[method-assign,assignment]
            return socket

    trio.socket.set_custom_socket_factory(Stingy())
    (await open_udp_endpoint(LOCAL)).close()
    assert wishes == [4194304, 2097152, 1048576, 524288]
