"""`first_reply`: ask several servers, keep the first good answer.

Asking one server after another means that a dead one costs all its attempts before the next is tried. Asking all at
once loads everybody with every request. In between is what RFC 8305 ("happy eyeballs") does for connections: ask the
first; when it has not answered after a short while, or has refused, ask the next one *as well*; the first good answer
wins and the others are cancelled. In structured concurrency that is one nursery.

A server that was asked does the work even when its answer comes too late. This is for requests that can be repeated
without harm.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import trio

from ._batch import Datagram
from ._client import open_udp_client
from ._errors import DatagramTooLarge, NoReply, bare_exceptions
from ._retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import ExceptionGroup

__all__ = ["first_reply"]


@trio.lowlevel.enable_ki_protection  # Ctrl-C ends the waits; it must not fall into leaving the nursery
async def first_reply(
    servers: Sequence[tuple[str, int]],
    data: bytes,
    *,
    stagger: float = 0.25,
    retry: Retry = Retry(),
    accept: Callable[[bytes], bool] | None = None,
) -> Datagram:
    """Ask servers for the same thing and return the first reply that is accepted.

    Args:
      servers: ``(host, port)`` pairs, the preferred one first; at least one.
      data: the payload of the request.
      stagger: seconds after which the next server is asked as well; a refusal asks it at once (0.25: the Connection
        Attempt Delay that RFC 8305 section 5 recommends).
      retry: the schedule of attempts at each server.
      accept: as in `UDPClient.request`.

    Returns:
      The reply, and the address that it came from.

    Raises:
      NoReply: no server answered. Its ``__cause__`` is an ExceptionGroup of what each of them failed with, in the order
        in which they failed; ``attempts`` and ``ignored`` are the sums.
      ValueError: there are no servers, or ``stagger`` is not a number of seconds of at least 0.
      DatagramTooLarge: too large for all of them; nothing was sent.
    """
    await trio.lowlevel.checkpoint()
    if not servers or not stagger >= 0:
        raise ValueError(f"servers must not be empty and stagger at least 0, not {servers!r} and {stagger!r}")
    started = trio.current_time()
    race = _Race(data, retry, accept)
    with bare_exceptions():
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            for host, port in servers:
                ask_next = trio.Event()
                name = f"trio_udp asks {host} port {port}"
                nursery.start_soon(race.ask, host, port, nursery.cancel_scope, ask_next, name=name)
                with trio.move_on_after(stagger):
                    await ask_next.wait()
    if race.winner is not None:
        return race.winner
    if all(isinstance(error, DatagramTooLarge) for error in race.failures):
        raise race.failures[0]
    failed = [error for error in race.failures if isinstance(error, NoReply)]
    attempts = sum(error.attempts for error in failed)
    ignored = sum(error.ignored for error in failed)
    cause = ExceptionGroup("what each server failed with", race.failures)
    raise NoReply(None, attempts, trio.current_time() - started, ignored) from cause


class _Race:
    def __init__(self, data: bytes, retry: Retry, accept: Callable[[bytes], bool] | None) -> None:
        self._data = data
        self._retry = retry
        self._accept = accept
        self.winner: Datagram | None = None
        self.failures: list[Exception] = []

    async def ask(self, host: str, port: int, everybody: trio.CancelScope, ask_next: trio.Event) -> None:
        """Ask one server; the winner cancels everybody else."""
        try:
            async with await open_udp_client(host, port) as client:
                client._attempts.on_refusal = ask_next.set
                reply = await client.request(self._data, retry=self._retry, accept=self._accept)
                if self.winner is None:
                    self.winner = Datagram(reply, client.remote_address)
                everybody.cancel()
        except (NoReply, OSError, DatagramTooLarge) as error:
            self.failures.append(error)
            ask_next.set()
