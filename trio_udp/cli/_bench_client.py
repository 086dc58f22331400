"""One client of a load: a socket of its own, and the requests that wait for a reply to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._errors import DatagramTooLarge
from ._bench_record import Payloads, Record, Waiting
from ._common import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._batch import BatchSocket


class Client:
    """A socket of its own, and the requests that wait for a reply to it."""

    def __init__(self, socket: BatchSocket, payloads: Payloads, record: Record) -> None:
        self.socket = socket
        self.waiting = Waiting(record)
        self.is_sending = False
        self._payloads = payloads

    def send_now(self, count: int, times: Iterable[float] | None = None) -> list[bytes]:
        """Send so many requests; their time runs from now, or from the moments given.

        Returns:
          The ids of those that the system has not taken at once; `finish` is to be called with them.
        """
        ids, payloads = self._payloads.make(count)
        now = trio.current_time()
        if times is None:
            self.waiting.sent_at_once(ids, now)
        else:
            self.waiting.sent(zip(ids, times, strict=True), count, now)
        assert self.socket.peer is not None
        gone, problem = 0, None
        while gone < count and problem is None:
            run = payloads[gone : gone + self._payloads.run]
            sent, problem = self.socket.send_run(run, self.socket.peer)
            gone += sent
        self.is_sending = gone < count
        return ids[gone:]

    async def finish(self, ids: list[bytes]) -> None:
        """Send these, too, waiting for room where there is none.

        What the system would not send is lost, as it is when the network does that; the socket's statistics know why.
        """
        tally = self.socket.tally  # statistics() would ask the kernel, too
        before = tally.sent
        try:
            await self.socket.send_data(map(self._payloads.payload, ids))
        except trio.Cancelled:
            self.waiting.unsent(ids[tally.sent - before :])
            raise
        except DatagramTooLarge as error:
            raise Failure(str(error)) from None
        except OSError:
            pass
        finally:
            self.is_sending = False
