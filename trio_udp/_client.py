"""`open_udp_client`: send a request, wait for its reply, send it again when that does not come.

The naive client sends, receives, and believes what it gets. It waits for ever when either datagram is lost; and once it
has a timeout and sends again, a worse bug moves in: the reply that was only late is taken for the next request's. From
then on every answer is one off, and nothing looks wrong.

So a client here answers two questions before it believes a reply. *Is it from my server?* The socket is connected to
it, on a random port that the kernel chose: strangers' datagrams are dropped before we see them. *Is it the reply to
this request?* There are two ways to know:

    With ``correlate`` the bytes tell: request and reply share a key, an id for example. Any number of requests can be
    on their way over one socket, and a reply whose key nobody waits for is ignored.

    Without it nothing in the bytes tells. So one request is on its way at a time, and when more datagrams were sent
    than answered, a late reply may still be about. The next request then goes out through a new socket, with a new
    port, which no late reply can find. (Two holes remain that no socket can close: when the *network* doubles a reply,
    the second copy may arrive after the next request was sent; and the system may give us the port that another program
    has just left. Correlate, if that matters.)

There is no task in the background: the requests that wait take turns at reading the socket (``_replies.py``), and share
the one cancel scope in which that is done. The deadline for the whole is the caller's.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, final

import trio

from ._address import Address, Target, check_peer_port, resolve
from ._attempts import Attempts
from ._connection import Connection
from ._events import current_emit
from ._replies import Replies
from ._request import Request, interruptibly
from ._retry import Retry, RoundTripEstimate
from ._statistics import Tally, UDPStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from random import Random

    from typing_extensions import Self

__all__ = ["UDPClient", "open_udp_client"]


async def open_udp_client(
    host: str,
    port: int,
    *,
    correlate: Callable[[bytes], Hashable] | None = None,
    random: Random | None = None,
) -> UDPClient:
    """Open a socket connected to a server.

    Use it as ``async with await open_udp_client(...) as client``.

    The name is resolved once, here. Of several addresses the first is used, and another whenever that one refuses (and
    then that other one, until it refuses as well):
    ``localhost`` finds a server on ``127.0.0.1`` even where it means ``::1`` first.

    Args:
      host: a name or an address.
      port: 1 to 65535.
      correlate: a function from the bytes of a request or a reply to a key that they share. With it, requests may be on
        their way side by side. For a reply that has no key it may return None or raise: that reply is ignored. A key
        should not come again soon after a request that was not answered, whose late reply would be taken for the new
        one's.
      random: where the jitter of `Retry` comes from; give a seeded one for a run that can be repeated.

    Raises:
      OSError: the name could not be resolved, or no address can be reached from this machine.
      ValueError: the port is out of range.
    """
    await trio.lowlevel.checkpoint()
    check_peer_port(port)
    client = UDPClient(await resolve(host, port), correlate, random)
    await client._connection.open()
    return client


@final
class UDPClient(trio.abc.AsyncResource):
    """Sends requests to one server and returns their replies; made by `open_udp_client`.

    Any number of tasks may call `request`. Without ``correlate`` they are served one at a time, in order.
    """

    def __init__(
        self, targets: Sequence[Target], correlate: Callable[[bytes], Hashable] | None, random: Random | None
    ) -> None:
        self._correlate = correlate
        self._random = random
        self._emit = current_emit()
        self._tally = Tally()
        self._connection = Connection(targets, self._tally, self._emit)
        self._replies = Replies(self._connection, correlate, self._tally, self._emit)
        self._attempts = Attempts(self._connection, self._replies, self._emit)
        self.round_trip = RoundTripEstimate()
        """What the round trips of this client have taken, as a `RoundTripEstimate`."""
        self._numbers = itertools.count(1)
        self._turn = trio.StrictFIFOLock()  # one request at a time, where there is no `correlate`

    @property
    def remote_address(self) -> Address:
        """The address that requests go to."""
        return self._connection.address

    @trio.lowlevel.enable_ki_protection  # Ctrl-C ends its waits; who has the turn, or waits for a key, stays known
    async def request(
        self, data: bytes, *, retry: Retry = Retry(), accept: Callable[[bytes], bool] | None = None
    ) -> bytes:
        """Send a request and return its reply, sending again as often as ``retry`` says.

        Retrying means *at least once*: when it was the reply that got lost, the server has done what it was asked to,
        and does it again. Either requests can be repeated without harm, or the server has to recognise them.

        Args:
          data: the payload; the same bytes are sent at every attempt.
          retry: how many attempts there are, and how long each of them waits. A refusal (ICMP: nobody listens on that
            port) makes an attempt a lost one, no more: the server may be starting up, and a refusal can be forged.
          accept: a function that says whether a reply is one to this request. Those that it refuses, by returning
            something false or by raising, are ignored and counted, and the wait goes on: to give up because of one
            would let anybody who can send a datagram end the request.

        Returns:
          The payload of the reply.

        Raises:
          NoReply: all attempts are used up. Its ``__cause__`` is the last refusal, or what ``accept`` raised, if there
            was one. After a refusal of the last attempt there is nothing left to wait for, and this is raised at once.
          DatagramTooLarge: nothing was sent.
          ValueError: a request with the same key is on its way already, or ``correlate`` gives None for the request.
          OSError: a socket is broken, or another one that is needed cannot be had: too many open files, for example.
          trio.ClosedResourceError: you have closed the client.

        Cancellation:
          Your cancel scope ends a request at any point; a deadline of yours always wins over the schedule.
        """
        if self._correlate is None:
            async with self._turn:  # a checkpoint
                self._raise_if_closed()
                request = Request(next(self._numbers), None, data, accept)
                await self._attempts.run(request, retry, self._random)
                return self._measured(request)
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._raise_if_closed()
            if (key := interruptibly(self._correlate, data)) is None:
                raise ValueError("correlate gave None for the request itself: its reply could not be told from others")
            request = Request(next(self._numbers), key, data, accept)
            self._replies.expect(request)
            await self._attempts.run(request, retry, self._random)  # the wait for the reply is a checkpoint
            return self._measured(request)
        except Exception:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise

    def statistics(self) -> UDPStatistics:
        """What has gone through the client's sockets, and which replies it did not believe, by reason."""
        return self._connection.io.statistics()

    def close(self) -> None:
        """Close the socket now. Requests that are on their way raise ``trio.ClosedResourceError``."""
        self._connection.close()

    async def aclose(self) -> None:
        """The same as `close`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _listen(self) -> None:
        """Read what comes while no request waits, so that it is told when it comes and not later; until cancelled."""
        await self._replies.wait(Request(0, None, b"", None), heed_refusal=False)

    def _measured(self, request: Request) -> bytes:
        """The reply; what the round trip took is noted."""
        assert request.reply is not None
        if request.attempts == 1:  # else it is not clear which attempt was answered
            self.round_trip.sample(request.answered_at - request.sent_at)
        return request.reply

    def _raise_if_closed(self) -> None:
        if self._connection.closed:
            raise trio.ClosedResourceError("this client was closed")
