"""The fixture ``virtual_network`` and the option ``--udp-seed`` for pytest.

A fixture that makes a network is two lines. What takes care is to be of use when a test fails, and in nobody's way when
none does.

The network needs a clock that jumps, and only the test itself can ask pytest-trio for one. A fixture that took whatever
clock there is would run in real time, slowly, and never twice the same; so without one it fails at once and says what
to add. Any ``MockClock`` will do: one that does not jump by itself is for a test that moves it by hand.

pytest imports this file in every run wherever the package is installed. So there is nothing in here that acts without
being asked: no automatic fixture, no header. And pytest-trio is not imported, as it need not be there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from ._network import VirtualNetwork

if TYPE_CHECKING:
    from pluggy import Result

PYTEST_TRIO_NAMES = ("trio", "pytest_trio.plugin")  # of its entry point, and as `-p` knows it

NEEDS_PYTEST_TRIO = """\
virtual_network is for async tests that pytest-trio runs:
    python -m pip install pytest-trio
and then mark the test with @pytest.mark.trio, or set trio_mode = true for all tests."""

NEEDS_MOCK_CLOCK = """\
virtual_network needs a clock that jumps; add pytest-trio's to the test's own arguments:
    async def {test}(virtual_network, autojump_clock):
(As an argument of another fixture, or in usefixtures, it is not seen by pytest-trio.)"""

_network_of_test = pytest.StashKey[VirtualNetwork]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called by pytest at its start."""
    group = parser.getgroup("trio_udp", "bad networks for UDP")
    group.addoption("--udp-seed", type=int, default=0, metavar="N", help="seed of virtual_network (default: 0)")


@pytest.fixture
def _run_by_pytest_trio(request: pytest.FixtureRequest) -> None:
    """Fails before the test begins if nobody would know what to do with an async fixture."""
    has_plugin = any(map(request.config.pluginmanager.hasplugin, PYTEST_TRIO_NAMES))
    if not has_plugin or request.node.get_closest_marker("trio") is None:
        pytest.fail(NEEDS_PYTEST_TRIO, pytrace=False)


@pytest.fixture
async def virtual_network(request: pytest.FixtureRequest, _run_by_pytest_trio: None) -> AsyncIterator[VirtualNetwork]:
    """A trio_udp.testing.VirtualNetwork for this test, with the seed of --udp-seed; needs autojump_clock.

    Its link is perfect at first: set it, and add hosts and rules. If the test fails, the report says what it was like.
    """
    if not isinstance(trio.lowlevel.current_clock(), MockClock):
        pytest.fail(NEEDS_MOCK_CLOCK.format(test=request.node.originalname), pytrace=False)
    async with AsyncExitStack() as stack:
        network = VirtualNetwork(seed=request.config.getoption("--udp-seed"))
        await (
            network._enter()
        )  # no checkpoint: with Hypothesis pytest-trio does not wait, and has that of the last example
        stack.push_async_exit(network)
        request.node.stash[_network_of_test] = network
        yield network


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Result[pytest.TestReport], None]:
    """Called by pytest after each phase of a test; the second is the test with all its async fixtures."""
    report = (yield).get_result()
    network = item.stash.get(_network_of_test, None)
    if network is None:
        return
    del item.stash[_network_of_test]  # pytest keeps its items to the end, and this has a record of datagrams
    if report.failed:
        again = f"to repeat it: --udp-seed {network.seed}"
        report.sections.append(("virtual network", f"{network.describe()}\n{again}"))
