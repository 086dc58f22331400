"""`Run`: what one play of a lesson has left behind, as a value that crosses from the child process to its parent.

The trace alone would nearly do. But it says what *sockets* have done, with a line of the program for each, and a check
also has to know what became of a datagram that nobody has read yet. The virtual network knows. So its record is here as
well, with hosts by their names: `Run.datagrams` is the truth about the network, and `Run.trace` about the program.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ..tracing import Trace, load, save

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind: TypeAlias = Literal["returned", "raised", "waits", "floods", "spins", "cut", "not loaded", "too long", "gone"]
"""How a play ended: all was played; the program raised; it waits for ever; it sends without end; it goes round
without ever waiting; the stage was cancelled before its end; its file cannot be loaded, or has not what the lesson
calls; it has taken too much real time; its process has ended without a word."""


class Shown(str):
    """What stands for a value that cannot cross: it is told as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Waiting(NamedTuple):
    """A task of the learner's that waits, and in which line of the learner's file."""

    task: str
    line: int


class Ending(NamedTuple):
    """How it ended.

    ``words`` say it where the kind does not: what was raised, why it cannot be loaded. ``line`` is the one in the
    learner's file, None if there is none. ``exception`` is the name of what was raised; ``waiting`` are the tasks that
    wait for ever, children before their parents. ``catches`` is the line in which the program catches that it is
    cancelled, and goes on; None if it does not. ``gives_up`` is whether it has raised that nobody has answered: by a
    `raise` of its own, or as the library's client does. ``awaits`` is the type of what the first of ``waiting`` waits
    in, such as ``trio.Event``; empty if that is no object.
    """

    kind: Kind
    words: str = ""
    line: int | None = None
    exception: str = ""
    waiting: tuple[Waiting, ...] = ()
    catches: int | None = None
    gives_up: bool = False
    awaits: str = ""


class Unawaited(NamedTuple):
    """A call whose coroutine nobody has awaited: its line in the learner's file, and the function's name.

    Where the library has called it, as it calls a plain function that it was given, the line is the function's own.
    """

    line: int
    name: str
    is_called_back: bool = False


class Carried(NamedTuple):
    """A datagram, and what became of it.

    ``time`` is when it was sent, in seconds from the beginning; ``source`` and ``destination`` are names of hosts, and
    the ports are theirs. ``delivered`` are the times at which it arrived, two if the network doubled it, none if it was
    lost or has not come yet; ``lost`` is why, empty if it was not. ``line`` is the one of the learner's file that sent
    it, None if that was somebody else.
    """

    time: float
    source: str
    source_port: int
    destination: str
    destination_port: int
    data: bytes
    delivered: tuple[float, ...]
    lost: str
    line: int | None


@dataclass(frozen=True)
class Run:
    """One play.

    Args:
      trace: what the program did; hosts have their names.
      datagrams: what the network carried, in order.
      ending: how it ended.
      notes: what the stage has noted, for its check: a list of values for each word.
      file: the name of the learner's file, without its folder.
      output: what the program has printed, both streams; cut if it was much.
      unawaited: calls that have done nothing, since there is no ``await``.
      threads: the lines that have waited for a thread while virtual time went by.
      clocks: the lines that have looked at a real clock.
      started: the lines that take what `start_soon` returns for a result.
      parts: the traces of those parts of the play in which time has begun again, by their names, in order.
    """

    trace: Trace
    datagrams: tuple[Carried, ...]
    ending: Ending
    notes: Mapping[str, list[Any]] = field(default_factory=dict)
    file: str = ""
    output: str = ""
    unawaited: tuple[Unawaited, ...] = ()
    threads: tuple[int, ...] = ()
    clocks: tuple[int, ...] = ()
    started: tuple[int, ...] = ()
    parts: Mapping[str, Trace] = field(default_factory=dict)


def empty(ending: Ending, file: str, output: str = "") -> Run:
    """A run of which nothing is known but its ending."""
    return Run(Trace((), 0.0, 0.0), (), ending, {}, file, output)


TRACE, PART, REST = "trace.jsonl", "part{}.jsonl", "rest.json"


def write(run: Run, folder: Path) -> None:
    """Write it into a folder; what was printed is not the writer's to know."""
    save(run.trace, folder / TRACE)
    for number, part in enumerate(run.parts.values()):
        save(part, folder / PART.format(number))
    names = ("datagrams", "ending", "notes", "file", "unawaited", "threads", "clocks", "started")
    rest = {name: getattr(run, name) for name in names} | {"parts": list(run.parts)}
    half = folder / f"{REST}.half"
    half.write_text(json.dumps(_packed(rest)), encoding="utf-8")
    half.replace(folder / REST)  # it is there whole, or not at all


def read(folder: Path, output: str) -> Run | None:
    """What `write` has written; None if it has not come to that."""
    if not (folder / REST).exists():
        return None
    rest = _unpacked(json.loads((folder / REST).read_text(encoding="utf-8")))
    ending = Ending(*rest["ending"])
    ending = ending._replace(waiting=tuple(Waiting(*each) for each in ending.waiting))
    datagrams = tuple(Carried(*one) for one in rest["datagrams"])
    unawaited = tuple(Unawaited(*one) for one in rest["unawaited"])
    trace, lines = load(folder / TRACE), (rest["threads"], rest["clocks"], rest["started"])
    parts = {name: load(folder / PART.format(number)) for number, name in enumerate(rest["parts"])}
    return Run(trace, datagrams, ending, rest["notes"], rest["file"], output, unawaited, *lines, parts)


def _packed(value: Any) -> Any:
    """JSON has no bytes, no tuples, and names for strings only: these become an object with one name, which says so."""
    if isinstance(value, Shown):
        return {"shown": str(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).decode("latin-1")}
    if isinstance(value, tuple):
        return {"tuple": [_packed(each) for each in value]}
    if isinstance(value, list):
        return [_packed(each) for each in value]
    if isinstance(value, dict):
        return {"dict": [[_packed(name), _packed(each)] for name, each in value.items()]}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return {"shown": re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))}  # a place in memory is no help to anybody


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(each) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "bytes":
        return content.encode("latin-1")
    if kind == "shown":
        return Shown(content)
    if kind == "tuple":
        return tuple(_unpacked(each) for each in content)
    return {_unpacked(name): _unpacked(each) for name, each in content}


def plain(value: Any) -> Any:
    """A value of the learner's as it comes out at the other end: an odd thing is its ``repr``, if it has one."""
    try:
        return _unpacked(json.loads(json.dumps(_packed(value))))
    except Exception:  # a list in itself, a number of 5,000 digits, a `__repr__` that raises
        return Shown(f"a value of type {type(value).__name__} that cannot be shown")
