"""When to send again.

UDP says nothing when a datagram is lost, so a client sends, waits and sends again. The naive client repeats at a fixed
interval; when a server or a link is overloaded, that is the moment at which a thousand clients keep pushing in step.
RFC 8085 section 3.1 asks for waits that start at a second and double, and we add a random stretch so that clients which
started together drift apart:

    wait number i = min(first x multiplier**i x U[1, 1 + jitter], maximum)        i = 0, 1, ...

A schedule is only numbers: no clock, no sleeping, no socket. The one who waits is `UDPClient.request`. What a client
has measured by then, `RoundTripEstimate` turns into the first wait that this network asks for.
"""

from __future__ import annotations

import math
import random as random_module
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

__all__ = ["Retry", "RoundTripEstimate"]


@dataclass(frozen=True)
class Retry:
    """How often a request is sent, and how long each attempt waits for a reply; all times in seconds.

    Args:
      attempts: how many datagrams are sent at most, at least 1.
      first: the wait after the first (RFC 8085 section 3.1.1 and RFC 6298 section 2: 1 second when the round-trip time
        is not known).
      multiplier: each wait is this many times the one before (2: RFC 6298 section 5.5).
      maximum: no wait is longer than this, jitter included (60: RFC 6298 section 2, rule 2.5, allows no less for TCP).
      jitter: each wait is stretched by a random factor between 1 and 1 + jitter.
      last: the wait after the last attempt, if it is not the next in line.

    Raises:
      ValueError: an argument makes no sense; the message names it.
    """

    attempts: int = 5
    first: float = 1.0
    multiplier: float = 2.0
    maximum: float = 60.0
    jitter: float = 0.5
    last: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or isinstance(self.attempts, bool) or self.attempts < 1:
            raise ValueError(f"attempts must be a whole number, at least 1, not {self.attempts!r}")
        _check("first", self.first)
        _check("multiplier", self.multiplier)
        _check("maximum", self.maximum, infinite=True)
        _check("jitter", self.jitter)
        if self.last is not None:
            _check("last", self.last)

    def timeouts(self, random: Random | None = None) -> Iterator[float]:
        """The wait after each attempt, in order.

        Args:
          random: where the jitter comes from; the ``random`` module's shared generator unless given.
        """
        return (self.timeout(number, random) for number in range(1, self.attempts + 1))

    def timeout(self, number: int, random: Random | None = None) -> float:
        """The wait after one attempt.

        Args:
          number: which attempt, from 1.
          random: as in `timeouts`.
        """
        return self._stretched(number, random_module.random() if random is None else random.random())

    @property
    def span(self) -> float:
        """The longest that all attempts can take together, in seconds."""
        return sum(self._stretched(number, 1.0) for number in range(1, self.attempts + 1))

    def _stretched(self, number: int, part: float) -> float:
        """The wait, with that part of the jitter."""
        if number == self.attempts and self.last is not None:
            wait = self.last
        else:
            try:
                wait = self.first * self.multiplier ** (number - 1)
            except OverflowError:  # more than a float can say, and `maximum` caps that too
                wait = math.inf
        return min(wait * (1.0 + self.jitter * part), self.maximum)

    @classmethod
    def stun(cls) -> Retry:
        """RFC 8489 section 6.2.1: RTO 0.5 s, Rc = 7 attempts, and a last wait of Rm = 16 times the RTO.

        Sends at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 seconds and fails at 39.5.
        """
        return cls(attempts=7, first=0.5, multiplier=2.0, jitter=0.0, last=8.0)

    @classmethod
    def coap(cls) -> Retry:
        """RFC 7252 section 4.8: ACK_TIMEOUT 2 s, ACK_RANDOM_FACTOR 1.5, MAX_RETRANSMIT 4, so 5 attempts.

        Its span is the RFC's MAX_TRANSMIT_WAIT, 93 seconds. The RFC draws one random factor per message, here each wait
        draws its own; every wait lies between the same bounds.
        """
        return cls(attempts=5, first=2.0, multiplier=2.0, jitter=0.5)

    @classmethod
    def dns(cls) -> Retry:
        """A resolver's way with one name server: c-ares' first timeout (ARES_OPT_TIMEOUTMS, 2 s) and tries (3).

        c-ares goes on to longer timeouts when it comes back to a server; here each attempt waits for 2 seconds.
        """
        return cls(attempts=3, first=2.0, multiplier=1.0, jitter=0.0)


class RoundTripEstimate:
    """How long a round trip takes here, and how long to wait for one: RFC 6298 section 2.

    ``Retry(first=client.round_trip.timeout)`` waits no shorter than this network needs.

    Args:
      minimum: seconds that ``timeout`` is never below (rule 2.4 has 1 second for TCP, and RFC 8085 section 3.1.1
        follows it).
    """

    __slots__ = ("_minimum", "smoothed", "variation")

    def __init__(self, minimum: float = 1.0) -> None:
        self._minimum = minimum
        self.smoothed: float | None = None
        """SRTT in seconds; None as long as nothing was measured."""
        self.variation = 0.0
        """RTTVAR in seconds."""

    def sample(self, seconds: float) -> None:
        """Take in a measurement; never one of a request that was sent more than once (Karn, section 3)."""
        if self.smoothed is None:
            self.smoothed, self.variation = seconds, seconds / 2
        else:
            self.variation += (abs(self.smoothed - seconds) - self.variation) / 4
            self.smoothed += (seconds - self.smoothed) / 8

    @property
    def timeout(self) -> float:
        """What a first wait should be (RTO), in seconds; 1 before anything was measured (section 2.1)."""
        if self.smoothed is None:
            return max(1.0, self._minimum)
        return max(self.smoothed + 4 * self.variation, self._minimum)


def _check(name: str, value: float, *, infinite: bool = False) -> None:
    """Raise the ValueError that names the argument, unless it is a time or factor that one can count with."""
    if math.isnan(value) or value < 0 or (math.isinf(value) and not infinite):
        raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
