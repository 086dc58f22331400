"""What a field of an entry can be when it is read from a file, where it may be anything.

JSON knows fewer types than Python: bytes, addresses and infinity are made of other ones (`_jsonlines` says how). Each
reader here takes what JSON had there, and gives what the entry wants, or raises TypeError, ValueError or OverflowError.
Nothing is converted out of kindness: a port ``"7"`` or a time ``true`` was not written by us.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .._address import Address

__all__: list[str] = []

# Seconds, 30 million years: no clock goes further, and what is reckoned from it stays finite.
LATEST = 1e15

# Ports, tasks and requests are small, and so are 64 bits to whatever counts.
MOST = 2**64


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MOST:
        raise TypeError
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isinf(value):
        raise TypeError
    return float(value)


def _time(value: object) -> float:
    if abs(time := _number(value)) > LATEST:
        raise TypeError
    return time


def _perhaps_endless(value: object) -> float:
    return math.inf if value is None else -math.inf if value == "-inf" else _number(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: object) -> bytes:
    return _text(value).encode("latin-1")


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _place(value: object) -> Address:
    if not isinstance(value, list) or len(value) not in (2, 4):
        raise TypeError
    host, *numbers = value
    return cast("Address", (_text(host), *map(_whole, numbers)))


def _names(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {address: _text(name) for address, name in value.items()}


def _or_none(reader: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else reader(value)


# By the field's name, or by the kind of entry and the name where it is another than elsewhere.
READERS: dict[str, Callable[[object], Any]] = {
    **dict.fromkeys(("time", "sent_at", "elapsed", "started", "ended"), _time),
    **dict.fromkeys(("deadline", "timeout"), _perhaps_endless),
    **dict.fromkeys(("version", "forgotten", "entries"), _whole),
    **dict.fromkeys(("request", "number", "attempt", "attempts", "task", "nursery", "scope"), _whole),
    **dict.fromkeys(("TaskStarted.nursery", "Happened.task"), _or_none(_whole)),
    **dict.fromkeys(("reason", "outcome", "name"), _text),
    **dict.fromkeys(("outgoing", "caught"), _flag),
    **dict.fromkeys(("local", "remote", "former"), _place),
    "data": _bytes,
    "damaged": _or_none(_bytes),
    "at": _or_none(_place),
    "names": _names,
    "Happened.source": _or_none(_text),
}
