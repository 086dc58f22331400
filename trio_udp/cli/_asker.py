"""One request after another to one server, and why one was not answered, in a line.

An exit code or an exception's name is not what a person needs to know: who did not answer, how often it was asked, and
how long that took. The library tells two of these when attempts run out, and none when a deadline does; so attempts are
counted here as they happen.

"Refused" is said when that is how the request ended, and not when some attempt on the way was: a server that is there
now and says nothing has not refused. What ended it, `NoReply` knows. A deadline does not: it found the client waiting,
and that is a refusal only where everything that was sent has been refused.
"""

from __future__ import annotations

import math
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from .._address import HostPort, format_address
from .._errors import DatagramTooLarge, NoReply
from .._events import AttemptStarted, Event, observe
from ._common import ExitCode, Failure, plural, say
from ._hosts import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._client import UDPClient
    from .._retry import Retry
    from .._statistics import UDPStatistics


@asynccontextmanager
async def open_asker(server: HostPort, retry: Retry, deadline: float | None) -> AsyncIterator[Asker]:
    """An `Asker` for a server; ``deadline``, in seconds, bounds each request."""
    progress = Progress(retry.attempts)
    with observe(progress.notice):
        async with await open_client(server) as client:
            yield Asker(client, retry, deadline, progress)


class Asker:
    """Asks one server; where that fails, the `Failure` says in a line who did not answer, and how long we tried."""

    def __init__(self, client: UDPClient, retry: Retry, deadline: float | None, progress: Progress) -> None:
        self._client = client
        self._retry = retry
        self._deadline = math.inf if deadline is None else deadline
        self._progress = progress

    async def ask(self, data: bytes) -> bytes:
        """The reply.

        Raises:
          Failure: there was none, or the data are too large.
        """
        before, started = self._client.statistics(), trio.current_time()
        self._progress.attempts = 0
        try:
            with trio.fail_after(self._deadline):
                return await self._client.request(data, retry=self._retry)
        except DatagramTooLarge as error:
            raise Failure(str(error)) from None
        except NoReply as error:
            raise self._failure(started, error.__cause__, refused=error.refused) from None
        except trio.TooSlowError:
            raise self._failure(started, None, refused=_all_refused(before, self._client.statistics())) from None

    def _failure(self, started: float, cause: BaseException | None, *, refused: bool) -> Failure:
        who = format_address(self._client.remote_address)
        tried = f"{plural(self._progress.attempts, 'attempt')} in {trio.current_time() - started:.3g} s"
        if refused:
            return Failure(f"{who} refused: nobody listens on that port ({tried})", ExitCode.REFUSED)
        why = f" ({cause.strerror})" if isinstance(cause, OSError) else ""
        return Failure(f"no reply from {who} to {tried}{why}", ExitCode.NO_REPLY)


def _all_refused(before: UDPStatistics, after: UDPStatistics) -> bool:
    """Was every datagram that was sent in the meantime refused?"""
    sent = after.sent - before.sent
    return 0 < sent <= _refusals(after) - _refusals(before)


def _refusals(statistics: UDPStatistics) -> int:
    return statistics.errors.get("ECONNREFUSED", 0) + statistics.errors.get("ECONNRESET", 0)  # the second: Windows


class Progress:
    """Counts attempts, and tells a person at a terminal that something is still going on."""

    def __init__(self, attempts: int) -> None:
        self._most = attempts
        self.attempts = 0

    def notice(self, event: Event) -> None:
        if isinstance(event, AttemptStarted):
            self.attempts = event.number
            if event.number > 1 and sys.stderr.isatty():
                say(f"no reply yet, attempt {event.number} of {self._most}")
