"""`refused` and `closed`: answers that came to a socket which was closed, so that nobody could read them.

The network refuses what comes to a port at which nobody is. Who opens a second socket to wait for an answer, or leaves
the `with` too soon, gets nothing, and looks as if it had not been answered: the answer came, and it is not delivered.
The network has lost nothing, and to ask again is no help.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from ._look import sent

if TYPE_CHECKING:
    from ._played import Carried, Run


class Refused(NamedTuple):
    """An answer that was refused, when it came, and in which line it was asked for last."""

    time: float
    answer: Carried
    line: int | None

    @property
    def words(self) -> str:
        return (
            f"the answer of the server `{self.answer.source}` came at {self.time:.3g} s, when the socket that had "
            "asked in this line was closed. An answer comes to the socket that has asked, and only while that is open"
        )


def refused(run: Run, at: str, of: str, delay: float) -> list[Refused]:
    """Those that were refused at a host, in order.

    Args:
      run: the play.
      at: the host that has asked.
      of: the one that has answered.
      delay: seconds that an answer is on its way.
    """
    found = []
    for answer in sent(run, of, at):
        if answer.lost == "refused" and not answer.delivered:
            asked = [one for one in sent(run, at, of) if one.source_port == answer.destination_port]
            lines = [one.line for one in asked if one.time <= answer.time]
            found.append(Refused(answer.time + delay, answer, lines[-1] if lines else None))
    return found


def closed(run: Run, began: float = 0.0, ended: float = inf) -> str:
    """That it was so with the last that was sent to a socket of the program's; else nothing.

    Args:
      run: what happened.
      began: seconds; what was sent before is not looked at.
      ended: seconds; nor what was sent after that.
    """
    asked = {(each.source, each.source_port): each for each in run.datagrams if each.line is not None}
    came = [
        each
        for each in run.datagrams
        if began <= each.time <= ended
        and (each.destination, each.destination_port) in asked
        and (each.lost or each.delivered)  # not what is under way still
    ]
    if not came or came[-1].lost != "refused":
        return ""
    answer = came[-1]
    question = asked[answer.destination, answer.destination_port]
    return (
        f"The answer of `{answer.source}`, sent at {answer.time:.3g} s, came to nobody: it went to the socket that had "
        f"asked in line {question.line}, and that was closed by then. Whoever wants an answer reads the socket that "
        "has asked, and keeps it open until then"
    )
