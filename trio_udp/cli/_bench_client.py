"""One client of a load: a socket of its own, and the requests that wait for a reply to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._errors import DatagramTooLarge
from ._bench_record import Payloads, Record, Waiting
from ._common import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._channel import UDPChannel


class Client:
    """A socket of its own, and the requests that wait for a reply to it."""

    def __init__(self, channel: UDPChannel, payloads: Payloads, record: Record) -> None:
        self.channel = channel
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
        io, gone, problem = self.channel._io, 0, None
        while gone < count and problem is None:
            run = payloads[gone : gone + self._payloads.run]
            sent, problem = io.send_run(run, self.channel.peer_address)
            gone += sent
        self.is_sending = gone < count
        return ids[gone:]

    async def finish(self, ids: list[bytes]) -> None:
        """Send these, too, waiting for room where there is none.

        What the system would not send is lost, as it is when the network does that; the channel's statistics know why.
        """
        tally = self.channel._io.tally  # statistics() would ask the kernel, too
        before = tally.sent
        try:
            await self.channel.send_many(map(self._payloads.payload, ids))
        except trio.Cancelled:
            self.waiting.unsent(ids[tally.sent - before :])
            raise
        except DatagramTooLarge as error:
            raise Failure(str(error)) from None
        except OSError:
            pass
        finally:
            self.is_sending = False
