"""Who was refused lately: a set that never grows, and is sometimes wrong.

In a flood of forged sources an honest newcomer looks like one of them, until it asks again, as clients do that hear
nothing: an address that is forged at random does not come twice. So `limit_rate` wants to know who has come before. The
obvious set of those who were refused is what such a flood would fill, a million in no time.

So it is a set of marks, a Bloom filter with one hash: a bit for each source, by its checksum. Who has been added is
always found. Who has not is found by chance, if somebody else has the same bit, and for what this is for that is good
enough. When one bit in 32 is marked a new set is begun, and the one before is kept until that happens again. So however
many come, at most one in sixteen passes for one who was there; and who was added is remembered until as many others
have been as a thirty-second of the bits.

The checksum has no secret: who forges addresses so that all have one bit gets no more out of it than by sending
each of them twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Hashable

_FULL = 32  # one mark for so many bits, and it is time for the next set


class Refused:
    """Sources that were refused lately.

    Args:
      size: bytes of each of two sets; a quarter as many sources at least are remembered.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._now = bytearray(size)
        self._before = bytearray(size)

    def add(self, source: Hashable) -> bool:
        """It is refused; was it before?"""
        if self._count == self._size * 8 // _FULL:
            self._count, self._before, self._now = 0, self._now, bytearray(self._size)
        self._count += 1
        number = crc32(str(source).encode())
        place, bit = (number >> 3) % self._size, 1 << (number & 7)
        was_there = bool((self._now[place] | self._before[place]) & bit)
        self._now[place] |= bit
        return was_there
