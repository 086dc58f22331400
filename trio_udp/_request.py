"""A request on its way: what it asks, what has become of it, and which reply it believes.

It knows no socket and sends nothing. `Attempts` sends it, `Replies` finds what came for it, `Waiting` has it while it
sleeps; what they have to tell each other of it is noted here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import trio

from ._errors import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ._batch import BatchSocket
    from ._waiting import Waiting

T = TypeVar("T")


class Request:
    """A request on its way, and what has become of it so far.

    Args:
      number: counts the requests of a client, from 1.
      key: what its reply will have, too; None where there is one request at a time.
      data: the payload.
      accept: says whether a reply is one to this request.
    """

    __slots__ = (
        *("accept", "data", "key", "number"),
        *("answered_at", "attempts", "problem", "reply", "sent", "sent_at", "sent_through"),
        *("deadline", "refused", "task", "timed_out", "waiting"),
    )

    def __init__(
        self,
        number: int,
        key: Hashable,
        data: bytes,
        accept: Callable[[bytes], bool] | None,
    ) -> None:
        self.number = number
        self.key = key
        self.data = data
        self.accept = accept
        self.attempts = 0
        self.sent_at = 0.0  # seconds, the latest attempt
        self.answered_at = 0.0
        self.sent_through: BatchSocket | None = None  # the latest socket ...
        self.sent = 0  # ... and how many datagrams it was given
        self.reply: bytes | None = None
        self.problem: Exception | None = None  # the last refusal, or what `accept` raised
        self.deadline = math.inf  # how long the present attempt waits, on Trio's clock ...
        self.timed_out = False  # ... has it waited that long?
        self.refused = False  # has it been refused?
        self.waiting: Waiting | None = None  # while somebody else reads: where it is asleep ...
        self.task: trio.lowlevel.Task | None = None  # ... and who

    def is_over(self, heed_refusal: bool) -> bool:
        """Does it have its reply, or has its deadline come or, if that is heeded, a refusal?"""
        return self.reply is not None or self.timed_out or (heed_refusal and self.refused)

    def leave(self, _: object) -> trio.lowlevel.Abort:
        """For Trio: a request that is asleep is cancelled."""
        assert self.waiting is not None
        self.waiting.remove(self)
        return trio.lowlevel.Abort.SUCCEEDED


@trio.lowlevel.disable_ki_protection
def interruptibly(function: Callable[[bytes], T], data: bytes) -> T:
    """Ctrl-C ends a function of the user's that never returns, also where it must not hit us."""
    return function(data)


def objection_to(request: Request, data: bytes) -> str | None:
    """Why these bytes are not the request's reply; None if they are."""
    if request.reply is not None:
        return "answered already"
    try:
        return None if request.accept is None or interruptibly(request.accept, data) else "not accepted"
    except Exception as error:
        # A reply that is too short makes many a function raise. Were that the end of the request, anybody who can send
        # a datagram could end it.
        logger.debug("accept raised about a reply, which is ignored", exc_info=True)
        request.problem = error
        return f"accept raised {type(error).__name__}"
