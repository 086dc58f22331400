"""The learner's folder: the files to work on, and which of them have passed.

What a learner has written is never written over: who wants a file as it was at first takes it away. And what is known
of it is kept beside it, in a file that begins with a dot: the hash of what has passed. So a file that has been changed
since is seen, and nothing is claimed of it. If that file is damaged, nothing is lost but what can be checked again: it
is forgotten, and that is said.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from ._lessons import LESSONS
from ._source import read

if TYPE_CHECKING:
    from pathlib import Path

    from ._lesson import Lesson

State: TypeAlias = Literal["", "done", "changed since", "removed since"]

PROGRESS = ".trio_udp_learn.json"
FORMAT = "trio_udp lessons"

# Bytes; a hash for each lesson is less than a tenth of it.
MOST = 100_000


class Started(NamedTuple):
    """The names of the files that were written, of those that were there, and of links in their place to nothing."""

    written: list[str]
    kept: list[str]
    dangling: list[str]


def start(folder: Path) -> Started:
    """Write the files to begin with, those that are not there.

    Raises:
      OSError: the folder cannot be made, or not be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = Started([], [], [])
    for lesson in LESSONS:
        try:
            _write_new(folder / lesson.file, lesson.exercise)
            started.written.append(lesson.file)
        except FileExistsError:
            (started.kept if (folder / lesson.file).exists() else started.dangling).append(lesson.file)
    return started


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there; whole, or not at all: half of one would be kept as the learner's own."""
    file = path.open("x", encoding="utf-8", newline="\n")
    try:
        with file:
            file.write(text)
    except BaseException:
        path.unlink()
        raise


def has_lessons(folder: Path) -> bool:
    """Is there a file of any lesson?"""
    return any((folder / lesson.file).exists() for lesson in LESSONS)


class Progress:
    """What has passed, in one folder.

    Args:
      folder: of the learner.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remark = ""  # something that a person should know about the file with the hashes
        self._passed: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                self._passed = _parsed(file.read(MOST + 1))
        except FileNotFoundError:
            pass
        except OSError as problem:
            self.remark = f"cannot read {PROGRESS}, so nothing is known to be done: {problem.strerror or problem}"
        except ValueError as problem:
            self.remark = f"{PROGRESS} is {problem}: what it says is forgotten, so check once more"

    @property
    def _path(self) -> Path:
        return self.folder / PROGRESS

    def path(self, lesson: Lesson) -> Path:
        """The learner's file."""
        return self.folder / lesson.file

    def state(self, lesson: Lesson) -> State:
        """Of its file, as it is now."""
        passed, now = self._passed.get(lesson.name), _hash(self.path(lesson))
        if passed is None:
            return ""
        if not now:
            return "removed since"
        return "done" if passed == now else "changed since"

    def next(self) -> Lesson | None:
        """The first lesson that is not done; None: all are."""
        return next((lesson for lesson in LESSONS if self.state(lesson) != "done"), None)

    def note(self, lesson: Lesson, source: bytes, *, passed: bool) -> None:
        """Its file has passed with this content; or it has not, and what was known of it is no more.

        Raises:
          OSError: that cannot be written down.
        """
        self._read()  # another one may have noted something since, in another terminal
        before = dict(self._passed)
        if passed:
            self._passed[lesson.name] = _hash_of(source)
        elif self._passed.get(lesson.name) == _hash_of(source):
            del self._passed[lesson.name]
        if self._passed != before:
            self._save()

    def _save(self) -> None:
        text = json.dumps({"format": FORMAT, "passed": self._passed}, indent=1) + "\n"
        half = self._path.with_name(f"{PROGRESS}.half")
        try:
            half.write_text(text, encoding="utf-8")
            half.replace(self._path)
        except OSError:
            with suppress(OSError):
                half.unlink()
            raise


def _parsed(data: bytes) -> dict[str, str]:
    """What has passed.

    Raises:
      ValueError: this is something else; the words follow "is".
    """
    try:
        values = json.loads(data) if len(data) <= MOST else None
    except (ValueError, RecursionError):
        raise ValueError("damaged") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError("not from here")
    passed = values.get("passed")
    if not isinstance(passed, dict) or not all(isinstance(value, str) for value in passed.values()):
        raise ValueError("damaged")
    return passed


def _hash(path: Path) -> str:
    """Of a file; empty, if there is none."""
    try:
        return _hash_of(read(path))
    except FileNotFoundError:
        return ""
    except OSError:  # something is there that cannot be read, and is not what has passed
        return "unknown"


def _hash_of(source: bytes) -> str:
    """Of what it says: how an editor ends its lines changes nothing."""
    return hashlib.sha256(source.replace(b"\r\n", b"\n")).hexdigest()
