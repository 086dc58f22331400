"""What receive may have thrown away: what came too early for it, and what has come more than once.

A receiver that wants its blocks in order throws away what comes while an earlier one is missing. If it acknowledges
that, it never comes again, and receive waits for ever. If it does not, all of it has to be sent again, and the file
takes long. Nobody can see from outside what was kept: so what is told is what came, and what it was answered with.

As in `_check`, a datagram is taken for an earlier one if its second half is the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..._look import arrivals, sent
from ._check import half

if TYPE_CHECKING:
    from ..._played import Carried, Run


def answered_early(run: Run, began: float) -> tuple[float, Carried] | None:
    """What came before something that was sent earlier, was answered at once, and never sent again.

    Returns:
      When it came, and the answer. None: there is no such thing.
    """
    mine = [each for each in sent(run, "sender", "receiver") if each.time >= began]
    times = Counter(map(half, mine))
    came: dict[tuple[int, bytes], float] = {}
    for time, each in arrivals(run, "receiver", "sender"):
        came.setdefault(half(each), time)
    latest = 0.0  # when the last one of those that were sent before came
    for each in mine:
        time = came.get(half(each), latest)
        answer = _answer(run, time)
        if time < latest and times[half(each)] == 1 and answer:
            return time, answer
        latest = max(latest, time)
    return None


def _answer(run: Run, time: float) -> Carried | None:
    """What receiver sent in the moment in which something came."""
    return next((each for each in sent(run, "receiver") if abs(each.time - time) < 1e-6), None)
