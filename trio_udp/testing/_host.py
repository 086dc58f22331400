"""`Host`: a machine of the virtual network.

Which machine a program runs on is a matter of where its sockets are made: inside ``with host:``, in the tasks that are
started there, and in those that they start. So it is kept in a context variable, which tasks inherit.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from ._groups import EVERYBODY
from ._ip import IP, LOOPBACK, NETWORK, Place, parse_ip, parse_unicast
from ._lives import Lives
from ._nat import NAT
from ._ports import Ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from typing_extensions import Self

    from ._mailbox import Mailbox
    from ._way import Way
    from ._wire import Wire

T = TypeVar("T")

# So many closed sockets a host remembers, for `VirtualNetwork.describe`.
REMEMBERED = 100

_entered: ContextVar[tuple[Host, ...]] = ContextVar("trio_udp virtual hosts", default=())


class Host:
    """A machine with a name and addresses; made by ``VirtualNetwork.host``.

    ``with host:`` puts sockets on it that are opened inside, by this task or by tasks that it starts. Any number of
    tasks may enter it, and it may be entered inside another host.

    Attributes:
      name: by which others find it.
      is_up: False from `crash` to `restart`.
    """

    def __init__(self, wire: Wire, name: str, addresses: Sequence[str]) -> None:
        self.name = name
        self.own_addresses = tuple(wire.map.claim(address, self) for address in addresses)
        self.is_up = True
        self.ports = Ports()
        self.nat: NAT | None = None
        self.catch_up = wire.catch_up
        self._wire = wire
        self._map = wire.map
        self._open: dict[Mailbox, None] = {}  # in order
        self._closed: deque[Mailbox] = deque(maxlen=REMEMBERED)
        self._lives = Lives(name)

    @property
    def network_is_over(self) -> bool:
        """Has the network ended? Then nothing will ever come."""
        return self._wire.is_over

    @property
    def addresses(self) -> tuple[str, ...]:
        """By which the network knows it: its own, and the one that a NAT has given it."""
        given = self.nat.address if self.nat else None
        return self.own_addresses if given is None or given in self.own_addresses else (*self.own_addresses, given)

    def __repr__(self) -> str:
        return f"<Host {self.name} {' '.join(self.addresses)}{'' if self.is_up else ', crashed'}>"

    def __enter__(self) -> Self:
        _entered.set((*_entered.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        # No token: another task may have inherited this context, or entered in another order.
        entered = list(reversed(_entered.get()))
        entered.remove(self)
        _entered.set(tuple(reversed(entered)))

    async def run(
        self,
        async_fn: Callable[..., Awaitable[T]],
        *args: Any,
        task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
    ) -> T:
        """Run ``async_fn(*args)`` on this host, again from the start after each `crash` and `restart`.

        On a host that has crashed it waits for the `restart`. ``await nursery.start(host.run, serve_udp, echo, 7)``
        works: a function that takes a ``task_status`` gets one, any other has started when it is called. Only the
        first start is told to the nursery. Exceptions of ``async_fn`` come out as they are, and it is not run again;
        but what it returns or raises after a crash is forgotten (an exception is logged), as nobody is there to hear
        it. It runs again once it has ended: a shield in it delays that.

        Args:
          async_fn: what to run.
          args: its arguments; for keywords there is ``functools.partial``.
          task_status: used by ``nursery.start``.

        Returns:
          What ``async_fn`` returns, once it does.
        """
        await trio.lowlevel.checkpoint()
        with self:
            return await self._lives.run(async_fn, args, task_status)

    def crash(self) -> None:
        """Stop at once: what runs in `run` is cancelled, and nobody hears of this host's sockets again.

        They are not closed, since nobody is there to do it; what they send goes nowhere. What is sent to the host is
        lost. Tasks that use the host without `run` go on, with sockets as good as dead.
        """
        self.catch_up()
        self.is_up = False
        self.ports.clear()
        for mailbox in self._open:
            mailbox.unplugged = True
        self._lives.end()

    def restart(self) -> None:
        """Start again after a `crash`: with no sockets, and what runs in `run` runs from its start."""
        self.catch_up()
        self.is_up = True
        self._lives.begin()

    def rebind(self, address: str | None = None) -> None:
        """A NAT before this host forgets its addresses: from now on what it sends comes from new ports.

        What is sent to the old ones is lost. The host itself is not told, and its sockets still show what they did.

        Args:
          address: from now on the network sees what the host sends over this address's family (IPv4 or IPv6) under
            this one; under its own unless given.

        Raises:
          ValueError: another host has that address, or it is none.
        """
        if address is not None:
            address = self._map.claim(parse_unicast(address).text, self)
        self._wire.settle()  # what was sent before now was sent from the old ports
        self.nat = self.nat or NAT()
        self.nat.rebind(address)

    def wake(self) -> None:
        """Whoever waits at a socket of this host has to look again."""
        for mailbox in self._open:
            mailbox.wake()

    # -- sockets ------------------------------------------------------------------------------------------------------

    @property
    def mailboxes(self) -> list[Mailbox]:
        """The sockets that were closed lately, and all that are open."""
        return [*self._closed, *self._open]

    def keep(self, mailbox: Mailbox) -> None:
        """A socket was made on this host."""
        self._open[mailbox] = None

    def release(self, mailbox: Mailbox) -> None:
        """A socket was closed; it stays in sight for a while."""
        self.catch_up()
        self.ports.release(mailbox)
        del self._open[mailbox]
        self._closed.append(mailbox)

    # -- addresses ----------------------------------------------------------------------------------------------------

    def bind(self, mailbox: Mailbox, ip: IP, port: int) -> None:
        """Give an address to a socket.

        Raises:
          OSError: EADDRNOTAVAIL, EADDRINUSE, or ENETDOWN if the host has crashed.
        """
        if mailbox.unplugged or not self.is_up:
            raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
        if not ip.is_wildcard and not self.can_bind(ip):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        self.ports.bind(mailbox, ip, port)

    def has(self, ip: IP) -> bool:
        """Is this one of its addresses, as it knows them?"""
        return ip.is_loopback or ip.text in self.own_addresses

    def can_bind(self, ip: IP) -> bool:
        """May a socket be bound to it?"""
        return ip.is_for_many or self.has(ip)

    def interface_of(self, ip: IP) -> int:
        """Which interface has this address, 0 if none has; of the wildcard address, the one that leads to groups."""
        if ip.is_loopback:
            return LOOPBACK
        is_there = self.address_towards(ip) is not None if ip.is_wildcard else ip.text in self.own_addresses
        return NETWORK if is_there else 0

    def takes(self, ip: str, interface: int, source: str | None = None) -> bool:
        """Does it take what is sent to this group, or to everybody, there? A host without sockets is asleep.

        If no socket that has joined wants this source, then none hears it: also not those that hear all groups.
        """
        alive = [mailbox for mailbox in self._open if mailbox.unplugged != self.is_up]  # or was, until it crashed
        if parse_ip(ip).is_broadcast or ip in EVERYBODY:
            return bool(alive)
        return any(mailbox.options.groups.takes(ip, interface, source) for mailbox in alive)

    def address_towards(self, ip: IP) -> str | None:
        """Which of its addresses a datagram for ``ip`` is sent from; None: there is no way to it."""
        if ip.is_loopback:
            return "127.0.0.1" if ip.is_ipv4 else "::1"
        if ip.text in self.own_addresses:
            return ip.text
        return next((own for own in self.own_addresses if (":" not in own) == ip.is_ipv4), None)

    def way_to(self, ip: IP) -> Way:
        """How datagrams get from here to there."""
        return self._map.way_to(self, ip)

    def send(self, mailbox: Mailbox, source: Place, ip: IP, port: int, data: bytes) -> None:
        """Send a datagram; a host that has crashed sends nothing, and nobody is told."""
        if not mailbox.unplugged and not self.network_is_over:
            self._wire.send(mailbox, self._map.way_to(self, ip), source, (ip.text, port), data)

    def spread(self, mailbox: Mailbox, interface: int, source: Place, ip: IP, port: int, data: bytes) -> None:
        """Send a datagram to a group, or to everybody."""
        if mailbox.unplugged or self.network_is_over:
            return
        options, is_ipv4 = mailbox.options, ip.is_ipv4
        may_leave = ip.is_broadcast or (options.multicast_ttl(is_ipv4=is_ipv4) > 0 and not ip.is_of_one_host)
        far = interface == NETWORK and may_leave
        near = interface == LOOPBACK or ip.is_broadcast or options.multicast_loop(is_ipv4=is_ipv4)
        ways = self._map.ways_to_many(self, is_ipv4, near, far)
        self._wire.send(mailbox, self._map.way(self, None), source, (ip.text, port), data, interface, ways)

    def outside(self, place: Place) -> Place:
        """How the network sees one of its sockets."""
        return self.nat.outside(place) if self.nat else place

    def inside(self, place: Place) -> Place | None:
        """Which of its sockets the network means; None: a NAT has forgotten it."""
        return self.nat.inside(place) if self.nat else place


def entered_hosts() -> tuple[Host, ...]:
    """The hosts that this task is in, the innermost last."""
    return _entered.get()
