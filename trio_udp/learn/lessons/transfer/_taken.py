"""An acknowledgement that was taken for that of another datagram: what a sender believes that believes any.

Whose an acknowledgement is, is the learner's own affair. But what a datagram has said that never came, no
acknowledgement is of: a sender that reads one, and goes on from there to what is next, has taken one of something
before it. That can be told of a sender of one thing at a time, which has no other reason to go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._events import DatagramReceived, DatagramSent
from ..._look import happened, line_of
from ..._verdict import Finding

if TYPE_CHECKING:
    from ....tracing import Happened
    from ..._played import Carried, Run


def taken_for_another(
    run: Run, gone: list[Carried], began: float, words: str = "", waits: str = "", until: float = float("inf")
) -> Finding | None:
    """That a sender has gone on so, if it has.

    What is next may be that it returns. It does one thing at a time if each new datagram was sent when at least as many
    had been read as others were sent before.

    Args:
      run: what happened.
      gone: what never came, and was lost.
      began: when it began to send the file.
      words: what is told before it.
      waits: what is told after it: what comes of that.
      until: when the next file began.
    """
    lost, told, heard = {each.data: each for each in gone}, [b""], 0
    last: Happened | None = None  # that was read since something was sent
    for entry in happened(run, DatagramSent, DatagramReceived, at="sender"):
        if not began <= entry.time < until:
            continue
        if isinstance(entry.event, DatagramReceived):
            heard, last = heard + 1, entry
        elif isinstance(entry.event, DatagramSent):
            if entry.event.data not in told:
                if heard < len(told) - 1:
                    return None
                if told[-1] in lost and last is not None and last.time == entry.time:
                    return _taken(run, last, lost[told[-1]], words, waits)
                told.append(entry.event.data)
            last = None
    is_over = last is not None and last.time in run.notes.get("sent", ())
    if last is not None and is_over and told[-1] in lost and heard >= len(told) - 1:
        return _taken(run, last, lost[told[-1]], words, waits, "returned")
    return None


def _taken(
    run: Run, heard: Happened, gone: Carried, words: str, waits: str, next_thing: str = "gone on to what is next"
) -> Finding:
    line, data = line_of(run, heard), getattr(heard.event, "data", b"")
    here = " in this line" if line else ""
    return Finding(
        f"{words}send has read {data!r:.40}{here}, at {heard.time:.3g} s, and {next_thing}. But what it had "
        f"sent last, at {gone.time:.3g} s, was lost: so that was the answer to something before it{waits}",
        line,
        heard.time,
    )
