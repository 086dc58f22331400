"""Several servers, of which each is played by the test, in virtual time."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import Datagram, DatagramTooLarge, NoReply, Retry, first_reply

from .fakes import FakeServer, OtherSockets, closed_port, start_fake_server

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

LOCAL = "127.0.0.1"
PLAIN = Retry(jitter=0)


class Answer:
    """Answers each datagram with a text, so many seconds later; None never answers."""

    def __init__(self, after: float | None, text: bytes = b"") -> None:
        self.after = after
        self.text = text

    async def __call__(self, server: FakeServer, number: int, datagram: Datagram) -> None:
        if self.after is not None:
            await trio.sleep(self.after)
            await server.endpoint.send(self.text, datagram.address)


# (seconds after which each server answers: None never, -1 refuses; who wins, when, and when each was first asked)
SCENARIOS = [
    ([0.0], 0, 0.0, [0.0]),
    ([0.1, 0.0], 0, 0.1, [0.0]),
    ([0.3, 0.0], 1, 0.25, [0.0, 0.25]),
    ([0.3, 0.2], 0, 0.3, [0.0, 0.25]),
    ([None, None, 0.5], 2, 1.0, [0.0, 0.25, 0.5]),
    ([-1, 0.1], 1, 0.1, [None, 0.0]),
    ([-1, -1, 0.1], 2, 0.1, [None, None, 0.0]),
    ([None, -1, 0.1], 2, 0.35, [0.0, None, 0.25]),
]


@pytest.mark.parametrize(("servers", "winner", "when", "asked"), SCENARIOS)
async def test_who_wins(
    sockets: OtherSockets | None,
    autojump_clock: trio.testing.MockClock,
    servers: list[float | None],
    winner: int,
    when: float,
    asked: list[float | None],
) -> None:
    async with trio.open_nursery() as nursery:
        fakes: list[FakeServer | None] = []
        ports: list[int] = []
        for number, after in enumerate(servers):
            if after == -1:
                fakes.append(None)
                ports.append(await closed_port())
            else:
                fake = await start_fake_server(nursery, Answer(after, b"server %d" % number))
                fakes.append(fake)
                ports.append(fake.port)
        start = trio.current_time()
        reply = await first_reply([(LOCAL, port) for port in ports], b"who?", retry=PLAIN)
        assert reply == (b"server %d" % winner, (LOCAL, ports[winner]))
        assert trio.current_time() - start == pytest.approx(when)
        first_asked = [fake.times[0] - start if fake and fake.times else None for fake in fakes]
        assert first_asked == [*asked, *[None] * (len(servers) - len(asked))]
        nursery.cancel_scope.cancel()


async def test_what_is_not_accepted_does_not_win(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        wrong = await start_fake_server(nursery, Answer(0, b"wrong"))
        right = await start_fake_server(nursery, Answer(0, b"right"))
        start = trio.current_time()
        servers = [(LOCAL, wrong.port), (LOCAL, right.port)]
        reply = await first_reply(servers, b"?", accept=lambda data: data == b"right")
        assert reply.data == b"right"
        assert trio.current_time() - start == 0.25
        nursery.cancel_scope.cancel()


async def test_all_fail(sockets: OtherSockets | None, autojump_clock: trio.testing.MockClock) -> None:
    class NoSuchHost(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")

        async def getnameinfo(self, *args: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(NoSuchHost())
    async with trio.open_nursery() as nursery:
        silent = await start_fake_server(nursery, Answer(None))
        wrong = await start_fake_server(nursery, Answer(0, b"wrong"))
        servers = [(LOCAL, silent.port), (LOCAL, await closed_port()), (LOCAL, wrong.port), ("no-such-host.invalid", 7)]
        retry = Retry(attempts=2, first=1, jitter=0)
        with pytest.raises(NoReply, match="no reply from any server to 6 attempts") as caught:
            await first_reply(servers, b"?", retry=retry, accept=lambda data: data == b"right", stagger=0.5)
        assert (caught.value.address, caught.value.ignored) == (None, 2)
        group = caught.value.__cause__
        assert isinstance(group, ExceptionGroup)
        assert sorted(type(error).__name__ for error in group.exceptions) == [
            "NoReply",
            "NoReply",
            "NoReply",
            "gaierror",
        ]
        [refused] = [error for error in group.exceptions if isinstance(error.__cause__, ConnectionRefusedError)]
        assert isinstance(refused, NoReply)
        nursery.cancel_scope.cancel()


async def test_a_refused_server_may_still_win(autojump_clock: trio.testing.MockClock) -> None:
    """A refusal starts the next server at once, and is a lost attempt for its own server, no more."""
    port = await closed_port()
    async with trio.open_nursery() as nursery:
        silent = await start_fake_server(nursery, Answer(None))

        async def start_late() -> None:
            from trio_udp import serve_udp

            from .fakes import echo

            await trio.sleep(0.5)
            await serve_udp(echo, port, host=LOCAL)

        nursery.start_soon(start_late)
        start = trio.current_time()
        reply = await first_reply([(LOCAL, port), (LOCAL, silent.port)], b"x", retry=PLAIN)
        assert reply == (b"x", (LOCAL, port))
        assert trio.current_time() - start == 1
        nursery.cancel_scope.cancel()


async def test_a_server_that_has_given_up_is_followed_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        silent = await start_fake_server(nursery, Answer(None))
        quick = await start_fake_server(nursery, Answer(0, b"quick"))
        start = trio.current_time()
        servers = [(LOCAL, silent.port), (LOCAL, quick.port)]
        await first_reply(servers, b"?", retry=Retry(attempts=1, first=0.1, jitter=0), stagger=10)
        assert trio.current_time() - start == pytest.approx(0.1)
        nursery.cancel_scope.cancel()


async def test_too_large_for_one_is_not_too_large_for_all(autojump_clock: trio.testing.MockClock, ipv6: None) -> None:
    """IPv6 carries 20 bytes more."""
    async with trio.open_nursery() as nursery:
        four = await start_fake_server(nursery, Answer(0, b"four"))
        six = await start_fake_server(nursery, Answer(0, b"six"), "::1")
        reply = await first_reply([(LOCAL, four.port), ("::1", six.port)], bytes(65_520))
        assert reply.data == b"six"
        nursery.cancel_scope.cancel()


async def test_losers_are_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        silent = await start_fake_server(nursery, Answer(None))
        quick = await start_fake_server(nursery, Answer(0, b"quick"))
        await first_reply([(LOCAL, silent.port), (LOCAL, quick.port)], b"?", retry=PLAIN)
        await trio.sleep(60)
        assert len(silent.seen) == 1
        nursery.cancel_scope.cancel()


async def test_exceptions_of_the_caller_come_out_bare() -> None:
    with pytest.raises(DatagramTooLarge):
        await first_reply([(LOCAL, 9)], bytes(70_000))
    for servers, stagger in (([], 0.25), ([(LOCAL, 9)], -1), ([(LOCAL, 9)], float("nan"))):
        with trio.testing.assert_checkpoints():
            with pytest.raises(ValueError, match="servers must not be empty and stagger at least 0"):
                await first_reply(servers, b"x", stagger=stagger)


async def test_the_callers_deadline_wins(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        silent = await start_fake_server(nursery, Answer(None))
        start = trio.current_time()
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.7):
            await first_reply([(LOCAL, silent.port)] * 3, b"?")
        assert trio.current_time() - start == pytest.approx(0.7)
        nursery.cancel_scope.cancel()
