"""`work`, as lessons give it to a learner's server; and what is wrong with what it was called with.

What it answers are numbers of no pattern: they are had by doing the work, and by nothing else. To what nobody has
asked it says at once that it knows nothing of it: so a server that calls it with half of each question does none of the
work. All else that is wrong then has its cause in that call, or in the line that has cut the question off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..tracing._show import plural
from ._elsewhere import NOT_ASYNCIO
from ._look import line_of, readings
from ._verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

    from ._learner import Learner
    from ._played import Run


def work_of(
    learner: Learner, lengths: Mapping[bytes, float], results: Mapping[bytes, bytes]
) -> Callable[[bytes], Awaitable[bytes]]:
    """Make it, for a stage. Notes when it has ``begun``, is ``done`` or was ``cut``: the question, the time, the line.

    Args:
      learner: whose line it is that has called it.
      lengths: seconds that it takes, by question.
      results: what it returns.
    """

    async def work(question: bytes) -> bytes:
        line = learner.line()
        if not isinstance(question, (bytes, bytearray, memoryview)):
            text = ": `text.encode()` is bytes" if isinstance(question, str) else ""
            given = f"a {type(question).__name__}{text}"
            learner.note("no bytes", [given, trio.current_time(), line])
            raise TypeError(f"`work` takes the bytes of a question, and was given {given}")
        asked = bytes(question)
        learner.note("begun", [asked, trio.current_time(), line])
        try:
            await trio.sleep(lengths.get(asked, 0))
        except trio.Cancelled:
            learner.note("cut", [asked, trio.current_time(), line])
            raise
        learner.note("done", [asked, trio.current_time(), line])
        return results.get(asked, b"what?")

    work.__qualname__ = "work"  # as Python calls it where it is called with too much
    learner.note("results", {question.decode(): result for question, result in results.items()})
    learner.note("starts work", learner.lines_like(r"\bstart_soon\((?:\w*\.?partial\()?\s*work\b"))
    learner.note("reads at most", learner.parts_like(r"\brecv(?:from|msg)?\(\s*(\d{1,9})\s*\)"))
    learner.note("to asyncio", learner.lines_like(r"\bensure_future\("))
    return work


def not_asked(run: Run, questions: Collection[bytes]) -> Iterator[Finding]:
    """That it was called with something else than these."""
    for given, time, line in run.notes.get("no bytes", ()):
        yield Finding(
            f"`work` takes the bytes of a question, and was given {given}. It has raised TypeError, and something has "
            "caught that",
            line,
            time,
        )
    for given, time, line in run.notes.get("begun", ()):
        if given not in questions:
            words = f"`work` was called with {given!r:.60}, which nobody has asked"
            yield from _cut_off(run, words, given)
            starts = run.notes["starts work"][0]
            yield Finding(words, line or next(iter(starts), None), time)


def _cut_off(run: Run, words: str, given: bytes) -> Iterator[Finding]:
    """It is what was left of a question by the line that has read it."""
    sizes = {line: int(size) for line, size in run.notes["reads at most"][0]}
    for read in readings(run, "server", given):
        data = getattr(read.event, "data", b"")
        line = line_of(run, read)
        if line is not None and sizes.get(line) == len(given) < len(data) and data.startswith(given):
            yield Finding(
                f"{words}. This line takes {plural(len(given), 'byte')} of a datagram, and the rest is "
                f"thrown away: what came is {data!r:.40}",
                line,
                read.time,
            )


def given_to_asyncio(run: Run, words: str, time: float) -> Iterator[Finding]:
    """These words of a question at which nobody works, and that asyncio was to: a loop that nobody runs keeps it."""
    for line in run.notes["to asyncio"][0]:
        yield Finding(
            f"{words}: `work` was not called with it, but given to asyncio in this line. {NOT_ASYNCIO}", line, time
        )
