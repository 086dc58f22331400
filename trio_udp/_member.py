"""One task of a crew: what it has at hand while it works, and how it leaves its rest when it is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from ._address import Address


class Member:
    """What one task of the crew has at hand.

    Args:
      task: Trio's.
      resting: the members of its crew that rest, in order; it takes itself out when it is cancelled there.
    """

    __slots__ = ("address", "began", "has_waited", "held", "resting", "task")

    address: Address
    began: float  # when it began to work, on the clock of `perf_counter`

    def __init__(self, task: trio.lowlevel.Task, resting: dict[Member, None]) -> None:
        self.task = task
        self.resting = resting  # those of its crew, maybe with it
        self.has_waited = False  # for a handler or a call, since it last looked whether it was cancelled
        self.held: list[bytes] = []  # replies to the present peer, this address, that are to go out together

    def leave(self, _: object) -> trio.lowlevel.Abort:
        """For Trio: cancelled while it rests."""
        del self.resting[self]
        return trio.lowlevel.Abort.SUCCEEDED
