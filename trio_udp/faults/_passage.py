"""One direction of a link as it is right now: what its queue holds, whether it is in a burst, what it has lost lately.

A `Link` says how a network behaves and never changes; a `Passage` is one such network between one pair of hosts, and
says what becomes of each datagram. Whoever has sockets or tasks stands above this file: here, time is an argument.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from ._luck import Draw, Luck, Slot

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._link import Link

# Bytes that `garble` replaces at most.
LONGEST_NOISE = 8


class Copy(NamedTuple):
    """A datagram arrives: when, in seconds, and with which bytes."""

    time: float
    data: bytes


class Fate(NamedTuple):
    """What becomes of a datagram: the copies that arrive, or why there are none.

    Args:
      copies: each with its ``time``, when it arrives, and its ``data``; two if it was duplicated.
      dropped: ``"mtu"``, ``"queue full"``, ``"loss"``, ``"burst"`` or ``"exact loss"``; None if it arrives.
    """

    copies: tuple[Copy, ...]
    dropped: str | None


class Passage:
    """What a link does to the datagrams of one direction.

    Args:
      link: how it behaves.
      seed: the same seed, the same fates.
      way: who sends to whom, as names: part of the randomness, so that two directions are not alike.
    """

    def __init__(self, link: Link, seed: int, way: Hashable) -> None:
        self.link = link
        self._luck = Luck(seed, way)
        self._leaving: deque[float] = deque()  # when each datagram at the sender's end will have left it
        self._in_burst = False
        self._run = 0  # how many were lost or damaged, one after another
        self._places = self._losses = 0  # how many are left in this block of `exact_loss`
        harm = (link.loss, link.burst, link.exact_loss, link.corrupt, link.garble, link.truncate)
        self._by_chance = any((*harm, link.duplicate, link.reorder, link.jitter))

    def fate(self, time: float, n: int, data: bytes, headers: int) -> Fate:
        """What becomes of a datagram.

        Args:
          time: when it was sent, in seconds; of any two calls, the later one must not have the earlier time.
          n: its number in this direction, from 1: which part of chance is its own.
          data: its payload.
          headers: bytes in front of the payload on the wire.
        """
        link = self.link
        if link.mtu is not None and len(data) + headers > link.mtu:
            return Fate((), "mtu")
        if link.rate is not None:
            if (left := self._queue(time, len(data) + headers, link.rate)) is None:
                return Fate((), "queue full")
            time = left
        if not self._by_chance:
            return Fate((Copy(time + link.delay, data),), None)
        return self._by_luck(time, n, data)

    def _queue(self, time: float, size: int, rate: float) -> float | None:
        """When the last bit of a datagram leaves; None if there is no room for it to wait."""
        leaving = self._leaving
        while leaving and leaving[0] <= time:
            leaving.popleft()
        if len(leaving) > self.link.queue:  # one is being sent, the others wait
            return None
        leaving.append((leaving[-1] if leaving else time) + size * 8 / rate)
        return leaving[-1]

    def _by_luck(self, time: float, n: int, data: bytes) -> Fate:
        link = self.link
        luck = self._luck.draw(n)
        spared = link.in_a_row is not None and self._run >= link.in_a_row
        reason = self._lost(luck, spared)
        exactly = link.exact_loss is not None and self._lost_exactly(luck, *link.exact_loss)
        if reason is not None:
            self._run += 1
            return Fate((), reason)
        if exactly:
            return Fate((), "exact loss")
        damaged = data if spared else self._damage(luck, data)
        self._run = self._run + 1 if damaged != data else 0
        delay = link.delay + (link.reorder_delay if luck(Slot.REORDER) < link.reorder else 0.0)
        copies = [Copy(time + delay + self._jitter(luck, Slot.JITTER), damaged)]
        if luck(Slot.DUPLICATE) < link.duplicate:
            copies.append(Copy(time + link.delay + self._jitter(luck, Slot.COPY_JITTER), damaged))
        return Fate(tuple(copies), None)

    def _lost(self, luck: Draw, spared: bool) -> str | None:
        link, burst = self.link, self.link.burst
        reason = "loss" if luck(Slot.LOSS) < link.loss else None
        if burst is not None:
            chance = burst.loss_in_bad if self._in_burst else burst.loss_in_good
            if luck(Slot.BURST_LOSS) < chance:
                reason = reason or "burst"
            if luck(Slot.BURST_CHANGE) < (burst.leave if self._in_burst else burst.enter):
                self._in_burst = not self._in_burst
        return None if spared else reason

    def _lost_exactly(self, luck: Draw, lost: int, size: int) -> bool:
        """So many of each block, every choice as likely as any other (Knuth, TAOCP section 3.4.2, algorithm S)."""
        if not self._places:
            self._places, self._losses = size, lost
        doomed = luck.below(Slot.EXACT, self._places) < self._losses
        self._places -= 1
        self._losses -= doomed
        return doomed

    def _damage(self, luck: Draw, data: bytes) -> bytes:
        link = self.link
        if not data:
            return data
        if luck(Slot.FLIP) < link.corrupt:
            where, bit = divmod(luck.below(Slot.FLIP_WHERE, 8 * len(data)), 8)
            data = data[:where] + bytes([data[where] ^ 1 << bit]) + data[where + 1 :]
        if luck(Slot.GARBLE) < link.garble:
            where = luck.below(Slot.GARBLE_WHERE, len(data))
            noise = luck.noise(LONGEST_NOISE)[: len(data) - where]
            noise = bytes([noise[0] ^ (noise[0] == data[where])]) + noise[1:]  # never the bytes that were there
            data = data[:where] + noise + data[where + len(noise) :]
        if luck(Slot.TRUNCATE) < link.truncate:
            data = data[: luck.below(Slot.TRUNCATE_WHERE, len(data))]
        return data

    def _jitter(self, luck: Draw, slot: int) -> float:
        jitter = self.link.jitter
        if not jitter:
            return 0.0
        shape = self.link.jitter_shape
        if shape == "uniform":
            return jitter * luck(slot)
        return jitter * (luck.normal(slot) if shape == "normal" else luck.exponential(slot))
