"""`stale`: what `ask` has returned was an answer, to an earlier call.

Who keeps a socket from call to call finds in it what has come since: the answer of a server that was slow, to a
question that nobody waits for any more. And who keeps answers need not even ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..._look import arrivals, line_of, readings, sent

if TYPE_CHECKING:
    from ..._played import Run

OWN = "A call returns what its own question is answered with"


class Stale(NamedTuple):
    """What there is to say of it, of which line, and when it was read."""

    words: str
    line: int | None
    time: float


def stale(run: Run, began: float, ended: float, result: object) -> Stale | None:
    """None, if it was none.

    Args:
      run: the play.
      began: seconds; when the call did.
      ended: seconds; when it did.
      result: what it has returned.
    """
    for time, answer in arrivals(run, "you"):
        asked = [each for each in sent(run, "you", answer.source) if each.time < answer.time]
        read = [each for each in readings(run, "you", answer.data) if each.time <= ended]
        if answer.data != result or not asked or asked[-1].time >= began or not read:
            continue
        call = sum(each <= asked[-1].time for each in run.notes["began"])
        words = f". That is the {answer.source} server's answer to call {call}"
        line, when = line_of(run, read[-1]), read[-1].time
        sockets = run.notes["sockets"][0]
        if when < began:
            return Stale(f"{words}, which was read in this line, at {when:.4g} s. {OWN}", line, when)
        words += f", which came at {time:.4g} s. A socket that outlives its call gets what comes too late for that"
        return Stale(words, sockets[0] if len(sockets) == 1 else line, when)
    return None
