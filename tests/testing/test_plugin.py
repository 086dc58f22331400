"""The fixture, its option and its report, in runs of pytest of their own, as users have them."""

from __future__ import annotations

import re
import sys

import pytest

pytest_plugins = ["pytester"]

IMPORTS = """
import pytest, trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio_udp import open_udp_endpoint
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    return Run(pytester)


class Run:
    """Runs a test file as a user would: every warning an error, trio_mode if wanted."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(self, text: str, *options: str, trio_mode: bool = True) -> pytest.RunResult:
        self._pytester.makepyprojecttoml(f"[tool.pytest]\ntrio_mode = {str(trio_mode).lower()}\n")
        self._pytester.makepyfile(IMPORTS + text)
        return self._pytester.runpytest_inprocess("-W", "error", "-p", "no:cacheprovider", *options)


ONE_WAY = """
async def test_it(virtual_network, autojump_clock):
    virtual_network.link = Link(delay=0.25)
    with virtual_network.host(name="server"):
        server = await open_udp_endpoint("0.0.0.0", 7)
    with virtual_network.host(name="client"):
        client = await open_udp_endpoint("0.0.0.0")
    await client.send(b"hello", ("server", 7))
    datagram = await server.receive()
    assert datagram.data == {expected}
    assert trio.current_time() == 0.25
    assert type(virtual_network) is VirtualNetwork
"""


# -- a network for each test -------------------------------------------------------------------------------------------


def test_it_is_there_and_nothing_is_said(run: Run) -> None:
    result = run(ONE_WAY.format(expected=b"hello"), "-rA")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*virtual network*")


def test_a_mark_is_as_good_as_trio_mode(run: Run) -> None:
    run("@pytest.mark.trio" + ONE_WAY.format(expected=b"hello"), trio_mode=False).assert_outcomes(passed=1)


def test_each_test_has_its_own_and_afterwards_there_is_none(run: Run) -> None:
    result = run("""
@pytest.mark.parametrize("again", [1, 2])
async def test_it(virtual_network, autojump_clock, again):
    virtual_network.host(name="server")
    assert set(virtual_network.hosts) == {"localhost", "server"}
    with pytest.raises(NotImplementedError):
        trio.socket.socket()

async def test_without(autojump_clock):
    trio.socket.socket().close()
""")
    result.assert_outcomes(passed=3)


def test_async_fixtures_can_use_it(run: Run) -> None:
    result = run("""
@pytest.fixture
async def server(virtual_network):
    with virtual_network.host(name="server"):
        async with await open_udp_endpoint("0.0.0.0", 7) as endpoint:
            yield endpoint

async def test_it(server, autojump_clock):
    await server.send(b"hello", ("server", 7))
    assert (await server.receive()).data == b"hello"
""")
    result.assert_outcomes(passed=1)


# -- the seed ----------------------------------------------------------------------------------------------------------

WHICH_ARE_LOST = """
async def test_it(virtual_network, autojump_clock):
    virtual_network.link = Link(loss=0.5)
    virtual_network.host("10.0.0.1")
    with await open_udp_endpoint("0.0.0.0") as client:
        for _ in range(20):
            await client.send(b"", ("10.0.0.1", 7))
        await trio.sleep(1)
    fates = "".join("-" if datagram.dropped == "loss" else "*" for datagram in virtual_network.datagrams)
    print("seed", virtual_network.seed, "story", fates)
"""


def story(run: Run, *options: str) -> tuple[str, str]:
    result = run(WHICH_ARE_LOST, "-s", *options)
    result.assert_outcomes(passed=1)
    found = re.search(r"seed (-?\d+) story ([*-]{20})$", result.stdout.str(), re.MULTILINE)
    assert found
    return found[1], found[2]


def test_the_seed_decides(run: Run) -> None:
    seed, fates = story(run)
    assert seed == "0"
    assert story(run, "--udp-seed", "0") == ("0", fates)
    other_seed, other_fates = story(run, "--udp-seed=7")
    assert other_seed == "7"
    assert other_fates != fates


def test_the_seed_is_a_number(run: Run) -> None:
    result = run("", "--udp-seed=x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*argument --udp-seed: invalid int value: 'x'"])


# -- when a test fails -------------------------------------------------------------------------------------------------


def section(result: pytest.RunResult) -> list[str]:
    """What the report says about the network."""
    [text] = re.findall(r"^-+ virtual network -+\n(.+?\n)(?=[-=_]{3})", result.stdout.str(), re.MULTILINE | re.DOTALL)
    assert isinstance(text, str)
    return text.splitlines()


def test_the_report_says_what_the_network_was_like(run: Run) -> None:
    result = run(ONE_WAY.format(expected=b"bye"), "--udp-seed", "7")
    result.assert_outcomes(failed=1)
    assert section(result) == [
        "virtual network, seed 7, at 0.250000 s",
        "1 datagram sent, 1 delivered, 0 dropped",
        "the link between hosts: Link(delay=0.25)",
        "server: 10.0.0.1, fd00::1",
        "  0.0.0.0:7: received 1, sent 0, dropped 0, 0 waiting to be read",
        "client: 10.0.0.2, fd00::2",
        "  0.0.0.0:32768: received 0, sent 1, dropped 0, 0 waiting to be read",
        "to repeat it: --udp-seed 7",
    ]


def test_what_the_failure_has_closed_is_still_in_the_report(run: Run) -> None:
    """When the report is made every task has ended, and with it the sockets that it had."""
    result = run("""
async def receive_never(task_status):
    async with await open_udp_endpoint("0.0.0.0", 7):
        task_status.started()
        await trio.sleep_forever()

async def test_it(virtual_network, autojump_clock, nursery):
    with virtual_network.host(name="server"):
        await nursery.start(receive_never)
    async with await open_udp_endpoint("0.0.0.0") as client:
        await client.send(b"hello", ("server", 7))
        await trio.sleep(1.5)
        assert False
""")
    result.assert_outcomes(failed=1)
    assert section(result)[-3:-1] == [
        "server: 10.0.0.1, fd00::1",
        "  0.0.0.0:7, closed at 1.500000 s: received 1, sent 0, dropped 0, 1 waiting to be read",
    ]


def test_a_failing_rule_is_a_failing_test(run: Run) -> None:
    result = run("""
async def test_it(virtual_network, autojump_clock):
    def rule(flight):
        raise KeyError("what the rule raises")
    with virtual_network.rule(rule), await open_udp_endpoint("0.0.0.0") as endpoint:
        await endpoint.send(b"", ("192.0.2.1", 7))
        await trio.sleep_forever()
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*KeyError: 'what the rule raises'"])
    assert section(result)[0] == "virtual network, seed 0, at 0.000001 s"


def test_what_was_expected_to_fail_needs_no_report(run: Run) -> None:
    result = run("@pytest.mark.xfail(raises=Exception)" + ONE_WAY.format(expected=b"bye"), "-rA")
    result.assert_outcomes(xfailed=1)
    result.stdout.no_fnmatch_line("*virtual network*")


def test_a_test_that_does_not_use_it_has_no_section(run: Run) -> None:
    result = run("def test_it():\n    assert False")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*virtual network*")


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "@pytest.mark.usefixtures('autojump_clock')\n"], ids=["no clock", "not its own"])
def test_without_a_clock_that_jumps_it_says_what_to_add(run: Run, mark: str) -> None:
    result = run(mark + "async def test_it(virtual_network):\n    print('it ran')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*virtual_network needs a clock that jumps*", "*    async def test_it(virtual_network, autojump_clock):"]
    )
    result.stdout.no_fnmatch_line("*it ran*")


def test_a_clock_that_is_moved_by_hand(run: Run) -> None:
    result = run("""
async def test_it(virtual_network, mock_clock):
    virtual_network.link = Link(delay=0.25)
    with await open_udp_endpoint("0.0.0.0") as sender, virtual_network.host(name="server"):
        with await open_udp_endpoint("0.0.0.0", 7) as receiver:
            await sender.send(b"hello", ("server", 7))
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(0.2)
            await trio.testing.wait_all_tasks_blocked()
            assert not receiver.socket.is_readable()
            mock_clock.jump(0.05)
            await trio.testing.wait_all_tasks_blocked()
            assert receiver.socket.is_readable()
""")
    result.assert_outcomes(passed=1)


# -- where it does not fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["async def test_it(virtual_network): pass", "def test_it(virtual_network): pass"])
@pytest.mark.parametrize("options", [[], ["-p", "no:trio", "-o", "trio_mode="]], ids=["not marked", "no pytest-trio"])
def test_without_pytest_trio_it_says_what_is_missing(pytester: pytest.Pytester, text: str, options: list[str]) -> None:
    pytester.makepyfile(text)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["virtual_network is for async tests that pytest-trio runs:", "*pip install pytest-trio"]
    )


def test_it_does_nothing_where_it_is_not_asked_for(pytester: pytest.Pytester) -> None:
    """No pytest-trio, no async tests, and not a word that was not there without it."""
    pytester.makepyfile("def test_it(): pass")
    options = ["-W", "error", "-p", "no:cacheprovider", "-p", "no:trio"]
    with_it = pytester.runpytest_subprocess(*options)
    without = pytester.runpytest_subprocess(*options, "-p", "no:trio_udp")
    for result in (with_it, without):
        result.assert_outcomes(passed=1)
    plugins = re.compile(r"(, )?trio_udp-[^ ,]+(?(1)|(, )?)| in [\d.]+s|=+")
    assert [plugins.sub("", line) for line in with_it.outlines] == [plugins.sub("", line) for line in without.outlines]


def test_it_can_be_asked_for_where_plugins_are_not_loaded_by_themselves(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    options = ["-p", "pytest_trio.plugin", "-p", "trio_udp"]
    run(ONE_WAY.format(expected=b"hello"), *options).assert_outcomes(passed=1)


def test_importing_it_does_not_import_pytest_trio(pytester: pytest.Pytester) -> None:
    code = "import sys, trio_udp.testing.plugin; print(sorted({'pytest_trio', 'hypothesis'} & set(sys.modules)))"
    assert pytester.run(sys.executable, "-c", code).outlines == ["[]"]


# -- Hypothesis --------------------------------------------------------------------------------------------------------


def test_hypothesis_gets_a_network_for_each_example(run: Run) -> None:
    """It asks first whether that is meant: to it, a fixture that belongs to a test looks like a mistake."""
    result = run("""
networks = []

@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30, database=None)
@given(delay=st.integers(1, 9))
async def test_it(virtual_network, autojump_clock, delay):
    assert virtual_network not in networks
    networks.append(virtual_network)
    virtual_network.link = Link(delay=delay)
    started = trio.current_time()
    with await open_udp_endpoint("0.0.0.0") as sender, virtual_network.host(name="server"):
        with await open_udp_endpoint("0.0.0.0", 7) as receiver:
            await sender.send(b"hello", ("server", 7))
            await receiver.receive()
    assert trio.current_time() - started == delay
    assert networks[-1] is virtual_network

def test_there_were_several():
    assert len(networks) >= 9
""")
    result.assert_outcomes(passed=2)


def test_the_report_is_about_the_example_that_hypothesis_shows(run: Run) -> None:
    result = run("""
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True, database=None)
@given(hosts=st.integers(0, 50))
async def test_it(virtual_network, autojump_clock, hosts):
    for number in range(hosts):
        virtual_network.host(name=f"host{number}")
    assert hosts < 2
""")
    result.assert_outcomes(failed=1)
    assert section(result)[3:-1] == ["host0: 10.0.0.1, fd00::1", "host1: 10.0.0.2, fd00::2"]
