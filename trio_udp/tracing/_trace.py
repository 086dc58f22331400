"""`Trace`: what was recorded, as a value that every view takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._entries import Entry

__all__ = ["Trace"]


@dataclass(frozen=True)
class Trace:
    """What happened in a program while it was recorded.

    Args:
      entries: in order.
      started: when the recording began, in seconds on Trio's clock; pictures count from here.
      ended: when it ended, or was looked at.
      names: what addresses are called in pictures: by ``"10.0.0.1:7"`` for one socket, or by ``"10.0.0.1"`` for all
        sockets there.
      forgotten: how many entries came after the recording was full.
    """

    entries: tuple[Entry, ...]
    started: float
    ended: float
    names: Mapping[str, str] = field(default_factory=dict)
    forgotten: int = 0
