"""One request: sent, waited for, and sent again, until there is a reply or the attempts are used up.

An attempt is "send, and wait", with a deadline. What may happen meanwhile is more than a reply or silence:

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

from ._address import Address, payload_limit, payload_size
from ._errors import NETWORK_ERRORS, PEER_REFUSES, DatagramTooLarge, NoReply, errno_name
from ._events import AttemptStarted, AttemptTimedOut, Emit, RequestFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ._batch import BatchSocket
    from ._connection import Connection
    from ._replies import Replies
    from ._request import Request
    from ._retry import Retry

# Why a socket cannot be connected at the moment: no route, or no address that has one.
NO_WAY = NETWORK_ERRORS | {errno.EADDRNOTAVAIL}


class Attempts:
    """Makes the attempts of the requests that share a connection.

    Args:
      connection: where to send them.
      replies: reads the connection for all of them.
      emit: told of attempts and failures.
    """

    def __init__(self, connection: Connection, replies: Replies, emit: Emit | None) -> None:
        self._connection = connection
        self._replies = replies
        self._emit = emit
        self.on_refusal: Callable[[], None] | None = None  # called when all addresses have refused an attempt

    async def run(self, request: Request, retry: Retry, random: Random | None) -> None:
        """Make attempts until there is a reply; what becomes of the request is noted there, too."""
        started, ignored_before = trio.current_time(), self._replies.ignored
        try:
            # Not `retry.timeouts`: an iterator that lives as long as the request is one more thing for the garbage
            # collector to look at, and with ten thousand requests that was a fifth of their time.
            while request.attempts < retry.attempts:
                request.attempts += 1
                await self._begin(request, retry.timeout(request.attempts, random))
                await self._replies.wait(request, heed_refusal=True)
                if request.reply is not None:
                    return
                await self._end(request, last=request.attempts == retry.attempts)
                if request.reply is not None:
                    return
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
                replies = 0 if request.reply is None else 1
                self._connection.late_possible = request.sent > replies

    async def _begin(self, request: Request, patience: float) -> None:
        """Send the request, if that can be done."""
        request.refused = request.timed_out = False
        self._report_attempt(request, patience)
        ready = self._replies.expects(request) or await self._leave_late_replies_behind(request)
        request.deadline = trio.current_time() + patience
        if ready:
            await self._send(request)

    async def _end(self, request: Request, *, last: bool) -> None:
        """The attempt has brought no reply, or not yet: it was refused."""
        if not request.timed_out:
            await self._go_on_refused(request, last)
        if request.reply is None:
            self._report_timed_out(request)
            await trio.lowlevel.checkpoint_if_cancelled()  # the caller's deadline comes first

    async def _go_on_refused(self, request: Request, last: bool) -> None:
        """The address has refused: ask the next, if there is one, and wait."""
        for _ in self._connection.targets[1:]:
            if await self._was_answered(request):
                return
            await self._ask_elsewhere(request)
            await self._replies.wait(request, heed_refusal=True)
            if request.reply is not None or request.timed_out:
                return
        if await self._was_answered(request):
            return
        # Refused by every address there is. The reply to an earlier attempt may still come, and a server that is
        # starting up gets the time that the schedule has for it. But when nobody listens at the last attempt, there
        # is nothing left to hope for.
        if self.on_refusal is not None:
            self.on_refusal()
        if not (last and _nobody_listens(request.problem)):
            await self._replies.wait(request, heed_refusal=False)

    async def _was_answered(self, request: Request) -> bool:
        """The kernel tells of a refusal before it gives what came earlier: the reply may be there."""
        await self._replies.read_arrived()
        return request.reply is not None

    async def _ask_elsewhere(self, request: Request) -> None:
        assert request.sent_through is not None
        if await self._connection.move_on(request.sent_through):
            self._replies.left_behind(request.sent_through)
        await self._send(request)

    async def _leave_late_replies_behind(self, request: Request) -> bool:
        """See to it that nothing which comes from now on belongs to an earlier request; False if that cannot be done.

        With ``correlate`` the key does that. Without it, what has arrived is discarded, and a socket at which more may
        arrive is exchanged.
        """
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

    async def _send(self, request: Request) -> None:
        """Hand the datagram to the kernel; ``sent_through`` is the socket that it went through, or did not."""
        problems = 0
        while True:
            io = self._connection.io
            self._replies.hope(request)
            request.sent_at = trio.current_time()
            self._count_sent(request, io)
            try:
                problem = io.send_now(request.data, self._connection.address)
                if isinstance(problem, BlockingIOError):
                    problem = await self._send_later(request, io)
            except trio.ClosedResourceError:
                if self._connection.closed or io is self._connection.io:
                    raise
                continue  # another request has moved on to a new socket in the meantime
            if problem is None:
                return
            request.sent -= 1
            # What the kernel says here may be about an earlier datagram, and this one was not sent: once more. If it
            # says so again, then this attempt is lost.
            self._replies.failed(io, problem)
            request.problem = problem
            problems += 1
            if problems == 2:
                if problem.errno == errno.EMSGSIZE:
                    limit = payload_limit(io.socket.family, self._connection.address[0])
                    raise DatagramTooLarge(payload_size(request.data), limit) from None
                return

    async def _send_later(self, request: Request, io: BatchSocket) -> OSError | None:
        """Send when the socket takes it, but not after the deadline."""
        with trio.CancelScope() as patience:
            # Not move_on_at: a wait of no time would be over before the portable way has sent anything.
            patience.deadline = request.deadline
            return await io.send_waiting(request.data, self._connection.address)
        request.timed_out = True
        return None

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
            problem = request.problem if request.refused else None
            reason = errno_name(problem) if isinstance(problem, OSError) else "timeout"
            self._emit(AttemptTimedOut(now, local, remote, request.number, request.attempts, reason))

    def _report_failed(self, request: Request, error: BaseException) -> None:
        if self._emit is not None:
            now, local, remote = self._now_and_where()
            reason = type(error).__name__
            self._emit(RequestFailed(now, local, remote, request.number, request.attempts, reason))

    def _now_and_where(self) -> tuple[float, Address, Address]:
        return trio.current_time(), self._connection.io.local, self._connection.address


def _nobody_listens(problem: Exception | None) -> bool:
    return isinstance(problem, PEER_REFUSES)
