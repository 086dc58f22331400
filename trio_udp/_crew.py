"""The crew: tasks that run a handler for the datagrams of one endpoint.

Two obvious servers are both wrong. One loop that receives, awaits the handler and sends makes every client wait for the
slowest handler. A task per datagram does not, but to start a task costs several times what a quick handler does, and
anybody who can send datagrams decides how many there are.

So the handlers run in a crew of ordinary tasks that grows as it is needed:

    Rule 1  One member at a time leads: it waits for the socket and drains it into the crew's queue.
    Rule 2  Members take datagrams from the queue and run the handler. While no handler waits for anything, one member
            does it all in one tight loop, and nobody else of the crew wakes up. It visits Trio's scheduler after each
            batch. Where handlers compute, before they wait for anything, all members together work for a millisecond,
            and then one of them visits the scheduler and goes on, while the others rest.
    Rule 3  A member whose handler starts to wait looks back: if it leaves datagrams in the queue, or the socket without
            a leader, it hands over to a resting member, or to a new one.
    Rule 4  A member without work leads if nobody does; else it rests.
    Rule 5  At most so many members are up at once as there are places, and one more for each crew. When all of them are
            waiting in handlers nobody leads: the socket is not read, the kernel's buffer fills, and the kernel drops
            and counts what is too much.
    Rule 6  A finished reply goes out before anything waits. It is held back only behind a quick handler, and while the
            next datagram in the queue is of the same peer: replies to one peer go to the kernel together, for a
            fraction of what each alone costs.

Rule 3 needs to know that a handler has started to wait, and ``await handler(datagram)`` does not tell. So the loop that
runs one handler after another is a coroutine that the member drives by hand, with ``coroutine.send(None)``: either that
was all of it, or one of the handlers waits, and the member hands over and awaits the rest. To hand over *before* each
handler would be simpler, and wake a second task for each datagram; to take each handler's first step by hand costs
almost three times what awaiting it does.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import NoReturn, cast

import trio

from ._address import Address, format_address
from ._batch import BATCH, Datagram
from ._endpoint import UDPEndpoint
from ._errors import is_cancellation
from ._handler import Handler, check_awaitable, check_reply, observed
from ._member import Member
from ._outgoing import SEND_PATIENCE, Outgoing, Turn
from ._places import Places
from ._remainder import Coroutine, Remainder
from ._usage import thread_usage

# Seconds that the members together work at most until they let Trio's scheduler go round once, but for the last
# handler: the other tasks of the program have their turns, too. A full batch of quick handlers takes less. It is not
# for each member, as many may be up in one round: 64 of them, with a millisecond each, made others wait for 62.
TURN = 1e-3

# Seconds that a handler takes at most for its reply to be held back, as the next one will probably take as much. To
# send together saves some 3 microseconds for each; the first of a batch waits for about a millisecond at most. To read
# the clock after each handler takes 0.07; when it was read after every eighth, seven slow ones went unnoticed.
QUICK = 20e-6

# What is held back behind a quick handler waits when the next one turns out slow. So after a turn that was too long
# nothing is held back for twenty times what it took: a server whose handlers are slow now and then does without sending
# together, and in another one replies wait for others' handlers in a twentieth of the time at most. A turn ends after a
# millisecond but for the last handler, so in one of two milliseconds a handler has taken one of them.
TOO_LONG = 2 * TURN
MISTRUST = 20


class Crew:
    """The tasks that run the handler for the datagrams of one endpoint."""

    def __init__(self, handler: Handler, endpoint: UDPEndpoint, places: Places) -> None:
        self._io = endpoint._io
        self._handler = handler if self._io.emit is None else observed(handler, endpoint, self._io.emit)
        self._name = f"trio_udp handlers at {format_address(endpoint.address)}"
        self._places = places
        self._queue: deque[Datagram] = deque()
        self._resting: dict[Member, None] = {}  # the latest is woken first; a ParkingLot took 5 % more in all
        self._called = 0  # of the members woken from rest, how many have a place and have not got up yet
        self._listening: trio.CancelScope | None = None  # the leader's, while it waits
        self._led = False
        self._spent = 0.0  # seconds of this turn
        self._no_holding_until = 0.0  # on the clock of `perf_counter`
        self._pausing = False  # does a member wait for the scheduler to go round, to begin a new turn?
        self._stopping = False
        self._apart = 0  # tasks that send what a member had to leave behind: each goes without a place
        self._nobody_apart = trio.Event()
        self._out = Outgoing(self._io, self.hand_over)

    def start(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        nursery.start_soon(self._be_member, name=self._name)

    def stop(self, deadline: float) -> None:
        """Receive no more; members end when the queue is empty, and are cancelled by others at the deadline."""
        self._stopping = True
        self._out.end = deadline + SEND_PATIENCE
        if self._listening is not None:
            self._listening.cancel()
        while self._resting:
            self._wake_one()

    def discard(self) -> None:
        """What was received and not handled is at least counted."""
        self._take_leftover()
        self._io.drop_all(self._queue, "server stopped")
        self._queue.clear()

    def _take_leftover(self) -> bool:
        """What was taken off the socket and is not in the queue: was there anything?"""
        leftover = self._io.leftover()
        self._queue.extend(leftover)
        self._io.report_received(leftover)
        return bool(leftover)

    def hand_over(self) -> None:
        """Let another member go on with what this one leaves behind, if it leaves anything and there is a place."""
        if self._apart:
            return  # it goes on when that is done
        if (self._queue or not (self._led or self._stopping)) and self._places.take(self):
            if self._resting:
                self._called += 1
                self._wake_one()
            else:
                self._nursery.start_soon(self._be_member, name=self._name)

    @trio.lowlevel.enable_ki_protection
    def _wake_one(self) -> None:
        member, _ = self._resting.popitem()
        trio.lowlevel.reschedule(member.task)

    async def _be_member(self) -> None:
        member = Member(trio.lowlevel.current_task(), self._resting)
        while True:
            if member.has_waited:  # cancelled meanwhile? A handler may have kept that to itself
                await trio.lowlevel.checkpoint_if_cancelled()
                member.has_waited = False
            if self._apart:
                await self._nobody_apart.wait()  # with its place: the crew's own must not go to others
            elif self._pausing and self._queue:  # whoever pauses goes on with it
                if self._stopping:
                    self._places.give_back()
                    return
                if not await self._rest(member):
                    return
            elif self._queue and self._spent < TURN:
                await self._work(member)
            elif self._queue:
                await self._pause()
            elif self._stopping:
                if not self._take_leftover():
                    self._places.give_back()
                    return
            elif not self._led:
                await self._lead()
            elif not await self._rest(member):
                return

    async def _pause(self) -> None:
        """Let the scheduler go round."""
        self._pausing = True
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._pausing = False
        self._spent = 0.0

    @trio.lowlevel.enable_ki_protection
    async def _rest(self, member: Member) -> bool:
        """Give the place back and wait for a call; False if the server stops first."""
        self._places.give_back()
        self._resting[member] = None
        await trio.lowlevel.wait_task_rescheduled(member.leave)
        member.has_waited = True
        if not self._called:
            return False
        self._called -= 1  # who called has taken a place for us
        return True

    async def _lead(self) -> None:
        """Wait for datagrams and put them into the queue."""
        self._led = True
        try:
            batch: list[Datagram] = []
            with trio.CancelScope() as self._listening:
                batch = await self._io.receive(BATCH)
            self._spent = 0.0  # to receive is to let the scheduler go round
            self._queue.extend(batch)
            self._io.report_received(batch)
        finally:
            self._listening = None
            self._led = False

    @trio.lowlevel.enable_ki_protection
    async def _work(self, member: Member) -> None:
        """Run the handler for one datagram after another, until one of them has waited for something."""
        coroutine = cast("Coroutine", self._empty_queue(member))
        usage = thread_usage() if len(self._queue) > 1 and self._io.segments is not None else None
        member.began = perf_counter()
        try:
            step = coroutine.send(None)
        except StopIteration:
            return
        finally:
            took = perf_counter() - member.began
            self._spent += took
            if took > TOO_LONG and (usage is None or usage.was_slow_itself(TOO_LONG)):
                self._no_holding_until = member.began + took * (1 + MISTRUST)
        # The handler has said who is to wake this task, but Trio has not heard yet that it sleeps. Nothing may wait
        # before it has, and nothing be raised, Ctrl-C included: the task would be woken from something else.
        member.has_waited = True
        if member.held:
            self._send_held_in_between(member)
        self.hand_over()
        await Remainder(coroutine, step)

    @trio.lowlevel.disable_ki_protection
    async def _empty_queue(self, member: Member) -> None:
        """Handle what is in the queue, as long as no handler waits."""
        queue, handler, send_now, held = self._queue, self._handler, self._io.send_now, member.held
        out, is_over = self._out, False
        before = member.began
        may_hold = self._io.segments is not None and before >= self._no_holding_until
        end = before + TURN - self._spent
        try:
            while queue and not (is_over or member.has_waited):
                datagram = queue.popleft()
                awaitable = handler(datagram)
                try:
                    reply = await awaitable
                except BaseException as error:
                    if is_cancellation(error):
                        self._io.drop(*datagram, "handler cancelled", outgoing=False)
                    check_awaitable(awaitable)
                    raise
                if queue:
                    now = perf_counter()
                    is_over = now >= end
                    goes_on = now - before < QUICK and not (is_over or member.has_waited)
                    before = now
                    if may_hold and goes_on and queue[0][1] == datagram[1] and type(reply) is bytes:
                        member.address = datagram[1]
                        held.append(reply)
                        continue
                if held:
                    if type(reply) is bytes:
                        held.append(reply)
                        reply = None
                    await out.send_waiting(self._send_held(member), member.address)
                if reply is not None:
                    try:
                        problem = BlockingIOError() if out.waiting else send_now(reply, datagram[1])
                        if problem is not None:
                            await out.send_later(reply, datagram[1], problem)
                    except TypeError:
                        check_reply(reply)
                        raise
        finally:
            if held:  # the handler has raised, or was cancelled: what was finished before goes out
                try:
                    await out.send_waiting(self._send_held(member), member.address)
                except trio.ClosedResourceError:
                    if not self._io.is_closed:  # an observer's
                        raise

    def _send_held(self, member: Member) -> list[bytes]:
        """Send what was held back, without waiting; returns that for which there is no room."""
        replies = member.held[:]
        member.held.clear()
        return self._out.send_now(replies, member.address)

    def _send_held_in_between(self, member: Member) -> None:
        """`_send_held` where nothing may wait or be raised: other tasks do that."""
        try:
            rest = self._send_held(member)
        except BaseException as error:
            if not (self._io.is_closed and isinstance(error, trio.ClosedResourceError)):  # whoever receives will tell
                self._nursery.start_soon(_raise, error)  # an observer's
        else:
            if rest:
                self._apart += 1
                line = self._out.get_in_line()
                name = f"{self._name}, replies that wait"
                self._nursery.start_soon(self._send_apart, rest, member.address, line, name=name)

    async def _send_apart(self, replies: list[bytes], address: Address, turn: Turn) -> None:
        """Send what could not be sent in between. Until then nobody takes another datagram: it might go on for ever."""
        try:
            await self._out.send_waiting(replies, address, turn)
        finally:
            self._apart -= 1
            if not self._apart:
                self._nobody_apart.set()
                self._nobody_apart = trio.Event()
        if self._stopping:
            self._take_leftover()
        self.hand_over()


async def _raise(error: BaseException) -> NoReturn:
    raise error
