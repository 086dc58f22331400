"""Handlers for tests of workers, in a module that a new process imports quickly."""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_udp import Datagram


async def who(datagram: Datagram) -> bytes | None:
    """Answers with the number of its process, or does what it is told."""
    what, _, number = datagram.data.partition(b" ")
    if what == b"raise":
        raise ValueError("boom")
    if what == b"exit":
        os._exit(int(number))
    if what == b"block":
        print("blocked", file=sys.stderr, flush=True)
        time.sleep(float(number))  # noqa: ASYNC251 - as a mistaken handler does
    if what == b"scribble":
        for link in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if stat.S_ISSOCK(os.fstat(int(link)).st_mode):
                    os.write(int(link), bytes.fromhex(number.decode()))
    if what == b"wait":
        await trio.sleep(float(number))
    if what == b"silence":
        return None
    return b"%d" % os.getpid()


async def count(counter: Any, _: Datagram) -> bytes:
    """Counts in a value that all processes share."""
    with counter.get_lock():
        counter.value += 1
        return b"%d" % counter.value


class Opened:
    """A handler that does something where it is opened: in the worker, before that serves."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call

    async def __call__(self, _: Datagram) -> NoReturn:
        raise AssertionError("not before it is opened")


def fail(text: str) -> NoReturn:
    raise ValueError(text)


def replace_stderr() -> object:
    """`who`, where something has put another object into the place of standard error."""
    sys.stderr = io.StringIO()
    return who


def exit_unless(path: str, code: int) -> object:
    """`who`, if there is such a file."""
    if not os.path.exists(path):
        os._exit(code)
    return who
