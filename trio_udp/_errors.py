"""Everything that trio_udp raises or counts as a failure.

    trio.TooSlowError
     └── NoReply             a request used up its attempts
    ValueError
     └── DatagramTooLarge    more bytes than UDP can carry

What else can come out of this library is Trio's own: ``trio.ClosedResourceError`` once you have closed a thing,
``trio.BusyResourceError`` when two tasks receive from one endpoint, ``trio.Cancelled`` and ``trio.TooSlowError`` from
your cancel scopes, and ``OSError`` when a socket cannot be made, bound or resolved.

Two rules about errors live here because every floor needs them: which ``OSError`` is only the network talking, and how
an exception leaves a nursery that the caller never saw.
"""

from __future__ import annotations

import errno
import logging
import sys
from typing import TYPE_CHECKING, NoReturn

import trio

if sys.version_info < (3, 11):  # Trio itself needs the backport there, and so brings it
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from types import TracebackType

    from ._address import Address

__all__ = ["DatagramTooLarge", "NoReply"]

logger = logging.getLogger("trio_udp")


class NoReply(trio.TooSlowError):
    """No attempt of a request was answered with a reply that it could believe.

    As a ``trio.TooSlowError`` it is caught together with what ``trio.fail_after`` raises. Its ``__cause__`` is the last
    refusal, if there was one (``ConnectionRefusedError``: nobody listens on that port), or the last exception that
    ``accept`` raised about a reply, or for `first_reply` the group of what each server failed with.

    Args:
      address: who was asked; None when several servers were.
      attempts: how many datagrams carried the request.
      elapsed: seconds, on Trio's clock, from the first of them to giving up.
      ignored: replies that came meanwhile and were not believed.
      refused: was the last attempt refused, so that nobody listens there now? A refusal of an earlier attempt alone may
        be of the past: the server came up, and was silent.
    """

    def __init__(
        self, address: Address | None, attempts: int, elapsed: float, ignored: int, refused: bool = False
    ) -> None:
        super().__init__(address, attempts, elapsed, ignored, refused)
        self.address = address
        self.attempts = attempts
        self.elapsed = elapsed
        self.ignored = ignored
        self.refused = refused

    def __str__(self) -> str:
        who = f"{self.address[0]} port {self.address[1]}" if self.address else "any server"
        plural = "" if self.attempts == 1 else "s"
        text = f"no reply from {who} to {self.attempts} attempt{plural} in {self.elapsed:.3g} s"
        return f"{text} ({self.ignored} not believed)" if self.ignored else text


class DatagramTooLarge(ValueError):
    """A datagram that the system would not take because of its size; nothing was sent.

    Args:
      size: bytes of UDP payload that were to be sent.
      limit: bytes that UDP can carry: 65,507 over IPv4, 65,527 over IPv6. A system may allow less, and a socket that
        forbids fragmentation only as much as the path takes.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        if self.size > self.limit:
            return f"a datagram of {self.size} bytes: UDP carries at most {self.limit}"
        return f"a datagram of {self.size} bytes: too large for this socket, though UDP itself carries {self.limit}"


def errno_numbers(names: str) -> frozenset[int]:
    """The numbers of those errors that this platform has."""
    return frozenset(getattr(errno, name) for name in names.split() if hasattr(errno, name))


# Datagrams do not get there. This is what an ICMP message turns into (Linux: icmp_err_convert in net/ipv4/icmp.c and
# icmpv6_err_convert in net/ipv6/icmp.c; Windows: WSAECONNRESET and WSAENETRESET, see recvfrom in its manual), and what
# a machine without a route says.
REFUSALS = errno_numbers(
    "ECONNREFUSED ECONNRESET ENETRESET EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENONET ENOPROTOOPT EOPNOTSUPP EPROTO"
)

# Those, and what a queue or a firewall of this machine says to one datagram. None of it means a broken socket.
NETWORK_ERRORS = REFUSALS | errno_numbers("EMSGSIZE EACCES EPERM ENOBUFS ENOMEM")

# That nobody listens at the port.
PEER_REFUSES = ConnectionRefusedError, ConnectionResetError  # the second is Windows' word for it


def errno_name(error: OSError) -> str:
    """The name of an OSError's number, ``"ECONNREFUSED"``; the number itself where it has no name."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))


class bare_exceptions:
    """``with bare_exceptions(): async with trio.open_nursery()...``: no ExceptionGroup for a nursery of our own.

    The caller did not open that nursery, so ``except ValueError`` around our function has to work. Only the one level
    that the nursery added is taken off: a group that the caller's code raised itself stays as it is. Should several
    tasks have failed, the first failure is raised and the others are logged, so that none is lost.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, BaseExceptionGroup):
            failures = _failures(error)
            for other in failures[1:]:
                if isinstance(other, KeyboardInterrupt):  # a second one says nothing new
                    continue
                logger.error("another task failed while the first failure was on its way", exc_info=other)
            raise_as_it_was(failures[0] if failures else _first_leaf(error))


def _failures(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """What went wrong, in order, KeyboardInterrupt and its like first.

    Being cancelled is not going wrong, neither by itself nor in the group of a task's own nursery.
    """
    _, failed = group.split(trio.Cancelled)
    return sorted(failed.exceptions, key=lambda error: isinstance(error, Exception)) if failed else []


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def is_cancellation(error: BaseException) -> bool:
    """Is this Cancelled, or a group of nothing else?"""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


def failure_and_cancellation(error: BaseException) -> tuple[Exception, BaseException] | None:
    """Of a group that holds both, each of the two; None for whatever is not such a mixture.

    A handler's own nursery raises one if a task in it fails while it is being cancelled. Whoever catches failures has
    to take them out of it, as the rest must reach the scope that was cancelled. A group that holds more than
    Exceptions and Cancelled, KeyboardInterrupt say, is not taken apart.
    """
    if not isinstance(error, BaseExceptionGroup):
        return None
    cancelled, failed = error.split(trio.Cancelled)
    return (failed, cancelled) if cancelled is not None and isinstance(failed, Exception) else None


def raise_as_it_was(error: BaseException) -> NoReturn:
    """Raise without the group becoming the error's ``__context__``, which would show everything twice."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context
