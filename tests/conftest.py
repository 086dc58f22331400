"""Fixtures that several tests use."""

from __future__ import annotations

import socket

import pytest
import trio

from .fakes import OtherSockets


@pytest.fixture(params=["fast", "portable"])
async def sockets(request: pytest.FixtureRequest) -> OtherSockets | None:
    """The test runs twice: on Trio's own sockets, and on those of somebody else."""
    if request.param == "fast":
        return None
    factory = OtherSockets()
    trio.socket.set_custom_socket_factory(factory)
    return factory


@pytest.fixture
def ipv6() -> None:
    """Skips the test on a machine without ::1."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
