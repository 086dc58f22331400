"""One request after another to one server, and why one was not answered, in a line.

An exit code or an exception's name is not what a person needs to know: who did not answer, how often it was asked, and
how long that took. The library tells two of these when attempts run out, and none when a deadline does; so attempts are
counted here as they happen, and refusals are taken from the client's statistics.
"""

from __future__ import annotations

import math
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from .._address import HostPort, format_address
from .._errors import DatagramTooLarge
from .._events import AttemptStarted, Event, observe
from ._common import ExitCode, Failure, plural, say
from ._hosts import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._client import UDPClient
    from .._retry import Retry


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
        refusals, started = self._refusals(), trio.current_time()
        self._progress.attempts = 0
        try:
            with trio.fail_after(self._deadline):
                return await self._client.request(data, retry=self._retry)
        except DatagramTooLarge as error:
            raise Failure(str(error)) from None
        except trio.TooSlowError as error:  # NoReply is one, too; the other is the deadline
            refused = self._refusals() > refusals
            raise self._failure(refused, error.__cause__, trio.current_time() - started) from None

    def _failure(self, refused: bool, cause: BaseException | None, elapsed: float) -> Failure:
        who = format_address(self._client.remote_address)
        tried = f"{plural(self._progress.attempts, 'attempt')} in {elapsed:.3g} s"
        if refused:
            return Failure(f"{who} refused: nobody listens on that port ({tried})", ExitCode.REFUSED)
        why = f" ({cause.strerror})" if isinstance(cause, OSError) else ""
        return Failure(f"no reply from {who} to {tried}{why}", ExitCode.NO_REPLY)

    def _refusals(self) -> int:
        errors = self._client.statistics().errors
        return errors.get("ECONNREFUSED", 0) + errors.get("ECONNRESET", 0)  # the second is Windows' word for it


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
