"""`limit_rate`: so many datagrams a second from one source, and so many from all together.

The obvious limit is a counter per address. But addresses can be forged, and a million of them are as easy to write as
one: then no counter ever gets high, and the table of counters fills the memory. So the table has a bound, at which the
source that was least recently seen goes, and behind all sources there is one limit more.

That one must not become the flood's weapon. If it were first come, first served, a flood of forged newcomers would take
it all, and those who have been talking to the server all along would starve. So a newcomer may only draw from the
upper half of the common bucket; the lower half is for sources that are in the table. A newcomer that is refused does
not get into the table, or the flood would push the others out of it.

But honest newcomers would be left with what any of the flood has: one chance in ten, each time they try, in a flood of
ten times the limit. What tells them apart is that they try again, and addresses that are forged at random do not. So
who was refused before (`Refused`) may draw on down to a quarter, where the flood cannot follow.

But up to total_rate of the flood are let in every second, so one table would be turned over every max_sources /
total_rate seconds, and a client that asks less often than that would be a newcomer each time. So there are two tables,
for those who were let in once, and for those who came back and were let in again. They share the places; who came back
is only forgotten where that sort has more than half of them. Whoever is forged once never gets there. What this cannot
do: sources that are forged again and again, until they are all known, cannot be told from clients.

A bucket of tokens is usually a number of tokens and a time. Here it is one number: the moment at which it will be full
again. Each token taken moves that further away by 1 / rate; a bucket is empty when it is burst / rate away; and one
whose moment has passed is full, like that of a source that was never seen. So to forget a source is to be generous.

Where each peer has a task and a channel of its own there is no handler to guard, but there are newcomers to count. So
the buckets (`RateLimit`) know nothing of handlers and datagrams.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import trio

from ._checks import check_count, check_positive
from ._guards import Guard
from ._refused import Refused
from ._sources import Sources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable

    from ._address import Address
    from ._batch import Datagram
    from ._handler import Handler

__all__ = ["RateLimit", "limit_rate"]

# Of a token: what may be missing from a whole one, so that no rounding of times ever costs a datagram.
_ROUNDING = 0.01

# A second's part of a datagram: once in 30,000 years. (Of what is much less, 1 / rate is no number any more.)
_LEAST = 1e-12

# What comes at once at most: no machine receives as much in a year.
_MOST = 10**15

# Bytes for each place, twice: for who was refused. With the default places that remembers 262,144 of them, which in a
# flood of 10,000 a second is half a minute: longer than the longest wait of the default `Retry`.
_MARKS = 16


def limit_rate(
    handler: Handler,
    *,
    rate: float,
    burst: int,
    total_rate: float | None = None,
    max_sources: int = 65536,
    ipv4_prefix: int = 32,
    ipv6_prefix: int = 64,
) -> Guard:
    """Drop what comes too fast, from one source or from all together, before the handler sees it.

    Also what two servers that answer each other can do at most, where one answers garbage with an error and the other
    one errors with garbage (CVE-2024-2169).

    Args:
      handler: the one inside.
      rate: datagrams a second from one source, in the long run.
      burst: how many may come at once after a pause, at least 1.
      total_rate: datagrams a second from all sources together, at least ``rate``, and better a hundred times that: as
        many sources as one goes into the other, each at its limit, leave nothing to newcomers. As a burst, what comes
        in as many seconds as a source's burst stands for. None: no such limit. With one, a flood of forged sources is
        cut to it.
        Sources that are remembered are served first, all of them: only they may use the last quarter of the common
        burst. Next are newcomers that were refused and come again; only those two may use its lower half. So a newcomer
        has to send its request again, as `Retry` has it: of 200, in a flood of ten times the total, all got through.
      max_sources: how many sources are remembered; the next datagram of one that is forgotten finds a full burst. Half
        of the places are for sources that had two datagrams let through, as soon as there are so many: one of those
        stays until as many others of them have been seen after it, however long it is silent and however many
        sources were forged once meanwhile. Of the rest the one least recently seen goes. A source takes some 210 bytes;
        with ``total_rate`` each place takes 32 more, from the beginning.
      ipv4_prefix: how many leading bits of an IPv4 address make a source (32: each address is one). Mapped addresses
        (``::ffff:192.0.2.1``) are IPv4.
      ipv6_prefix: the same for IPv6 (64: what one network has, of whose addresses each of its hosts may use any number,
        RFC 8981). The link-local addresses of one link are one source then.

    Returns:
      The guard; it counts ``"over rate"``, ``"over total rate"`` and, for sources not in the table, ``"newcomer over
      total rate"``.

    Raises:
      TypeError: the handler cannot be called.
      ValueError: an argument makes no sense; the message names it.
    """
    limit = RateLimit(
        rate=rate,
        burst=burst,
        total_rate=total_rate,
        max_sources=max_sources,
        ipv4_prefix=ipv4_prefix,
        ipv6_prefix=ipv6_prefix,
    )
    return _RateGuard(handler, limit)


class _RateGuard(Guard):
    def __init__(self, handler: Handler, limit: RateLimit) -> None:
        super().__init__(handler)
        self._objection = limit.objection

    def __call__(self, datagram: Datagram) -> Awaitable[bytes | None]:
        if (objection := self._objection(datagram.address)) is None:
            return self._handler(datagram)
        self._counts[objection] += 1
        return _silence()


async def _silence() -> None:
    pass


class RateLimit:
    """What `limit_rate` asks before each datagram, for who has something else to ask about.

    As the ``admit`` of `serve_udp_peers` or `trio_udp.dtls.serve_dtls_peers`, for example, `admit` bounds how many new
    peers a second one source can have, and all together. It belongs to one ``trio.run``, as its times are of its clock.

    Args:
      rate: times a second for one source, in the long run.
      burst: how often at once after a pause, at least 1.
      total_rate: times a second for all sources together, at least ``rate``, or None.

    These and the others are as in `limit_rate`, with its errors.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: int,
        total_rate: float | None = None,
        max_sources: int = 65536,
        ipv4_prefix: int = 32,
        ipv6_prefix: int = 64,
    ) -> None:
        check_positive("rate", rate)
        if rate < _LEAST:
            raise ValueError(f"rate must be at least {_LEAST:g}, not {rate!r}")
        check_count("burst", burst)
        check_count("max_sources", max_sources)
        if total_rate is not None:
            check_positive("total_rate", total_rate)
            if total_rate < rate:
                raise ValueError(f"total_rate must be at least the rate of one source, {rate!r}, not {total_rate!r}")
        if burst > _MOST:
            raise ValueError(f"burst must be at most {_MOST:,}, not {burst!r}")
        self._max_sources = max_sources
        self._source_of = Sources(ipv4_prefix, ipv6_prefix).of
        # Buckets, each as the time when it is full again, and how far away that may be for another datagram.
        self._came_once: OrderedDict[Hashable, float] = OrderedDict()
        self._came_back: OrderedDict[Hashable, float] = OrderedDict()
        self._step = 1 / rate
        self._reach = (burst - 1 + _ROUNDING) / rate
        self._total = 0.0
        self._total_step = 0.0 if total_rate is None else 1 / total_rate
        self._total_reach, self._again_reach, self._newcomers_reach = (
            max(0.0, share * burst / rate - self._total_step) + _ROUNDING * self._total_step for share in (1, 0.75, 0.5)
        )
        self._refused = Refused(0 if total_rate is None else _MARKS * max_sources)

    def admit(self, address: Address) -> bool:
        """May it happen once more from this address, now? If so, that is counted as one time."""
        return self.objection(address) is None

    def objection(self, address: Address) -> str | None:
        """Take a token from both buckets and return None, or take none and say why."""
        now = trio.current_time()
        source = self._source_of(address)
        table = self._came_back if source in self._came_back else self._came_once
        full_at = table.get(source)
        is_known = full_at is not None
        if full_at is None or full_at < now:
            full_at = now
        if is_known:
            table.move_to_end(source)
            if full_at - now > self._reach:
                return "over rate"
        total = max(self._total, now)
        if total - now > self._newcomers_reach and not self._may_go_on(source, is_known, total - now):
            return "over total rate" if is_known else "newcomer over total rate"
        self._total = total + self._total_step
        if not is_known:
            self._came_once[source] = full_at + self._step
            self._forget_one_too_many()
        else:
            if table is self._came_once:
                del table[source]
            self._came_back[source] = full_at + self._step
        return None

    def _may_go_on(self, source: Hashable, is_known: bool, taken: float) -> bool:
        """Draw from the lower half of the common bucket?"""
        if is_known:
            return taken <= self._total_reach
        return self._refused.add(source) and taken <= self._again_reach

    def _forget_one_too_many(self) -> None:
        if len(self._came_once) + len(self._came_back) > self._max_sources:
            crowded = self._came_back if len(self._came_back) > self._max_sources // 2 else self._came_once
            crowded.popitem(last=False)
