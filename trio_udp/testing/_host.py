"""`Host`: a machine of the virtual network.

Which machine a program runs on is a matter of where its sockets are made: inside ``with host:``, in the tasks that are
started there, and in those that they start. So it is kept in a context variable, which tasks inherit.
"""

from __future__ import annotations

import errno
import inspect
import os
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from ._ip import IP, Place, parse_ip
from ._nat import NAT
from ._ports import Ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from typing_extensions import Self

    from ._mailbox import Mailbox
    from ._wire import Way, Wire

T = TypeVar("T")

# So many sockets a host remembers, as long as they are not open: for `VirtualNetwork.describe`.
REMEMBERED = 100

_entered: ContextVar[tuple[Host, ...]] = ContextVar("trio_udp virtual hosts", default=())


class Host:
    """A machine with a name and addresses; made by ``VirtualNetwork.host``.

    ``with host:`` puts sockets on it that are opened inside, by this task or by tasks that it starts. Any number of
    tasks may enter it, and it may be entered inside another host.
    """

    def __init__(self, wire: Wire, name: str, addresses: Sequence[str]) -> None:
        self.name = name
        self.addresses: tuple[str, ...] = tuple(wire.claim(address, self) for address in addresses)
        self.is_up = True
        self._wire = wire
        self.ports = Ports()
        self.nat: NAT | None = None
        self.mailboxes: deque[Mailbox] = deque()  # all that are open, and the latest that are not
        self._lives: set[trio.CancelScope] = set()
        self._restarted = trio.Event()

    def __repr__(self) -> str:
        return f"<Host {self.name} {' '.join(self.addresses)}{'' if self.is_up else ', crashed'}>"

    def __enter__(self) -> Self:
        _entered.set((*_entered.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        # No token: another task may have inherited this context, or entered in another order.
        entered = _entered.get()
        last = len(entered) - 1 - entered[::-1].index(self)
        _entered.set(entered[:last] + entered[last + 1 :])

    async def run(
        self,
        async_fn: Callable[..., Awaitable[T]],
        *args: Any,
        task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
    ) -> T:
        """Run ``async_fn(*args)`` on this host, again from the start after each `crash` and `restart`.

        ``await nursery.start(host.run, serve_udp, echo, 7)`` works: a function that takes a ``task_status`` gets one.

        Returns:
          What ``async_fn`` returns, once it does.
        """
        status = _StartedOnce(task_status)
        takes_status = "task_status" in inspect.signature(async_fn).parameters
        if not takes_status:
            status.started()
        keywords = {"task_status": status} if takes_status else {}
        with self:
            while True:
                with trio.CancelScope() as life:
                    self._lives.add(life)
                    try:
                        return await async_fn(*args, **keywords)
                    finally:
                        self._lives.discard(life)
                await self._up()

    async def _up(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self.is_up:
            await self._restarted.wait()

    def crash(self) -> None:
        """Stop at once: what runs in `run` is cancelled, and nobody hears of this host's sockets again.

        They are not closed, since nobody is there to do it; what they send goes nowhere. What is sent to the host is
        lost. Tasks that use the host without `run` go on, with sockets as good as dead.
        """
        self.is_up = False
        for mailbox in self.ports.clear():
            mailbox.unplugged = True
        for life in self._lives:
            life.cancel()

    def restart(self) -> None:
        """Start again: with no sockets, and what runs in `run` runs from its start."""
        self.is_up = True
        event, self._restarted = self._restarted, trio.Event()
        event.set()

    def rebind(self, address: str | None = None) -> None:
        """A NAT before this host forgets its addresses: from now on what it sends comes from new ports.

        What is sent to the old ones is lost. The host itself is not told, and its sockets still show what they did.

        Args:
          address: from now on the network sees the host under this one; its own unless given.

        Raises:
          ValueError: another host has that address, or it is none.
        """
        if address is not None:
            address = self._wire.claim(parse_ip(address).text, self)
        self.nat = self.nat or NAT()
        self.nat.rebind(address)

    def keep(self, mailbox: Mailbox) -> None:
        """A socket was made on this host; it stays in sight for a while after it is closed."""
        closed = [other for other in self.mailboxes if not other.is_open] if len(self.mailboxes) > REMEMBERED else []
        for other in closed[: len(self.mailboxes) - REMEMBERED]:
            self.mailboxes.remove(other)
        self.mailboxes.append(mailbox)

    # -- addresses ----------------------------------------------------------------------------------------------------

    def bind(self, mailbox: Mailbox, ip: IP, port: int) -> None:
        """Give an address to a socket.

        Raises:
          OSError: EADDRNOTAVAIL, EADDRINUSE, or ENETDOWN on a host that has crashed.
        """
        if not self.is_up:
            raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
        if not ip.is_wildcard and not self.has(ip):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        self.ports.bind(mailbox, ip, port)

    def has(self, ip: IP) -> bool:
        """Is this one of its addresses, as it knows them?"""
        return ip.is_loopback or ip.text in self.addresses

    def address_towards(self, ip: IP) -> str | None:
        """Which of its addresses a datagram for ``ip`` is sent from; None: there is no way to it."""
        if ip.is_loopback:
            return "127.0.0.1" if ip.is_ipv4 else "::1"
        if ip.text in self.addresses:
            return ip.text
        return next((own for own in self.addresses if (":" not in own) == ip.is_ipv4), None)

    def way_to(self, ip: IP) -> Way:
        """How datagrams get from here to there."""
        return self._wire.way_to(self, ip)

    def send(self, mailbox: Mailbox, source: Place, ip: IP, port: int, data: bytes) -> None:
        """Send a datagram; a host that has crashed sends nothing, and nobody is told."""
        if not mailbox.unplugged:
            self._wire.send(mailbox, self._wire.way_to(self, ip), source, (ip.text, port), data)
            mailbox.sent += 1

    def outside(self, place: Place) -> Place:
        """How the network sees one of its sockets."""
        return self.nat.outside(place) if self.nat else place

    def inside(self, place: Place) -> Place | None:
        """Which of its sockets the network means; None: a NAT has forgotten it."""
        return self.nat.inside(place) if self.nat else place


class _StartedOnce:
    """A task status that may be told more than once: a server that runs again after a crash starts again, too."""

    def __init__(self, status: trio.TaskStatus[Any]) -> None:
        self._status: trio.TaskStatus[Any] | None = status

    def started(self, value: object = None) -> None:
        status, self._status = self._status, None
        if status is not None:
            status.started(value)


def entered_hosts() -> tuple[Host, ...]:
    """The hosts that this task is in, the innermost last."""
    return _entered.get()
