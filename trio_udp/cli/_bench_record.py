"""What became of each request of a load: whose reply is it, how long did it take, and the sums.

A load of 100,000 requests a second has ten microseconds for each, and the network takes some of them. So there is no
object per request here, and hardly a statement: what is sent together is noted together, and what is received together
is looked up together. The replies to requests that were sent at one moment, and are received at one moment, have taken
the same time; they are one entry, however many they are.

Nothing grows with time either. Latencies go into buckets, which are finer than three significant digits; of requests
that are lost the newest `REMEMBERED` are known one by one, which is what tells a late reply from a doubled one.
"""

from __future__ import annotations

import math
import random
from collections import Counter, OrderedDict
from itertools import repeat, takewhile
from typing import TYPE_CHECKING

from .._offload import MOST_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Ids = Sequence[bytes]

# An id is 64 bits as hexadecimal digits: 24 of this run, at random, and the 40 of the request's number, which at a
# million requests a second come round after 12 days. It is text so that a server which takes requests for text, and
# shows them or writes them in capitals, is echo-like, too; and it stands at the end, so that one with a prefix is.
ID_SIZE = 16
_ID = b"%016X"
_NUMBER_BITS = 40

LARGEST = 65507  # bytes of payload; over IPv6 there could be 20 more

# Lost requests whose replies can still be told apart; some 25 MB.
REMEMBERED = 2**17


class Payloads:
    """The bytes of each request, numbered from 1.

    Args:
      size: bytes of each, at least `ID_SIZE`.
      token: this run's; random unless given. It keeps the replies of an earlier run from being taken for ours.
    """

    def __init__(self, size: int, token: int | None = None) -> None:
        token = random.SystemRandom().getrandbits(64 - _NUMBER_BITS) if token is None else token
        self.run = max(min(MOST_SEGMENTS, LARGEST // size), 1)
        """How many can go to the system together."""
        self._filling = b"." * (size - ID_SIZE)
        self._first = (token << _NUMBER_BITS) + 1
        self._next = self._first

    def make(self, count: int) -> tuple[list[bytes], list[bytes]]:
        """The ids of the next requests, and their payloads."""
        start, filling = self._next, self._filling
        self._next = start + count
        ids = [_ID % number for number in range(start, start + count)]
        return ids, [filling + id_ for id_ in ids]

    def payload(self, id_: bytes) -> bytes:
        """The payload that belongs to an id."""
        return self._filling + id_

    def made(self, id_: bytes) -> bool:
        """Is this the id of a request that there was?"""
        try:
            number = int(id_, 16)
        except ValueError:
            return False
        return self._first <= number < self._next and id_ == _ID % number


class Latencies:
    """Times in seconds: how many, their mean and extremes, and how they are distributed.

    A bucket is a 512th of the way from one power of two to the next, so at most 0.2 % wide, which is what
    HdrHistogram has with three significant digits. What is read off is a bucket's upper end: never too good.
    """

    def __init__(self) -> None:
        self.count = 0
        self.least = math.inf
        self.most = 0.0
        self._sum = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, elapsed: float, count: int) -> None:
        """So many took so long."""
        mantissa, exponent = math.frexp(elapsed)
        bucket = (exponent << 9) + int(mantissa * 1024) if elapsed > 0 else _SHORTEST
        self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.count += count
        self._sum += elapsed * count
        if elapsed < self.least:
            self.least = elapsed
        if elapsed > self.most:
            self.most = elapsed

    @property
    def mean(self) -> float:
        """Exact; 0 of nothing."""
        return self._sum / self.count if self.count else 0.0

    def quantile(self, fraction: float) -> float:
        """The least time that so large a fraction of all did not exceed; at most 0.2 % too high, never too low."""
        rank, seen = math.ceil(fraction * self.count), 0
        for top, count in self.counts():
            seen += count
            if seen >= rank:
                return top
        return 0.0

    def counts(self) -> Iterator[tuple[float, int]]:
        """The upper end of each bucket that is not empty, and how many are in it, from short to long."""
        for bucket in sorted(self._buckets):
            yield min(_upper_end(bucket), self.most), self._buckets[bucket]


_SHORTEST = -(60 << 9)  # below a billionth of a nanosecond: where a virtual clock has not moved


def _upper_end(bucket: int) -> float:
    exponent, step = divmod(bucket - 512, 512)
    return math.ldexp(step + 513, exponent - 10)


class Record:
    """The sums over all clients.

    Each request ends as one of three: ``answered`` in time; ``late``, answered after that; or ``lost``, not answered at
    all as long as there was somebody to hear it. So once no request waits any more, ``sent`` is their sum.
    ``duplicates`` and ``unrelated`` count datagrams: further replies to a request, and replies to none of this run.

    Args:
      payloads: of all clients.
      wait: seconds after which a reply is late.
    """

    def __init__(self, payloads: Payloads, wait: float) -> None:
        self.wait = wait
        self.sent = self.answered = self.late = self.lost = self.duplicates = self.unrelated = 0
        self.latencies = Latencies()
        self.started = self.last_sent = self.last_reply = -math.inf  # Trio's clock
        self._payloads = payloads
        self._lost: OrderedDict[bytes, float] = OrderedDict()
        self._forgotten = b""  # the newest of them; ids are ordered as their numbers are

    @property
    def replies(self) -> int:
        """Requests that were answered, however late."""
        return self.answered + self.late

    @property
    def waiting(self) -> int:
        """Requests that still wait for their reply."""
        return self.sent - self.answered - self.late - self.lost

    def reply(self, sent_at: float, now: float, count: int) -> None:
        """So many first replies to what was sent at one moment."""
        self.last_reply = now
        if now > sent_at + self.wait:
            self.late += count
        else:
            self.answered += count
        self.latencies.add(now - sent_at, count)

    def lose(self, id_: bytes, sent_at: float) -> None:
        """Nobody waits for this one any longer; its reply may still come."""
        self.lost += 1
        self._lost[id_] = sent_at
        if len(self._lost) > REMEMBERED:
            self._forgotten = max(self._forgotten, self._lost.popitem(last=False)[0])

    def find(self, id_: bytes) -> float | None:
        """When a lost one was sent, and it is lost no longer; None if it is not among them."""
        if (sent_at := self._lost.pop(id_, None)) is not None:
            self.lost -= 1
        return sent_at

    def surplus(self, id_: bytes, now: float) -> None:
        """A reply that nobody waits for; what can only be guessed, because it was forgotten, counts as unrelated."""
        if (sent_at := self.find(id_)) is not None:
            self.reply(sent_at, now, 1)
        elif id_ > self._forgotten and self._payloads.made(id_):
            self.duplicates += 1
        else:
            self.unrelated += 1


class Waiting:
    """The requests of one client that wait for their replies; its length is how many there are."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._sent_at: dict[bytes, float] = {}  # in this order

    def __len__(self) -> int:
        return len(self._sent_at)

    def sent_at_once(self, ids: Ids, now: float) -> None:
        """These go out now, and their time runs from now."""
        self.sent(zip(ids, repeat(now)), len(ids), now)

    def sent(self, ids_and_times: Iterable[tuple[bytes, float]], count: int, now: float) -> None:
        """These go out now; the time of each runs from the moment that stands beside it."""
        self._sent_at.update(ids_and_times)
        self._record.sent += count
        self._record.last_sent = now

    def unsent(self, ids: Ids) -> None:
        """But these did not, and nobody heard of them."""
        for id_ in ids:
            if self._sent_at.pop(id_, None) is None:
                self._record.find(id_)
        self._record.sent -= len(ids)

    def received(self, batch: Iterable[bytes], now: float) -> None:
        """These datagrams have come."""
        ids = [data[-ID_SIZE:] for data in batch]
        take = self._sent_at.pop
        times = [take(id_, None) for id_ in ids]
        record = self._record
        for sent_at, count in Counter(times).items():
            if sent_at is not None:
                record.reply(sent_at, now, count)
                continue
            for id_, time in zip(ids, times, strict=True):
                if time is None:
                    record.surplus(id_, now)

    def expire(self, now: float) -> int:
        """Give up those that have waited long enough; returns how many."""
        wait = self._record.wait
        # Collected first: to ask a dict for its first key again and again, and delete that, takes quadratic time.
        overdue = list(takewhile(lambda item: item[1] + wait <= now, self._sent_at.items()))
        for id_, time in overdue:
            del self._sent_at[id_]
            self._record.lose(id_, time)
        return len(overdue)

    def next_to_expire(self) -> float:
        """When, on Trio's clock; infinity if none waits."""
        return next(iter(self._sent_at.values()), math.inf) + self._record.wait
