"""`VirtualNetwork`: hosts, links between them, and what happened."""

from __future__ import annotations

import socket as stdlib_socket
import sys
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import trio

from .._errors import bare_exceptions, logger
from ..faults import Link, Rule
from ..faults._checks import check_function, check_seed
from ._describe import describe
from ._host import Host, entered_hosts, parse_unicast
from ._ip import is_numeric
from ._mailbox import Mailbox
from ._map import Map
from ._pcap import pcap
from ._record import RecordedDatagram
from ._resolver import Resolver, normal_name
from ._socket import VirtualSocket
from ._wire import Wire

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from typing_extensions import Self

# The host of code that is in no host: addresses that are set aside for documentation (RFC 5737 and 3849).
LOCALHOST = ("192.0.2.1", "2001:db8::1")

# Bits that Linux lets one add to a socket's type.
_TYPE_BITS = int(getattr(stdlib_socket, "SOCK_NONBLOCK", 0)) | int(getattr(stdlib_socket, "SOCK_CLOEXEC", 0))


class VirtualNetwork(trio.abc.SocketFactory, trio.abc.HostnameResolver):
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
        check_seed(seed)
        self._map = Map(_a_link(link), seed)
        self._wire = Wire(self._map, record_limit)
        self._rules: list[tuple[Rule, ...]] = []
        self._hosts: dict[str, Host] = {}
        self._numbers = count(1)
        self._localhost = self._add("localhost", LOCALHOST)
        self._resolver = Resolver(self._addresses_of, self._name_of, lambda: self._here().name)
        self._running: AbstractAsyncContextManager[None] | None = None
        self._ended_at: float | None = None
        self._before: tuple[trio.abc.SocketFactory | None, trio.abc.HostnameResolver | None] = (None, None)

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
                    _raise_the_first(failure, problem, was_first=before is not None)
                if problem is not None:
                    raise problem

    @contextmanager
    def _installed(self) -> Iterator[None]:
        self._before = trio.socket.set_custom_socket_factory(self), trio.socket.set_custom_hostname_resolver(self)
        try:
            yield
        finally:
            self._ended_at = trio.current_time()
            self._wire.end()
            for host in self._hosts.values():
                host.wake()
            self._uninstall()

    def _uninstall(self) -> None:
        """Put back what was there before; where networks are not entered inside each other, who runs still stays."""
        factory, resolver = self._before
        while isinstance(factory, VirtualNetwork) and factory._ended_at is not None:
            factory, resolver = factory._before
        present = trio.socket.set_custom_socket_factory(factory)
        if isinstance(present, VirtualNetwork) and present._ended_at is None:
            trio.socket.set_custom_socket_factory(present)
        resolving = trio.socket.set_custom_hostname_resolver(resolver)
        if isinstance(resolving, VirtualNetwork) and resolving._ended_at is None:
            trio.socket.set_custom_hostname_resolver(resolving)

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
        ips = [parse_unicast(address) for address in addresses or next(self._free_addresses())]
        for ip in ips:
            if ip.text in self._map.hosts:
                raise ValueError(f"{ip.text} is {self._map.hosts[ip.text].name}'s already")
        return self._add(ips[0].text if name is None else _a_name(name), list(dict.fromkeys(ip.text for ip in ips)))

    def _add(self, name: str, addresses: Sequence[str]) -> Host:
        if name in self._hosts:
            raise ValueError(f"there is a host named {name!r} already")
        host = self._hosts[name] = Host(self._wire, name, addresses)
        return host

    def _free_addresses(self) -> Iterator[tuple[str, str]]:
        for number in self._numbers:
            pair = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"fd00::{number:x}"
            if not any(address in self._map.hosts for address in pair):
                yield pair

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts by name, ``localhost`` among them."""
        return dict(self._hosts)

    def _here(self) -> Host:
        """The host that this task is in."""
        own = (host for host in reversed(entered_hosts()) if self._hosts.get(host.name) is host)
        return next(own, self._localhost)

    def _addresses_of(self, name: str) -> tuple[str, ...] | None:
        host = self._hosts.get(name)
        return host.own_addresses if host else None

    def _name_of(self, address: str) -> str | None:
        host = self._map.hosts.get(address)
        return host.name if host else None

    def _find(self, host: Host | str) -> Host:
        if isinstance(host, str):
            found = self._hosts.get(host) or self._map.hosts.get(host)
        else:
            found = host if isinstance(host, Host) and self._hosts.get(host.name) is host else None
        if found is None:
            raise ValueError(f"there is no host {host!r}; there are {', '.join(self._hosts)}")
        return found

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
        one, other = self._find(source), self._find(destination)
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
        return describe(self.seed, time, self._wire.record, self.link, self._hosts.values())

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
        host = self._here()
        mailbox = Mailbox(host, int(family), proto)
        host.keep(mailbox)
        return VirtualSocket(mailbox)

    async def getaddrinfo(self, *args: Any) -> Any:
        """Look a host's name up; Trio calls this."""
        return await self._resolver.getaddrinfo(*args)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """Look an address up; Trio calls this."""
        return await self._resolver.getnameinfo(sockaddr, flags)


def _raise_the_first(failure: BaseException, problem: BaseException | None, *, was_first: bool) -> None:
    """Raise what a rule has raised, unless the program's own exception came before it. The other of both is logged.

    The second may be a consequence of the first, and it may not. Ctrl-C is nobody's consequence.
    """
    own = _without_cancellation(problem)
    if own is None:
        raise failure
    was_first = was_first and isinstance(own, Exception)
    logger.error("a virtual network ends with two failures; this is the second", exc_info=own if was_first else failure)
    if was_first:
        raise failure


def _without_cancellation(problem: BaseException | None) -> BaseException | None:
    if isinstance(problem, BaseExceptionGroup):
        return problem.split(trio.Cancelled)[1]
    return None if isinstance(problem, trio.Cancelled) else problem


def _a_link(link: Link) -> Link:
    if not isinstance(link, Link):
        raise ValueError(f"a link must be a Link, not {link!r}")
    return link


def _a_name(text: str) -> str:
    name = normal_name(text)
    if name == "localhost" or name.endswith(".localhost"):
        raise ValueError(f"{text!r} is each host's own name for itself (RFC 6761 section 6.3), and cannot be another's")
    if not name or is_numeric(stdlib_socket.AF_INET, name) or is_numeric(stdlib_socket.AF_INET6, name):
        raise ValueError(f"a host cannot have the name {text!r}")
    return name
