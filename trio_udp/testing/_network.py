"""`VirtualNetwork`: hosts, links between them, and what happened."""

from __future__ import annotations

import socket as stdlib_socket
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import trio

from .._errors import bare_exceptions
from ..faults import Link, Rule
from ..faults._checks import check_function, check_seed
from ._describe import describe
from ._ending import raise_the_first
from ._host import Host
from ._hosts import Hosts
from ._mailbox import Mailbox
from ._map import Map
from ._pcap import pcap
from ._record import RecordedDatagram
from ._resolver import Resolver
from ._socket import VirtualSocket
from ._stand_in import StandIn
from ._wire import Wire

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator, Mapping

    from typing_extensions import Self

# Bits that Linux lets one add to a socket's type.
_TYPE_BITS = int(getattr(stdlib_socket, "SOCK_NONBLOCK", 0)) | int(getattr(stdlib_socket, "SOCK_CLOEXEC", 0))


class VirtualNetwork(StandIn):
    """Hosts and a bad network between them, for all UDP sockets of one Trio run.

    ::

        async with VirtualNetwork(link=Link(loss=0.3, delay=0.05), seed=7) as network:
            with network.host("10.0.0.1", name="server"):
                await nursery.start(serve_udp, echo, 7)

    Inside the ``async with`` every socket that ``trio.socket.socket`` makes is one of this network's, whoever calls it:
    this library, plain Trio programs, AnyIO on Trio, dnspython. Use it with a clock that jumps
    (``trio.testing.MockClock(autojump_threshold=0)``, pytest-trio's ``autojump_clock``): then delays take no time, and
    the same seed gives the same `datagrams`, in every run.

    Code that is in no host's ``with`` runs on a host named ``localhost``, with the addresses 192.0.2.1 and 2001:db8::1.
    Whoever observes a task (`trio_udp.observe`) is told what it sends and receives with plain Trio sockets, too, with
    the address by which others know its host, and what of all that was told as sent the network has lost.

    Datagrams that a host sends to itself take a microsecond and are never lost, unless `set_link` says so; rules are
    asked about them, too.

    Args:
      link: how each direction between two hosts behaves, if `set_link` does not say otherwise.
      seed: the same seed, the same story.
      record_limit: how many datagrams `datagrams` keeps.

    Raises:
      ValueError: an argument makes no sense.

    Exceptions of the code inside come out as they are, never in a group of the network's; an exception of a rule does,
    too. Of both the first comes out, and the other is logged as an error.
    """

    def __init__(self, link: Link = Link(), *, seed: int = 0, record_limit: int = 100_000) -> None:
        super().__init__()
        check_seed(seed)
        self._map = Map(_a_link(link), seed)
        self._wire = Wire(self._map, record_limit)
        self._rules: list[tuple[Rule, ...]] = []
        self._hosts = Hosts(self._wire)
        self._resolver = Resolver(self._hosts.addresses_of, self._hosts.name_of, lambda: self._hosts.here().name)
        self._running: AbstractAsyncContextManager[None] | None = None

    # -- its life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return await self._enter()

    async def _enter(self) -> Self:
        if self._running is not None:
            raise RuntimeError("a VirtualNetwork can be entered only once: make a new one")
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        assert self._running is not None
        return await self._running.__aexit__(*exc_info)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        with bare_exceptions(), self._installed():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                run = self._wire.run
                nursery.start_soon(run, nursery.cancel_scope.cancel, name="the virtual network delivers datagrams")
                problem: BaseException | None = None
                try:
                    yield
                except BaseException as error:
                    problem = error
                before = self._wire.failure
                self._wire.finish()
                self._wire.stop()
                if (failure := self._wire.failure) is not None:
                    raise_the_first(failure, problem, was_first=before is not None)
                if problem is not None:
                    raise problem

    @contextmanager
    def _installed(self) -> Iterator[None]:
        with self._in_trios_place():
            try:
                yield
            finally:
                self._wire.end()
                self._hosts.wake()

    @property
    def seed(self) -> int:
        """The same seed, the same story."""
        return self._map.seed

    # -- hosts --------------------------------------------------------------------------------------------------------

    def host(self, *addresses: str, name: str | None = None) -> Host:
        """Add a host.

        Args:
          addresses: its IPv4 and IPv6 addresses; one of each (10.0.0.N and fd00::N) unless given. The loopback
            addresses every host has.
          name: by which others find it; its first address unless given.

        Raises:
          ValueError: the name or an address is taken, or is none.
        """
        return self._hosts.add(addresses, name)

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts by name, ``localhost`` among them."""
        return self._hosts.by_name()

    # -- links and rules ----------------------------------------------------------------------------------------------

    @property
    def link(self) -> Link:
        """How a direction behaves for which `set_link` does not say otherwise; may be set at any time."""
        return self._map.link

    @link.setter
    def link(self, link: Link) -> None:
        self._wire.catch_up()
        self._map.set_default_link(_a_link(link))

    def set_link(self, source: Host | str, destination: Host | str, link: Link | None, *, both: bool = False) -> None:
        """Say how one direction between two hosts behaves from now on; what is on its way already stays as it is.

        Args:
          source: a host, its name or one of its addresses.
          destination: the same.
          link: None: as all the others.
          both: the other direction, too.

        Raises:
          ValueError: there is no such host.
        """
        one, other = self._hosts.find(source), self._hosts.find(destination)
        link = None if link is None else _a_link(link)
        self._wire.catch_up()
        self._map.set_link(one, other, link)
        if both:
            self._map.set_link(other, one, link)

    @contextmanager
    def rule(self, *rules: Rule) -> Iterator[None]:
        """While the ``with`` lasts, these decide about every datagram that is sent.

        Rules are asked in the order of their entry. An exception of a rule ends the network: it comes out of its
        ``async with``.

        Raises:
          ValueError: a rule is no function.
        """
        for rule in rules:
            check_function("a rule", rule)
        self._set_rules([*self._rules, rules])
        try:
            yield
        finally:
            self._set_rules([others for others in self._rules if others is not rules])

    def _set_rules(self, rules: list[tuple[Rule, ...]]) -> None:
        self._wire.catch_up()
        self._rules = rules
        self._wire.rules = tuple(chain.from_iterable(rules))

    # -- what happened ------------------------------------------------------------------------------------------------

    @property
    def datagrams(self) -> list[RecordedDatagram]:
        """What was sent before now, in order, and what became of it.

        What is being sent at this very moment is not in here yet: what becomes of it has not been decided.
        """
        self._settle()
        return list(self._wire.record.datagrams)

    @property
    def forgotten(self) -> int:
        """How many datagrams are in `datagrams` no more, as ``record_limit`` later ones have come."""
        self._settle()
        return self._wire.record.forgotten

    def describe(self) -> str:
        """Who listens where, what waits in which queue, and the counters, as text."""
        self._settle()
        time = trio.current_time() if self._ended_at is None else self._ended_at
        return describe(self.seed, time, self._wire.record, self.link, self.hosts.values())

    def _settle(self) -> None:
        if self._running is not None and self._ended_at is None:
            self._wire.settle()

    def write_pcap(self, path: str | os.PathLike[str]) -> None:
        """Write the `datagrams` as their senders sent them, lost ones too, into a file for Wireshark."""
        with open(path, "wb") as file:
            file.writelines(pcap((each.time, each.source, each.destination, each.data) for each in self.datagrams))

    # -- for Trio -----------------------------------------------------------------------------------------------------

    def socket(self, family: Any = stdlib_socket.AF_INET, type: Any = stdlib_socket.SOCK_STREAM, proto: int = 0) -> Any:
        """Make a socket on the host that the calling task is in; Trio calls this.

        Raises:
          NotImplementedError: it is not to be a UDP socket.
        """
        kind = int(type) & ~_TYPE_BITS
        if family not in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
            raise NotImplementedError(f"the virtual network has IPv4 and IPv6, not {family!r}")
        if kind != stdlib_socket.SOCK_DGRAM or proto not in (0, stdlib_socket.IPPROTO_UDP):
            raise NotImplementedError(f"the virtual network carries UDP only: no socket of {type!r}, protocol {proto}")
        host = self._hosts.here()
        mailbox = Mailbox(host, int(family), proto)
        host.keep(mailbox)
        return VirtualSocket(mailbox)

    async def getaddrinfo(self, *args: Any) -> Any:
        """Look a host's name up; Trio calls this."""
        return await self._resolver.getaddrinfo(*args)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """Look an address up; Trio calls this."""
        return await self._resolver.getnameinfo(sockaddr, flags)


def _a_link(link: Link) -> Link:
    if not isinstance(link, Link):
        raise ValueError(f"a link must be a Link, not {link!r}")
    return link
