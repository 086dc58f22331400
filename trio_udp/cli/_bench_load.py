"""The clients of a load: who sends a request, when, and who takes the replies.

There are two kinds of load, and they answer different questions. In a closed loop each client sends its next request
when a place is free, so the server is asked as fast as it answers; when it stalls, the clients wait with it, and
hardly any request meets the stall. Gil Tene calls that coordinated omission: the latencies look good because the load
was kind. In an open loop requests go out on schedule, whatever the replies do, and each one's time runs from when it
was to go out; whoever would have come during the stall is in the percentiles.

A task per request would be the natural way, as in `ping`; only to start one takes 11 microseconds. Here one task takes
whatever has come to any client, and in a closed loop sends as much anew: a system call each way for up to 64 requests
of a client, where the system can do that (`_offload`). With 16 in flight for each of ten clients a request takes 3
microseconds in all, most of them in the kernel. No request has a timeout of its own: one task looks for those that are
overdue. Sockets that are not the system's own, virtual ones for example, have a task for each client.
"""

from __future__ import annotations

import math
import select
import sys
from contextlib import ExitStack
from time import process_time
from typing import TYPE_CHECKING

import trio

from .._batch import BATCH
from .._errors import NETWORK_ERRORS, bare_exceptions
from ._bench_client import Client
from ._bench_pace import Pace, sleep_exactly_until
from ._bench_record import Latencies, Payloads, Record

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .._batch import BatchSocket

# Requests that wait for their replies at once, over all clients; some 30 MB. Above it an open loop falls behind its
# schedule, which its latencies and its report then show.
MOST_WAITING = 2**18

# Seconds between two looks of an open loop at what is due: some requests go out together, instead of one by one.
TICK = 0.0002

# Seconds between two such looks of a closed loop. It has time: each reply makes its client look, too.
SLOW_TICK = 0.001

# Requests of one client that an open loop sends at once, at most, when it is behind: replies have to be taken, too.
AT_ONCE = 64

# Requests that an open loop leaves to one client before it goes on to the next one, where so many are due. Together
# they cost hardly more than one: at 100,000 a second sends are 0.15 ms late on average, 0.32 ms if all clients share.
RUN = 16

# Seconds that a closed loop with a rate may make up for. More than a sleep is late by, and no burst after a stall.
PATIENCE = 0.01

# Seconds between two looks for overdue requests, at least: a part of the wait, for it is no more exact than that.
SWEEP = 0.01

# Seconds after its end in which an open loop may still be busy with sending what was due before.
GRACE = 0.1


class Load:
    """What both kinds have in common.

    Args:
      args: what was typed.
      sockets: one for each client, connected to the server; closed by whoever opened them.
      payloads: of the requests.
      record: what became of them.
    """

    def __init__(
        self, args: argparse.Namespace, sockets: Sequence[BatchSocket], payloads: Payloads, record: Record
    ) -> None:
        self.record = record
        self.lateness = Latencies()  # of sending, where there is a schedule that is kept
        self.cpu = 0.0  # seconds that this process has worked for it
        self._clients = [Client(socket, payloads, record) for socket in sockets]
        self._rate: float | None = args.rate
        self._left: int = args.requests or sys.maxsize
        self._duration: float = args.duration or math.inf
        self._end = math.inf
        self._sending = trio.CancelScope()
        self._is_over = False  # nothing more is sent
        self._done = trio.Event()  # and nothing more is waited for

    async def run(self) -> None:
        """Send all requests, and wait until each has its reply or is lost."""
        self.record.started = trio.current_time()
        self._end = self.record.started + self._duration
        cpu_before = process_time()
        with bare_exceptions(), ExitStack() as stack:
            async with trio.open_nursery() as self._nursery:
                self._start_listening(stack)
                self._nursery.start_soon(self._sweep)
                with self._sending:
                    await self._send_all()
                self._is_over = True
                self._look_whether_done()
                await self._done.wait()
                self._nursery.cancel_scope.cancel()
        self.cpu = process_time() - cpu_before

    def _start_listening(self, stack: ExitStack) -> None:
        if sys.platform == "linux" and all(client.socket.is_systems_own for client in self._clients):
            self._nursery.start_soon(self._listen_to_all, stack.enter_context(select.epoll()))
        else:
            for client in self._clients:
                self._nursery.start_soon(self._listen, client)

    def stop(self) -> None:
        """Send no more; those that wait go on waiting."""
        self._sending.cancel()
        self._is_over = True
        self._look_whether_done()

    async def _send_all(self) -> None:
        raise NotImplementedError

    def _fill(self, client: Client, most: int = sys.maxsize) -> None:
        """A client may have places free."""

    async def _listen(self, client: Client) -> None:
        """Take the replies to one client, on any kind of socket."""
        while True:
            self._received(client, await client.socket.receive_data())

    async def _listen_to_all(self, poller: select.epoll) -> None:
        """Take the replies to all clients whenever there is one to any of them.

        A wake-up by Trio costs more than the reply that it is for, and this shares it: with one request of each of ten
        clients in flight it takes two thirds of what a waiting task for each client does. (Another look before it waits
        again, or five, brought nothing that was more than the machine's noise: most of a request is its system calls.)
        """
        clients = {client.socket.socket.fileno(): client for client in self._clients}
        for descriptor in clients:
            poller.register(descriptor, select.EPOLLIN)
        while True:
            await trio.lowlevel.wait_readable(poller.fileno())
            for descriptor, _ in poller.poll(0):
                self._take_arrived(clients[descriptor])

    def _take_arrived(self, client: Client) -> None:
        more = True
        while more:
            try:
                # To ask for no more than can come saves a look into an empty queue.
                batch = client.socket.drain_data(min(max(len(client.waiting), 1), BATCH))
            except OSError as error:
                if error.errno not in NETWORK_ERRORS:
                    raise
                return  # counted by the socket
            if batch:
                self._received(client, batch)
            more = client.socket.holds_more  # came with these in one buffer, so the kernel will not tell of them again

    def _received(self, client: Client, batch: list[bytes]) -> None:
        client.waiting.received(batch, trio.current_time())
        self._fill(client)
        self._look_whether_done()

    async def _sweep(self) -> None:
        """Give up requests that have waited long enough."""
        wait = self.record.wait
        while True:
            now = trio.current_time()
            for client in self._clients:
                if client.waiting.expire(now):
                    self._fill(client)
            self._look_whether_done()
            oldest = min(client.waiting.next_to_expire() for client in self._clients)
            await trio.sleep_until(max(min(oldest, now + wait), now + min(SWEEP, wait)))

    def _look_whether_done(self) -> None:
        if self._is_over and not self.record.waiting:
            self._done.set()


class ClosedLoop(Load):
    """Each client has so many places, and sends when one is free; with a rate, when it is due as well."""

    def __init__(
        self, args: argparse.Namespace, sockets: Sequence[BatchSocket], payloads: Payloads, record: Record
    ) -> None:
        super().__init__(args, sockets, payloads, record)
        self._places: int = args.in_flight
        self._pace: Pace | None = None
        self._all_sent = trio.Event()

    async def _send_all(self) -> None:
        self._sending.deadline = self._end
        if self._rate is not None:
            self._pace = Pace(self._rate, self.record.started, PATIENCE)
            await self._send_at_pace(self._pace)
            return
        left, count = self._left, len(self._clients)
        for number, client in enumerate(self._clients):  # of a few requests, everybody gets some
            self._fill(client, (left + number) // count)
        await self._all_sent.wait()

    async def _send_at_pace(self, pace: Pace) -> None:
        turn = 0
        while not self._all_sent.is_set():
            for client in self._clients[turn:] + self._clients[:turn]:
                self._fill(client, -(-pace.due(trio.current_time()) // len(self._clients)))
            turn = (turn + 1) % len(self._clients)
            with trio.move_on_at(max(pace.next, trio.current_time() + SLOW_TICK)):
                await self._all_sent.wait()

    def _fill(self, client: Client, most: int = sys.maxsize) -> None:
        """Send as many as there are places, are left, and are due."""
        if self._is_over or client.is_sending or not (count := self._count(client, most)):
            return
        self._left -= count
        if not self._left:
            self._all_sent.set()
        if self._pace is not None:
            self._pace.take(count)
        if rest := client.send_now(count):
            # Not here: as long as the server stands still there may be no room, and nobody else should wait for that.
            self._nursery.start_soon(self._finish, client, rest)

    async def _finish(self, client: Client, rest: list[bytes]) -> None:
        await client.finish(rest)
        self._fill(client)  # places that came free meanwhile

    def _count(self, client: Client, most: int) -> int:
        """How many this client may send now."""
        count = min(self._places - len(client.waiting), self._left, most)
        if count <= 0 or (now := trio.current_time()) >= self._end:
            return 0
        return count if self._pace is None else min(count, self._pace.due(now))


class OpenLoop(Load):
    """Requests go out on schedule, the clients taking turns."""

    async def _send_all(self) -> None:
        assert self._rate is not None
        pace = Pace(self._rate, self.record.started)
        self._left = math.ceil(min(self._left, self._rate * self._duration))
        self._sending.deadline = self._end + GRACE
        turn, now = 0, -math.inf
        while self._left and now < self._end:
            await sleep_exactly_until(max(pace.next, now + TICK))
            now = trio.current_time()
            turn = await self._send_due(pace, min(pace.due(now), MOST_WAITING - self.record.waiting), turn)

    async def _send_due(self, pace: Pace, due: int, turn: int) -> int:
        """Send what is due, from the client on whose turn it is; returns whose turn is next."""
        due = min(due, self._left, AT_ONCE * len(self._clients))
        share = max(-(-due // len(self._clients)), RUN)
        while due:
            count = min(share, due)
            due -= count
            self._left -= count
            times = pace.take(count)
            now = trio.current_time()
            for time in times:
                self.lateness.add(now - time, 1)
            if rest := self._clients[turn].send_now(count, times):
                await self._clients[turn].finish(rest)
            turn = (turn + 1) % len(self._clients)
        return turn
