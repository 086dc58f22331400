"""A trace in a file: a line of JSON for each entry, so that ``grep`` and ``jq`` can read it as well.

The first line says what it is, by which version, and how many entries follow::

    {"format": "trio_udp trace", "version": 1, "started": 0.0, "ended": 2.5, "names": {}, "forgotten": 0, "entries": 2}
    {"kind": "TaskStarted", "time": 0.0, "task": 1, "name": "main", "nursery": null}
    {"kind": "DatagramSent", "time": 0.0, "local": ["10.0.0.2", 32768], "remote": ["10.0.0.1", 7], "data": "hi", ...

An event of the library has ``task`` and ``source`` beside its own fields. Bytes are text with a character for each
byte (Latin-1): what was readable stays so, and nothing is lost. JSON has no word for infinity, which many deadlines
are: that is null, and ``"-inf"`` is the other one.

Pickle would be shorter, and run whatever somebody has put into the file. What is read here is believed in nothing: each
field has to be there and to have the type that the entry says, what nobody knows is refused, and whatever is wrong is a
ValueError that says in which line. A file that was cut off is one of those.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from . import _entries
from ._entries import EVENTS, Happened
from ._fields import LATEST, READERS
from ._trace import Trace
from ._written import written

if TYPE_CHECKING:
    from .._events import Event
    from ._entries import Entry

__all__ = ["load", "save"]

FORMAT = "trio_udp trace"
VERSION = 1

# What `save` has the file begin with.
BEGINNING = b'{"format": "trio_udp trace"'

# Characters. A datagram's payload takes 6 each, at most: 393,162 for 65,527 bytes; the rest is for names.
LONGEST = 4_000_000


def save(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a trace into a file, as JSON lines.

    A file that is there is replaced by a complete one, or stays as it is; devices, FIFOs and links are written to.

    Raises:
      OSError: the file cannot be written.
      ValueError: `load` would refuse it: a name in the trace is too long, or a time too far from 0.
    """
    _check_times(trace)
    with written(path, "ascii") as file:
        file.writelines(_lines(trace))


def load(path: str | os.PathLike[str]) -> Trace:
    """Read what `save` has written. What is in the file is read, and nothing of it is run.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is not such a file; or it was damaged or cut off, or is of a later version: says in which line.
    """
    with open(path, "rb") as file:
        return read(file, repr(os.fspath(path)))


def read(file: IO[bytes], name: str) -> Trace:
    """The same from a file that is open; what is wrong is told of ``name``."""
    return _read(iter(lambda: file.readline(LONGEST + 1), b""), name)


# -- writing -----------------------------------------------------------------------------------------------------------


def _check_times(trace: Trace) -> None:
    farthest = max((trace.started, trace.ended, *(entry.time for entry in trace.entries)), key=abs)
    if abs(farthest) > LATEST:
        raise ValueError(
            f"a time of {farthest:g} s cannot be read again: those of a trace are within {LATEST:g} s of 0"
        )


def _lines(trace: Trace) -> Iterator[str]:
    header = {
        "format": FORMAT,
        "version": VERSION,
        "started": trace.started,
        "ended": trace.ended,
        "names": dict(trace.names),
        "forgotten": trace.forgotten,
        "entries": len(trace.entries),
    }
    yield _line(header)
    for entry in trace.entries:
        yield _line(_as_dict(entry))


def _line(values: dict[str, Any]) -> str:
    line = json.dumps(values, allow_nan=False) + "\n"
    if len(line) > LONGEST:
        raise ValueError(f"a line of {len(line):,} characters cannot be read again: {line[:80]}...")
    return line


def _as_dict(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Happened):
        own = {"task": entry.task, "source": entry.source}
        return {**_as_dict_of_one(entry.event), **own}
    return _as_dict_of_one(entry)


def _as_dict_of_one(one: Entry | Event) -> dict[str, Any]:
    fields = zip(one._fields, one, strict=True)
    return {"kind": type(one).__name__, **{name: _plain(value) for name, value in fields}}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, float) and math.isinf(value):
        return None if value > 0 else "-inf"
    return value


# -- reading -----------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """Something is wrong with the present line; ``load`` adds which one that is."""


def _read(lines: Iterator[bytes], name: str) -> Trace:
    number, first = 1, next(lines, b"")
    if not _is_recording(first):
        raise ValueError(f"{name} is no recording: what --trace FILE.jsonl or tracing.save() has written is wanted")
    try:
        header = _parsed(first)
        trace = _header(header)
        count = _read_field("entries", header)
        entries: list[Entry] = []
        for number, line in enumerate(lines, 2):  # noqa: B007 - for the message below
            if len(entries) == count:
                raise _Wrong(f"there are more than the {count:,} entries that line 1 says")
            entries.append(_entry(_parsed(line)))
        if len(entries) < count:
            number += 1
            raise _Wrong(f"the file ends here, after {len(entries):,} of {count:,} entries")
    except _Wrong as wrong:
        raise ValueError(f"{name}, line {number}: {wrong}") from None
    return Trace(tuple(entries), *trace)


def _is_recording(first: bytes) -> bool:
    """Does it begin as one, whatever may be wrong with it? Then it helps to say in which line."""
    return FORMAT.encode() in first or BEGINNING.startswith(first)


def _parsed(line: bytes) -> dict[str, Any]:
    if not line:
        raise _Wrong("the file is empty")
    if len(line) > LONGEST:
        raise _Wrong(f"more than {LONGEST:,} bytes in one line")
    if not line.endswith(b"\n"):
        raise _Wrong("the file was cut off in the middle of this line")
    try:
        values = json.loads(line, parse_constant=_refuse, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise _Wrong("this is no JSON") from None
    if not isinstance(values, dict):
        raise _Wrong("this is no JSON object")
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    return values


def _header(values: dict[str, Any]) -> tuple[float, float, dict[str, str], int]:
    if values.get("format") != FORMAT:
        raise _Wrong(f'{{"format": "{FORMAT}", ...}} should stand here')
    version = _read_field("version", values)
    if version != VERSION:
        raise _Wrong(f"the trace has version {version}, and this trio_udp reads version {VERSION}")
    _refuse_others(values, {"format", "version", *_OF_TRACE, "entries"})
    started, ended, names, forgotten = (_read_field(name, values) for name in _OF_TRACE)
    return started, ended, names, forgotten


def _entry(values: dict[str, Any]) -> Entry:
    kind = values.pop("kind", None)
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise _Wrong(f"there is no kind of entry {_short(kind)}")
    is_event = kind in EVENTS
    _refuse_others(values, {*make._fields, *(_OF_HAPPENED if is_event else ())})
    earlier = {name: _plain(value) for name, value in make._field_defaults.items()}
    values = {**earlier, **values}  # an earlier trio_udp has not written all
    one = make(*(_read_field(f"{kind}.{name}", values) for name in make._fields))
    return Happened(one, *(_read_field(f"Happened.{name}", values) for name in _OF_HAPPENED)) if is_event else one


def _field(values: dict[str, Any], name: str) -> Any:
    if name not in values:
        raise _Wrong(f"{name} is missing")
    return values[name]


def _refuse_others(values: dict[str, Any], known: set[str]) -> None:
    """A field that nobody knows might change what the others mean."""
    if others := values.keys() - known:
        raise _Wrong(f"nobody knows {_short(min(others))} here")


def _read_field(path: str, values: dict[str, Any]) -> Any:
    """``path`` is the kind of entry and the field's name, ``"TaskEnded.time"``: there is a reader for one or both."""
    name = path.rpartition(".")[2]
    value = _field(values, name)
    try:
        return (READERS.get(path) or READERS[name])(value)
    except (TypeError, ValueError, OverflowError):
        raise _Wrong(f"{name} cannot be {_short(value)}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."


_OTHERS = {name: getattr(_entries, name) for name in _entries.__all__ if name not in ("Entry", "Happened")}
_KINDS: dict[str, Any] = {**EVENTS, **_OTHERS}
_OF_HAPPENED = ("task", "source")
_OF_TRACE = ("started", "ended", "names", "forgotten")
