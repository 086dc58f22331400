"""`refused`: answers that came to a socket which was closed, so that nobody could read them.

The network refuses what comes to a port at which nobody is. Who opens a second socket to wait for an answer, or leaves
the `with` too soon, gets nothing, and looks as if it had not been answered: the answer came, and it is not delivered.
"""

from __future__ import annotations

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
