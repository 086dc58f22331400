"""The requests that wait for their replies, and how they share one socket.

Somebody has to read the socket. The obvious way is a task that does nothing else; but that task needs a nursery, so
either the client becomes a thing that can only be used inside a ``with`` which wraps exceptions in groups, or the task
is hidden from the caller. So the requests that wait take turns. One of them reads, for all: it gives each reply to the
request that it belongs to, and wakes that one. When it has its own it passes the turn on, and also when it is
cancelled. It also looks after the time of all of them (`Waiting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._batch import BATCH
from ._errors import NETWORK_ERRORS, REFUSALS, logger
from ._events import Emit, ReplyAccepted, ReplyIgnored
from ._request import interruptibly, objection_to
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ._batch import BatchSocket, Datagram
    from ._connection import Connection
    from ._request import Request
    from ._statistics import Tally


class Replies:
    """Reads a connection for all requests that are on their way over it.

    Args:
      connection: where the replies come from.
      correlate: bytes to key; None: there is one request at a time, and its key is None.
      tally: where ignored replies are counted, by reason.
      emit: told of replies, accepted and ignored.
    """

    def __init__(
        self,
        connection: Connection,
        correlate: Callable[[bytes], Hashable] | None,
        tally: Tally,
        emit: Emit | None,
    ) -> None:
        self._connection = connection
        self._correlate = correlate
        self._tally = tally
        self._emit = emit
        self._requests: dict[Hashable, Request] = {}
        self._hopeful: dict[int, Request] = {}  # those of them whose present attempt was not refused, by their number
        self._reader: Request | None = None
        self._reading: trio.CancelScope | None = None  # the reader's, which ends when somebody has waited long enough
        self._waiting = Waiting()
        self.ignored = 0

    def expect(self, request: Request) -> None:
        """From now on a reply with this request's key is its reply.

        Raises:
          ValueError: another request waits for a reply with the same key.
        """
        if request.key in self._requests:
            raise ValueError(
                f"a request with the key {request.key!r} is on its way already: correlate must give different keys"
            )
        self._requests[request.key] = request

    def forget(self, request: Request) -> None:
        """The request is over; what still comes with its key is ignored."""
        del self._requests[request.key]
        self._hopeful.pop(request.number, None)

    def hope(self, request: Request) -> None:
        """It is being sent; from now on a refusal is news for it."""
        request.refused = False
        self._hopeful[request.number] = request

    def expects(self, request: Request) -> bool:
        """Is this request on its way?"""
        return self._requests.get(request.key) is request

    # A KeyboardInterrupt between two lines of this would leave an entry for a task that is gone, or a turn that nobody
    # has. While a request waits, Trio delivers it all the same.
    @trio.lowlevel.enable_ki_protection
    async def wait(self, request: Request, *, heed_refusal: bool) -> None:
        """Until the request has its reply, its deadline has come or, if that is heeded, it has been refused."""
        try:
            while not request.is_over(heed_refusal):
                if self._reader in (None, request):
                    await self._read_for_all(request, heed_refusal)
                else:
                    self._go_to_sleep(request)
                    await trio.lowlevel.wait_task_rescheduled(request.leave)
        finally:
            self._pass_turn(request)

    async def read_arrived(self) -> bool:
        """Deal with what has arrived by now, up to a batch, without waiting; True if that was all."""
        for _ in range(2):
            io = self._connection.io  # another request may exchange it while we look
            try:
                batch = await io.receive_arrived()
            except trio.ClosedResourceError:
                if self._is_ours(io):
                    raise
            except OSError as error:
                self.failed(io, error)  # the kernel tells it before it gives what came earlier
            else:
                self._sort_out_all(io, batch)
                return len(batch) < BATCH and not io.is_troubled
        return False

    async def _read_for_all(self, request: Request, heed_refusal: bool) -> None:
        self._reader = request
        while not request.is_over(heed_refusal):
            deadline = min(request.deadline, self._waiting.first_deadline())
            try:
                with trio.CancelScope(deadline=deadline) as self._reading:
                    while not request.is_over(heed_refusal):
                        await self._read(self._connection.io)
                over = self._reading.cancelled_caught
            finally:
                self._reading = None
            if over:
                await self._time_out(request)

    async def _time_out(self, reader: Request) -> None:
        """Somebody has waited long enough."""
        await self.read_arrived()  # the whole program may have stood still for longer, and the reply may be there
        now = trio.current_time()
        reader.timed_out = reader.deadline <= now
        for request in self._waiting.due(now):
            request.timed_out = True
            self._waiting.wake(request)

    def _go_to_sleep(self, request: Request) -> None:
        self._waiting.add(request, trio.lowlevel.current_task())
        if self._reading is not None and request.deadline < self._reading.deadline:
            self._reading.deadline = request.deadline

    def _pass_turn(self, request: Request) -> None:
        """Let another one read if it is this one's turn; it need not have begun: its reply may have come before."""
        if self._reader is request:
            self._reader = self._waiting.wake_one()

    def _is_ours(self, io: BatchSocket) -> bool:
        """That this socket is closed means that the client is; else another request has moved on from it."""
        return self._connection.closed or io is self._connection.io

    async def _read(self, io: BatchSocket) -> None:
        try:
            batch = await io.receive()
        except trio.ClosedResourceError:
            if self._is_ours(io):
                raise
        except OSError as error:
            self.failed(io, error)
        else:
            self._sort_out_all(io, batch)

    def failed(self, io: BatchSocket, error: OSError) -> None:
        """Receiving or sending failed. If datagrams do not get there, that is news for every request: one port for all.

        Raises:
          OSError: the error itself, if it is not the network's.
        """
        if error.errno not in NETWORK_ERRORS:
            raise error
        if error.errno in REFUSALS and io is self._connection.io:
            self._refuse(list(self._hopeful.values()), error)

    def left_behind(self, io: BatchSocket) -> None:
        """The connection has moved on from a socket: who has sent through that one has to send again."""
        self._refuse([request for request in self._hopeful.values() if request.sent_through is io])

    def _refuse(self, requests: list[Request], problem: OSError | None = None) -> None:
        """Once for each attempt, however many refusals come."""
        for request in requests:
            del self._hopeful[request.number]
            request.problem = problem or request.problem
            request.refused = True
            self._waiting.wake(request)

    def _sort_out_all(self, io: BatchSocket, batch: list[Datagram]) -> None:
        io.report_received(batch)
        failure: BaseException | None = None
        for data, _ in batch:
            try:
                self._sort_out(data)
            except BaseException as error:  # no Exception of theirs, but an observer's, or Ctrl-C
                failure = error
        if failure is not None:
            raise failure

    def _sort_out(self, data: bytes) -> None:
        """Give a reply to the request that it belongs to, or ignore it and say why."""
        try:
            request = self._find(data)
        except Exception as error:
            logger.debug("correlate raised about a reply, which is ignored", exc_info=True)
            self._ignore(data, f"correlate raised {type(error).__name__}")
        else:
            if request is None:
                self._ignore(data, "no request waits for it")
            elif (objection := objection_to(request, data)) is not None:
                self._ignore(data, objection)
            else:
                request.reply, request.answered_at = data, trio.current_time()
                self._waiting.wake(request)
                self._report_accepted(request, data)

    def _find(self, data: bytes) -> Request | None:
        if self._correlate is None:
            return self._requests.get(None)
        key = interruptibly(self._correlate, data)
        return None if key is None else self._requests.get(key)

    def _ignore(self, data: bytes, reason: str) -> None:
        self.ignored += 1
        self._tally.dropped[reason] += 1
        if self._emit is not None:
            connection = self._connection
            self._emit(ReplyIgnored(trio.current_time(), connection.io.local, connection.address, data, reason))

    def _report_accepted(self, request: Request, data: bytes) -> None:
        if self._emit is not None:
            local, remote = self._connection.io.local, self._connection.address
            now, elapsed = request.answered_at, request.answered_at - request.sent_at
            self._emit(ReplyAccepted(now, local, remote, request.number, request.attempts, elapsed, data))
