"""What receive may have thrown away: what came too early for it, and what has come more than once.

A receiver that wants its blocks in order throws away what comes while an earlier one is missing. If it acknowledges
that, it never comes again, and receive waits for ever. If it does not, all of it has to be sent again, and the file
takes long. Nobody can see from outside what was kept: so what is told is what came, and what it was answered with.

As in `_check`, a datagram is taken for an earlier one if its second half is the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..._look import arrivals, line_of, readings, sent
from ..._verdict import Finding
from ._check import half

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Carried, Run

# Of the datagrams that came, for "many". Where 1 in 20 is lost on each way, 1 in 20 comes again for an answer.
MANY = 1 / 3

# Times that something comes again and is not answered, of which the last may be owed to the end of `receive`.
SEVERAL = 2


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


def not_answered_again(run: Run, until: float) -> Iterator[Finding]:
    """What receiver has answered, which was lost; and it came again before receive was done, and was not answered."""
    for asked in [each for each in sent(run, "sender", "receiver") if each.time > until]:
        came = [time for time, each in arrivals(run, "receiver") if time < until - 1e-6 and half(each) == half(asked)]
        time, answer = next(((time, answer) for time in reversed(came) if (answer := _answer(run, time))), (0.0, None))
        again = [each for each in came if each > time]
        if answer and not answer.delivered and len(again) >= SEVERAL:
            yield Finding(
                f"what receiver answered at {answer.time:.3g} s was lost. So the same {len(asked.data)} bytes came "
                f"again, at {again[0]:.3g} s for the first time, and were not answered any more: sender cannot know "
                f"that they are there already, and asks for ever. At {until:.3g} s receive has returned",
                answer.line,
                again[0],
            )


def came_again(run: Run, until: float, words: str) -> Finding | None:
    """That many of the datagrams that came until then had come before, if so.

    Most of them were either answered the first time, or not: that says at which end to look.

    Args:
      words: what that is owed to it, and the beginning of what is told.
    """
    came: dict[tuple[int, bytes], float] = {}
    again: list[tuple[float, float, Carried]] = []  # when it came first, when again, and that
    arrived = [(time, each) for time, each in arrivals(run, "receiver", "sender") if time <= until]
    for time, each in arrived:
        if half(each) in came:
            again.append((came[half(each)], time, each))
        came.setdefault(half(each), time)
    if len(again) <= MANY * len(arrived):
        return None
    words += f"{len(again)} of the {len(arrived)} datagrams that came to receiver had come before"
    silent = [one for one in again if not _answer(run, one[0])]
    if 2 * len(silent) > len(again) and (line := _read_in(run, silent[0][0])):
        first, time, _ = silent[0]
        words += f": what was read in this line at {first:.3g} s was not answered then, and came again at {time:.3g} s"
        return Finding(f"{words}. Was it kept?", line, first)
    first, time, each = next((one for one in again if one not in silent), again[0])
    words += f": what came at {first:.3g} s was sent again at {each.time:.3g} s"
    return Finding(f"{words}{', in this line' if each.line else ''}", each.line, each.time)


def _read_in(run: Run, time: float) -> int | None:
    """In which line receiver read what came then, if it did so at once."""
    return next(
        (line_of(run, entry) for entry in readings(run, "receiver", b"") if abs(entry.time - time) < 1e-6), None
    )


def _answer(run: Run, time: float) -> Carried | None:
    """What receiver sent in the moment in which something came."""
    return next((each for each in sent(run, "receiver") if abs(each.time - time) < 1e-6), None)
