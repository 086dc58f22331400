"""Fixtures that several tests use."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator

import hypothesis
import pytest
import trio

from trio_udp.testing import Host, VirtualNetwork

from .dtls.certificates import Authority, Pair
from .fakes import OtherSockets

# The same examples in every run, however slow the machine: a test that fails by luck is no news for whoever sees it.
# To search further: --hypothesis-profile=default, with a --hypothesis-seed.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")

# In the background of a shell pytest has these ignored, and so would the programs that tests send them to.
for name, handler in (("SIGINT", signal.default_int_handler), ("SIGQUIT", signal.SIG_DFL)):
    if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture(params=["fast", "one by one", "portable", "virtual"])
async def sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The test runs four times: on Trio's own sockets with and without segmentation offload, on somebody else's, and on
    those of a virtual network.

    All but the last are real, over loopback. On the virtual one everything is on one host, too, where a datagram takes
    a microsecond: see `fakes.settled` and `fakes.about`.
    """
    if request.param == "virtual":
        async with VirtualNetwork():
            yield request.param
        return
    if request.param == "one by one":
        monkeypatch.setenv("TRIO_UDP_OFFLOAD", "0")
    if request.param == "portable":
        trio.socket.set_custom_socket_factory(OtherSockets())
    yield request.param


@pytest.fixture
def clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """Time is virtual and begins at 0; seconds cost nothing, and every time is exact."""
    return autojump_clock


@pytest.fixture
def network(virtual_network: VirtualNetwork) -> VirtualNetwork:
    """A virtual network, perfect until the test says otherwise; the test itself is on its host ``localhost``."""
    return virtual_network


@pytest.fixture
def server(network: VirtualNetwork) -> Host:
    """A host for the server, with one address."""
    return network.host("10.0.0.1", name="server")


@pytest.fixture
def ipv6() -> None:
    """Skips the test on a machine without ::1."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that signs certificates, for DTLS."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority: Authority) -> Pair:
    """The server's certificate, for all names that it has in these tests, and its key."""
    return authority.sign()
