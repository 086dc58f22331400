"""`awaited`: what a task of the learner's waits in, told by the frames below its line; and why that does not come.

That a line waits for ever is half of it: at a socket it waits for a datagram, and elsewhere for something that only the
program itself can do. What has not happened follows from that it still waits: an event of which that is so is not set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._where import tasks_of

if TYPE_CHECKING:
    from pathlib import Path

    import trio

# What is missing, by what is waited in. Nothing of sockets, as what does not come there is a lesson's to say; nor of
# locks, as who does not give one back waits elsewhere, and that is told with its line.
_MISSING = {
    "MemoryReceiveChannel": (
        "a memory channel, from which nothing more comes. It comes to an end, and a loop over it, when all its send "
        "channels are closed, and not all are"
    ),
    "MemorySendChannel": "a memory channel that is full, and nobody receives from it",
    "Event": "an event, and nobody has called its `set()`",
}


def awaited(task: trio.lowlevel.Task, path: Path) -> str:
    """The type of the object in whose method the first task waits that `waiting` tells of: ``trio.Event``.

    Empty, if it waits in a function.
    """
    return next((_below(each, path) for each, _ in tasks_of(task, path)), "")


def _below(task: trio.lowlevel.Task, path: Path) -> str:
    frames = [frame for frame, _ in task.iter_await_frames()]
    last = max(place for place, frame in enumerate(frames) if frame.f_code.co_filename == str(path))
    for frame in frames[last + 1 : last + 2]:
        if (owner := frame.f_locals.get("self")) is not None:
            return f"{type(owner).__module__}.{type(owner).__name__}"
    return ""


def is_socket(kind: str) -> bool:
    """Is it one of the network's sockets, or of the library's, that a task waits in?"""
    return kind.startswith("trio_udp.")


def missing(kind: str) -> str:
    """What it waits for, and what has not happened, in words; nothing, if that is not known."""
    module, _, name = kind.rpartition(".")
    return f". What it waits for is {_MISSING[name]}" if module == "trio" and name in _MISSING else ""
