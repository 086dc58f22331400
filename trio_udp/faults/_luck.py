"""What chance says about a datagram: keyed, not rolled.

One generator for the whole network, rolled at each datagram, tells another story in every run: Trio steps its tasks in
random order, so the same rolls hit other datagrams. A generator for each datagram would be right and takes longer than
sending it. So there is one hash for each datagram, over who it is: the seed, where it comes from, where it goes, and
its number on that way. The hash is cut into slots, and each fault has its own; so when you change the loss, the
datagrams that are not lost keep their delays.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from struct import unpack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

_SCALE = 2.0**-32


class Slot:
    """Which part of the hash decides what: BLAKE2b gives 64 bytes (RFC 7693), sixteen slots of 32 bits.

    The numbers are part of every recorded story: never reorder them. They are no Enum, which until Python 3.12 takes
    longer to find its members than the rest of a draw.
    """

    LOSS = 0
    BURST_LOSS = 1
    BURST_CHANGE = 2
    DUPLICATE = 3
    REORDER = 4
    FLIP = 5
    FLIP_WHERE = 6
    GARBLE = 7
    GARBLE_WHERE = 8
    TRUNCATE = 9
    TRUNCATE_WHERE = 10
    JITTER = 11  # and the next: a normal distribution takes two
    COPY_JITTER = 13  # and the next: the same for the second copy of a duplicated datagram
    EXACT = 15


class Luck:
    """The chances of the datagrams of one direction.

    Args:
      seed: the story.
      way: who sends to whom; anything whose ``repr`` is the same in each run.
    """

    def __init__(self, seed: int, way: Hashable) -> None:
        self._hash = blake2b(repr((seed, way)).encode())

    def draw(self, n: int) -> Draw:
        """The chances of the ``n``-th datagram."""
        hash = self._hash.copy()
        hash.update(b"n%d" % n)
        return Draw(hash.digest())


class Draw:
    """The chances of one datagram: call it with a slot for a number from 0 up to and without 1."""

    __slots__ = ("_digest", "_slots")

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self._slots: Sequence[int] = unpack("<16I", digest)

    def __call__(self, slot: int) -> float:
        return self._slots[slot] * _SCALE

    def below(self, slot: int, count: int) -> int:
        """A whole number from 0 up to and without ``count``."""
        return self._slots[slot] * count >> 32

    def normal(self, slot: int) -> float:
        """From the standard normal distribution, without its sign (Box and Muller, 1958)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self(slot)))
        return abs(radius * math.cos(2.0 * math.pi * self(slot + 1)))

    def exponential(self, slot: int) -> float:
        """From the exponential distribution with mean 1."""
        return -math.log(1.0 - self(slot))

    def noise(self, size: int) -> bytes:
        """Random bytes, at most 64."""
        return blake2b(self._digest, digest_size=size).digest()
