"""Guards: handlers around handlers, for servers that strangers can reach.

Anybody can send a datagram, in anybody's name and as often as the line allows, and the network itself delivers some
twice. What to do about it depends on the server: one whose replies are short is no weapon, one that only reads does not
mind duplicates. The obvious place is parameters of `serve_udp`. There would be a dozen, each with an opinion of how it
goes with the others, and a server that needs none would be asked about all of them.

So a guard is a handler that has a handler inside. Guards stack, in the order in which they are written down, and what
serves them knows nothing about it. Each counts what it keeps away; the outermost tells for all.

Here are what guards have in common, and the two that remember nothing. `limit_rate` is in ``_rate.py``, `cache_replies`
in ``_reply_cache.py``.

A guard holds no task and no socket, so it cannot tell an observer (`observe`) that something was dropped. What shows
there is a handler that was silent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from inspect import isawaitable
from typing import TYPE_CHECKING

from ._address import format_address
from ._checks import check_positive
from ._errors import failure_and_cancellation, logger, raise_as_it_was
from ._handler import Handler, check_handler, reply_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ._batch import Datagram

__all__ = ["Guard", "limit_amplification", "log_errors"]


class Guard(ABC):
    """A handler around a handler, made by `log_errors`, `limit_amplification`, `limit_rate` or `cache_replies`.

    It belongs to one ``trio.run``, as its times are those of Trio's clock; so one that is made in a module, before the
    run, is for one run only.
    """

    def __init__(self, handler: Handler) -> None:
        check_handler(handler)
        self._handler = handler
        self._counts: Counter[str] = Counter()

    @abstractmethod
    def __call__(self, datagram: Datagram) -> Awaitable[bytes | None]:
        """What the handler inside answers, if the guard lets it."""

    def statistics(self) -> Mapping[str, int]:
        """What this guard and those directly inside it have stepped in for: the reason, and how many datagrams."""
        counts = Counter(self._counts)
        if isinstance(self._handler, Guard):
            counts.update(self._handler.statistics())
        return dict(counts)


# -- errors ----------------------------------------------------------------------------------------------------------


def log_errors(handler: Handler) -> Guard:
    """Log what the handler raises, and go on: one bad datagram does not end the server.

    Without it an exception ends the server, as with ``trio.serve_tcp``, and that is right for a program that somebody
    looks after: a bug does not hide. This is for one that has to stay up. Whoever raised gets no reply.

    The log is the logger ``trio_udp``, at ERROR, with the traceback and the address of the peer. A traceback may hold
    what the peer sent, and be as frequent as the peer likes: `limit_rate` around this bounds it. Something that is no
    reply (42, a str) is an error like any other.

    Args:
      handler: the one inside. ``trio.Cancelled``, ``KeyboardInterrupt`` and whatever else is no ``Exception`` go on
        their way. Of a group of failures and ``trio.Cancelled``, as a nursery of the handler's own raises if one of its
        tasks fails while the server stops, the failures are logged and the rest goes on.

    Returns:
      The guard; its statistics count exceptions by the name of their type.

    Raises:
      TypeError: the handler cannot be called.
    """
    return _ErrorLog(handler)


class _ErrorLog(Guard):
    async def __call__(self, datagram: Datagram) -> bytes | None:
        try:
            return await reply_of(self._handler, datagram)
        except Exception as error:
            self._log(datagram, error)
            return None
        except BaseException as error:
            if (parts := failure_and_cancellation(error)) is None:
                raise
            self._log(datagram, parts[0])
            raise_as_it_was(parts[1])

    def _log(self, datagram: Datagram, error: Exception) -> None:
        kind = type(error).__name__
        self._counts[kind] += 1
        data, address = datagram
        who = format_address(address)
        logger.error("the handler raised %s at %d bytes from %s", kind, len(data), who, exc_info=error)


# -- amplification ---------------------------------------------------------------------------------------------------


def limit_amplification(
    handler: Handler, *, factor: float = 3.0, validated: Callable[[Datagram], bool] | None = None
) -> Guard:
    """Drop replies that are much larger than their requests, unless the peer has shown that it is there.

    The source of a datagram can be forged. Whoever writes somebody else's address on small requests, and asks servers
    whose replies are large, makes these flood the one who never asked (RFC 8085 section 6, "reflection").
    With this guard nobody gets more than ``factor`` times what was sent in his name. What is counted is payload, as
    in QUIC, so an empty request can only be answered with an empty reply.

    A client proves that it receives at its address by sending back what it can only know from there: `AddressCookies`
    makes such things. ``validated`` looks for that in the request::

        cookies = AddressCookies()


        def has_cookie(datagram):
            return cookies.check(datagram.address, datagram.data[: cookies.SIZE])


        async def answer(datagram):
            return long_text if has_cookie(datagram) else cookies.make(datagram.address)


        guarded = limit_amplification(answer, validated=has_cookie)

    Args:
      handler: the one inside. It runs for every request: what is limited is the reply.
      factor: how many times the request's bytes of UDP payload a reply may have; one of exactly that size is sent (3:
        RFC 9000 section 8.1).
      validated: does this request prove that its sender receives at its address? It is asked only for a reply that is
        too large otherwise. None: no request does.

    Returns:
      The guard; it counts ``"amplifying reply"``.

    Raises:
      TypeError: the handler cannot be called, or ``validated``.
      ValueError: the factor is not above 0.
    """
    if validated is not None and not callable(validated):
        raise TypeError(f"validated must be a function of the datagram, or None, not {validated!r}")
    check_positive("factor", factor)
    return _AmplificationLimit(handler, factor, validated)


class _AmplificationLimit(Guard):
    def __init__(self, handler: Handler, factor: float, validated: Callable[[Datagram], bool] | None) -> None:
        super().__init__(handler)
        self._factor = factor
        self._validated = validated

    async def __call__(self, datagram: Datagram) -> bytes | None:
        reply = await reply_of(self._handler, datagram)
        if reply is None or len(reply) <= self._factor * len(datagram.data):
            return reply
        if self._validated is not None and (answer := self._validated(datagram)):
            if isawaitable(answer):  # whatever it would have said, it would count as yes
                raise TypeError(f"validated must be a function that is not async; this one returned {answer!r}")
            return reply
        self._counts["amplifying reply"] += 1
        return None
