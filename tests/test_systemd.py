"""Sockets that were opened elsewhere; those that systemd itself has opened are in tests/peers/test_systemd.py."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from trio_udp import Datagram, _asked, _systemd, endpoints_from_systemd, open_udp_client, serve_endpoints

from .fakes import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if sys.platform == "win32":
    pytest.skip("Windows has no file descriptors to pass on", allow_module_level=True)
import fcntl

FIRST = 500  # where the test process has no descriptors of its own, as it has at 3


class Passing:
    """Does what systemd does between fork and exec; ``pid`` and ``fds`` are what it says there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_systemd, "_FIRST", FIRST)
        self._setenv = monkeypatch.setenv
        self.fds: list[int] = []

    def __call__(self, *sockets: socket.socket, pid: object = None, fds: object = None) -> None:
        for one in sockets:
            self.fds.append(fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, FIRST + len(self.fds)))
        assert self.fds == [*range(FIRST, FIRST + len(self.fds))]
        self._setenv("LISTEN_PID", str(os.getpid() if pid is None else pid))
        self._setenv("LISTEN_FDS", str(len(self.fds) if fds is None else fds))
        self._setenv("LISTEN_FDNAMES", ":".join("shout.socket" for _ in self.fds))


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Passing]:
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.delenv(name, raising=False)
    passing = Passing(monkeypatch)
    yield passing
    for fd in passing.fds:
        if _is_open(fd):
            os.close(fd)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def bound(kind: int = socket.SOCK_DGRAM, family: int = socket.AF_INET, host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(family, kind)
    made.bind((host, 0))
    return made


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def test_what_is_passed_is_served_and_lives_on(passed: Passing) -> None:
    """What comes after the end of one server is answered by the next one: its owner has kept the socket."""
    with bound() as owned:
        host, port = owned.getsockname()
        for word in (b"one", b"two"):
            passed.fds.clear()
            with socket.socket(type=socket.SOCK_DGRAM) as early:
                early.settimeout(60)
                early.sendto(word, (host, port))
                passed(owned)
                async with trio.open_nursery() as nursery:
                    [endpoint] = await nursery.start(serve_endpoints, shout, endpoints_from_systemd())
                    assert endpoint.address == (host, port)
                    async with await open_udp_client(host, port) as client:
                        assert await client.request(b"and " + word) == b"AND " + word.upper()
                    assert early.recv(100) == word.upper()
                    nursery.cancel_scope.cancel()
            assert not _is_open(FIRST)


async def test_the_next_process_does_not_take_them_for_its_own(passed: Passing) -> None:
    with bound() as owned:
        passed(owned)
        assert os.get_inheritable(FIRST)
        assert os.environ["LISTEN_FDS"] == "1"
        [endpoint] = endpoints_from_systemd()
        with endpoint:
            assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & set(os.environ)
            assert not os.get_inheritable(FIRST)
            assert not os.get_blocking(FIRST)
            assert endpoints_from_systemd() == []


async def test_they_keep_their_order_and_their_options(passed: Passing) -> None:
    with bound() as first, bound() as second:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        before = second.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        passed(first, second)
        endpoints = endpoints_from_systemd()
        assert [endpoint.address for endpoint in endpoints] == [first.getsockname(), second.getsockname()]
        assert endpoints[1].statistics().receive_buffer == before
        for endpoint in endpoints:
            endpoint.close()


async def test_one_socket_for_both_families_as_systemd_makes_it(passed: Passing, ipv6: None) -> None:
    """``ListenDatagram=PORT`` with BindIPv6Only=default: IPv4 comes there as ::ffff:127.0.0.1."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as owned:
        owned.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        owned.bind(("::", 0))
        passed(owned)
        async with trio.open_nursery() as nursery:
            [endpoint] = await nursery.start(partial(serve_endpoints, shout, endpoints_from_systemd()))
            for host in ("127.0.0.1", "::1"):
                async with await open_udp_client(host, endpoint.address[1]) as client:
                    assert await client.request(b"hello") == b"HELLO"
            nursery.cancel_scope.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is nobody")
async def test_replies_from_the_address_that_was_asked(passed: Passing) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as listening:
        listening.bind(("0.0.0.0", 0))
        passed(listening)
        port = listening.getsockname()[1]
    endpoints = endpoints_from_systemd(reply_from_asked=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve_endpoints, echo, endpoints))
        async with await open_udp_client("127.0.0.2", port) as client:
            assert await client.request(b"hello") == b"hello"
        nursery.cancel_scope.cancel()


def test_none_is_an_empty_list(passed: Passing) -> None:
    assert endpoints_from_systemd() == []
    passed()
    assert os.environ["LISTEN_FDS"] == "0"
    assert endpoints_from_systemd() == []


async def test_who_asks_again_is_told_again(passed: Passing) -> None:
    """Who got [] then, and ``or await open_udp_endpoints(...)`` after it, opened a port of its own."""
    with bound() as owned:
        passed(owned, pid=1)
        for _ in range(2):
            with pytest.raises(ValueError, match="for process 1, and this is process"):
                endpoints_from_systemd()
        passed.fds.clear()
        os.close(FIRST)
        passed(owned)
        [endpoint] = endpoints_from_systemd()
        endpoint.close()


async def test_what_the_platform_cannot_do_takes_nothing(passed: Passing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asked, "is_available", lambda: False)
    with bound(host="0.0.0.0") as first, bound(host="0.0.0.0") as second:
        passed(first, second)
        with pytest.raises(ValueError, match="cannot tell which address was asked"):
            endpoints_from_systemd(reply_from_asked=True)
        assert os.get_inheritable(FIRST)
        endpoints = endpoints_from_systemd()
        assert [endpoint.address for endpoint in endpoints] == [first.getsockname(), second.getsockname()]
        for endpoint in endpoints:
            endpoint.close()


# -- what makes no sense -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fds", ["one", "-1", "", "1.0", "²"])
def test_nonsense_for_a_number(passed: Passing, fds: str) -> None:
    passed(fds=fds)
    with pytest.raises(ValueError, match="LISTEN_FDS must be the number of sockets passed, not "):
        endpoints_from_systemd()


@pytest.mark.parametrize("pid", [1, "", "me"])
def test_another_process_is_meant(passed: Passing, pid: object) -> None:
    with bound() as owned:
        passed(owned, pid=pid)
        with pytest.raises(ValueError, match=f"for process {pid}, and this is process {os.getpid()}: .* say exec$"):
            endpoints_from_systemd()
        assert _is_open(FIRST), "it is not ours"


def test_no_process_is_meant(passed: Passing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    with pytest.raises(ValueError, match="nobody: LISTEN_PID is not set, and this is process"):
        endpoints_from_systemd()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (partial(bound, socket.SOCK_STREAM), "AF_INET, SOCK_STREAM"),
        (partial(socket.socket, socket.AF_UNIX, socket.SOCK_DGRAM), "AF_UNIX, SOCK_DGRAM"),
    ],
    ids=["TCP", "Unix"],
)
def test_not_a_udp_socket(passed: Passing, make: Callable[[], socket.socket], what: str) -> None:
    with bound() as good, make() as wrong:
        passed(good, wrong)
        message = rf"^file descriptor 501 of LISTEN_FDS must be a UDP socket \(ListenDatagram=.*\), but is {what}$"
        for _ in range(2):
            with pytest.raises(ValueError, match=message):
                endpoints_from_systemd()
            assert _is_open(FIRST), "nothing was taken"
            assert _is_open(FIRST + 1)


def test_not_a_socket(passed: Passing) -> None:
    passed(fds=1)
    assert not _is_open(FIRST)
    with pytest.raises(ValueError, match="says that file descriptor 500 is a socket, but: Bad file descriptor"):
        endpoints_from_systemd()
    with open(os.devnull) as file:
        os.dup2(file.fileno(), FIRST)
    passed.fds.append(FIRST)
    passed()
    with pytest.raises(ValueError, match="but: Socket operation on non-socket"):
        endpoints_from_systemd()
