"""The learner's file as it lies there: read, and looked at as text, before it is anybody's program.

A name in a folder is no promise. It may be a pipe, from which nothing ever comes, or lead to a device that never ends;
so only regular files are read, and no more of them than a person writes. Nor are bytes a text. Python decides by the
first two lines which encoding a file has, and compiles some files from bytes that it refuses to run as files; so what
it would say of the file is found out here, and told in words of which a person can do something.

And what a line is, Python decides too: it counts newlines. `str.splitlines` knows more ends of lines than that, such as
a form feed, after which all numbers would be wrong.
"""

from __future__ import annotations

import codecs
import errno
import re
import stat
from io import BytesIO
from tokenize import detect_encoding
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Bytes; a hundred times as many as the longest solution has.
MOST = 1_000_000


class NoText(Exception):
    """It cannot be read as Python reads files.

    Args:
      words: why, and what would be right.
      line: where it begins to be wrong.
    """

    def __init__(self, words: str, line: int | None = None) -> None:
        super().__init__(words)
        self.line = line


def read(path: Path) -> bytes:
    """What is in a file.

    Raises:
      OSError: it cannot be read, is no regular file, or is too long to be a program of a learner's.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    with path.open("rb") as file:
        source = file.read(MOST + 1)
    if len(source) > MOST:
        raise OSError(errno.EFBIG, f"it has more than {MOST:,} bytes, and no program of yours will")
    return source


def check_text(source: bytes) -> None:
    """Do nothing, if Python could read it.

    Raises:
      NoText: it could not.
    """
    if source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NoText("this file is in UTF-16, which Python does not read: save it as UTF-8")
    if b"\0" in source:
        raise NoText("this is no text, or it is in UTF-16: save it as UTF-8", _line_at(source, source.index(b"\0")))
    encoding, problem = _encoding(source)
    try:
        source.decode(encoding)
    except UnicodeDecodeError as wrong:
        words = f"there is a byte {source[wrong.start]:#04x} in this line, which is no {encoding}: save it as UTF-8"
        raise NoText(words, _line_at(source, wrong.start)) from None
    except (LookupError, UnicodeError):  # there are codecs that are not for text, and some that do not say where
        problem = f"{encoding} is not for programs"
    if problem:
        raise NoText(f"Python cannot read this file: {problem}; save it as UTF-8, without such a line", 1)


def _encoding(source: bytes) -> tuple[str, str]:
    """Which one its first lines say, and what is wrong with that; if something is, the one without such lines."""
    try:
        return detect_encoding(BytesIO(source).readline)[0], ""
    except SyntaxError as problem:
        return "utf-8", str(problem.msg)


def _line_at(source: bytes, place: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", source[:place])) + 1


def lines(text: str) -> list[str]:
    """Its lines, numbered as Python numbers them: the first is 1 there, and 0 here."""
    return re.split(r"\r\n|\r|\n", text)
