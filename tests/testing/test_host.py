"""Virtual hosts: which one a socket is on, and what a crash does to it. All times are exact."""

from __future__ import annotations

import errno
import functools
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from tests.testing.hosts import answers, echo_for_ever, fates, udp
from trio_udp import Datagram, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import Host, VirtualNetwork

if TYPE_CHECKING:
    from trio.socket import SocketType

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

SERVER = ("10.0.0.1", 7)


def here() -> str:
    """The name of the host that this task is on."""
    found = re.search(r" on ([^ ]+)>", repr(trio.socket.socket(type=trio.socket.SOCK_DGRAM)))
    assert found
    return found[1]


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def serve(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await socket.bind(("0.0.0.0", 7))
    task_status.started()
    await echo_for_ever(socket)


# -- with host: -------------------------------------------------------------------------------------------------------


async def test_hosts_inside_each_other(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        one, other = network.host(name="one"), network.host(name="other")
        with one as entered:
            assert entered is one
            assert here() == "one"
            with other:
                assert here() == "other"
                with one:
                    assert here() == "one"
                assert here() == "other"
            assert here() == "one"
        assert here() == "localhost"


async def test_tasks_that_are_started_inside_inherit_it(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    async def look() -> None:
        await trio.sleep(1)
        seen.append(here())

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with network.host(name="one"):
            nursery.start_soon(look)
            with network.host(name="other"):
                nursery.start_soon(look)
        nursery.start_soon(look)
    assert sorted(seen) == ["localhost", "one", "other"]


async def test_several_tasks_enter_one_host(autojump_clock: MockClock) -> None:
    async def visit(host: Host, wait: float) -> None:
        await trio.sleep(wait)
        with host:
            await trio.sleep(1)
            assert here() == "one"
        assert here() == "localhost"

    async with VirtualNetwork() as network:
        one = network.host(name="one")
        async with trio.open_nursery() as nursery:
            for wait in (0, 0.5, 1, 1.5):
                nursery.start_soon(visit, one, wait)


async def test_hosts_are_left_in_another_order(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        one, other = network.host(name="one"), network.host(name="other")
        with one:
            other.__enter__()
        assert here() == "other"
        other.__exit__(None, None, None)
        assert here() == "localhost"


async def test_a_task_leaves_a_host_that_it_has_inherited(autojump_clock: MockClock) -> None:
    async def child() -> None:
        with network.host(name="inner"):
            outer.__exit__(None, None, None)
            assert here() == "inner"
        assert here() == "localhost"

    async with VirtualNetwork() as network:
        outer = network.host(name="outer")
        with outer:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
            assert here() == "outer"


# -- run --------------------------------------------------------------------------------------------------------------


async def test_run_gives_the_result(autojump_clock: MockClock) -> None:
    async def add(a: int, b: int = 0) -> str:
        await trio.sleep(1)
        return f"{a + b} on {here()}"

    async with VirtualNetwork() as network:
        one = network.host(name="one")
        assert await one.run(add, 1, 2) == "3 on one"
        assert await one.run(functools.partial(add, 1, b=4)) == "5 on one"
        assert here() == "localhost"


async def test_exceptions_come_out_of_run_as_they_are(autojump_clock: MockClock) -> None:
    async def fail(error: Exception) -> None:
        await trio.sleep(1)
        raise error

    async with VirtualNetwork() as network:
        one = network.host(name="one")
        for error in (KeyError("mine"), ExceptionGroup("mine", [KeyError()])):
            with pytest.raises(type(error)) as raised:
                await one.run(fail, error)
            assert raised.value is error
        assert here() == "localhost"


async def test_run_is_cancelled_from_outside(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        one = network.host(name="one")
        with trio.move_on_after(2):
            await one.run(trio.sleep_forever)
        assert trio.current_time() == 2
        one.crash()
        with trio.move_on_after(3):
            await one.run(trio.sleep_forever)
        assert trio.current_time() == 5


async def test_run_is_a_checkpoint() -> None:
    async def nothing() -> None:
        pass

    async with VirtualNetwork() as network:
        one = network.host(name="one")
        with assert_checkpoints():
            await one.run(nothing)


async def test_nursery_start_gets_what_was_started(autojump_clock: MockClock) -> None:
    async def late(value: int, task_status: trio.TaskStatus[int]) -> None:
        await trio.sleep(value)
        task_status.started(value)
        await trio.sleep_forever()

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        one = network.host(name="one")
        assert await nursery.start(one.run, late, 3) == 3
        assert trio.current_time() == 3
        assert await nursery.start(one.run, trio.sleep_forever) is None
        assert trio.current_time() == 3
        endpoints = await nursery.start(one.run, serve_udp, echo, 7)
        assert endpoints[0].address == ("0.0.0.0", 7)
        nursery.cancel_scope.cancel()


async def test_nursery_start_of_something_that_does_not_start(autojump_clock: MockClock) -> None:
    async def fails(task_status: trio.TaskStatus[None]) -> None:
        raise KeyError("mine")

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with pytest.raises(KeyError, match="mine"):
            await nursery.start(network.host(name="one").run, fails)


# -- crash and restart ------------------------------------------------------------------------------------------------


async def test_a_server_crashes_and_is_restarted(autojump_clock: MockClock) -> None:
    async with VirtualNetwork(Link(delay=1)) as network, trio.open_nursery() as nursery:
        server, client = network.host("10.0.0.1", name="server"), await udp(network.host(name="client"))
        await nursery.start(server.run, serve_udp, echo, 7)
        assert await answers(client, SERVER)
        assert repr(server) == "<Host server 10.0.0.1>"
        server.crash()
        assert (server.is_up, repr(server)) == (False, "<Host server 10.0.0.1, crashed>")
        assert not await answers(client, SERVER)
        server.restart()
        assert server.is_up
        assert await answers(client, SERVER)
        assert fates(network) == [[1.0], [2.0], "host down", [13.0], [14.0]]
        server.crash()
        server.restart()  # in the same moment
        assert await answers(client, SERVER)
        nursery.cancel_scope.cancel()


async def test_what_runs_is_cancelled_and_runs_again(autojump_clock: MockClock) -> None:
    story: list[tuple[str, float]] = []

    async def program() -> str:
        story.append(("began", trio.current_time()))
        try:
            await trio.sleep(10)
        except trio.Cancelled:
            story.append(("cancelled", trio.current_time()))
            raise
        return "done"

    async def accidents(host: Host) -> None:
        await trio.sleep(1)
        host.crash()
        await trio.sleep(1)
        host.restart()
        host.crash()  # before it has come far
        await trio.sleep(1)
        host.crash()  # it is down already
        host.restart()
        host.restart()  # it is up already

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host = network.host(name="host")
        nursery.start_soon(accidents, host)
        assert await host.run(program) == "done"
    assert story == [("began", 0), ("cancelled", 1), ("began", 3)]
    assert trio.current_time() == 13


async def test_restart_alone_does_nothing(autojump_clock: MockClock) -> None:
    starts = 0

    async def program() -> None:
        nonlocal starts
        starts += 1
        await trio.sleep(2)

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host = network.host(name="host")
        nursery.start_soon(host.run, program)
        await trio.sleep(1)
        host.restart()
    assert starts == 1


async def test_a_host_that_is_down_runs_nothing(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host = network.host("10.0.0.1", name="host")
        host.crash()
        with trio.move_on_after(5) as scope:
            await nursery.start(host.run, serve)
        assert scope.cancelled_caught

        async def repair() -> None:
            await trio.sleep(1)
            host.restart()

        nursery.start_soon(repair)
        await nursery.start(host.run, serve)
        assert trio.current_time() == 6
        nursery.cancel_scope.cancel()


async def test_a_program_that_will_not_go(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """What it returns or raises after the crash is forgotten: nobody is there to hear it, and it runs again."""
    lives = 0

    async def stubborn() -> str:
        nonlocal lives
        lives += 1
        if lives == 3:
            return "the third life"
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            if lives == 1:
                return "the first"
            raise ValueError("the second") from None
        raise AssertionError

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host = network.host(name="host")

        async def accidents() -> None:
            for _ in range(2):
                await trio.sleep(1)
                host.crash()
                host.restart()

        nursery.start_soon(accidents)
        with caplog.at_level("WARNING", "trio_udp"):
            assert await host.run(stubborn) == "the third life"
    assert trio.current_time() == 2
    assert "host has crashed" in caplog.text
    assert "the second" in caplog.text


async def test_sockets_do_not_survive_a_crash(autojump_clock: MockClock) -> None:
    """Not even one without an address: it got one after the restart, and worked again."""
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host, other = network.host("10.0.0.1", name="host"), network.host("10.0.0.2")
        nursery.start_soon(echo_for_ever, await udp(other, 7))
        client = await udp(other)
        bound = await udp(host, 7)
        with host:
            unbound = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        host.crash()
        await down(host)
        host.restart()
        assert not await answers(bound, ("10.0.0.2", 7))
        assert not await answers(client, SERVER)
        for call in (unbound.bind(("0.0.0.0", 8)), unbound.sendto(b"x", ("10.0.0.2", 7))):
            with pytest.raises(OSError) as raised:  # noqa: PT011
                await call
            assert raised.value.errno == errno.ENETDOWN
        again = await udp(host, 7)
        bound.close()
        unbound.close()
        assert await answers(again, ("10.0.0.2", 7))
        nursery.cancel_scope.cancel()


async def down(host: Host) -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011
        await udp(host)
    assert raised.value.errno == errno.ENETDOWN


async def test_what_was_sent_before_the_crash_arrives(autojump_clock: MockClock) -> None:
    async with VirtualNetwork(Link(delay=1)) as network:
        host, other = network.host("10.0.0.1", name="host"), await udp(network.host("10.0.0.2"), 7)
        await (await udp(host)).sendto(b"last words", ("10.0.0.2", 7))
        host.crash()
        assert await other.recvfrom(100) == (b"last words", ("10.0.0.1", 32768))


async def test_only_the_latest_closed_sockets_are_remembered(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        host = network.host("10.0.0.1", name="host")
        sockets: list[SocketType] = [await udp(host, port) for port in range(1, 301)]
        for socket in sockets[:250]:
            socket.close()
        lines = network.describe().splitlines()
        ports = [int(found[1]) for line in lines if (found := re.match(r"  0\.0\.0\.0:(\d+)", line))]
        assert ports == list(range(151, 301))


async def test_not_started_twice(autojump_clock: MockClock) -> None:
    """Trio's own task status would raise at the second start."""
    starts: list[Any] = []

    async def program(task_status: trio.TaskStatus[int]) -> None:
        starts.append(trio.current_time())
        task_status.started(len(starts))
        await trio.sleep_forever()

    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        host = network.host(name="host")
        assert await nursery.start(host.run, program) == 1
        host.crash()
        await trio.sleep(1)
        host.restart()
        await trio.sleep(1)
        assert starts == [0, 1]
        nursery.cancel_scope.cancel()
