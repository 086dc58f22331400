"""Which line of the program an event is owed to: the innermost one on the stack that is the program's own.

A send is deep inside this library when it happens, and below its caller lie Trio and whoever called ``trio.run``. So we
go up past the library's own frames and stop where Trio runs tasks: what is beyond has started the program, and has not
sent anything. For a reply that a server sends there is then nothing left, as the handler has returned it and is over:
the members of a server's crew are tasks of the library's, so their file is an end as well, and found sooner.

The stack is walked for every event, so what a file is, is found out once. Files are told apart by their names, which
cost nothing to look up; to hash a frame's code object would cost more than the whole walk. A frame costs 0.1 us.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import FrameType
from typing import Final

import outcome
import trio

from .._crew import Crew

__all__: list[str] = []

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_TRIO = os.path.dirname(os.path.abspath(trio.__file__))

# The command line is a program like any other.
_PROGRAMS = (os.path.join(_PACKAGE, "cli") + os.sep, os.path.join(_PACKAGE, "learn") + os.sep)
_NOT_THE_PROGRAM = (
    _PACKAGE + os.sep,
    _TRIO + os.sep,
    os.path.dirname(os.path.abspath(outcome.__file__)) + os.sep,
    os.path.abspath(contextlib.__file__),
)
_ENDS = (trio.lowlevel.current_task.__code__.co_filename, Crew.start.__code__.co_filename)

_SKIP: Final = None
_STOP: Final[dict[int, str]] = {}


class Sources:
    """Finds the lines; remembers what each file is, and how each line is written."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, str] | None] = dict.fromkeys(_ENDS, _STOP)
        self._folders = _folders()

    def of(self, frame: FrameType | None) -> str | None:
        """``file:line`` of the program's innermost frame, from this one on; None: there is none."""
        files = self._files
        while frame is not None:
            file = frame.f_code.co_filename
            try:
                lines = files[file]
            except KeyError:
                lines = files[file] = _SKIP if _is_skipped(file) else {}
            if lines is not _SKIP:
                if lines is _STOP:
                    return None
                return lines.get(frame.f_lineno) or self._write(lines, file, frame.f_lineno)
            frame = frame.f_back
        return None

    def _write(self, lines: dict[int, str], file: str, line: int) -> str:
        text = lines[line] = f"{self._shown(file)}:{line}"
        return text

    def _shown(self, file: str) -> str:
        """Without the folders that a reader elsewhere does not have, and the name of the user in them."""
        inside = (folder for folder in self._folders if file.startswith(folder))
        return file[len(next(inside, "")) :]


def _is_skipped(file: str) -> bool:
    return file.startswith(_NOT_THE_PROGRAM) and not file.startswith(_PROGRAMS)


def _folders() -> list[str]:
    """The current one, and those where Python looks for modules, the innermost first."""
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        here = ""
    folders = [os.path.abspath(folder) for folder in (here, *sys.path) if folder]
    return sorted((os.path.join(folder, "") for folder in folders), key=len, reverse=True)
