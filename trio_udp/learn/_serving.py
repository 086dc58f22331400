"""What several lessons say of a learner's server: that it has returned, or that nobody listens at its port.

Neither has a line of its own. So it is told at the line that has read last, that binds, or that waits instead; and the
stage notes where those are: `note_lines` before it calls `serve`, and where tasks wait at a moment that matters,
``learner.note("stands", [moment, *learner.waiting(task)])``. Who has connected a server's socket is noted while
`connects_noted`, as it is deaf to everybody else then.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import trio

from .._events import DatagramReceived
from ..testing._socket import VirtualSocket
from ._look import happened, line_of, names_of_tasks, readings
from ._verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._learner import Learner
    from ._played import Run


def note_lines(learner: Learner, *args: object) -> None:
    """Note where `serve`, which takes these arguments, stands, and where something is bound."""
    learner.note("stands in", learner.line_of(learner.function("serve", *args)))
    learner.note("binds", learner.lines_like(r"\.bind\("))
    learner.note("scopes", learner.parts_like(r"\bmove_on_after\(\s*(\d+(?:\.\d*)?|\.\d+)\s*\)"))


@contextmanager
def connects_noted(learner: Learner) -> Iterator[None]:
    """Note which lines of the learner's connect a socket, at which port, when, and to whom."""
    really_connect = VirtualSocket.connect

    async def connect(sock: VirtualSocket, address: Any) -> None:
        line = learner.line()
        await really_connect(sock, address)
        with suppress(OSError):  # somebody may have closed it
            learner.note("connects", [sock.getsockname()[1], trio.current_time(), line, sock.getpeername()[:2]])

    VirtualSocket.connect = connect  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        VirtualSocket.connect = really_connect  # type: ignore[method-assign]


def returned(run: Run, time: float, words: str) -> Finding:
    """These words, at the scope that was over then; or with what was read last, in its line; or at the function."""
    read = [entry for entry in readings(run, "server", b"") if entry.time <= time]
    begins = [0.0, *(entry.time for entry in read[-1:])]
    for line, seconds in run.notes["scopes"][0]:
        if any(abs(time - each - float(seconds)) < 1e-6 for each in begins):
            return Finding(
                f"{words}, and the scope of this line ends after {seconds} s, with all that is in it", line, time
            )
    if not read:
        return Finding(words, run.notes["stands in"][0], time)
    what = getattr(read[-1].event, "data", b"")
    words += f". What it has read in this line, at {read[-1].time:.3g} s, was the last: {what!r:.40}"
    return Finding(words, line_of(run, read[-1]), time)


def has_ended(run: Run) -> Iterator[Finding]:
    """That one has returned which should go on for ever."""
    for time in run.notes.get("over", ()):
        yield returned(run, time, f"serve has returned, at {time:.3g} s. A server goes on")


def not_listening(run: Run, words: str, where: tuple[str, int], time: float) -> Finding:
    """These words, and that nobody was at this address when something came, or none who listens to its sender."""
    connects = [each for each in run.notes.get("connects", ()) if each[0] == where[1] and each[1] <= time]
    if connects:
        _, began, line, peer = connects[-1]
        words += (
            f". At {began:.3g} s this line has connected the server's socket to port {peer[1]} of "
            f"{run.trace.names.get(peer[0], peer[0])}, and a connected socket hears nobody else. `sendto` answers "
            "whoever has asked, without that"
        )
        return Finding(words, line, time)
    binds = run.notes["binds"][0]
    words = f"{words}: nobody was listening at {where[0]} port {where[1]} when it came. "
    if binds:
        words += "A socket hears the port that it is bound to, until it is closed; at 127.0.0.1 its own host alone"
    else:
        words += "A socket hears there if `bind` has given it that port"
    return Finding(words, binds[0] if binds else run.notes["stands in"][0], time)


def not_read(run: Run, words: str, time: float) -> Finding:
    """These words, and what was read last before this moment, when something came that nobody has read."""
    before = [each for each in readings(run, "server", b"") if each.time < time]
    words += ", and nobody has read it"
    if not before:
        return Finding(words, run.notes["stands in"][0], time)
    what = getattr(before[-1].event, "data", b"")
    words += f". What was read last before it, in this line, at {before[-1].time:.3g} s, is {what!r:.40}"
    return Finding(words, line_of(run, before[-1]), time)


def stood(run: Run, moment: object) -> int | None:
    """In which line a task that reads waited at a moment that was noted; of several, one."""
    names = names_of_tasks(run)
    read = {names.get(entry.task) for entry in happened(run, DatagramReceived, at="server")}
    for noted, *waiting in run.notes.get("stands", ()):
        if noted == moment:
            return next((line for task, line in waiting if task in read or not read), None)
    return None
