"""One direction of one client: each datagram gets its number, then its fate, and then goes on or does not.

Who hands datagrams to the kernel does so for all clients, and must not wait for one of them. A network whose buffer is
full drops what comes, and so do we. But a socket that is not Trio's own cannot be asked without waiting: what is to be
sent there lies in an outbox, which a task of its own empties.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

from .._address import Address
from .._counted import raw_socket
from .._errors import REFUSALS, errno_name
from .._outgoing import SEND_PATIENCE
from ..faults import Deliver, Drop, Fate, InFlight, Link, Passage, Rule, first_verdict
from ..faults._link import headers
from ..faults._passage import Copy

if TYPE_CHECKING:
    from .._address import Target
    from .._batch import BatchSocket
    from ._client import Client
    from ._later import Later

# Datagrams of one way of one client that may wait for a socket that is not Trio's own: more than wait in a kernel's
# send buffer, in whose 212,992 bytes Linux keeps some 256 small ones.
OUTBOX = 1000


class Waiting(NamedTuple):
    """A datagram in an outbox, for how long at most, and the socket that it is to go through."""

    until: float
    io: BatchSocket
    data: bytes
    address: Address


class Relayed(NamedTuple):
    """A datagram has come to the relay, and this is what becomes of it.

    Args:
      time: when that was decided, seconds on Trio's clock.
      client: the number of its client, from 1, in the order in which they first appeared.
      address: and that client's address.
      forward: is it on its way to the target, or to the client?
      n: its number, from 1, among the client's datagrams in that direction.
      data: its payload as it came.
      copies: when it goes on, how often and with which bytes.
      dropped: why it does not; None if it does.
    """

    time: float
    client: int
    address: Address
    forward: bool
    n: int
    data: bytes
    copies: tuple[Copy, ...]
    dropped: str | None

    @property
    def damaged(self) -> bool:
        """Does it go on with other bytes?"""
        return any(copy.data != self.data for copy in self.copies)


@dataclass
class Direction:
    """What all clients have in common in one direction, and what happened there to all of them together."""

    link: Link
    rules: tuple[Rule, ...]
    forward: bool
    dropped: Counter[str] = field(default_factory=Counter)
    duplicated: int = 0
    damaged: int = 0


@dataclass(frozen=True)
class Terms:
    """What all clients have in common; `serve_relay` tells what each means."""

    forward: Direction
    backward: Direction
    seed: int
    later: Later
    targets: list[Target]
    max_clients: int
    idle_timeout: float
    follow_port: bool
    tell: Callable[[Relayed], None] | None

    def prefer(self, address: Address) -> None:
        """New clients try this address of the target first."""
        self.targets.sort(key=lambda target: target.address != address)


class Way:
    """One direction of one client.

    Args:
      terms: what all clients have in common.
      direction: which direction this is.
      client: whose.
    """

    def __init__(self, terms: Terms, direction: Direction, client: Client) -> None:
        self._terms = terms
        self._direction = direction
        self._client = client
        self._n = 0
        self._outbox: deque[Waiting] = deque()
        name = "forward" if direction.forward else "backward"
        self._passage = Passage(direction.link, terms.seed, ("client", client.index, name))
        # Nothing can happen here to a datagram, and nobody wants to know: then nothing is asked about each of them.
        self._is_plain = direction.link == Link() and not direction.rules and terms.tell is None

    async def carry(self, time: float, data: bytes, source: Address) -> None:
        """A datagram has come: decide what becomes of it, and do what is to be done at once.

        Args:
          time: when its batch was read.
          data: its payload.
          source: where it comes from.
        """
        self._n += 1
        self._client.is_active_until(time)
        if self._is_plain:
            await self.send(data, source)
            return
        time = trio.current_time()  # those before it in the batch may have waited to be sent
        try:
            fate = self._decide(time, data, source)
            if fate is not None:
                fate = self._announce(time, self._n, data, fate)
        except BaseException:
            self.drop(data, "rule failed")
            raise
        if fate is not None:
            await self._begin(time, data, source, fate)

    def _decide(self, time: float, data: bytes, source: Address) -> Fate | None:
        """The fate of the newest datagram; None: a rule holds it back."""
        destination = self._client.target if self._direction.forward else self._client.address
        flight = InFlight(time, source, destination, self._n, data)
        verdict = first_verdict(self._direction.rules, flight)
        if verdict is None:
            return self._passage.fate(time, self._n, data, headers(destination[0]))
        if isinstance(verdict, Deliver):
            return Fate((Copy(time + verdict.delay, data),), None)
        if isinstance(verdict, Drop):
            return Fate((), verdict.reason)
        return None if verdict.keep(partial(self._release, self._n, data, source)) else Fate((), "hold full")

    def _release(self, n: int, data: bytes, source: Address) -> None:
        """A rule lets a datagram go that it has held back. It goes on in the relay's own task."""
        if self._client.gone:
            self.drop(data, "client gone")
        else:
            self._terms.later.put(trio.current_time(), self, data, source, n)

    async def go_on(self, n: int, data: bytes, source: Address) -> None:
        """Only now a datagram that was held back comes to the link."""
        time = trio.current_time()
        try:
            fate = self._announce(time, n, data, self._passage.fate(time, n, data, headers(self._outlet()[1][0])))
        except BaseException:
            self.drop(data, "rule failed")
            raise
        await self._begin(time, data, source, fate)

    def _announce(self, time: float, n: int, data: bytes, fate: Fate) -> Fate:
        """Tell what becomes of a datagram, which is another thing if too many wait already."""
        late = sum(copy.time > time for copy in fate.copies)
        if late and not self._terms.later.has_room_for(late):
            fate = Fate((), "too many waiting")
        if self._terms.tell is not None:
            forward, client = self._direction.forward, self._client
            self._terms.tell(Relayed(time, client.index, client.address, forward, n, data, *fate))
        return fate

    async def _begin(self, time: float, data: bytes, source: Address, fate: Fate) -> None:
        """Count, put aside what is for later, and send the rest."""
        direction, later = self._direction, self._terms.later
        if fate.dropped is not None:
            self.drop(data, fate.dropped)
            return
        direction.duplicated += len(fate.copies) - 1
        direction.damaged += any(copy.data != data for copy in fate.copies)
        for copy in fate.copies:
            if copy.time > time:
                later.put(copy.time, self, copy.data, source)
                self._client.is_active_until(copy.time)
        for copy in fate.copies:
            if copy.time <= time:
                await self.send(copy.data, source)

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, data: bytes, source: Address) -> None:
        """Hand a datagram to the kernel, or count why not; ``source`` is where it came from. Waits for no buffer."""
        if not (self._direction.forward or self._client.may_hear(source)):
            return self.drop(data, "stranger")
        io, address = self._outlet()
        try:
            problem = io.send_now(data, address)
            if problem is not None and problem.errno in REFUSALS:
                io, address = await self._after_refusal(io)
                problem = io.send_now(data, address)
        except trio.ClosedResourceError:
            return self.drop(data, "socket closed")
        if isinstance(problem, BlockingIOError):
            self._put_out(io, data, address)
        elif problem is not None:
            self.drop(data, errno_name(problem))
        return None

    def _outlet(self) -> tuple[BatchSocket, Address]:
        client = self._client
        return (client.io, client.target) if self._direction.forward else (client.listener, client.address)

    async def _after_refusal(self, io: BatchSocket) -> tuple[BatchSocket, Address]:
        """Where to send again: the refusal is news of an earlier datagram, and the present one has not been sent."""
        with trio.CancelScope(shield=True):  # it waits for no network, and the datagram has to be counted
            await self._client.refused(io)
        return self._outlet()

    def _put_out(self, io: BatchSocket, data: bytes, address: Address) -> None:
        """The socket does not take it now."""
        if raw_socket(io.socket) is not None or len(self._outbox) >= OUTBOX:
            return self.drop(data, "send buffer full")
        self._outbox.append(Waiting(trio.current_time() + SEND_PATIENCE, io, data, address))
        if len(self._outbox) == 1:
            self._client.start_soon(self._empty_outbox, name="trio_udp relay, outbox")
        return None

    async def _empty_outbox(self) -> None:
        try:
            while self._outbox:
                await self._send_first()
                self._outbox.popleft()
        finally:
            for waiting in self._outbox:
                self.drop(waiting.data, "relay stopped")

    async def _send_first(self) -> None:
        """Send the first in the outbox, or count why not; only a cancellation from outside leaves it uncounted."""
        until, io, data, address = self._outbox[0]
        with trio.move_on_at(until) as patience:
            try:
                problem = await io.send_waiting(data, address)
                if problem is not None and problem.errno in REFUSALS:
                    io, address = await self._after_refusal(io)
                    problem = await io.send_waiting(data, address)
            except trio.ClosedResourceError:
                return self.drop(data, "socket closed")  # the client got a new one meanwhile, or went
        if patience.cancelled_caught:
            self.drop(data, "send buffer full")
        elif problem is not None:
            self.drop(data, errno_name(problem))
        return None

    def drop(self, data: bytes, reason: str) -> None:
        """This datagram, or this copy, ends here."""
        self._direction.dropped[reason] += 1
        io, address = self._outlet()
        io.drop(data, address, reason, outgoing=True, counted=True)
