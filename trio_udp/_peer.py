"""One peer of a server: what carries its channel, where a socket is shared by a hundred thousand of them.

The obvious inbox is a memory channel, and ``move_on_after`` around each wait for it; with the task, that is 5.6 KiB
for a peer who says nothing. Here it has an inbox while there is something in it, a waiting task has its place among all
who wait (`_idle`), and the counters are plain numbers.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import trio

from ._address import payload_size
from ._statistics import UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from ._address import Address
    from ._batch import BatchSocket
    from ._idle import Idle

    Table = dict[Address, "Peer"]


class Peer:
    """A `Line` over a server's socket.

    Args:
      peer: its address.
      io: the server's socket.
      table: where it stands by its address, until it is closed.
      idle: those who wait for their peers.
      room: datagrams that may lie in the inbox.
    """

    __slots__ = (
        *("_closed", "_dropped", "_idle", "_inbox", "_io", "_receiving", "_room", "_sending", "_table", "_task"),
        *("ended_by", "peer", "received", "received_bytes", "sent", "sent_bytes"),
    )

    def __init__(self, peer: Address, io: BatchSocket, table: Table, idle: Idle, room: int) -> None:
        self.peer = peer
        self._io = io
        self._table = table
        self._idle = idle
        self._room = room
        self._inbox: deque[bytes] | None = None
        self._task: trio.lowlevel.Task | None = None  # waits in receive
        self._receiving = False
        self._sending: set[trio.CancelScope] | None = None  # of those who wait for room in the socket's buffer
        self._closed = False
        self.ended_by = ""  # why the latest receive has raised EndOfChannel, if it has
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self._dropped: Counter[str] | None = None

    # -- from the peer ------------------------------------------------------------------------------------------------

    def deliver(self, data: bytes) -> bool:
        """A datagram has come: False if there is no room for it."""
        self.received += 1
        self.received_bytes += len(data)
        if self._inbox is None:
            self._inbox = deque((data,))
        elif len(self._inbox) < self._room:
            self._inbox.append(data)
        else:
            self.count_dropped("peer's buffer full")
            return False
        if self._task is not None:
            self._end_own_wait()
        return True

    def end_wait(self, reason: str) -> None:
        """For `Idle`, which has forgotten about it: there was nothing for so long."""
        self.ended_by = reason
        self._wake()

    @trio.lowlevel.enable_ki_protection  # Ctrl-C in between would leave a task asleep that `Idle` does not know
    def _end_own_wait(self) -> None:
        self._idle.remove(self)
        self._wake()

    @trio.lowlevel.enable_ki_protection
    def _wake(self) -> None:
        task, self._task = self._task, None
        assert task is not None
        trio.lowlevel.reschedule(task)

    @trio.lowlevel.enable_ki_protection  # Ctrl-C ends the waiting; what is in the inbox stays there
    async def receive_one(self, end: type[Exception]) -> bytes:
        """`Line.receive_one`."""
        if self._receiving:
            await trio.lowlevel.checkpoint()
            raise trio.BusyResourceError("another task is already receiving from this channel")
        self._receiving = True
        try:
            if self._inbox or self._closed or self._idle.is_over:
                await trio.lowlevel.checkpoint()
            else:
                self._task = trio.lowlevel.current_task()
                self._idle.add(self)
                await trio.lowlevel.wait_task_rescheduled(self._leave)
        finally:
            self._receiving = False
        if self._inbox and not self._closed:
            return self._take()
        raise self._why_nothing(end)

    async def receive_data(self, limit: int) -> list[bytes]:
        """`Line.receive_data`."""
        batch = [await self.receive_one(trio.EndOfChannel)]
        while self._inbox and len(batch) < limit:
            batch.append(self._take())
        return batch

    def _take(self) -> bytes:
        assert self._inbox is not None
        data = self._inbox.popleft()
        if not self._inbox:
            self._inbox = None
        self.ended_by = ""
        return data

    def _why_nothing(self, end: type[Exception]) -> Exception:
        if self._closed:
            return trio.ClosedResourceError("this channel was already closed")
        self.ended_by = self.ended_by or "server stopped"
        return end()

    def _leave(self, _: object) -> trio.lowlevel.Abort:
        """For Trio: cancelled while it waits."""
        self._idle.remove(self)
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    # -- to the peer --------------------------------------------------------------------------------------------------

    async def send_data(self, items: Iterable[bytes]) -> None:
        """`UDPChannel.send_many`; what the network refuses is lost and counted, as in `serve_udp`."""
        if self._closed:
            await trio.lowlevel.checkpoint()
        self.check_open()
        await self._io.send_for(self, items)

    def check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this channel was already closed")

    async def unless_closed(self, sending: Awaitable[OSError | None]) -> OSError | None:
        if self._sending is None:
            self._sending = set()
        with trio.CancelScope() as scope:
            self._sending.add(scope)
            try:
                return await sending
            finally:
                self._sending.remove(scope)
        raise trio.ClosedResourceError("this channel was closed")

    def count_sent(self, run: Sequence[bytes]) -> None:
        self.sent += len(run)
        self.sent_bytes += sum(map(len, run)) if len(run) > 1 else sum(map(payload_size, run))  # `runs` are of bytes

    def count_dropped(self, reason: str) -> None:
        if self._dropped is None:
            self._dropped = Counter()
        self._dropped[reason] += 1

    # -- both ---------------------------------------------------------------------------------------------------------

    def statistics(self) -> UDPStatistics:
        """This peer's; the receive buffer is the server's, and what the kernel drops there is not told by peer."""
        counted = self.received, self.received_bytes, self.sent, self.sent_bytes
        return UDPStatistics(*counted, dict(self._dropped or {}), {}, None, self._io.statistics().receive_buffer)

    def close(self) -> None:
        """The conversation is over: whoever sends from that address from now on is a new peer."""
        if self._closed:
            return
        self._closed = True
        if self._table.get(self.peer) is self:
            del self._table[self.peer]
        inbox, self._inbox = self._inbox or (), None
        for _ in inbox:
            self.count_dropped("channel closed")
        self._io.drop_all([(data, self.peer) for data in inbox], "channel closed")
        for scope in self._sending or ():
            scope.cancel()
        if self._task is not None:
            self._end_own_wait()
