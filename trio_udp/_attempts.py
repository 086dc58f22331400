"""One request: sent, waited for, and sent again, until there is a reply or the attempts are used up.

An attempt is a cancel scope around "send, and wait". What may happen inside is more than a reply or silence:

    The network refuses. With several addresses the next one is tried at once, in the same attempt; when all have
    refused, the attempt is lost, and its wait goes on all the same: an earlier attempt's reply may still come, and a
    server that is starting up needs that time.

    The kernel says at *sending* that something went wrong. That is often about an earlier datagram, and this one was
    not sent; so it is sent once more before it is believed.

    Another request, which shares the connection, has moved on to another socket. Then so do we.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import trio

from ._address import Address, payload_limit
from ._errors import NETWORK_ERRORS, DatagramTooLarge, NoReply
from ._events import AttemptStarted, AttemptTimedOut, Emit, RequestFailed

if TYPE_CHECKING:
    from random import Random

    from ._batch import BatchSocket
    from ._connection import Connection
    from ._replies import Replies, Request
    from ._retry import Retry

# Why a socket cannot be connected at the moment: no route, or no address that has one.
NO_WAY = NETWORK_ERRORS | {errno.EADDRNOTAVAIL}


class Attempts:
    """The attempts of one request.

    Args:
      request: what to ask; its reply, and what else becomes of it, is noted there.
      connection: where to send it.
      replies: reads the connection for all requests that share it.
      emit: told of attempts and failures.
    """

    def __init__(self, request: Request, connection: Connection, replies: Replies, emit: Emit | None) -> None:
        self._request = request
        self._connection = connection
        self._replies = replies
        self._emit = emit

    async def run(self, retry: Retry, random: Random | None) -> bytes:
        """Make attempts until there is a reply."""
        request = self._request
        started, ignored_before = trio.current_time(), self._replies.ignored
        try:
            for patience in retry.timeouts(random):
                request.attempts += 1
                await self._attempt(request, patience, last=request.attempts == retry.attempts)
                if request.reply is not None:
                    return request.reply
            elapsed = trio.current_time() - started
            ignored = self._replies.ignored - ignored_before
            refused = request.refused and _nobody_listens(request.problem)
            raise NoReply(self._connection.address, request.attempts, elapsed, ignored, refused) from request.problem
        except BaseException as error:
            self._report_failed(request, error)
            raise
        finally:
            if self._replies.expects(request):
                self._replies.forget(request)
                self._connection.late_possible = request.sent > (request.reply is not None)

    async def _attempt(self, request: Request, patience: float, *, last: bool) -> None:
        """Send the request and wait; ``request.reply`` is there afterwards or it is not."""
        self._report_attempt(request, patience)
        ready = await self._leave_late_replies_behind(request)
        with trio.CancelScope() as scope:
            # Not move_on_after: a wait of no time would be over before the portable way has sent anything.
            scope.deadline = trio.current_time() + patience
            if not ready:
                await self._connection.wait_closed()
            for others in reversed(range(len(self._connection.targets))):
                io = await self._send(request)
                await self._replies.wait(request, heed_refusal=True)
                if request.reply is None:
                    # The kernel tells of a refusal before it gives what came earlier: the reply may be there.
                    await self._replies.read_arrived()
                if request.reply is not None:
                    return
                if others:
                    await self._connection.move_on(io)
                    self._replies.left_behind(io)
            # Refused by every address there is. The reply to an earlier attempt may still come, and a server that is
            # starting up gets the time that the schedule has for it. But when nobody listens at the last attempt, there
            # is nothing left to hope for.
            if request.on_refusal is not None:
                request.on_refusal()
            if not (last and _nobody_listens(request.problem)):
                await self._replies.wait(request, heed_refusal=False)
        if request.reply is None:
            # The whole program may have stood still for longer than this wait, and the reply may be there.
            await self._replies.read_arrived()
        if request.reply is None:
            self._report_timed_out(request)

    async def _leave_late_replies_behind(self, request: Request) -> bool:
        """See to it that nothing which comes from now on belongs to an earlier request; False if that cannot be done.

        With ``correlate`` the key does that. Without it, what has arrived is discarded, and a socket at which more may
        arrive is exchanged.
        """
        if self._replies.expects(request):
            return True
        try:
            was_all = await self._replies.read_arrived()
            if self._connection.late_possible or not was_all:
                await self._connection.renew()
        except OSError as error:
            if error.errno not in NO_WAY:
                raise
            request.problem = error  # nothing was sent, so this attempt is lost; the next one tries again
            return False
        self._replies.expect(request)
        return True

    async def _send(self, request: Request) -> BatchSocket:
        """Hand the datagram to the kernel; returns the socket that it went through, or did not go through."""
        problems = 0
        while True:
            io = self._connection.io
            request.refused = False
            request.sent_at = trio.current_time()
            self._count_sent(request, io)
            try:
                problem = io.send_now(request.data, self._connection.address)
                if isinstance(problem, BlockingIOError):
                    problem = await io.send_waiting(request.data, self._connection.address)
            except trio.ClosedResourceError:
                if self._connection.closed or io is self._connection.io:
                    raise
                continue  # another request has moved on to a new socket in the meantime
            if problem is None:
                return io
            request.sent -= 1
            # What the kernel says here may be about an earlier datagram, and this one was not sent: once more. If it
            # says so again, then this attempt is lost.
            self._replies.failed(io, problem)
            request.problem = problem
            problems += 1
            if problems == 2:
                if problem.errno == errno.EMSGSIZE:
                    raise DatagramTooLarge(len(request.data), payload_limit(io.socket.family)) from None
                return io

    def _count_sent(self, request: Request, io: BatchSocket) -> None:
        """Count a datagram before it is sent: should anything be raised in between, its reply may still come."""
        if request.sent_through is not io:
            # What another address said, or may still reply to a socket that we have left, is of no interest any more.
            request.sent_through, request.sent, request.problem = io, 0, None
        request.sent += 1

    # -- telling who watches ------------------------------------------------------------------------------------------

    def _report_attempt(self, request: Request, timeout: float) -> None:
        if self._emit is not None:
            now, local, remote = self._now_and_where()
            self._emit(AttemptStarted(now, local, remote, request.number, request.attempts, timeout, request.data))

    def _report_timed_out(self, request: Request) -> None:
        if self._emit is not None:
            now, local, remote = self._now_and_where()
            self._emit(AttemptTimedOut(now, local, remote, request.number, request.attempts))

    def _report_failed(self, request: Request, error: BaseException) -> None:
        if self._emit is not None:
            now, local, remote = self._now_and_where()
            reason = type(error).__name__
            self._emit(RequestFailed(now, local, remote, request.number, request.attempts, reason))

    def _now_and_where(self) -> tuple[float, Address, Address]:
        return trio.current_time(), self._connection.io.local, self._connection.address


def _nobody_listens(problem: Exception | None) -> bool:
    return isinstance(problem, (ConnectionRefusedError, ConnectionResetError))  # the second is Windows' word for it
