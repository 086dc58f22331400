"""What became of each ping: the payloads, whose echo is whose, and the sums.

A ping may run for weeks, so nothing here grows with time. The last `WINDOW` pings are remembered one by one, which is
what tells a late answer from a doubled one; of older ones only the sums are left. Round-trip times go into a reservoir.
"""

from __future__ import annotations

import random
import struct
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from ._common import quantile

# Random token of this run, number of the ping. The token keeps the echoes of an earlier run, or of another program that
# had the port before, from being taken for ours.
HEADER = struct.Struct("!II")

SMALLEST, LARGEST = HEADER.size, 65507  # bytes of payload

# Pings whose further answers can still be told apart; more than are ever waited for at once.
WINDOW = 4096

# Round-trip times that are kept. Up to so many the median and the 99th percentile are exact; after that they are those
# of a fair sample, which has a hundred values beyond the percentile.
RESERVOIR = 10_000


class Payloads:
    """The bytes of each ping, and which ping an echo belongs to."""

    def __init__(self, size: int, token: int | None = None) -> None:
        self._token = random.SystemRandom().getrandbits(32) if token is None else token
        self._padding = bytes(number & 0xFF for number in range(HEADER.size, size))

    def make(self, number: int) -> bytes:
        """The payload of a ping; ``number`` is below 2**32: 2**32 pings last 136 years at one a second."""
        return HEADER.pack(self._token, number) + self._padding

    def number(self, data: bytes) -> int | None:
        """The number in an echo; None if it is none of ours."""
        if len(data) < HEADER.size:
            return None
        token, number = HEADER.unpack_from(data)
        return int(number) if token == self._token else None


class RoundTrips:
    """Round-trip times in seconds: how many, their mean and extremes, and a sample of bounded size.

    The sample is Vitter's algorithm R ("Random sampling with a reservoir", 1985): each time ever added has the same
    chance of being in it.
    """

    def __init__(self, size: int = RESERVOIR) -> None:
        self._size = size
        self._sample = array("d")
        self._count = 0
        self._sum = self._least = self._most = 0.0

    def add(self, elapsed: float) -> None:
        self._least = min(self._least, elapsed) if self._count else elapsed
        self._most = max(self._most, elapsed)
        self._sum += elapsed
        self._count += 1
        if len(self._sample) < self._size:
            self._sample.append(elapsed)
        elif (place := random.randrange(self._count)) < self._size:
            self._sample[place] = elapsed

    def summary(self) -> dict[str, float]:
        """min, median, mean, p99 and max, in seconds; nothing without a single time."""
        if not self._count:
            return {}
        ordered = sorted(self._sample)
        return {
            "min": self._least,
            "median": quantile(ordered, 0.5),
            "mean": self._sum / self._count,
            "p99": quantile(ordered, 0.99),
            "max": self._most,
        }


class Sending(NamedTuple):
    """The last time that a ping was sent: which attempt it was, and when, in seconds on Trio's clock."""

    attempt: int
    time: float


@dataclass
class _Ping:
    """A ping that is remembered: how many answers the attempts made can have, and how many came."""

    possible: int
    answers: int = 0
    sending: Sending | None = None


@dataclass
class Record:
    """The sums over all pings.

    Each ping ends as one of four: ``received``, answered while it was waited for; ``late``, answered after that;
    ``lost``; or still ``waiting`` when the run was ended. ``duplicates`` and ``corrupt`` count datagrams.
    """

    sent: int = 0
    waiting: int = 0
    received: int = 0
    late: int = 0
    lost: int = 0
    refused: int = 0  # lost ones, of which the network said so
    duplicates: int = 0
    corrupt: int = 0
    times: RoundTrips = field(default_factory=RoundTrips)
    ended_refused: bool = False  # was the newest of the lost ones? A server may have come up since the others were
    _newest_lost: int = 0
    _pings: OrderedDict[int, _Ping] = field(default_factory=OrderedDict)

    def started(self, number: int, attempts: int) -> None:
        """A ping is about to be sent, ``attempts`` times at most."""
        self.sent += 1
        self.waiting += 1
        self._pings[number] = _Ping(attempts)
        if len(self._pings) > WINDOW:
            self._pings.popitem(last=False)

    def sent_now(self, number: int, sending: Sending) -> None:
        """It goes out, for the first time or once more."""
        if (ping := self._pings.get(number)) is not None:
            ping.sending = sending

    def sending(self, number: int | None) -> Sending | None:
        """The last one of a ping; None if there was none, or none is remembered."""
        ping = None if number is None else self._pings.get(number)
        return None if ping is None else ping.sending

    def answered(self, number: int, attempts: int, elapsed: float) -> None:
        """Its reply came, to the ``attempts``-th sending, which was the last."""
        self.waiting -= 1
        self.received += 1
        self.times.add(elapsed)
        if (ping := self._pings.get(number)) is not None:
            ping.possible, ping.answers = attempts, ping.answers + 1

    def unanswered(self, number: int, *, refused: bool) -> None:
        """It was waited for long enough."""
        self.waiting -= 1
        self.lost += 1
        self.refused += refused
        if number > self._newest_lost:
            self._newest_lost, self.ended_refused = number, refused

    def surplus(self, number: int) -> str:
        """An answer that nobody waited for: is it ``"late"`` or a ``"duplicate"``?

        The second answer to a ping that was sent twice is late, not a duplicate: each sending has its own. So is one to
        a ping that is no longer remembered; the sums leave it out.
        """
        if (ping := self._pings.get(number)) is None:
            return "late"
        ping.answers += 1
        if ping.answers > ping.possible:
            self.duplicates += 1
            return "duplicate"
        if ping.answers == 1:
            self.late += 1
            self.lost -= 1
        return "late"

    @property
    def loss(self) -> float:
        """Lost ones among those whose wait is over, in percent."""
        finished = self.sent - self.waiting
        return 100 * self.lost / finished if finished else 0.0
