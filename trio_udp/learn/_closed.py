"""`closed`: an answer has come to a socket that was closed by then.

Who asks with one socket and reads another, or closes it too early, sees what one sees when an answer is lost: nothing.
But the network has lost nothing, and to ask again is no help.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._played import Run


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
